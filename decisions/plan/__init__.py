"""Budgets over days and lines, with a bound, prices and, where it cannot be done, the conflict.

`solve(problem)` is the way in: `problem.py` says what to ask, `solve.py` what comes back.
"""

from decisions.plan.conflict import Infeasible
from decisions.plan.problem import Group, Override, Problem, Steps, Total
from decisions.plan.solve import Plan, solve, solve_to_target

__all__ = ["Group", "Infeasible", "Override", "Plan", "Problem", "Steps", "Total", "solve", "solve_to_target"]
