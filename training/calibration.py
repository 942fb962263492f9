"""Calibration on held-out dates: a level, Platt's line or isotonic steps, and how far off a rate still is.

For rates with exposure: Platt (1999, 'Probabilistic Outputs for Support Vector Machines') fits a line in log odds,
which for small rates is one in logarithms; isotonic regression is that of Zadrozny & Elkan (2002, 'Transforming
Classifier Scores into Accurate Multiclass Probability Estimates'). The richer must win by one standard error.
"""

from dataclasses import dataclass

import numpy as np

from training.dataset import FloatArray, Sample

LEVEL_DEVIATION, SLOPE_DEVIATION = 0.1, 0.2
"Prior standard deviations of the line's level (in log rate) and slope around 'no correction is needed'."
LEVEL_PRIOR = LEVEL_DEVIATION**-2
"Expected events that say 'no correction is needed' of a level: the same prior, in events."
MOST_KNOTS = 24
DECILES, RESAMPLES, SEED = 10, 400, 7
LEVEL = 0.9
"Of the intervals."


@dataclass(frozen=True)
class Calibration:
    """rate → exp(intercept + slope · log rate), or where there are knots the line through them."""

    kind: str = "none"
    intercept: float = 0.0
    slope: float = 1.0
    knots: tuple[tuple[float, float], ...] = ()
    "Increasing (rate before, rate after); level outside of them."

    def apply(self, rate: FloatArray) -> FloatArray:
        """Shape (n,) to shape (n,). A rate of zero stays zero on a line."""
        if self.knots:
            before, after = np.array(self.knots).T
            return np.asarray(np.interp(rate, before, after), dtype=np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(self.intercept + self.slope * np.log(rate)), dtype=np.float64)


NONE = Calibration()


def fit_level(sample: Sample, rate: FloatArray, spread: float) -> Calibration:
    """Observed over predicted, shrunk to 1 where few events speak, or where they scatter (`spread`) widely."""
    prior = LEVEL_PRIOR * spread
    ratio = (sample.events.sum() + prior) / (float(sample.exposure @ rate) + prior)
    return Calibration("level", float(np.log(ratio)))


def fit_line(sample: Sample, rate: FloatArray, spread: float) -> Calibration:
    """Platt's line: the mode under normal priors, Poisson counts with `spread` times the variance."""
    used = (rate > 0) & (sample.exposure > 0)
    log_rate, events, exposure = np.log(rate[used]), sample.events[used], sample.exposure[used]
    if not len(events):
        return Calibration()
    middle = float(np.average(log_rate, weights=exposure * rate[used]))
    design = np.column_stack([np.ones_like(log_rate), log_rate - middle])
    precision = np.diag([LEVEL_DEVIATION**-2, SLOPE_DEVIATION**-2]) * spread
    correction = np.zeros(2)  # of the level at `middle`, and of the slope
    for _ in range(50):  # Newton's method on a concave function
        expected = exposure * np.exp(log_rate + design @ correction)
        gradient = design.T @ (events - expected) - precision @ correction
        step = np.linalg.solve((design.T * expected) @ design + precision, gradient)
        correction += np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            break
    level, tilt = float(correction[0]), float(correction[1])
    return Calibration("platt", level - tilt * middle, 1.0 + tilt)


def fit_steps(sample: Sample, rate: FloatArray) -> Calibration:
    """Isotonic regression of the observed on the predicted rate, weighted by exposure."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(rate, sample.events / sample.exposure,
                                                          sample_weight=sample.exposure)
    before, after = fitted.X_thresholds_, fitted.y_thresholds_
    if len(before) > MOST_KNOTS:  # the graph holds each
        chosen = np.unique(np.linspace(0, len(before) - 1, MOST_KNOTS).round().astype(int))
        before, after = before[chosen], after[chosen]
    if len(before) < 2:
        return Calibration()
    return Calibration("isotonic", knots=tuple(zip(before.tolist(), after.tolist(), strict=True)))


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error: the share of events that stand in the wrong tenth of the exposure."""

    value: float
    low: float
    high: float


def calibration_error(sample: Sample, rate: FloatArray) -> CalibrationError:
    """With an interval over resampled dates (Efron 1979): days of an advertiser err together.

    Resampling adds noise of its own, so that of a rate with next to no error the interval lies above the value.
    """
    by_day = day_bins(sample, rate)
    drawn = np.array([_error(by_day[chosen].sum(axis=0)) for chosen in resampled(len(by_day))])
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return CalibrationError(_error(by_day.sum(axis=0)), float(low), float(high))


def worse_calibrated(sample: Sample, champion: FloatArray, challenger: FloatArray) -> float:
    """Share of resampled dates on which the challenger's calibration error is above the champion's."""
    held, new = day_bins(sample, champion), day_bins(sample, challenger)
    above = [_error(new[c].sum(axis=0)) > _error(held[c].sum(axis=0)) for c in resampled(len(held))]
    return float(np.mean(above))


def day_bins(sample: Sample, rate: FloatArray) -> FloatArray:
    """Shape (days, tenths, 2): predicted and observed events by date and tenth of the exposure."""
    days, at = np.unique(sample.dates, return_inverse=True)
    cell, cells = at * DECILES + tenths(sample.exposure, rate), len(days) * DECILES
    sums = [np.bincount(cell, weights=counts, minlength=cells) for counts in (sample.exposure * rate, sample.events)]
    return np.column_stack(sums).astype(np.float64).reshape(len(days), DECILES, 2)


def tenths(exposure: FloatArray, rate: FloatArray) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Which tenth of the exposure, ordered by rate, a row stands in, from 0: shape (n,)."""
    order = np.argsort(rate, kind="stable")
    through = np.cumsum(exposure[order])
    tenth = np.empty(len(order), dtype=np.int64)
    tenth[order] = np.minimum((through - exposure[order] / 2) / through[-1] * DECILES, DECILES - 1).astype(int)
    return tenth


def resampled(days: int) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """Shape (RESAMPLES, days): dates drawn with replacement, the same ones every time."""
    return np.random.default_rng(SEED).integers(0, days, (RESAMPLES, days))


def _error(bins: FloatArray) -> float:
    observed = bins[:, 1].sum()
    return float(np.abs(bins[:, 0] - bins[:, 1]).sum() / observed) if observed > 0 else float("nan")
