"""What outcomes in K draws are worth together: the mean, value at risk, conditional value at risk.

All are sums over draws with weights that depend on the outcomes' order. The mean of the worst share α is the least
Σ w·F over weights w of at most 1/(αK) that add up to 1 (Artzner et al. 1999; Rockafellar & Uryasev 2000): any such
weights bound it from above, which is what a plan's proof rests on.
"""

from __future__ import annotations

import numpy as np

from decisions.plan.problem import FloatArray, Risk


def rank(risk: Risk, draws: int) -> int:
    """How many of the worst draws are at or below the value at risk."""
    return max(int(np.ceil(risk.level * draws - 1e-9)), 1)


def most_weight(risk: Risk, draws: int) -> float | None:
    """The largest weight of one draw in the mean of the worst; None where all draws count alike."""
    if risk.measure == "mean" or draws == 1 or risk.level * draws >= draws - 1e-9:
        return None
    return min(1 / (risk.level * draws), 1.0)


def weights_of(outcomes: FloatArray, most: float | None) -> FloatArray:
    """The weights (K,) that give the mean of the worst outcomes, draws in their order where they are equal."""
    count = len(outcomes)
    if most is None:
        return np.full(count, 1 / count)
    out = np.zeros(count)
    out[np.argsort(outcomes, kind="stable")] = np.diff(np.minimum(most * np.arange(count + 1), 1.0))
    return out


def worth(risk: Risk, outcomes: FloatArray) -> float:
    """The measure of outcomes (K,) that a plan maximises."""
    if risk.measure == "var":
        return float(np.sort(outcomes)[rank(risk, len(outcomes)) - 1])
    return float(weights_of(outcomes, most_weight(risk, len(outcomes))) @ outcomes)


def allowed(weights: FloatArray, most: float | None) -> FloatArray:
    """Weights near `weights` (K,) that add up to 1 and are at most `most`: so that they bound the measure."""
    count = len(weights)
    if most is None:
        return np.full(count, 1 / count)
    share = np.maximum(weights, 0) / max(float(np.maximum(weights, 0).sum()), 1e-300)
    top = float(share.max())
    if top <= most:
        return np.asarray(share)
    even = (top - most) / (top - 1 / count)
    return np.asarray((1 - even) * share + even / count)
