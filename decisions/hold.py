"""Whether tonight's budgets are worth the change: their chance to beat the budgets in force, and the regret if not.

Both are valued in the same posterior draws (`decisions.draws`), world by world, so that what the two share cancels:
the probability is the share of worlds in which the new budgets bring more; the expected regret is the mean of what
switching loses, worlds in which it gains counting 0 (expected opportunity loss; Raiffa & Schlaifer 1961). With few
draws both are estimates: the probability has Wilson's interval (1927), the regret a standard error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

NINETY_FIVE = 1.96


@dataclass(frozen=True)
class Comparison:
    """New budgets beside those in force, in the unit of the objective a day."""

    probability: float  # that the new budgets bring more; a draw in which both bring the same counts half
    probability_low: float  # and its 95 % interval of Monte Carlo error
    probability_high: float
    regret: float  # mean of what switching loses
    regret_se: float  # and its standard error of Monte Carlo
    gain_low: float  # the gain's 5 % quantile
    gain_high: float  # and its 95 % quantile
    in_force: float  # mean value of the budgets in force


def compare(new: ArrayLike, in_force: ArrayLike) -> Comparison:
    """Compare values (K,) of both in the same K draws. Raises ValueError where they do not pair or are no numbers."""
    after, before = np.asarray(new, dtype=np.float64), np.asarray(in_force, dtype=np.float64)
    if after.ndim != 1 or after.shape != before.shape or len(after) < 2:
        raise ValueError(f"draws do not pair: {after.shape} of the new budgets, {before.shape} of those in force")
    if not (np.isfinite(after).all() and np.isfinite(before).all()):
        raise ValueError("a posterior draw of the expected value is not a number: run the job `curves` again")
    gain, count = after - before, len(after)
    loss = np.maximum(-gain, 0.0)
    share = float((gain > 0).mean() + 0.5 * (gain == 0).mean())
    low, high = wilson(share, count)
    least, most = np.quantile(gain, [0.05, 0.95])
    return Comparison(share, low, high, float(loss.mean()), float(loss.std(ddof=1) / np.sqrt(count)),
                      float(least), float(most), float(before.mean()))


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a probability from the share of `count` independent draws (Wilson 1927)."""
    z = NINETY_FIVE**2 / count
    middle, half = share + z / 2, NINETY_FIVE * np.sqrt(share * (1 - share) / count + z / (4 * count))
    low, high = (middle - half) / (1 + z), (middle + half) / (1 + z)
    return float(np.clip(low, 0.0, share)), float(np.clip(high, share, 1.0))  # rounding may leave them by a last bit


def reason(found: Comparison, probability: float, regret: float) -> str:
    """Why the budgets in force should stay, in words; empty where tonight's may go live.

    They stay where tonight's beat them with less than `probability` even at the upper end of what so few draws can
    tell, or where the expected regret, less two standard errors, is above `regret` of the value of those in force.
    """
    if found.gain_low == found.gain_high == 0:
        return ""
    if found.probability_high < probability:
        return (f"Tonight's budgets beat those in force in only {found.probability:.0%} of the cases that the data "
                f"allow; {probability:.0%} are asked for. The budgets in force stay.")
    if found.regret - 2 * found.regret_se > regret * found.in_force:
        return (f"Tonight's budgets risk too much: what changing may lose is {found.regret / found.in_force:.1%} of "
                f"the day's value on average; {regret:.1%} is allowed. The budgets in force stay.")
    return ""
