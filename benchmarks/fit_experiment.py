"""How wrong an observational curve is, and how one lift test repairs it.

    python -m benchmarks.fit_experiment [--seeds 1-8] [--chase 1] [--step 1.5] [--error 0.15]

In each development world the line whose marginal return has the widest interval is tested for 14 days at `--step`
times today's spend, with a standard error of `--error` of the true lift. The curves are fitted without and with the
test. `--chase` is the power of yesterday's demand in today's budget: 1 is the shipped world, 0 has no confounding.
Printed: error of the tested line's marginal return before and after, of the other lines of its channel, widths of the
90 % intervals, and for the first seed the curve before and after beside the truth.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

import simulator.world
from benchmarks.fit_world import DAYS, lift_test, observed, true_marginal, true_value, without_clicks
from decisions.fitting import SIMPLE, Experiment, Fitted, History, fit

ALL = range(DAYS)


def fitted(known: History, tests: tuple[Experiment, ...] = ()) -> Fitted:
    return fit(known, tests, specs=dict.fromkeys(known.channels, SIMPLE))


def least_known(before: Fitted) -> int:
    """The line whose marginal return is least known in proportion: the one that a person would test."""
    drawn = np.log(before.marginal(before.today, before.draws(400, 1)))
    return int(drawn.std(axis=0).argmax())


def interval(made: Fitted, line: int) -> tuple[float, float]:
    low, high = np.quantile(made.marginal(made.today, made.draws(400, 1))[:, line], [0.05, 0.95])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1-8", help="first-last of the development seeds")
    parser.add_argument("--chase", type=float, default=1.0, help="power of yesterday's demand in today's budget")
    parser.add_argument("--step", type=float, default=1.5, help="the test's spend, times today's")
    parser.add_argument("--error", type=float, default=0.15, help="standard error, as a share of the true lift")
    parser.add_argument("--clicks", action="store_true", help="let the fit see clicks too")
    chosen = parser.parse_args()
    simulator.world.CHASE = chosen.chase
    first, last = (int(seed) for seed in chosen.seeds.split("-"))
    table = Table(title=f"marginal return today, error in %; chase {chosen.chase:g}")
    for name in ("seed", "line", "before", "after", "neighbours before", "after", "interval before", "after", "truth"):
        table.add_column(name, justify="right")
    rows, curve = [], None
    for seed in range(first, last + 1):
        known = observed(seed) if chosen.clicks else without_clicks(observed(seed))
        before = fitted(known)
        line = least_known(before)
        after = fitted(known, (lift_test(seed, line, DAYS - 28, 14, chosen.step, chosen.error),))
        truth = true_marginal(seed, known.today, ALL)
        errors = [made.marginal(known.today) / truth - 1 for made in (before, after)]
        near = np.array([c == known.channels[line] for c in known.channels])
        near[line] = False
        ends = [interval(made, line) for made in (before, after)]
        rows.append([abs(errors[0][line]), abs(errors[1][line]), *(abs(e[near]).mean() for e in errors)])
        table.add_row(str(seed), known.line_ids[line], f"{100 * errors[0][line]:+.0f}", f"{100 * errors[1][line]:+.0f}",
                      f"{100 * rows[-1][2]:.1f}", f"{100 * rows[-1][3]:.1f}",
                      *(f"{low:.2f} to {high:.2f}" for low, high in ends), f"{truth[line]:.2f}")
        if curve is None:
            curve = _curve(seed, line, before, after)
    table.add_row("mean", "|error|", *(f"{100 * x:.1f}" for x in np.mean(rows, axis=0)), "", "", "")
    console = Console(width=140)
    console.print(table)
    console.print(curve)


def _curve(seed: int, line: int, before: Fitted, after: Fitted) -> Table:
    table = Table(title=f"seed {seed}, line {before.line_ids[line]}: value a day, mode and 90 % interval")
    for name in ("spend", "truth", "before", "after"):
        table.add_column(name, justify="right")
    for times in (0.25, 0.5, 1.0, 1.5, 2.0, 3.0):
        spend = before.today * times
        cells = []
        for made in (before, after):
            low, high = np.quantile(made.value(spend, made.draws(400, 1))[:, line], [0.05, 0.95])
            cells.append(f"{made.value(spend)[line]:,.0f} ({low:,.0f} to {high:,.0f})")
        table.add_row(f"{times:g}x", f"{true_value(seed, spend, ALL)[line]:,.0f}", *cells)
    return table


if __name__ == "__main__":
    main()
