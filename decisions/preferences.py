"""A unit's preferences (`moe.preferences`) as parts of a problem for `decisions.plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.names import names_it
from decisions.plan import Front, Interactions, Problem, Risk, front
from decisions.plan.problem import FloatArray
from moe.errors import MoeError
from moe.preferences import Interaction, ProductLines, RiskChoice

LEAST = 1e-4
"Weight of a product line that counts nothing, where all add up to 1: of equal plans the one that is better for it."


def matching(patterns: Sequence[str], texts: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """Numbers of the lines whose id or name (n lines, each its texts) fits a pattern."""
    return np.flatnonzero([names_it(patterns, line, name) for line, name in texts])


def risk_of(choice: RiskChoice) -> Risk:
    """The measure of risk."""
    return Risk(choice.measure, choice.level)


def interactions_of(
    rules: Sequence[Interaction], texts: Sequence[Sequence[str]], usual_cents: ArrayLike
) -> Interactions | None:
    """The matrix of `rules` for curves that were fitted to each line's own spend; None without rules that fit.

    `usual_cents` (n,) is what lines usually spend: at it nothing changes, and receivers share by it. A rule adds to
    those before it; a line does not act on itself.
    """
    usual = np.asarray(usual_cents, dtype=np.float64)
    shares = np.zeros((usual.size, usual.size))
    for rule in rules:
        givers, receivers = matching(rule.givers, texts), matching(rule.receivers, texts)
        if not givers.size or not receivers.size:
            continue
        part = usual[receivers] + 1e-9
        shares[np.ix_(receivers, givers)] += rule.share * (part / part.sum())[:, None]
    np.fill_diagonal(shares, 0.0)
    return Interactions(shares, usual) if shares.any() else None


def preferred(
    problem: Problem, product_lines: ProductLines, texts: Sequence[Sequence[str]], *, points: int = 12
) -> tuple[FloatArray, Front]:
    """What a unit of each line's outcome counts (n,) at the chosen point of the product lines' front, and the front.

    The front is of expected outcomes; a plan with these weights keeps the problem's own measure of risk. They are
    sized such that the chosen plan counts for as much as without them, and so prices of money stay near the unit's
    own. Raises MoeError for a product line that no budget line fits, Infeasible as `solve` does.
    """
    names = np.array(problem.names, dtype=object)
    lines = {name: names[matching(patterns, texts)].tolist() for name, patterns in product_lines.lines.items()}
    if empty := sorted(name for name, own in lines.items() if not own):
        raise MoeError(f"no budget line is of the product line {', '.join(empty)}",
                       "mend its patterns under budget.product_lines in the unit's unit.yml")  # fmt: skip
    found = front(replace(problem, risk=Risk()), lines, weights=product_lines.weights, points=points)
    base = np.ones(len(names)) if problem.weights is None else np.asarray(problem.weights)
    return base * counted(product_lines, texts, found.chosen.weights, found.chosen.values), found


def counted(
    product_lines: ProductLines, texts: Sequence[Sequence[str]], weights: Mapping[str, float],
    values: Mapping[str, float],
) -> FloatArray:
    """How often each line's worth counts (n,) by the weights of a plan at which product lines bring `values`."""
    by_weight = sum(weights[name] * values[name] for name in values)
    size = sum(values.values()) / by_weight if by_weight > 0 else 1.0
    counts = np.zeros(len(texts))
    for name, patterns in product_lines.lines.items():
        counts[matching(patterns, texts)] += size * max(weights[name], LEAST)
    return counts
