"""Budget allocation against general solvers.

    python benchmarks/allocation.py

Prints a table: seconds, gap to the proven upper bound, and peak memory above the start, each solver in a
process of its own. SLSQP stops at 200 lines, where it already takes seconds; cvxpy solves with Clarabel.
Needs numpy, scipy and cvxpy.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

# One thread each, so that the seconds compare; the repository root, so that the file runs from anywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from decisions.allocation import allocate
from decisions.curves import Curves

SIZES = (20, 200, 2_000, 20_000)
REPEATS = 3


def problem(n: int) -> tuple[Curves, int, np.ndarray, np.ndarray]:
    """Lines whose total is yesterday's, each free to move by a quarter."""
    random = np.random.default_rng(n)
    previous = np.exp(random.normal(4, 1, n))
    k = previous * np.exp(random.normal(0.3, 0.4, n))
    a = k * np.exp(random.normal(1.2, 0.6, n))
    zeros = np.zeros(n)
    curves = Curves(
        a=a,
        k=k,
        cov=np.zeros((n, 2, 2)),
        days_observed=np.zeros(n, dtype=np.int64),
        spend_low=zeros,
        spend_high=zeros,
        typical_spend=previous,
    )
    cents = np.rint(previous * 100).astype(np.int64)
    return curves, int(cents.sum()), cents * 3 // 4, cents * 5 // 4


def ours(n: int) -> float:
    curves, total, lower, upper = problem(n)
    return float(curves.value(allocate(curves, total, lower, upper).budget_cents / 100).sum())


def slsqp(n: int) -> float:
    from scipy.optimize import minimize

    curves, total, lower, upper = problem(n)
    low, high, money = lower / 100, upper / 100, total / 100
    result = minimize(
        lambda s: -curves.value(s).sum(),
        (low + high) / 2,
        jac=lambda s: -curves.marginal(s),
        bounds=list(zip(low, high, strict=True)),
        constraints={"type": "eq", "fun": lambda s: s.sum() - money, "jac": lambda s: np.ones(n)},
        method="SLSQP",
        options={"maxiter": 2_000, "ftol": 1e-9},
    )
    return -float(result.fun)


def clarabel(n: int) -> float:
    import cvxpy

    curves, total, lower, upper = problem(n)
    spend = cvxpy.Variable(n)
    returned = cvxpy.sum(curves.a - cvxpy.multiply(curves.a * curves.k, cvxpy.inv_pos(spend + curves.k)))
    limits = [cvxpy.sum(spend) == total / 100, spend >= lower / 100, spend <= upper / 100]
    return float(cvxpy.Problem(cvxpy.Maximize(returned), limits).solve(solver=cvxpy.CLARABEL))


SOLVERS = {
    "decisions.allocate": ours,
    "scipy SLSQP": slsqp,
    "cvxpy Clarabel": clarabel,
}


def measure(name: str, n: int) -> tuple[float, float, float]:
    """Best seconds of `REPEATS`, the answer, and the peak MiB above an imported and warmed up solver."""
    solver = SOLVERS[name]
    solver(20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        answer = solver(n)
        seconds.append(time.perf_counter() - start)
    return min(seconds), answer, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def apart(name: str, n: int) -> tuple[float, float, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (name, n))


def main() -> None:
    print(f"{'solver':<20}{'lines':>8}{'seconds':>11}{'gap to bound':>14}{'peak MiB':>10}")
    for n in SIZES:
        curves, total, lower, upper = problem(n)
        bound = allocate(curves, total, lower, upper).upper_bound
        for name in ("decisions.allocate", "scipy SLSQP", "cvxpy Clarabel"):
            if name == "scipy SLSQP" and n > 200:
                continue
            seconds, value, memory = apart(name, n)
            print(f"{name:<20}{n:>8,}{seconds:>11.4f}{(bound - value) / bound:>14.1e}{memory:>10.1f}")


if __name__ == "__main__":
    main()
