"""Response curves against the simulator's truth, beside the simplest fit, `benchmarks.hill_fit`.

    python -m benchmarks.fit [--seeds 1-8] [--lines 14,42]

For each development seed the curves are fitted to 120 days of final outcomes and compared with the world's expected
value of holding a spend on an average one of these days. Coverage is the share of lines whose truth lies in the 90 %
interval at 0.5, 1 and 1.5 times today's spend, and of the marginal return today. Errors are means over lines of
|fit/truth - 1|; totals are of all lines together. Held out: days after a cut, predicted by a fit on the days before at
the spend that came true.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import hill_fit
from benchmarks.fit_world import DAYS, observed, true_marginal, true_value, without_clicks
from decisions.fitting import SIMPLE, History, Spec, fit
from decisions.fitting.carry import CARRIES
from decisions.fitting.channel import fit_channel
from decisions.fitting.confounding import BIAS, CHANNEL_SD, Power
from decisions.fitting.foresight import foreseen
from decisions.fitting.shapes import SHAPES

AT = (0.5, 1.0, 1.5)
DRAWS = 400
CUTS, AHEAD = (64, 78, 92, 106), (1, 7, 14)


class Estimate(NamedTuple):
    """Values (3, n) at AT times today's spend and the marginal return (n,) today, with the ends of their intervals."""

    value: np.ndarray
    value_ends: np.ndarray  # (2, 3, n)
    marginal: np.ndarray
    marginal_ends: np.ndarray  # (2, n)
    choice: str


def ours(known: History, spec: Spec | None = None) -> Estimate:
    """The new fit with one spec for all channels, or with the one that it chooses."""
    fitted = fit(known, specs=None if spec is None else dict.fromkeys(known.channels, spec))
    spend, theta = np.outer(AT, known.today), fitted.draws(DRAWS, seed=1)
    value = np.array([fitted.value(s, theta) for s in spend]).swapaxes(0, 1)
    ends = np.quantile(value, [0.05, 0.95], axis=0)
    marginal = np.quantile(fitted.marginal(known.today, theta), [0.05, 0.95], axis=0)
    choice = " ".join(sorted({f"{s.shape}/{s.carry}" for s in fitted.specs}))
    return Estimate(fitted.value(spend), ends, fitted.marginal(known.today), marginal, choice)


def beside(known: History) -> Estimate:
    """`benchmarks.hill_fit`, whose marginal return gets its interval by the delta method."""
    fitted = simplest(known)
    spend = np.outer(AT, known.today)
    value, error = fitted.value(spend), 1.645 * fitted.value_se(spend)
    marginal = fitted.marginal(known.today)
    r = known.today / (known.today + fitted.k)
    slope = np.stack([np.ones_like(r), 2 * r], axis=-1)
    sd = np.sqrt(np.einsum("ni,nij,nj->n", slope, fitted.cov, slope))
    return Estimate(value, np.stack([value - error, value + error]), marginal,
                    marginal * np.exp([[-1.645], [1.645]] * sd), "hill1/none")


def simplest(known: History) -> hill_fit.Fit:
    days, n = known.spend.shape
    line, day = np.tile(np.arange(n), days), np.repeat(np.arange(days), n)
    return hill_fit.fit(line, known.spend.ravel(), known.outcome.ravel(), n, weights=known.known.ravel(), day=day)


def without(target: str, value: object, known: History) -> Estimate:
    """The simple fit with a part of it taken out."""
    with patch(f"decisions.fitting.{target}", value):
        return ours(known, SIMPLE)


def believing(change: Callable[[Power], Power]) -> Callable[[History], Estimate]:
    """The simple fit with something else believed of unseen demand."""
    return partial(without, "lines.foreseen", lambda known: change(foreseen(known)))


def as_without_rates(power: Power) -> Power:
    return Power(np.full_like(power.mean, BIAS), np.full_like(power.mean, CHANNEL_SD), power.own)


def unwidened(power: Power) -> Power:
    return power._replace(shared=np.zeros_like(power.mean), own=np.zeros_like(power.mean))


def no_demand(**switched_off: bool) -> Callable[[History], Estimate]:
    return partial(without, "lines.fit_channel", partial(fit_channel, **switched_off))


METHODS: dict[str, Callable[[History], Estimate]] = {
    "benchmarks.hill_fit": beside,
    "fitting, spec chosen": ours,
    **{f"fitting, {shape}": partial(ours, spec=Spec(shape, "none")) for shape in SHAPES},
    **{f"fitting, hill1 {carry}": partial(ours, spec=Spec("hill1", carry)) for carry in CARRIES[1:]},
    "hill1 without clicks": lambda known: ours(without_clicks(known), SIMPLE),
    "hill1 without line demand": no_demand(line_demand=False),
    "hill1 without shared demand": no_demand(shared_demand=False),
    "hill1 without either": no_demand(line_demand=False, shared_demand=False),
    "hill1, rates not asked": believing(as_without_rates),
    "hill1 with bias 0": believing(lambda power: power._replace(mean=np.zeros_like(power.mean))),
    "hill1, intervals unwidened": believing(unwidened),
}


def score(seed: int, lines: int, method: Callable[[History], Estimate]) -> tuple[np.ndarray, str]:
    """Coverages (4), errors of the return on spend at AT (3), its total, error of the marginal return, its total."""
    known = observed(seed, lines)
    spend = np.outer(AT, known.today)
    made = method(known)
    value = true_value(seed, spend, range(DAYS), lines)
    marginal = true_marginal(seed, known.today, range(DAYS), lines)
    inside = (made.value_ends[0] <= value) & (value <= made.value_ends[1])
    in_marginal = (made.marginal_ends[0] <= marginal) & (marginal <= made.marginal_ends[1])
    total = (made.marginal * known.today).sum() / (marginal * known.today).sum() - 1
    return np.array([*inside.mean(axis=1), in_marginal.mean(), *np.abs(made.value / value - 1).mean(axis=1),
                     made.value[1].sum() / value[1].sum() - 1, np.abs(made.marginal / marginal - 1).mean(), total,
                     np.log(made.marginal_ends[1] / made.marginal_ends[0]).mean()]), made.choice


def accuracy(seeds: list[int], lines: int) -> Table:
    table = Table(title=f"{lines} lines x {DAYS} days, mean of seeds {seeds[0]} to {seeds[-1]}; shares in %")
    for name in ("method", "covered 0.5x", "1x", "1.5x", "marginal", "ROAS error 0.5x", "1x", "1.5x", "total 1x",
                 "marginal error", "total", "width", "chosen"):
        table.add_column(name, justify="left" if name in ("method", "chosen") else "right")
    for name, method in METHODS.items():
        scored = [score(seed, lines, method) for seed in seeds]
        mean = np.mean([row for row, _ in scored], axis=0)
        choices = sorted({choice for _, choice in scored})
        table.add_row(name, *(f"{100 * x:.0f}" for x in mean[:4]), *(f"{100 * x:.1f}" for x in mean[4:7]),
                      f"{100 * mean[7]:+.1f}", f"{100 * mean[8]:.1f}", f"{100 * mean[9]:+.1f}",
                      f"x{np.exp(mean[10]):.2f}", ", ".join(choices))
    return table


def held_out(seeds: list[int], lines: int) -> Table:
    table = Table(title=f"{lines} lines: error of held-out value after {', '.join(map(str, CUTS))} days, in % of it")
    table.add_column("method")
    errors: dict[str, list[list[float]]] = {}
    for days in AHEAD:
        table.add_column(f"next {days} days", justify="right")
    for seed in seeds:
        for cut in CUTS:
            known = observed(seed, lines)
            told = forecasts(known.until(cut), known.spend[cut : cut + AHEAD[-1]])
            for name, daily in told.items():
                true = [known.outcome[cut : cut + days].sum(axis=0) for days in AHEAD]
                errors.setdefault(name, []).append([
                    np.abs(daily[:days].sum(axis=0) - y).sum() / y.sum() for days, y in zip(AHEAD, true, strict=True)])
    for name, rows in errors.items():
        table.add_row(name, *(f"{100 * x:.1f}" for x in np.mean(rows, axis=0)))
    return table


def forecasts(past: History, spend: np.ndarray) -> dict[str, np.ndarray]:
    """Expected value (days, n) of `spend` (days, n) after `past`, by each method. A line that has not spent for 28 days
    has the mean return of all."""
    returned, spent = np.nansum(past.outcome[-28:], axis=0), past.spend[-28:].sum(axis=0)
    pooled = returned.sum() / spent.sum()
    mean_return = np.where(spent > 0, returned / np.where(spent > 0, spent, 1.0), pooled)
    told = {"mean return of the last 28 days": mean_return * spend}
    told["benchmarks.hill_fit"] = simplest(past).value(spend)
    for spec in (SIMPLE, Spec("hill1", "geometric")):
        response = fit(past, specs=dict.fromkeys(past.channels, spec)).response(len(spend), days=len(spend))
        told[f"fitting, {spec.shape} {spec.carry}"] = response.daily(spend)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1-8", help="first-last of the development seeds")
    parser.add_argument("--lines", default="14,42", help="sizes of the advertiser, up to 42")
    chosen = parser.parse_args()
    console = Console(width=200)
    first, last = (int(seed) for seed in chosen.seeds.split("-"))
    for lines in (int(count) for count in chosen.lines.split(",")):
        seeds = list(range(first, last + 1))
        console.print(accuracy(seeds, lines))
        console.print(held_out(seeds, lines))


if __name__ == "__main__":
    main()
