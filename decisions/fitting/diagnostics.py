"""How far a line's curve may be trusted: days it has not seen, its posterior's width, the spend that data support."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decisions.fitting.history import History
from decisions.fitting.lines import fit
from decisions.fitting.model import Spec
from decisions.fitting.posterior import Fitted
from decisions.fitting.select import HELD_OUT

FloatArray = NDArray[np.float64]

DRAWS, SEED = 400, 1
NAIVE_DAYS = 28
LEAST_DAYS = 14


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Of n lines, in the order of the fit; NaN where nothing can be said."""

    held_out_error: FloatArray  # (n,) |predicted / true - 1| of the outcome of the held-out days together
    naive_error: FloatArray  # (n,) the same for the mean return of the last days, times spend
    marginal: FloatArray  # (n,) outcome of one more currency unit a day at today's spend
    marginal_low: FloatArray  # (n,) and its 90 % interval
    marginal_high: FloatArray  # (n,)
    marginal_sd: FloatArray  # (n,) posterior standard deviation of its log
    plan_low: FloatArray  # (n,) spend between which a plan stays unless told otherwise
    plan_high: FloatArray  # (n,)


def diagnose(history: History, fitted: Fitted, *, specs: Mapping[str, Spec] | None = None) -> Diagnostics:
    """Diagnostics of `fitted`, which was fitted to `history`; the held-out days are predicted by a second fit."""
    spend = np.maximum(fitted.today, 1e-3 * fitted.typical)  # the first unit's return may be without bound
    marginal = fitted.marginal(spend, fitted.draws(DRAWS, SEED))
    low, high = np.quantile(marginal, [0.05, 0.95], axis=0)
    none = np.full(len(fitted.line_ids), np.nan)
    held, naive = none, none
    if history.days >= LEAST_DAYS + HELD_OUT:
        past = history.until(history.days - HELD_OUT)
        known = (history.known > 0) & np.isfinite(history.outcome) & (history.spend > 0)
        outcome = np.where(known, history.outcome, 0.0)
        chosen = dict(zip(fitted.channels, fitted.specs, strict=True)) if specs is None else specs
        if (outcome[: past.days] * past.known).sum() > 0:
            before = fit(past, specs=chosen)
            told = before.response(HELD_OUT, days=HELD_OUT).daily(history.spend[past.days:])
            held = _error(told, outcome[past.days:], known[past.days:])
            recent = slice(max(past.days - NAIVE_DAYS, 0), past.days)
            spent = np.where(known, history.spend, 0.0)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean_return = outcome[recent].sum(axis=0) / spent[recent].sum(axis=0)
            naive = _error(mean_return * history.spend[past.days:], outcome[past.days:], known[past.days:])
    return Diagnostics(held, naive, fitted.marginal(spend), low, high, np.log(marginal).std(axis=0), *fitted.bounds)


def _error(told: FloatArray, outcome: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """|predicted / true - 1| (n,) of the known days together."""
    true = outcome.sum(axis=0)
    predicted = np.where(known, told, 0.0).sum(axis=0)
    return np.where(true > 0, np.abs(predicted / np.where(true > 0, true, 1.0) - 1), np.nan)
