"""What conversion rates show of demand that planners saw coming: the power b of `confounding`, by line.

Spend decides how many people click, hardly how many of them buy. Where a line's conversion rate rises with its spend,
beyond weekday, trend, signals and the demand that its own yesterdays show, both followed something that no report
shows: the rate is a negative control outcome (Lipsitch, Tchetgen Tchetgen & Cohen 2010).

    outcome = clicks × rate × (spend / typical spend)^slope

Foresight is its planners', so slopes are pooled from line to channel to account. A little of a slope is spend's own
doing, since awareness makes visitors readier. Demand that makes visitors readier also makes more of them, so b is
larger than the rest: Altonji, Elder & Taber (2005) reason so from what is seen to what is not. Where nobody reports
clicks, or demand brings visitors and makes none readier, no rate shows anything and b is what it is elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.channel import fit_channel
from decisions.fitting.confounding import BIAS, CHANNEL_SD, LINE_SD, Power
from decisions.fitting.history import History, typical_spend
from decisions.fitting.model import Spec

FloatArray = NDArray[np.float64]

OWN = 0.04
"""Slope of the rate that spend causes itself."""
RATIO, RATIO_SD = 1.6, 0.4
"""b as a multiple of the rest of the slope. Both from the development seeds, see docs/choices.md."""


def foreseen(history: History) -> Power:
    """The power b of unseen demand in the outcome of each line of an account."""
    n = len(history.line_ids)
    clicks = np.zeros_like(history.spend) if history.clicks is None else np.nan_to_num(history.clicks)
    clicks = np.where(history.spend > 0, clicks, 0.0)
    returned = np.where(clicks > 0, history.known * np.nan_to_num(history.outcome), 0.0).sum(axis=0)
    if not (returned > 0).any():
        return Power(np.full(n, BIAS), np.full(n, CHANNEL_SD), np.full(n, LINE_SD))
    log_spend = np.log(np.where(history.spend > 0, history.spend / history.typical, 1.0))
    rates = replace(
        history, campaigns=history.channels, spend=clicks, typical=typical_spend(clicks), clicks=None,
        signals=np.concatenate([history.signals, log_spend[..., None]], axis=-1),
    )
    found = fit_channel(rates, Spec("rate", "none"))
    _, channel = np.unique(np.array(history.channels), return_inverse=True)
    rest = np.maximum(found.theta[:, -1] - OWN, 0.0)
    unsure = found.prior.mean_cov[channel, -1, -1]  # of a channel's slope
    shared = np.sqrt(CHANNEL_SD**2 + RATIO**2 * unsure + (RATIO_SD * rest) ** 2)
    return Power(RATIO * rest, shared, np.full(n, LINE_SD))
