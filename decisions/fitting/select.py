"""Which curve and which carry-over a channel gets: the simplest that predicts days it has not seen as well as any.

Shapes are compared on clicks where they are known: they saturate as the outcome does and scatter far less. Clicks do
not carry over, so kernels are compared on the outcome.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.carry import CARRIES
from decisions.fitting.channel import ChannelFit, fit_channel
from decisions.fitting.history import History
from decisions.fitting.model import SIMPLE, Days, Spec, evaluate
from decisions.fitting.shapes import SHAPES

FloatArray = NDArray[np.float64]

HELD_OUT = 14
LEAST_DAYS = 42
"""Days that it takes to compare anything; below them the simple curve stands."""
MOST_LINES = 40
"""Lines of a channel that are compared: enough to see a difference that matters, and a bounded time."""
CLEARLY = 2.0
"""Standard errors by which a curve must beat the simple one."""


def choose(history: History) -> Spec:
    """The spec of a channel by its last days, each candidate fitted on the days before them."""
    if history.days < LEAST_DAYS:
        return SIMPLE
    lines = np.unique(np.linspace(0, len(history.line_ids) - 1, MOST_LINES).round().astype(np.int64))
    some = history.of(lines)
    by_clicks = some if some.clicks is None else on_clicks(some)
    shape = _best(by_clicks, [Spec(shape, "none") for shape in SHAPES]).shape
    return _best(some, [Spec(shape, carry) for carry in CARRIES])


def on_clicks(history: History) -> History:
    """The history with clicks for outcome, which are known at once."""
    assert history.clicks is not None
    return replace(history, outcome=history.clicks, known=np.isfinite(history.clicks).astype(np.float64))


def predict(fit: ChannelFit, history: History, theta: FloatArray) -> FloatArray:
    """Expected outcome (days, n) of the days of `history` after those that were fitted, at the spend that came true.

    `theta` (n, P) are the parameters. The trend stays where it ended; shared and own demand fade as they are wont to.
    """
    fitted = len(fit.common)
    days = Days.of(history, 0.0)
    common = days.common.copy()
    common[:, -1] = 0.5
    mean = evaluate(fit.spec, theta, replace(days, common=common))[0][fitted:]
    ahead = np.arange(1, len(mean) + 1)[:, None]
    demand = 1 + (fit.common[-1] - 1) * fit.common_demand.rho**ahead
    return np.asarray(mean * demand * (1 + fit.state * fit.demand.rho**ahead))


def _best(history: History, candidates: list[Spec]) -> Spec:
    """The first candidate, or the one that predicts clearly better than it."""
    past = history.until(history.days - HELD_OUT)
    try:
        scores = [_deviance(history, past, spec) for spec in candidates]
    except ValueError:
        return candidates[0]  # nothing to compare on
    gains = [scores[0] - score for score in scores]
    mean = np.array([np.nanmean(gain) for gain in gains])
    error = np.array([np.nanstd(gain) / np.sqrt(max(np.isfinite(gain).sum(), 1)) for gain in gains])
    clear = mean > CLEARLY * error
    return candidates[int(np.where(clear, mean, -np.inf).argmax())] if clear.any() else candidates[0]


def _deviance(history: History, past: History, spec: Spec) -> FloatArray:
    """Poisson deviance of each line's held-out outcome a unit of its typical outcome (n,), NaN where none is known."""
    fit = fit_channel(past, spec)
    theta = fit.full(history.signals.shape[-1])
    expected = np.maximum(predict(fit, history, theta), 1e-9)
    outcome, weight = history.outcome[-HELD_OUT:], history.known[-HELD_OUT:]
    seen = (history.spend[-HELD_OUT:] > 0) & (weight > 0) & np.isfinite(outcome)
    y = np.where(seen, np.maximum(outcome, 0.0), 0.0)
    log = np.log(np.where(y > 0, y / expected, 1.0))
    deviance = (np.where(seen, weight, 0.0) * (y * log - (y - expected))).sum(axis=0)
    scale = (np.where(seen, weight, 0.0) * y).sum(axis=0)
    return np.where(scale > 0, deviance / np.where(scale > 0, scale, 1.0), np.nan)

