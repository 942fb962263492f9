"""Named worlds in which decisions are proved, frozen before the methods that are proved in them.

`DEVELOPMENT_SEEDS` are for work: look at them as often as you like. `UNSEEN_SEEDS` are for the final report alone: no
method is chosen, tuned or debugged on them, and benchmarks use them only where a person says `--unseen`. What each
scenario is on each seed is kept as a digest in `frozen.json`, and a test fails where the world changes:

    python -m simulator.scenarios --check     # is the world as frozen?
    python -m simulator.scenarios --freeze    # write the digests anew; every earlier figure is void
"""

import argparse
import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from simulator.market import market
from simulator.mechanisms import Mechanisms, WideWorld, halo, shared, trends
from simulator.response import curves

DEVELOPMENT_SEEDS = tuple(range(101, 121))
UNSEEN_SEEDS = (7019, 7127, 7243, 7351, 7477, 7549, 7639, 7741, 7853, 7949)
FROZEN = Path(__file__).parent / "frozen.json"
HISTORY, QUARTER = 60, 90  # days under the planners' budgets, days that a policy decides
FIRST_DAYS = 10  # of the planners that a digest holds, beside the conditions of all days
GOOGLE, META = 18, 12  # lines

# Lines differ more than the shipped advertiser's, so that each seed has a best split of its own.
LINE_SPREAD, ROOM_SPREAD = 0.20, 0.40

# name: daily budget in USD, mechanisms
SCENARIOS = {
    # nothing but the shipped advertiser's own mechanisms, and no shocks
    "calm": (25_000.0, Mechanisms(shock_share=0.0)),
    # planners see demand coming and do little else: spend and return rise together
    "confounded": (25_000.0, Mechanisms(foresight=1.2, budget_noise=0.08, plan_noise=0.10, shock_share=0.06)),
    # lines bring buyers to others and take from each other
    "halo": (25_000.0, Mechanisms(halo=1.5, overlap=0.5)),
    # demand and prices jump, and drift apart; platforms spend by the day
    "shocks": (
        25_000.0,
        Mechanisms(
            trend=0.25, over_delivery=True, shock_share=0.05, regional_share=0.03, rival_share=0.01
        ),
    ),
    # two or three conversions a line and day
    "sparse": (2_500.0, Mechanisms()),
    # audiences soon seen to excess
    "tight": (25_000.0, Mechanisms(load=1.5, fatigue=2.5)),
    # some of everything
    "real": (
        25_000.0,
        Mechanisms(
            halo=0.75, overlap=0.25, trend=0.15, over_delivery=True, foresight=0.5, plan_noise=0.15,
            budget_noise=0.15, shock_share=0.03, regional_share=0.01, rival_share=0.005, fatigue=1.5,
        ),
    ),
}  # fmt: skip


def scenario(name: str, seed: int) -> WideWorld:
    """A scenario's world of a seed. Raises KeyError for a name that is none."""
    if name not in SCENARIOS:
        raise KeyError(f"no scenario {name!r}: choose one of {', '.join(SCENARIOS)}")
    daily_budget, mechanisms = SCENARIOS[name]
    mechanisms = replace(mechanisms, line_spread=LINE_SPREAD, room_spread=ROOM_SPREAD)
    return WideWorld(
        seed=seed, google_campaigns=GOOGLE, meta_campaigns=META, daily_budget=daily_budget, mechanisms=mechanisms
    )


def digest(world: WideWorld) -> str:
    """What the world is: its lines' parameters, what ties them, and its days.

    Numbers count to six significant digits, since processors differ in the last bits of a logarithm.
    """
    parts = [getattr(curves(world), field.name) for field in fields(curves(world))]
    parts += [halo(world), shared(world), trends(world)]
    conditions = [market(world).conditions(day) for day in range(HISTORY + QUARTER)]
    parts += [np.mean([getattr(day, field.name) for day in conditions], axis=0) for field in fields(conditions[0])]
    for day in (market(world).day(day) for day in range(FIRST_DAYS)):
        response = day.response
        parts += [day.budget, day.spend, day.demand, day.price, response.clicks, response.conversions, response.value]
    text = " ".join(f"{number:.6g}" for part in parts for number in np.ravel(part))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digests() -> dict[str, dict[str, str]]:
    """The digest of every scenario and seed, the unseen ones included."""
    seeds = DEVELOPMENT_SEEDS + UNSEEN_SEEDS
    return {name: {str(seed): digest(scenario(name, seed)) for seed in seeds} for name in SCENARIOS}


def main() -> None:
    """Freeze the scenarios, or check that they are as frozen."""
    parser = argparse.ArgumentParser("python -m simulator.scenarios", description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="is the world as frozen?")
    what.add_argument("--freeze", action="store_true", help="write the digests anew; every earlier figure is void")
    now = digests()
    if parser.parse_args().freeze:
        FROZEN.write_text(json.dumps(now, indent=1) + "\n")
    elif now != json.loads(FROZEN.read_text()):
        parser.exit(1, "the world is not the frozen one: take the change back, or freeze anew and void all figures\n")


if __name__ == "__main__":
    main()
