"""Plans over posterior draws, and with lines that act on each other, against general solvers: seconds, growth and gap.

    python -m benchmarks.risk
    python -m benchmarks.risk --sizes 14 100 --limit 30 --draws 50

One day, a fixed total, lines that saturate (Hill, n = 1, which cvxpy can state) and draws whose lines move together and
apart. `mean`, `cvar` and `var` at 10 % are the same problem with another parameter; value at risk has no convex form,
so no peer states it: SLSQP climbs it from the even split. Halo: a tenth of the lines, in ten groups, bring 20 % of
their spend to as many others; cannibalisation: the same with -10 %, within steps of 25 %. Each solver runs in a process
of its own on one thread and is stopped after the limit; ours is the best of three runs. The gap is to our bound. The
last part is the front of two product lines: points, seconds, and how far any plan can lie beyond them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
from rich.console import Console
from rich.table import Table

from decisions.plan import Interactions, Problem, Risk, Steps, Total, front, solve
from decisions.plan.worth import worth
from decisions.response import HILL, Response

KINDS = ("mean", "cvar", "var", "halo", "cannibalisation", "halo, cvar")
LEVEL, SPREAD = 0.1, 0.3


def problem(kind: str, n: int, draws: int) -> Problem:
    """n lines in so many draws."""
    random = np.random.default_rng(n)
    spend = np.exp(random.normal(4, 1, n))
    k, one = spend * np.exp(random.normal(0.3, 0.4, n)), np.ones(n)
    scale = k * np.exp(random.normal(1.2, 0.6, n))
    made = []
    for _ in range(draws if kind in ("mean", "var") or "cvar" in kind else 1):
        own, every = np.exp(SPREAD * random.normal(size=(2, n))), np.exp(SPREAD * random.normal())
        made.append(Response(np.full(n, HILL), (scale * own[0] * every)[None], k * own[1], one, one[None],
                             np.zeros((1, n))))  # fmt: skip
    cents = np.rint(spend * 100).astype(np.int64)
    asked = Problem([f"line {i:06d}" for i in range(n)], made, 0, 10**9, Total.daily(int(cents.sum())))
    if kind in ("cvar", "var", "halo, cvar"):
        asked = replace(asked, risk=Risk("var" if kind == "var" else "cvar", LEVEL))
    if "halo" in kind or kind == "cannibalisation":
        size, share = max(n // 100, 1), 0.2 if "halo" in kind else -0.1
        shares = np.zeros((n, n))
        for group in range(min(10, n // (2 * size))):
            givers = np.arange(size) + group * size
            shares[np.ix_(n - 1 - givers, givers)] = share / size
        asked = replace(asked, interactions=Interactions(shares))
    return replace(asked, steps=Steps(cents, 0.25, 100)) if kind == "cannibalisation" else asked


def ours(asked: Problem) -> float:
    return solve(asked).value


def arrays(asked: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Ceilings and half saturations (K, n), and the matrix of interactions."""
    ceiling, half = np.array([r.scale[0] for r in asked.responses]), np.array([r.k for r in asked.responses])
    return ceiling, half, None if asked.interactions is None else np.asarray(asked.interactions.shares)


def bounds(asked: Problem) -> tuple[np.ndarray, np.ndarray]:
    n = len(asked.names)
    if asked.steps is None:
        return np.zeros(n), np.full(n, np.inf)
    previous = asked.steps.previous_cents / 100
    reach = np.maximum(asked.steps.share * previous, asked.steps.least_cents / 100)
    return np.maximum(previous - reach, 0), previous + reach


def clarabel(asked: Problem) -> float:
    import cvxpy

    if asked.risk.measure == "var":
        return np.nan
    ceiling, half, shares = arrays(asked)
    spend, edge = cvxpy.Variable(len(asked.names)), cvxpy.Variable()
    reached = spend if shares is None else spend + shares @ spend
    outcomes = cvxpy.hstack([a.sum() - a @ cvxpy.inv_pos(1 + cvxpy.multiply(reached, 1 / k))
                             for a, k in zip(ceiling, half, strict=True)])  # fmt: skip
    value = cvxpy.sum(outcomes) / len(ceiling)
    if asked.risk.measure == "cvar":
        value = edge - cvxpy.sum(cvxpy.pos(edge - outcomes)) / (LEVEL * len(ceiling))
    low, high = bounds(asked)
    limits = [cvxpy.sum(spend) == float(np.asarray(asked.total.low_cents)) / 100, spend >= low]
    limits += [spend <= high] if np.isfinite(high).all() else []
    return float(cvxpy.Problem(cvxpy.Maximize(value), limits).solve(solver=cvxpy.CLARABEL))


def slsqp(asked: Problem) -> float:
    from scipy.optimize import minimize

    ceiling, half, shares = arrays(asked)
    n, total = len(asked.names), float(np.asarray(asked.total.low_cents)) / 100
    low, high = bounds(asked)

    def loss(share: np.ndarray) -> tuple[float, np.ndarray]:
        spend = share * total
        reached = spend if shares is None else spend + shares @ spend
        drawn = (ceiling * reached / (reached + half)).sum(axis=1)
        weights = np.full(len(drawn), 1 / len(drawn))
        if asked.risk.measure != "mean":
            order, many = np.argsort(drawn), max(round(LEVEL * len(drawn)), 1)
            weights = np.zeros(len(drawn))
            weights[order[:many] if asked.risk.measure == "cvar" else order[many - 1]] = 1.0
            weights /= weights.sum()
        slope = weights @ (ceiling * half / (reached + half) ** 2)
        return -worth(asked.risk, drawn), -total * (slope if shares is None else slope + shares.T @ slope)

    found = minimize(loss, np.full(n, 1 / n) if asked.steps is None else asked.steps.previous_cents / 100 / total,
                     jac=True, bounds=list(zip(low / total, np.minimum(high / total, 1), strict=True)),
                     constraints={"type": "eq", "fun": lambda x: x.sum() - 1, "jac": np.ones_like}, method="SLSQP",
                     options={"maxiter": 2_000, "ftol": 1e-9})  # fmt: skip
    return -float(found.fun)


SOLVERS: dict[str, Callable[[Problem], float]] = {
    "decisions.plan": ours,
    "cvxpy Clarabel": clarabel,
    "scipy SLSQP": slsqp,
}


def measure(name: str, kind: str, n: int, draws: int, repeats: int) -> tuple[float, float]:
    """Best seconds of a solver that is imported and warm, and the value reached."""
    asked = problem(kind, n, draws)
    SOLVERS[name](problem(kind, 6, 4))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        value = SOLVERS[name](asked)
        seconds.append(time.perf_counter() - start)
    return min(seconds), value


def apart(name: str, kind: str, n: int, draws: int, limit: float) -> tuple[float, float] | None:
    repeats = 3 if name == "decisions.plan" else 1
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(measure, (name, kind, n, draws, repeats)).get(limit * repeats)
        except multiprocessing.TimeoutError:
            return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[14, 100, 1_000, 10_000], help="lines")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--limit", type=float, default=60, help="seconds after which a solver is stopped")
    args = parser.parse_args()
    out = Console(width=120)
    for kind in args.kinds:
        table = Table("lines", "solver", "seconds", "growth", "gap to our bound", title=f"{kind}, {args.draws} draws")
        last: dict[str, tuple[int, float] | None] = dict.fromkeys(SOLVERS, (0, 0.0))
        for n in args.sizes:
            if kind not in ("mean", "cvar", "var") and n > 1_000:
                continue
            bound = solve(problem(kind, n, args.draws)).upper_bound
            for name in SOLVERS:
                before = last[name]
                found = apart(name, kind, n, args.draws, args.limit) if before else None
                if before is None or found is None:
                    last[name] = None
                    table.add_row(f"{n:,}", name, f"over {args.limit:.0f}", "", "")
                    continue
                seconds, value = found
                if np.isnan(value):
                    continue
                last[name] = n, seconds
                growth = f"n^{np.log(seconds / before[1]) / np.log(n / before[0]):.1f}" if before[0] else ""
                table.add_row(f"{n:,}", name, f"{seconds:.3f}", growth, f"{(bound - value) / bound:.1e}")
        out.print(table)
    shown = Table("lines", "points", "seconds", "largest gap of a point", "distance of the front")
    for n in args.sizes:
        asked = problem("halo" if n <= 1_000 else "mean", n, 1)
        names, start = list(asked.names), time.perf_counter()
        made = front(asked, {"first": names[: n // 2], "second": names[n // 2 :]})
        shown.add_row(f"{n:,}", str(len(made.points)), f"{time.perf_counter() - start:.2f}",
                      f"{max(point.plan.gap for point in made.points):.1e}", f"{made.distance:.1e}")  # fmt: skip
    out.print(shown)


if __name__ == "__main__":
    main()
