"""Regret: how much of the gap between the first day's split and the oracle a policy closes in a simulated quarter.

    python -m benchmarks.regret                                # every scenario on a few development seeds
    python -m benchmarks.regret --scenario halo --seeds 10 --why
    python -m benchmarks.regret --unseen                       # the final report alone, never while methods change

After 60 days under planners whose budgets follow demand, each policy splits the same daily total for a quarter of
nights, seeing what platforms report by then. Share closed on a day: (policy - kept split) / (oracle - kept split), of
expected value on the same demand and prices, mean of the days near it, ± its standard error over seeds. The oracle is
the best steady split of the quarter on the true response (`simulator.oracle`): budgets are lasting decisions, and the
best split for a day's own luck is out of reach for all. A policy that follows the season can pass it by a little.
"""

import argparse
import multiprocessing
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.regret_hold import HOLDS
from benchmarks.regret_policies import POLICIES
from benchmarks.regret_why import WHY
from simulator.lift import LiftTest, lift_test
from simulator.oracle import steady_oracle
from simulator.quarter import play
from simulator.response import curves
from simulator.scenarios import DEVELOPMENT_SEEDS, HISTORY, QUARTER, SCENARIOS, UNSEEN_SEEDS, scenario
from simulator.world import World

KEEP = "keep the split"
MARKS, NEAR = (1, 7, 14, 30, 60, 90), 3  # days shown, and days before and after that each averages; day 1 is alone
TEST_DAYS = 14
BARS = "▁▂▃▄▅▆▇█"


def closed(value: np.ndarray, kept: np.ndarray, oracle: np.ndarray, near: int = NEAR) -> np.ndarray:
    """Share of the gap closed near each day (days,): ratio of sums, so that a day without a gap does no harm."""
    out = np.empty(len(value))
    for at in range(len(value)):
        days = slice(max(at - near, 0), at + near + 1) if at else slice(0, 1)
        out[at] = (value - kept)[days].sum() / (oracle - kept)[days].sum()
    return out


def lift_tests(world: World, count: int) -> tuple[LiftTest, ...]:
    """Tests that switched off the `count` lines with the largest budgets, for two weeks late in the history."""
    largest = np.argsort(-curves(world).usual_spend, kind="stable")[:count]
    return tuple(lift_test(world, int(line), HISTORY - TEST_DAYS - 4, TEST_DAYS, factor=0.0) for line in largest)


def run_seed(job: tuple[str, int], days: int, names: tuple[str, ...], tests: int) -> dict[str, np.ndarray]:
    """One world: expected value by day of the kept split, the oracle and each policy; and some figures of each."""
    world, policies = scenario(*job), POLICIES | WHY | HOLDS
    known = lift_tests(world, tests)
    best = steady_oracle(world, days)
    kept = play(world, policies[KEEP](world), days).value
    out = {"oracle": best.value, KEEP: kept, "gap": np.array([best.gap])}
    for name in names:
        start = time.perf_counter()
        out[name] = play(world, policies[name](world), days, known).value
        out[f"seconds of {name}"] = np.array([time.perf_counter() - start])
    return out


def table(name: str, runs: list[dict[str, np.ndarray]], names: tuple[str, ...], days: int) -> Table:
    """Share closed by policy and day."""
    gain = np.array([run["oracle"].sum() / run[KEEP].sum() - 1 for run in runs])
    proof = max(float(run["gap"][0]) for run in runs)
    title = f"{name}: {len(runs)} seeds; the oracle's value is {gain.mean():.1%} above the first split's "
    shown = Table(title=f"{title}(Frank–Wolfe gap {proof:.0e})", title_justify="left")
    shown.add_column("share of the gap closed, %")
    marks = [mark for mark in MARKS if mark <= days]
    for head in (*(f"day {mark}" for mark in marks), "whole", "s a quarter"):
        shown.add_column(head, justify="right")
    for policy in names:
        shares = np.array([closed(run[policy], run[KEEP], run["oracle"])[np.array(marks) - 1] for run in runs])
        whole = np.array([closed(run[policy], run[KEEP], run["oracle"], days)[-1:] for run in runs])
        seconds = np.mean([run[f"seconds of {policy}"] for run in runs])
        cells = [_with_error(column) for column in (*shares.T, whole[:, 0])]
        shown.add_row(policy, *cells, f"{seconds:.1f}")
    return shown


def _with_error(share: np.ndarray) -> str:
    if len(share) == 1:
        return f"{share[0]:.0%}"
    return f"{100 * share.mean():.0f} ± {100 * share.std(ddof=1) / np.sqrt(len(share)):.0f}"


def picture(path: Path, results: dict[str, list[dict[str, np.ndarray]]], names: tuple[str, ...], out: Console) -> None:
    """Share closed by day: a PNG where matplotlib is installed, else a line of bars for each policy."""
    by_day = {
        (name, policy): np.mean([closed(run[policy], run[KEEP], run["oracle"]) for run in runs], axis=0)
        for name, runs in results.items()
        for policy in names
    }
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        for (name, policy), share in by_day.items():
            bars = "".join(BARS[int(np.clip(v * 7, 0, 7))] for v in share[::2])
            out.print(f"{name:<12}{policy:<28}{bars}")
        return
    across = min(len(results), 4)
    down = -(-len(results) // across)
    figure = Figure(figsize=(3.6 * across, 3.0 * down + 0.6), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes in grid[len(results) :]:
        axes.remove()
    for axes, (name, runs) in zip(grid, results.items(), strict=False):
        for policy in names:
            style = "--" if "SLSQP" in policy else "-"
            axes.plot(np.arange(1, len(runs[0][KEEP]) + 1), 100 * by_day[name, policy], style, label=policy)
        axes.axhline(100, color="grey", linewidth=0.5)
        axes.set(title=name, xlabel="day", ylim=(-60, 120))
    figure.axes[0].set_ylabel("share of the gap closed, %")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(names), 5))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    out.print(f"picture: {path}")


def main() -> None:
    """Play, and print one table a scenario."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.regret", description=__doc__, formatter_class=formatter)
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="again for more; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="how many development seeds")
    parser.add_argument("--unseen", action="store_true", help="the ten unseen seeds, for the final report alone")
    parser.add_argument("--days", type=int, default=QUARTER, help="nights that a policy decides")
    parser.add_argument("--tests", type=int, default=0, help="lift tests in the history, for policies that read them")
    parser.add_argument("--why", action="store_true", help="take one difficulty after the other from the product")
    parser.add_argument("--hold", action="store_true", help="the product with holding at several thresholds")
    parser.add_argument("--policy", action="append", choices=[*POLICIES, *WHY, *HOLDS], help="again for more")
    parser.add_argument("--processes", type=int, default=1, help="worlds at a time")
    parser.add_argument("--picture", type=Path, default=Path("var/regret.png"), help="where the picture goes")
    chosen, out = parser.parse_args(), Console(width=130)
    names = tuple(chosen.policy or (WHY if chosen.why else HOLDS if chosen.hold else POLICIES))
    seeds = UNSEEN_SEEDS if chosen.unseen else DEVELOPMENT_SEEDS[: chosen.seeds]
    results = {}
    with multiprocessing.get_context("spawn").Pool(chosen.processes) as pool:
        for name in chosen.scenario or SCENARIOS:
            run = partial(run_seed, days=chosen.days, names=names, tests=chosen.tests)
            results[name] = pool.map(run, [(name, seed) for seed in seeds], chunksize=1)
            out.print(table(name, results[name], names, chosen.days))
    picture(chosen.picture, results, names, out)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
