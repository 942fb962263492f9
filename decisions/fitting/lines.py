"""All lines: each channel fitted by itself, calibrated by its experiments, and put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.carry import LAGS
from decisions.fitting.channel import ChannelFit, fit_channel
from decisions.fitting.confounding import calibrate
from decisions.fitting.experiments import Experiment, check
from decisions.fitting.foresight import foreseen
from decisions.fitting.history import History
from decisions.fitting.model import SIGNALS, SIMPLE, Spec, active
from decisions.fitting.posterior import Fitted
from decisions.fitting.select import choose, on_clicks

FloatArray = NDArray[np.float64]

STEP = 0.03
"""Of the power of unseen demand, for its derivative."""
SUPPORT = (0.05, 0.95)
"""Quantiles of a line's daily spend between which its data support the curve."""


def fit(
    history: History, experiments: Sequence[Experiment] = (), *, specs: Mapping[str, Spec] | None = None
) -> Fitted:
    """Fit all lines, each channel by itself, with the curve and carry-over that `specs` names or that held-out days
    choose. Raises ValueError on a bad experiment and where no line has an outcome above zero."""
    check(experiments, history)
    seen = (history.spend > 0) & (history.known > 0) & np.isfinite(history.outcome)
    returned = np.where(seen, history.known * np.nan_to_num(history.outcome), 0.0).sum()
    if not returned > 0:
        raise ValueError("no line has an outcome above zero: there is nothing to fit, keep the last split")
    pooled = float(returned / np.where(seen, history.known * history.spend, 0.0).sum())
    count, width = len(history.line_ids), SIGNALS + history.signals.shape[-1]
    mean, together, cov = np.zeros((count, width)), np.zeros((count, width)), np.zeros((count, width, width))
    demand, memory = np.zeros((2, count)), np.zeros((2, count))
    dispersion, chosen = np.zeros(count), [SIMPLE] * count
    power = foreseen(history)
    for channel in sorted(set(history.channels)):
        lines = np.array([i for i, name in enumerate(history.channels) if name == channel], dtype=np.int64)
        mine = history.of(lines)
        spec = choose(mine) if specs is None else specs[channel]
        found, sensitivity = _observe(mine, spec, pooled, power.mean[lines])
        columns = active(spec, history.signals.shape[-1])
        made = calibrate(spec, found.full(history.signals.shape[-1]), found.cov, sensitivity, power.of(lines),
                         columns, mine, found.common, experiments)
        mean[np.ix_(lines, columns)], together[np.ix_(lines, columns)] = made.theta, made.together
        cov[np.ix_(lines, columns, columns)] = made.cov
        demand[:, lines] = found.state, np.full(len(lines), found.common[-1] - 1)
        memory[:, lines] = [[found.demand.rho], [found.common_demand.rho]]
        dispersion[lines] = found.dispersion
        for i in lines:
            chosen[i] = spec
    low, high = _support(history.spend, seen)
    tested = {e.line_id for e in experiments}
    return Fitted(
        history.line_ids, history.campaigns, history.channels, tuple(chosen),
        history.first_day + timedelta(days=history.days - 1), mean, cov, together,
        np.array([line in tested for line in history.line_ids]), seen.sum(axis=0), history.typical, history.today,
        low, high, history.with_past()[-(LAGS - 1):], dispersion, demand, memory,
    )


def _observe(history: History, spec: Spec, pooled: float, bias: FloatArray) -> tuple[ChannelFit, FloatArray]:
    """What observation says of a channel at the power `bias` (n,) of unseen demand, and how it moves with it (n, p)."""
    clicks = None
    if history.clicks is not None and (np.nan_to_num(history.clicks) * (history.spend > 0)).sum() > 0:
        clicks = fit_channel(on_clicks(history), spec._replace(carry="none"))
    found = fit_channel(history, spec, clicks, bias=bias, pooled=pooled)
    moved = fit_channel(history, spec, clicks, bias=bias + STEP, pooled=pooled, begin=found)
    return found, (moved.theta - found.theta) / STEP


def _support(spend: FloatArray, seen: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """The range (n,) of each line's spend without its rarest days."""
    low, high = np.zeros((2, spend.shape[1]))
    for i in np.flatnonzero(seen.any(axis=0)):
        low[i], high[i] = np.quantile(spend[seen[:, i], i], SUPPORT)
    return low, high
