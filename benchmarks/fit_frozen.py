"""Response curves in the frozen worlds: do the night's intervals hold the truth, and how wrong is the return on spend?

    python -m benchmarks.fit_frozen                  # every scenario on a few development seeds
    python -m benchmarks.fit_frozen --unseen         # the final report alone, never while methods change

As `benchmarks.fit`, in the worlds of `simulator.scenarios`: the night's fit on 120 days of final outcomes under the
planners' budgets. The truth of a line is what it loses itself without its spend, the others as they are, averaged over
these days' demand and prices. A range is half of a 90 % interval, of the logarithm. "Of all" counts what the other
lines lose or win as well, which no line's own report shows.
"""

import argparse
import os

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fit import AT, ours
from benchmarks.fit_world import DAYS, order_of, world_history
from decisions.fitting import SIMPLE, History
from simulator.market import market
from simulator.response import steady_response
from simulator.scenarios import DEVELOPMENT_SEEDS, SCENARIOS, UNSEEN_SEEDS, scenario
from simulator.world import World

MOVE = 0.005
NAMES = ("covered 0.5x", "1x", "1.5x", "marginal", "range 1x", "marginal", "ROAS error 1x", "total",
         "marginal error", "total", "of all: covered 1x", "marginal", "marginal error")
SHARES, SIGNED = (0, 1, 2, 3, 10, 11), (7, 9)
"Columns that are shares of lines, and those whose errors may cancel."


def truth(world: World, known: History) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What each line's spend brings itself (3, n) at AT times today's, its marginal return (n,) today, and both with
    what it brings to all lines."""
    order = order_of(world)
    today, n = np.empty(len(order)), len(order)
    today[order] = known.today
    factors = (0.0, *AT, 1 - MOVE, 1 + MOVE)
    splits = np.tile(today, (len(factors), n, 1))
    for at, factor in enumerate(factors):
        splits[at, np.arange(n), np.arange(n)] *= factor
    days = [market(world).conditions(day) for day in range(DAYS)]
    worth = np.mean([steady_response(world, splits, d.demand, d.price).value for d in days], axis=0)
    found = []
    for value in (worth[:, np.arange(n), np.arange(n)], worth.sum(axis=-1)):
        found += [(value[1:4] - value[0])[:, order], ((value[5] - value[4]) / (2 * MOVE * today))[order]]
    return found[0], found[1], found[2], found[3]


def score(name: str, seed: int) -> np.ndarray:
    """Shares covered and errors, in the order of NAMES."""
    world = scenario(name, seed)
    known = world_history(world)
    made, (own, own_marginal, of_all, marginal_of_all) = ours(known, SIMPLE), truth(world, known)

    def covered(ends: np.ndarray, true: np.ndarray) -> np.ndarray:
        return ((ends[0] <= true) & (true <= ends[1])).mean(axis=-1)

    def half_range(ends: np.ndarray) -> float:
        return float(np.log(ends[1] / ends[0]).mean() / 2)

    return np.array([
        *covered(made.value_ends, own), covered(made.marginal_ends, own_marginal),
        half_range(made.value_ends[:, 1]), half_range(made.marginal_ends),
        np.abs(made.value[1] / own[1] - 1).mean(), made.value[1].sum() / own[1].sum() - 1,
        np.median(np.abs(made.marginal / own_marginal - 1)),
        (made.marginal * known.today).sum() / (own_marginal * known.today).sum() - 1,
        covered(made.value_ends, of_all)[1], covered(made.marginal_ends, marginal_of_all),
        np.median(np.abs(made.marginal / marginal_of_all - 1)),
    ])


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.fit_frozen", description=__doc__, formatter_class=formatter)
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="again for more; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="how many development seeds")
    parser.add_argument("--unseen", action="store_true", help="the ten unseen seeds, for the final report alone")
    chosen = parser.parse_args()
    seeds = UNSEEN_SEEDS if chosen.unseen else DEVELOPMENT_SEEDS[: chosen.seeds]
    kind = "unseen" if chosen.unseen else "development"
    title = f"{len(seeds)} {kind} seeds a scenario, {DAYS} days; in %, errors of marginal returns are medians"
    table = Table(title=title)
    for column in ("scenario", *NAMES):
        table.add_column(column, justify="left" if column == "scenario" else "right")
    whole = []
    for name in chosen.scenario or SCENARIOS:
        scored = np.array([score(name, seed) for seed in seeds])
        whole.append(scored)
        table.add_row(name, *_cells(scored))
    table.add_section()
    table.add_row("all", *_cells(np.concatenate(whole)))
    Console(width=180).print(table)


def _cells(scored: np.ndarray) -> list[str]:
    mean = 100 * scored.mean(axis=0)
    return [f"{x:+.1f}" if at in SIGNED else f"{x:.0f}" if at in SHARES else f"{x:.1f}" for at, x in enumerate(mean)]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
