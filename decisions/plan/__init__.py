"""Budgets over days and lines, with a bound, prices and, where it cannot be done, the conflict.

`solve(problem)` is the way in: `problem.py` says what to ask, `solve.py` what comes back.
"""

from decisions.plan.conflict import Infeasible
from decisions.plan.pareto import Front, Point, front
from decisions.plan.problem import Group, Interactions, Override, Problem, Risk, Steps, Total
from decisions.plan.solve import Plan, measured, outcomes, solve, solve_to_target

__all__ = [
    "Front", "Group", "Infeasible", "Interactions", "Override", "Plan", "Point", "Problem", "Risk", "Steps", "Total",
    "front", "measured", "outcomes", "solve", "solve_to_target",
]  # fmt: skip
