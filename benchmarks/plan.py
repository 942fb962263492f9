"""Plans of days and lines against general solvers: seconds, gap to the proven bound, and peak memory.

    python -m benchmarks.plan
    python -m benchmarks.plan --sizes 100 1000 --limit 30

Lines saturate (Hill, n = 1, which cvxpy can state too), are free to move by a quarter of yesterday's budget a day and
lie in a tree of 30 platforms in 5 regions with floors, caps and shares. One day is separable; seven days are tied by
steps and by a geometric carry-over of 10 days. Each solver runs in a process of its own on one thread and is stopped
after the limit; ours is the best of three runs, the others run once. The gap is to our bound; general solvers may miss
limits by their tolerance, or whole cents, and so show a gap below 0.
The last part is of returns that bend upwards (Hill, n = 2) and of lines that may be off, ours alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
from rich.console import Console
from rich.table import Table

from decisions.plan import Group, Problem, Steps, Total, solve
from decisions.response import HILL, Response

LAGS, REGIONS, PLATFORMS = 10, 5, 30
Outcome = tuple[float, float, float]


def problem(n: int, days: int, exponent: float = 1.0) -> Problem:
    """n lines; the total is yesterday's, and staying at yesterday's budgets keeps every limit."""
    random = np.random.default_rng(n)
    lags = 1 if days == 1 else LAGS
    previous = np.exp(random.normal(4, 1, n))
    k = previous * np.exp(random.normal(0.3, 0.4, n))
    kernel = random.uniform(0.2, 0.8, n) ** np.arange(lags)[:, None]
    kernel /= kernel.sum(axis=0)
    after = days + lags - 1
    scale = k * np.exp(random.normal(1.2, 0.6, n)) * np.exp(random.normal(0, 0.1, (after, n)))
    offset = np.zeros((after, n))
    for day in range(after):
        for lag in range(lags):
            if not 0 <= day - lag < days:
                offset[day] += kernel[lag] * previous
    made = Response(np.full(n, HILL), scale, k, np.full(n, exponent), kernel, offset)
    cents = np.rint(previous * 100).astype(np.int64)
    names = [f"line {i:06d}" for i in range(n)]
    groups = [Group(f"region {r}", share_low=0.5 / REGIONS, share_high=2 / REGIONS) for r in range(REGIONS)]
    for at in range(PLATFORMS):
        spent = int(cents[at::PLATFORMS].sum())
        groups.append(Group(f"platform {at:02d}", names[at::PLATFORMS], f"region {at % REGIONS}", spent * 85 // 100,
                            spent * 115 // 100))  # fmt: skip
    return Problem(names, [made], 0, 10**9, Total.daily(int(cents.sum())), days, groups, Steps(cents, 0.25, 2_000))


def inside(asked: Problem, group: Group) -> list[int]:
    below = [g for g in asked.groups if g.name == group.name or g.parent == group.name]
    return [int(name[5:]) for g in below for name in g.lines]


def ours(asked: Problem) -> float:
    return solve(asked).value


def slsqp(asked: Problem) -> float:
    from scipy.optimize import LinearConstraint, minimize

    made, days, n = asked.responses[0], asked.days, len(asked.names)
    steps = asked.steps
    assert steps is not None
    previous, total = steps.previous_cents / 100, float(np.asarray(asked.total.low_cents)) / 100
    relative = steps.share * steps.previous_cents >= steps.least_cents
    share, reach = np.where(relative, steps.share, 0.0), np.where(relative, 0.0, steps.least_cents / 100)
    limits, eye = [], np.eye(days * n).reshape(days, n, days * n)
    for day in range(days):
        limits.append(LinearConstraint(eye[day].sum(axis=0), total, total))
        for group in asked.groups:
            row = eye[day, inside(asked, group)].sum(axis=0)
            low = group.share_low * total if group.share_low else float(np.asarray(group.floor_cents)) / 100
            high = group.share_high * total if group.share_high else float(np.asarray(group.cap_cents)) / 100
            limits.append(LinearConstraint(row, low, high))
        if day:
            limits.append(LinearConstraint(eye[day] - (1 + share)[:, None] * eye[day - 1], -np.inf, reach))
            limits.append(LinearConstraint(eye[day] - (1 - share)[:, None] * eye[day - 1], -reach, np.inf))
    low, high = np.maximum((1 - share) * previous - reach, 0), (1 + share) * previous + reach
    bounds = [(a, b) for a, b in zip(low, high, strict=True)] + [(0, None)] * ((days - 1) * n)
    found = minimize(lambda s: -float(made.value(s.reshape(days, n))), np.tile(previous, days),
                     jac=lambda s: -made.gradient(s.reshape(days, n)).ravel(), bounds=bounds, constraints=limits,
                     method="SLSQP", options={"maxiter": 2_000, "ftol": 1e-9})  # fmt: skip
    return -float(found.fun)


def clarabel(asked: Problem) -> float:
    import cvxpy

    made, days, n = asked.responses[0], asked.days, len(asked.names)
    steps = asked.steps
    assert steps is not None
    previous, total = steps.previous_cents / 100, float(np.asarray(asked.total.low_cents)) / 100
    relative = steps.share * steps.previous_cents >= steps.least_cents
    share, reach = np.where(relative, steps.share, 0.0), np.where(relative, 0.0, steps.least_cents / 100)
    part = cvxpy.Variable((days, n))
    money = cvxpy.multiply(part, np.tile(made.k, (days, 1)))
    outcome = 0
    for day in range(len(made.scale)):
        u = made.offset[day] / made.k
        for lag in range(min(day + 1, len(made.kernel))):
            if day - lag < days:
                u = u + cvxpy.multiply(made.kernel[lag], part[day - lag])
        outcome += made.scale[day].sum() - made.scale[day] @ cvxpy.inv_pos(1 + u)
    limits = [money >= 0, cvxpy.sum(money, axis=1) == total]
    for group in asked.groups:
        mine = cvxpy.sum(money[:, inside(asked, group)], axis=1)
        low = group.share_low * total if group.share_low else float(np.asarray(group.floor_cents)) / 100
        high = group.share_high * total if group.share_high else float(np.asarray(group.cap_cents)) / 100
        limits += [mine >= low, mine <= high]
    before: object = previous
    for day in range(days):
        limits += [money[day] <= cvxpy.multiply(1 + share, before) + reach,
                   money[day] >= cvxpy.multiply(1 - share, before) - reach]  # fmt: skip
        before = money[day]
    return float(cvxpy.Problem(cvxpy.Maximize(outcome), limits).solve(solver=cvxpy.CLARABEL))


SOLVERS: dict[str, Callable[[Problem], float]] = {
    "decisions.plan": ours,
    "cvxpy Clarabel": clarabel,
    "scipy SLSQP": slsqp,
}


def memory_kib(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def measure(name: str, n: int, days: int, repeats: int) -> Outcome:
    """Best seconds, the value reached, and the peak MiB above an imported and warmed up solver."""
    solver, asked = SOLVERS[name], problem(n, days)
    solver(problem(60, min(days, 2)))
    before = memory_kib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        value = solver(asked)
        seconds.append(time.perf_counter() - start)
    return min(seconds), value, (memory_kib("VmHWM") - before) / 1024


def apart(name: str, n: int, days: int, limit: float) -> Outcome | None:
    repeats = 3 if name == "decisions.plan" else 1
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply_async(measure, (name, n, days, repeats)).get(limit * repeats)
        except multiprocessing.TimeoutError:
            return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 200, 1_000, 10_000, 100_000], help="lines")
    parser.add_argument("--days", type=int, nargs="+", default=[1, 7])
    parser.add_argument("--limit", type=float, default=60, help="seconds after which a solver is stopped")
    args = parser.parse_args()
    table = Table("days", "lines", "solver", "seconds", "growth", "gap to our bound", "peak MiB", title="concave")
    for days in args.days:
        last: dict[str, tuple[int, float] | None] = dict.fromkeys(SOLVERS, (0, 0.0))
        for n in args.sizes:
            bound = solve(problem(n, days)).upper_bound
            for name in SOLVERS:
                before = last[name]
                found = apart(name, n, days, args.limit) if before else None
                if before is None or found is None:
                    last[name] = None
                    table.add_row(str(days), f"{n:,}", name, f"over {args.limit:.0f}", "", "", "")
                    continue
                seconds, value, memory = found
                power = np.log(seconds / before[1]) / np.log(n / before[0]) if before[0] else np.nan
                last[name] = n, seconds
                table.add_row(str(days), f"{n:,}", name, f"{seconds:.3f}", "" if np.isnan(power) else f"n^{power:.1f}",
                              f"{(bound - value) / bound:.1e}", f"{memory:.0f}")  # fmt: skip
    Console(width=120).print(table)
    hard = Table("kind", "days", "lines", "seconds", "gap", "relaxations", title="not concave, ours alone")
    for days, n in ((1, 100), (1, 1_000), (1, 10_000), (7, 100)):
        bent = problem(n, days, exponent=2.0)
        steps = bent.steps
        assert steps is not None
        off = replace(problem(n, days), steps=None, minimum_cents=steps.previous_cents * 9 // 10)
        for kind, asked in (("Hill, n = 2", bent), ("minimum or off", off)):
            start = time.perf_counter()
            plan = solve(asked)
            hard.add_row(
                kind, str(days), f"{n:,}", f"{time.perf_counter() - start:.2f}", f"{plan.gap:.1e}", str(plan.nodes)
            )
    Console(width=120).print(hard)


if __name__ == "__main__":
    main()
