"""Choosing between candidates, calibration, and what is said about the winner."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from training.calibration import Calibration, calibration_error, fit_level, fit_line, fit_steps, tenths
from training.dataset import MIN_DATES, MIN_ROWS, FloatArray, Sample, Target
from training.intervals import LEVEL, factors
from training.models import Baseline, Rate, candidates, dispersion

BLOCKS = 4
"Blocks of neighbouring dates, each left out once, on which the kinds of calibration are compared."


@dataclass(frozen=True)
class Outcome:
    """A target's winner with what was measured. `metrics` by name; `deciles` of the latest dates."""

    rate: Rate
    metrics: dict[str, float]
    deciles: pd.DataFrame
    said: str
    candidates: pd.DataFrame = field(default_factory=pd.DataFrame)
    "Winner and losers as `standings` gives them; none where nothing was held out."
    held_out_from: str | None = None
    "First date that neither fitted nor calibrated the winner."
    interval: tuple[float, float] | None = None
    "Ends of the interval of the true rate, as factors of the predicted one; None where nothing was held out."

    @property
    def winner(self) -> str:
        return self.rate.correction.name


def deviance(sample: Sample, rate: FloatArray) -> FloatArray:
    """Poisson deviance of each row, shape (n,): 2 (y log(y/μ) − y + μ) with μ = exposure · rate."""
    events, expected = sample.events, np.maximum(sample.exposure * rate, 1e-12)
    log_ratio = np.log(np.where(events > 0, events, 1.0) / expected)
    return 2.0 * (np.where(events > 0, events * log_ratio, 0.0) - events + expected)


def by_date(sample: Sample, values: FloatArray) -> FloatArray:
    """Sums over each date's rows, shape (days,)."""
    return np.bincount(np.unique(sample.dates, return_inverse=True)[1], weights=values).astype(np.float64)


def _mean_deviance(rate: Rate, sample: Sample) -> float:
    return float(deviance(sample, rate.predict(sample.columns)).mean())


def better(sample: Sample, challenger: Rate, holder: Rate) -> bool:
    """Whether a more complex model earns its place: its gain is above one standard error over the dates.

    The rule of Breiman et al. 1984 ('Classification and Regression Trees', 3.4.3), paired by date.
    """
    held, challenged = (deviance(sample, rate.predict(sample.columns)) for rate in (holder, challenger))
    by_day = by_date(sample, held - challenged)
    error = by_day.std(ddof=1) * np.sqrt(len(by_day)) if len(by_day) > 1 else 0.0
    return bool(by_day.sum() > error)


def standings(fitted: Sequence[Rate], winner: str, parts: dict[str, Sample]) -> pd.DataFrame:
    """Each candidate's gain on the choosing and on the latest dates: the share by which its deviance is below the
    shrunk rate's, with its interval of level LEVEL by Student's t over the dates."""
    rows = []
    for part in ("choose", "report"):
        sample = parts[part]
        held = deviance(sample, fitted[0].predict(sample.columns))
        for rate in fitted:
            by_day = by_date(sample, held - deviance(sample, rate.predict(sample.columns)))
            n = len(by_day)
            half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * by_day.std(ddof=1) * np.sqrt(n) if n > 1 else np.inf
            gain, low, high = (np.array([0, -half, half]) + by_day.sum()) / max(held.sum(), 1e-12)
            rows.append({"dates_of": part, "dates": n, "candidate": rate.correction.name, "gain": gain, "gain_low": low,
                         "gain_high": high, "used": rate.correction.name == winner})
    return pd.DataFrame(rows)


def calibrated(rate: Rate, sample: Sample) -> Rate:
    """Calibrated on held-out dates: a level, unless Platt's line or isotonic steps win by one standard error.

    They are compared on blocks of neighbouring dates, each left out once; few dates allow a level alone.
    """
    raw = rate.predict(sample.columns)
    expected = sample.exposure * raw
    spread = dispersion(sample.events, expected) if sample.events.sum() > 0 and expected.sum() > 0 else 1.0

    def fits(rows: Sample, predicted: FloatArray) -> list[Calibration]:
        return [fit_level(rows, predicted, spread), fit_line(rows, predicted, spread), fit_steps(rows, predicted)]

    days, at = np.unique(sample.dates, return_inverse=True)
    best = 0
    if len(days) >= 2 * BLOCKS and sample.events.sum() > 0:
        left_out = np.zeros((3, len(days)))
        for block in np.array_split(np.arange(len(days)), BLOCKS):
            inside = np.isin(at, block)
            for kind, found in enumerate(fits(sample.where(~inside), raw[~inside])):
                lost = deviance(sample.where(inside), found.apply(raw[inside]))
                left_out[kind] += np.bincount(at[inside], weights=lost, minlength=len(days))
        for kind in (1, 2):
            gain = left_out[best] - left_out[kind]
            best = kind if gain.sum() > gain.std(ddof=1) * np.sqrt(len(days)) else best
    return replace(rate, calibration=fits(sample, raw)[best])


def deciles(sample: Sample, rate: FloatArray) -> pd.DataFrame:
    """Predicted over observed by tenth of the exposure, ordered by predicted rate."""
    rows = pd.DataFrame({"decile": tenths(sample.exposure, rate) + 1, "exposure": sample.exposure,
                         "predicted": sample.exposure * rate, "observed": sample.events})
    table = rows.groupby("decile", as_index=False).sum()
    return table.assign(ratio=(table["predicted"] / table["observed"]).where(table["observed"] > 0))


Fit = Callable[[Target, Sample], list[Rate]]
"Gives the candidates fitted on training dates, the simplest first."


def choose(target: Target, sample: Sample, fit: Fit = candidates, others: Sequence[Rate] = ()) -> Outcome:
    """Fit on the oldest dates, choose and calibrate on later ones, measure on the latest.

    `others` are more complex candidates, which were fitted elsewhere on the oldest dates alone.

    What is measured is what is shipped: the winner is not fitted again on the dates that judged it. It is
    shipped only where it does not lose to the shrunk rate as it is on the latest dates.
    """
    days, total = len(np.unique(sample.dates)), float(sample.events.sum())
    parts = sample.split() if days >= MIN_DATES else {}
    if not parts or len(sample.events) < MIN_ROWS or not parts["train"].events.sum():
        why = f"{len(sample.events)} rows on {days} dates with {total:g} {target.events}"
        mean = total / float(sample.exposure.sum()) if total else 0.0
        return Outcome(Rate(target, Baseline(), mean), {}, pd.DataFrame(),
                       f"the 28-day shrunk {target.kind} is used as it is: {why} are too little to fit a model")
    fitted = [*fit(target, parts["train"]), *others]
    winner = fitted[0]
    for challenger in fitted[1:]:
        if better(parts["choose"], challenger, winner):
            winner = challenger
    chosen, late, held = winner.correction.name, parts["report"], fitted[0]
    winner = calibrated(winner, parts["choose"])
    # Markets turn: what won on the choosing dates and lost on the latest must not decide tomorrow.
    lost = _mean_deviance(winner, late) > _mean_deviance(held, late)
    outcome = _outcome(held if lost else winner, fitted, parts)
    expected = parts["choose"].exposure * outcome.rate.predict(parts["choose"].columns)
    outcome = replace(outcome, interval=factors(parts["choose"].events, expected))
    why = f"what won on earlier dates ({chosen}, calibrated) lost to it on the latest"
    return replace(outcome, said=f"the 28-day shrunk {target.kind} is used as it is: {why}") if lost else outcome


def _outcome(winner: Rate, fitted: list[Rate], parts: dict[str, Sample]) -> Outcome:
    late = parts["report"]
    predicted = winner.predict(late.columns)
    table = deciles(late, predicted)
    total = float(late.events.sum()) or float("nan")
    metrics: dict[str, float] = {"calibration_level": float(np.exp(winner.calibration.intercept)),
                                 "calibration_slope": winner.calibration.slope, "fallback": winner.fallback}
    for part in ("choose", "report"):
        for rate in fitted:
            metrics[f"deviance_{part}_{rate.correction.name}"] = _mean_deviance(rate, parts[part])
    constant = np.full(len(late.events), parts["train"].events.sum() / parts["train"].exposure.sum())
    metrics["deviance_report_constant"] = float(deviance(late, constant).mean())
    metrics["deviance_report"] = _mean_deviance(winner, late)
    metrics["predicted_over_observed"] = float(late.exposure @ predicted) / total
    error = calibration_error(late, predicted)
    metrics |= {"calibration_error": error.value, "calibration_error_low": error.low,
                "calibration_error_high": error.high}
    for part, rows in parts.items():
        metrics[f"rows_{part}"], metrics[f"events_{part}"] = float(len(rows.events)), float(rows.events.sum())
    gain = 1.0 - metrics["deviance_report"] / max(metrics["deviance_report_baseline"], 1e-12)
    name, kind = winner.correction.name, winner.target.kind
    said = f"{name} is used: its deviance on the latest dates is {gain:.1%} below the 28-day shrunk {kind}'s"
    if name == "baseline":
        said = f"the 28-day shrunk {kind}, calibrated, is used: no model was surely better on later dates"
    return Outcome(winner, metrics, table, said, standings(fitted, name, parts), str(late.dates.min()))


def facts(outcome: Outcome) -> dict[str, Any]:
    """What the bundle, the publication log and `moe train` say about a target."""
    shown = ("deviance_report", "deviance_report_baseline", "predicted_over_observed", "calibration_error",
             "calibration_error_low", "calibration_error_high")
    return {"winner": outcome.winner, "calibration": outcome.rate.calibration.kind, "said": outcome.said,
            **{name: round(outcome.metrics[name], 6) for name in shown
               if name in outcome.metrics and np.isfinite(outcome.metrics[name])}}
