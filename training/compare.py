"""Challenger against champion on the same held-out rows: each check says whether it passed, and why.

A challenger takes over where it is better beyond noise, no worse calibrated, worse in no region, and quick enough.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from serving.bundle import Bundle
from training.calibration import worse_calibrated
from training.dataset import MIN_DATES, FloatArray, Sample
from training.evaluate import by_date, deviance

ALPHA = 0.05
"Of each check: how often one that should pass may be refused, or the other way round, by chance."
OFF = 0.05
"A level this far off or less is no reason to refuse, however sure it is."
LATENCY_MS = 3.0
"Budget of one row, the middle one of a hundred: the service answers within that at the 99th percentile."
CALLS = 100


@dataclass(frozen=True)
class Check:
    """One reason for or against a challenger."""

    name: str
    passed: bool
    said: str


@dataclass(frozen=True)
class HeldOut:
    """Rows of one target that neither model was fitted or calibrated on, and each row's region, shape (n,)."""

    sample: Sample
    region: npt.NDArray[np.object_]


def compare(champion: Bundle, challenger: Bundle, held_out: Mapping[str, HeldOut]) -> list[Check]:
    """All checks. Both bundles must name their features among the columns of the held-out rows."""
    rates = {target: (champion.predict(rows.sample.columns)[target], challenger.predict(rows.sample.columns)[target])
             for target, rows in held_out.items()}
    return [_better(held_out, rates), *_calibrated(held_out, rates), *_regions(held_out, rates),
            _quick(challenger, held_out)]


Rates = Mapping[str, tuple[FloatArray, FloatArray]]


def gains(sample: Sample, held: FloatArray, new: FloatArray) -> FloatArray:
    """What the new rates save of the held ones' deviance on each date, shape (days,)."""
    return by_date(sample, deviance(sample, held) - deviance(sample, new))


def statistic(by_day: FloatArray) -> float:
    """Diebold & Mariano's (1995) for one day ahead, with the correction of Harvey, Leybourne & Newbold (1997):
    Student's t with days − 1 degrees of freedom where both are equally good. Above 0: the new one is better."""
    n, spread = len(by_day), by_day.std(ddof=1) if len(by_day) > 1 else 0.0
    return float(by_day.mean() / spread * np.sqrt(n)) if spread > 0 else 0.0


def _better(held_out: Mapping[str, HeldOut], rates: Rates) -> Check:
    said, wins, losses = [], 0, 0
    for target, (held, new) in rates.items():
        by_day = gains(held_out[target].sample, held, new)
        if len(by_day) < MIN_DATES:
            return Check("better", False, f"{len(by_day)} held-out dates of {target}, fewer than {MIN_DATES}")
        bound = stats.t.ppf(1 - ALPHA / len(rates), len(by_day) - 1)  # any of the targets may win: Bonferroni
        found = statistic(by_day)
        wins, losses = wins + (found > bound), losses + (found < -bound)
        share = by_day.sum() / deviance(held_out[target].sample, held).sum()
        said.append(f"{target} {'better' if share > 0 else 'worse'} by {abs(share):.1%} of the deviance "
                    f"(t {found:+.1f}, {bound:.1f} needed)")
    return Check("better", wins > 0 and not losses, "; ".join(said))


def _calibrated(held_out: Mapping[str, HeldOut], rates: Rates) -> list[Check]:
    checks = []
    for target, (held, new) in rates.items():
        sample = held_out[target].sample
        predicted, observed = by_date(sample, sample.exposure * new), by_date(sample, sample.events)
        ratio = predicted.sum() / max(observed.sum(), 1e-12)
        found = abs(statistic(predicted - observed))
        sure = found > stats.t.ppf(1 - ALPHA / 2, len(observed) - 1)
        off = abs(ratio - 1) > OFF and sure
        worse = worse_calibrated(sample, held, new) if not np.array_equal(held, new) else 0.0
        said = f"{target} predicted over observed {ratio:.3f}{' beyond noise' if sure else ''}, calibration error " \
               f"above the champion's on {worse:.0%} of resampled dates"
        checks.append(Check("calibrated", not off and worse < 1 - ALPHA, said))
    return checks


def _regions(held_out: Mapping[str, HeldOut], rates: Rates) -> list[Check]:
    """No region significantly worse: one-sided, by Holm (1979) over all regions of all targets."""
    found = []
    for target, (held, new) in rates.items():
        sample, region = held_out[target].sample, held_out[target].region
        for name in sorted(set(region)):
            rows = region == name
            by_day = gains(sample.where(rows), held[rows], new[rows])
            if len(by_day) >= MIN_DATES:
                found.append((float(stats.t.cdf(statistic(by_day), len(by_day) - 1)), f"{target} in {name}"))
    found.sort()
    worse = []
    for rank, (p, where) in enumerate(found):
        if p > ALPHA / (len(found) - rank):
            break
        worse.append(f"{where} (p {p:.1g})")
    said = f"worse: {', '.join(worse)}" if worse else f"none of {len(found)} worse"
    return [Check("regions", not worse, said)]


def _quick(challenger: Bundle, held_out: Mapping[str, HeldOut]) -> Check:
    columns = next(iter(held_out.values())).sample.columns
    row = {name: values[:1] for name, values in columns.items()}
    for _ in range(20):
        challenger.predict(row)
    took = np.empty(CALLS)
    for i in range(CALLS):
        started = time.perf_counter()
        challenger.predict(row)
        took[i] = 1e3 * (time.perf_counter() - started)
    # The middle one: on a busy machine the slowest of a hundred calls tell of the neighbours.
    middle = float(np.median(took))
    return Check("quick", middle <= LATENCY_MS, f"a row in {'less' if middle <= LATENCY_MS else 'more'} than "
                                                f"{LATENCY_MS:g} ms")
