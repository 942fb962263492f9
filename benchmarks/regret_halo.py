"""What an interaction matrix gains where lines bring buyers to each other: regret with it and without.

    python -m benchmarks.regret_halo --seeds 3 --processes 3

Policies on the scenario `halo`, all on the product's own fitted curves and steps: without a matrix; with the true one;
with one that is estimated each night. All hold what a unit could write, rules from campaigns to campaigns of a region,
or a superset of them. Shares are of the other line's slope: a giver's cross slope over the receiver's own.

The estimate: a receiver's clicks by its own spend, its platform's day, its weekday and its givers' remembered spend
(least squares on logs), pooled over regions by rule. Halo brings buyers; clicks count them with less noise than orders.
"""

import argparse
import multiprocessing
from functools import partial

import numpy as np
from rich.console import Console

from benchmarks import regret
from benchmarks.regret_policies import MAX_STEP, POLICIES, fitted, limits
from benchmarks.regret_why import WHY
from decisions.allocation import scaled_status_quo
from decisions.curves import Curves
from decisions.plan import Interactions, Problem, Total, solve
from simulator.catalog import line_list
from simulator.mechanisms import halo
from simulator.quarter import Policy, Seen
from simulator.response import steady_response
from simulator.scenarios import DEVELOPMENT_SEEDS, QUARTER
from simulator.world import World

MEMORY = (0.7, 0.85, 0.93)
"Of givers' spend from day to day; the one that explains clicks best counts."
PRIOR = 0.15
"Standard deviation of a rule's elasticity before data."


def best_split(seen: Seen, response: Curves, cross: np.ndarray) -> np.ndarray:
    """The product's plan, where another line's unit brings each line `cross` (n, n) of outcome."""
    allowed = limits(seen, MAX_STEP)
    lower, upper = allowed.lower_cents, allowed.upper_cents
    spend = seen.previous_cents / 100
    shares = np.clip(cross / np.maximum(response.marginal(spend), 1e-9)[:, None], -3.0, 3.0)
    np.fill_diagonal(shares, 0.0)
    stay = scaled_status_quo(seen.previous_cents, seen.total_cents, lower, upper)
    asked = Problem([f"{at:04d}" for at in range(len(lower))], [response.response()], lower, upper,
                    Total.daily(seen.total_cents), interactions=Interactions(shares, seen.previous_cents),
                    status_quo_cents=stay[None])  # fmt: skip
    return solve(asked, most_nodes=4).cents[0]


def true_matrix(world: World) -> Policy:
    """Cross slopes of the true lasting response around yesterday's split, on fitted curves."""

    def policy(seen: Seen) -> np.ndarray:
        spend = np.maximum(seen.previous_cents / 100, 0.1)
        up, down = (steady_response(world, spend + sign * np.diag(spend * 0.01)).value for sign in (1.0, -1.0))
        return best_split(seen, fitted(seen), ((up - down) / (0.02 * spend[:, None])).T)

    return policy


def rules(world: World, wide: bool) -> list[list[tuple[int, int]]]:
    """Pairs (receiver, giver) by rule; `wide`: from every giving kind to every kind of its region, most of them 0."""
    lines = line_list(world)
    kinds = sorted({(lines[i].kind.name, lines[j].kind.name) for i, j in zip(*np.nonzero(halo(world)), strict=True)})
    if wide:
        givers = sorted({giver for _, giver in kinds})
        kinds = sorted({(line.kind.name, giver) for line in lines for giver in givers if line.kind.name != giver})
    return [[(i, j) for i, a in enumerate(lines) for j, b in enumerate(lines)
             if (a.kind.name, b.kind.name) == kind and a.region.name == b.region.name] for kind in kinds]  # fmt: skip


def remembered(spend: np.ndarray, memory: float) -> np.ndarray:
    """Spend (days, n) of the days before, each day's share falling by `memory`; not of the day itself."""
    out, level = np.empty_like(spend), spend[:7].mean(axis=0)
    for day, today in enumerate(spend):
        out[day] = level
        level = memory * level + (1 - memory) * today
    return out


def elasticities(seen: Seen, pairs: list[list[tuple[int, int]]]) -> tuple[np.ndarray, np.ndarray]:
    """Of each rule: clicks of receivers by givers' remembered spend, and its standard error, after the prior."""
    good = (seen.spend > 0) & (seen.clicks > 0)
    log_clicks, log_spend = np.log(np.maximum(seen.clicks, 0.5)), np.log(np.maximum(seen.spend, 0.01))
    detrended = log_clicks - log_spend
    detrended = detrended - detrended.mean(axis=0)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for memory in MEMORY:
        given = np.log(np.maximum(remembered(seen.spend, memory), 0.01))
        precision, weighted, left = np.zeros(len(pairs)), np.zeros(len(pairs)), 0.0
        for receiver in sorted({i for rule in pairs for i, _ in rule}):
            mine = [(r, j) for r, rule in enumerate(pairs) for i, j in rule if i == receiver]
            days = good[:, receiver] & (np.arange(len(good)) >= 7)
            others = (seen.platform == seen.platform[receiver]) & (np.arange(len(seen.line)) != receiver)
            platform = detrended[days][:, others].mean(axis=1)
            age = np.flatnonzero(days) / 30
            week = np.eye(7)[np.flatnonzero(days) % 7]
            x = np.column_stack([log_spend[days, receiver], platform, age, age**2, week,
                                 given[days][:, [j for _, j in mine]]])  # fmt: skip
            y, weight = log_clicks[days, receiver], np.sqrt(seen.clicks[days, receiver])
            gram = (x * weight[:, None]).T @ (x * weight[:, None]) + 1e-9 * np.eye(x.shape[1])
            beta = np.linalg.solve(gram, (x * weight[:, None]).T @ (y * weight))
            rest = (y - x @ beta) * weight
            # Demand wanders for days, so that neighbouring days say less than as many apart.
            memory_of_rest = float(np.clip(np.corrcoef(rest[1:], rest[:-1])[0, 1], 0, 0.95))
            inflated = (1 + memory_of_rest) / (1 - memory_of_rest)
            error = np.diagonal(np.linalg.inv(gram)) * rest.var() * inflated
            left += float(rest @ rest)
            for at, (rule, _) in enumerate(mine):
                precision[rule] += 1 / error[at - len(mine)]
                weighted[rule] += beta[at - len(mine)] / error[at - len(mine)]
        if best is None or left < best[0]:
            best = left, weighted / (precision + PRIOR**-2), np.sqrt(1 / (precision + PRIOR**-2))
    assert best is not None
    return best[1], best[2]


def estimated(world: World, wide: bool, careful: bool = False) -> Policy:
    """The matrix from what is seen; `careful`: a rule within two standard errors of nothing counts as nothing."""
    pairs = rules(world, wide)

    def policy(seen: Seen) -> np.ndarray:
        response, spend = fitted(seen), np.maximum(seen.previous_cents / 100, 0.01)
        size, error = elasticities(seen, pairs)
        size = np.where(np.abs(size) > 2 * error, size, 0.0) if careful else size
        cross, value = np.zeros((len(spend), len(spend))), response.value(spend)
        for rule, elasticity in zip(pairs, size, strict=True):
            for receiver, giver in rule:
                cross[receiver, giver] = elasticity * value[receiver] / spend[giver]
        return best_split(seen, response, cross)

    return policy


HALO = {
    "ours": POLICIES["ours"],
    "… true matrix": true_matrix,
    "… estimated, true rules": lambda world: estimated(world, wide=False),
    "… estimated, many rules": lambda world: estimated(world, wide=True, careful=True),
    "ours, true curves": POLICIES["ours, true curves"],
}


def run(job: tuple[str, int], days: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    WHY.update(HALO)
    return regret.run_seed(job, days, names, 0)


def main() -> None:
    """Play, and print one table a scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", help="again for more; halo and calm by default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--days", type=int, default=QUARTER)
    parser.add_argument("--policy", action="append", choices=list(HALO), help="again for more; all by default")
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    names = tuple(chosen.policy or HALO)
    with multiprocessing.get_context("spawn").Pool(chosen.processes) as pool:
        for name in chosen.scenario or ["halo", "calm"]:
            jobs = [(name, seed) for seed in DEVELOPMENT_SEEDS[: chosen.seeds]]
            runs = pool.map(partial(run, days=chosen.days, names=names), jobs, chunksize=1)
            Console(width=130).print(regret.table(name, runs, names, chosen.days))


if __name__ == "__main__":
    main()
