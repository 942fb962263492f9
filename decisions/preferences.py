"""A unit's preferences (`moe.preferences`) as parts of a problem for `decisions.plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decisions.names import names_it
from decisions.plan import Front, Interactions, Plan, Problem, Risk, front, solve
from moe.errors import MoeError
from moe.preferences import Interaction, ProductLines, RiskChoice


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


def solve_preferred(
    problem: Problem, product_lines: ProductLines | None, texts: Sequence[Sequence[str]], *, points: int = 12
) -> tuple[Plan, Front | None]:
    """The plan, and the front that it lies on where product lines compete.

    The night's plan keeps the problem's measure of risk, with the weights of the chosen point; the front itself is of
    expected outcomes. Raises MoeError for a product line that no budget line fits, Infeasible as `solve` does.
    """
    if product_lines is None:
        return solve(problem), None
    names = np.array(problem.names, dtype=object)
    lines = {name: names[matching(patterns, texts)].tolist() for name, patterns in product_lines.lines.items()}
    if empty := sorted(name for name, own in lines.items() if not own):
        raise MoeError(f"no budget line is of the product line {', '.join(empty)}",
                       "mend its patterns under budget.product_lines in the unit's unit.yml")  # fmt: skip
    found = front(replace(problem, risk=Risk()), lines, weights=product_lines.weights, points=points)
    counts = np.zeros(len(names))
    for name, own in lines.items():
        counts[np.isin(names, own)] += found.chosen.weights[name]
    base = np.ones(len(names)) if problem.weights is None else np.asarray(problem.weights)
    return solve(replace(problem, weights=base * counts)), found
