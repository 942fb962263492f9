"""The product with holding at several thresholds, for `python -m benchmarks.regret --hold`.

As the nights do it: a candidate starts from the night before's candidate, whether that went live or not; it goes live
where its chance to beat the budgets in force, and its expected regret, allow it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.regret_policies import MAX_STEP, best_split, limits, ours, tonight
from decisions.allocation import scaled_status_quo
from decisions.draws import draws
from decisions.fitting.simple import as_curves
from decisions.hold import compare, reason
from simulator.quarter import Policy, Seen
from simulator.world import World


class Holding:
    """A policy that remembers the last candidate. `against_candidate` compares with it instead of what is in force."""

    def __init__(self, probability: float, regret: float = 1.0, against_candidate: bool = False) -> None:
        """Hold under a probability, and above a regret as a share of the day's value."""
        self.probability, self.regret, self.against_candidate = probability, regret, against_candidate
        self.candidate: np.ndarray | None = None

    def __call__(self, seen: Seen) -> np.ndarray:
        """Tomorrow's budgets: the candidate's, or those in force."""
        in_force = seen.previous_cents
        chain = seen
        if self.candidate is not None:
            chain = replace(seen, budget_cents=np.vstack([seen.budget_cents[:-1], self.candidate]))
        fitted = tonight(seen)
        before, self.candidate = chain.previous_cents, best_split(chain, as_curves(fitted), MAX_STEP)
        allowed = limits(chain, MAX_STEP)
        quo = scaled_status_quo(before if self.against_candidate else in_force, seen.total_cents,
                                allowed.lower_cents, allowed.upper_cents)
        drawn = draws(fitted)
        found = compare(*(drawn.value(cents / 100).sum(axis=1) for cents in (self.candidate, quo)))
        return in_force if reason(found, self.probability, self.regret) else self.candidate


HOLDS: dict[str, Callable[[World], Policy]] = {
    "ours": lambda world: ours,
    "held under 50 %": lambda world: Holding(0.5),
    "held under 65 %": lambda world: Holding(0.65),
    "held under 80 %": lambda world: Holding(0.8),
    "held above 1 % regret": lambda world: Holding(0.0, 0.01),
    "held under 65 %, by one step": lambda world: Holding(0.65, against_candidate=True),
}
