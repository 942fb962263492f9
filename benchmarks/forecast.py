"""Forecast: coverage and CRPS on the frozen worlds, beside forecasts that anyone could make.

    python -m benchmarks.forecast                              # every scenario on a few development seeds
    python -m benchmarks.forecast --scenario shocks --seeds 6 --platforms

Sixty days under planners, then budgets that the product sets once a week and holds between. Each week the forecast of
the next 28 days is made from what platforms report by then, and scored on what they report in the end. Skill is 1 less
CRPS over the peer's: above 0 the peer is beaten. All CRPS are of draws (Gneiting & Raftery 2007). Beside it the skill
of our median's absolute error over that of the peer's, which a peer's too wide a spread cannot flatter.
"""

import argparse
import multiprocessing
import os
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.regret_policies import MAX_STEP, best_split, tonight
from decisions.draws import draws
from decisions.fitting.simple import as_curves
from decisions.forecast.learn import learn_from
from decisions.forecast.past import METRICS, Past
from decisions.forecast.paths import Ahead, simulate
from decisions.forecast.peers import RULES, samples
from decisions.forecast.scenarios import EXPECTED
from decisions.forecast.score import LEVELS, covered, crps
from simulator.quarter import Seen, play
from simulator.scenarios import DEVELOPMENT_SEEDS, HISTORY, SCENARIOS, scenario

DAYS, WEEK, HORIZON = 96, 7, 28
ORIGINS = range(HISTORY - 1, HISTORY + 7 * WEEK, WEEK)
MATURE = 16  # days after which a platform restates no more
SPANS = {"day 1–7": [range(d, d + 1) for d in range(1, 8)], "day 8–14": [range(d, d + 1) for d in range(8, 15)],
         "day 15–28": [range(d, d + 1) for d in range(15, 29)], "14 days": [range(1, 15)], "28 days": [range(1, 29)]}


class Weekly:
    """The product's budgets, set once a week and held; each week's forecast is kept."""

    def __init__(self) -> None:
        """Start before the first night."""
        self.made: dict[int, tuple[Past, np.ndarray]] = {}
        self.last: Seen | None = None

    def __call__(self, seen: Seen) -> np.ndarray:
        """Tomorrow's budgets."""
        self.last = seen
        if seen.night not in ORIGINS:
            return seen.previous_cents
        fitted = tonight(seen)
        curves = as_curves(fitted)
        budget = best_split(seen, curves, MAX_STEP)
        known = past(seen)
        ahead = Ahead(budget / 100, fitted.season(HORIZON), fitted.dispersion, draws(fitted))
        learnt = learn_from(known, curves, fitted.dispersion, "conversion_value")
        self.made[seen.night] = known, simulate(known, ahead, learnt, "conversion_value", [EXPECTED])["expected"]
        return budget


def past(seen: Seen) -> Past:
    """What a night knows, as the job reads it: no plans from before the first night."""
    platforms, platform = np.unique(seen.platform, return_inverse=True)
    share = {m: np.maximum(seen.share_known(n), 1e-9) for m, n in (("conversions",) * 2, ("conversion_value", "value"))}
    planned = np.where(np.arange(len(seen.spend))[:, None] < HISTORY, np.nan, seen.budget_cents / 100)
    weekday = (seen.first_day.weekday() + np.arange(len(seen.spend))) % 7
    outcome = {"conversions": seen.conversions / share["conversions"],
               "conversion_value": seen.value / share["conversion_value"]}
    return Past(tuple(platforms), platform, weekday, seen.spend, planned, outcome, share)


def run_seed(job: tuple[str, int], platforms: bool) -> list[dict[str, object]]:
    """Scores of one world's forecasts."""
    policy = Weekly()
    play(scenario(*job), policy, DAYS)
    final = past(policy.last)
    out = []
    for night, (known, paths) in policy.made.items():
        groups = {"all": slice(None)} | ({n: [p] for p, n in enumerate(known.platforms)} if platforms else {})
        for scope, of in groups.items():
            for m, metric in enumerate(METRICS):
                truth = final.known(metric)[:, of].sum(axis=1)
                series = known.known(metric)[:, of].sum(axis=1)
                share = np.ones(known.days) if metric == "spend" else known.share[metric].mean(axis=1)
                ours = paths[:, :, of, m].sum(axis=2)
                for span, targets in SPANS.items():
                    for ahead in targets:
                        if night + ahead[-1] > HISTORY + DAYS - 1 - MATURE:
                            continue
                        y = float(truth[night + ahead[0]: night + ahead[-1] + 1].sum())
                        x = ours[:, ahead[0] - 1: ahead[-1]].sum(axis=1)
                        told = {n: samples(r, series, share, ahead) for n, r in RULES.items()}
                        peers = {n: crps(drawn, y) for n, drawn in told.items()}
                        peers |= {f"{n} median": abs(np.median(d) - y) if len(d) else np.nan for n, d in told.items()}
                        half, ninety = covered(np.quantile(x, LEVELS), y)
                        out.append({"scope": scope, "metric": metric, "span": span, "half": bool(half),
                                    "ninety": bool(ninety), "crps": crps(x, y), "y": y,
                                    "error": float(np.median(x)) / y - 1, "median": abs(float(np.median(x)) - y),
                                    **peers})
    return out


def main() -> None:
    """Play, forecast, and print one table."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.forecast", description=__doc__, formatter_class=formatter)
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="again for more; all by default")
    parser.add_argument("--seeds", type=int, default=4, help="how many development seeds")
    parser.add_argument("--skip", type=int, default=0, help="development seeds left out at the front")
    parser.add_argument("--platforms", action="store_true", help="each platform too")
    parser.add_argument("--processes", type=int, default=1, help="worlds at a time")
    chosen = parser.parse_args()
    seeds = DEVELOPMENT_SEEDS[chosen.skip : chosen.skip + chosen.seeds]
    shown = Table(title=f"{len(seeds)} seeds, {len(ORIGINS)} forecasts each", title_justify="left")
    for column in ("scenario", "scope", "metric", "span"):
        shown.add_column(column)
    for column in ("covered by 50 %", "by 90 %", "CRPS, % of the outcome", "bias, %", "skill over naive", "by median",
                   "over seasonal naive", "by median"):
        shown.add_column(column, justify="right")
    with multiprocessing.get_context("spawn").Pool(chosen.processes) as pool:
        names = chosen.scenario or list(SCENARIOS)
        jobs = [(name, seed) for name in names for seed in seeds]
        found = pool.map(partial(run_seed, platforms=chosen.platforms), jobs, chunksize=1)
    for at, name in enumerate(names):
        rows = [row for run in found[at * len(seeds) : (at + 1) * len(seeds)] for row in run]
        for key in dict.fromkeys((r["scope"], r["metric"], r["span"]) for r in rows):
            shown.add_row(name, *key, *_figures([r for r in rows if (r["scope"], r["metric"], r["span"]) == key]))
    Console(width=150).print(shown)


def _figures(rows: list[dict[str, object]]) -> list[str]:
    """Coverage, CRPS, bias and skill of one row of the table."""
    words = ("scope", "metric", "span")
    column = {name: np.array([r[name] for r in rows], dtype=float) for name in rows[0] if name not in words}
    skill = []
    for peer in RULES:
        both = np.isfinite(column[peer])
        for score, theirs in (("crps", peer), ("median", f"{peer} median")):
            skill.append(f"{1 - column[score][both].sum() / column[theirs][both].sum():.0%}" if both.any() else "–")
    return [f"{column['half'].mean():.0%}", f"{column['ninety'].mean():.0%}",
            f"{column['crps'].sum() / column['y'].sum():.1%}", f"{column['error'].mean():+.1%}", *skill]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
