"""Random problems that have a plan, and a check of plans that shares no code with `decisions.plan`."""

from dataclasses import replace
from typing import Any

import numpy as np

from decisions.plan import Group, Problem, Steps, Total
from decisions.response import HILL, LOGISTIC, POWER, Response


def response(random: np.random.Generator, days: int, n: int, concave: bool = True) -> Response:
    """Any family and kernel; without carry-over where `days` is 1 half of the time."""
    lags = int(random.integers(1, 5))
    after = int(random.integers(0, lags))
    family = random.choice([HILL, LOGISTIC, POWER], n) if concave else np.full(n, HILL)
    exponent = np.where(family == POWER, random.uniform(0.2, 0.9, n), random.uniform(0.4, 1, n))
    exponent = np.where(family == LOGISTIC, 1.0, exponent) if concave else random.uniform(0.8, 3, n)
    kernel = random.random((lags, n))
    kernel[0] += 0.3
    k = np.exp(random.normal(4, 1, n))
    scale = k * np.exp(random.normal(1, 0.6, n)) * np.exp(random.normal(0, 0.2, (days + after, n)))
    if random.random() < 0.3:
        scale[:, random.random(n) < 0.2] = 0
    offset = random.random((days + after, n)) * k * (random.random() < 0.7)
    return Response(family, scale, k, exponent, kernel / kernel.sum(axis=0), offset)


def problem(seed: int, most_lines: int = 12, most_days: int = 4) -> Problem:
    """A concave problem around a plan that keeps all its limits: staying at yesterday's budgets."""
    random = np.random.default_rng(seed)
    n, days = int(random.integers(1, most_lines + 1)), int(random.integers(1, most_days + 1))
    names = [f"line {i}" for i in random.permutation(n)]
    stay = np.rint(100 * np.exp(random.normal(4, 1, n)) * (random.random(n) < 0.9)).astype(np.int64)
    lower = np.floor(stay * random.choice([0, 0, 0.5, 0.9], n)).astype(np.int64)
    upper = np.where(random.random(n) < 0.5, 10**9, stay * 2 + random.integers(0, 5_000, n))
    steps = None
    if random.random() < 0.6:
        steps = Steps(stay, float(random.choice([0.1, 0.25, 0.6])), int(random.choice([500, 2_000])))
    total = int(stay.sum())
    kind = random.integers(3)
    money = [Total.daily(total), Total.horizon(total * days, total * 4 // 5, total * 6 // 5 + 1),
             Total.flexible(float(random.uniform(0.1, 2)), 0, total * 2 + 10)][kind]  # fmt: skip
    groups = _groups(random, names, stay, days) if n > 2 and random.random() < 0.7 else []
    return Problem(names, [response(random, days, n)], lower, upper, money, days, groups, steps,
                   status_quo_cents=np.tile(stay, (days, 1)))  # fmt: skip


def uncertain(asked: Problem, seed: int, draws: int) -> Problem:
    """The problem with draws around its response: what lines share, and what is each line's own."""
    random, made = np.random.default_rng(seed), asked.responses[0]
    n = len(asked.names)
    spread = random.choice([0.1, 0.4])
    drawn = [
        replace(made, scale=made.scale * np.exp(spread * (random.normal() + random.normal(size=n))),
                k=made.k * np.exp(spread * random.normal(size=n)))
        for _ in range(draws)
    ]  # fmt: skip
    return replace(asked, responses=drawn)


def _groups(random: np.random.Generator, names: list[str], stay: np.ndarray, days: int) -> list[Group]:
    """Regions with platforms below them, each with limits that `stay` keeps with a little room."""
    spent = dict(zip(names, stay.tolist(), strict=True))
    leaf_of = random.integers(0, random.integers(1, 5), len(names))
    out: list[Group] = []
    for leaf in np.unique(leaf_of):
        lines = [name for name, at in zip(names, leaf_of, strict=True) if at == leaf]
        out.append(Group(f"platform {leaf}", lines, parent=f"region {leaf % 2}"))
    out += [Group(name) for name in sorted({group.parent for group in out if group.parent})]
    held = {group.name: sum(spent[name] for name in group.lines) for group in out}
    for group in out:
        if group.parent:
            held[group.parent] += held[group.name]
    limited = []
    for group in out:
        mine, above = held[group.name], held[group.parent] if group.parent else sum(spent.values())
        more: dict[str, Any] = {}
        if random.random() < 0.4:
            more["floor_cents"] = int(mine * random.choice([0.5, 0.9, 1]))
        if random.random() < 0.4:
            more["cap_cents"] = int(mine * random.choice([1.05, 1.3])) + 500
        if random.random() < 0.5 and mine:
            share = random.choice(["share_low", "share_high"])
            more[share] = mine / above * 0.9 if share == "share_low" else min(mine / above * 1.1, 1.0)
            more["share_of"] = random.choice(["parent", "total"]) if group.parent else "total"
            if more["share_of"] == "total" and above != sum(spent.values()):
                more[share] = min(more[share] * above / sum(spent.values()), 1.0)
        if random.random() < 0.2:
            more["horizon_cap_cents"] = int(mine * days * 1.1) + 2_000
        limited.append(replace(group, **more))
    return limited


def broken(asked: Problem, cents: np.ndarray) -> list[str]:
    """The limits that a plan (H, n) does not keep, straight from the problem; shares to two cents."""
    out = []
    days, total = asked.days, asked.total
    at = {name: i for i, name in enumerate(asked.names)}
    lower, upper = (np.broadcast_to(np.asarray(x), cents.shape) for x in (asked.lower_cents, asked.upper_cents))
    out += ["lower"] * bool((cents < lower).any()) + ["upper"] * bool((cents > upper).any())
    minimum = np.broadcast_to(np.asarray(asked.minimum_cents), cents.shape)
    out += ["minimum"] * bool(((cents > 0) & (cents < minimum)).any())
    spent = cents.sum(axis=1)
    low, high = (np.broadcast_to(np.asarray(x), days) for x in (total.low_cents, total.high_cents))
    out += ["total"] * bool(((spent < low) | (spent > high)).any())
    if total.horizon_high_cents is not None and spent.sum() > total.horizon_high_cents:
        out.append("horizon high")
    if total.horizon_low_cents is not None and spent.sum() < total.horizon_low_cents:
        out.append("horizon low")
    if asked.steps is not None:
        before = np.vstack([asked.steps.previous_cents, cents[:-1]])
        reach = np.maximum(asked.steps.share * before, np.maximum(asked.steps.least_cents, minimum))
        out += ["step"] * bool((np.abs(cents - before) > reach + 1e-5).any())

    def lines(group: Group) -> list[int]:
        inside = [at[name] for name in group.lines]
        return inside + [i for child in asked.groups if child.parent == group.name for i in lines(child)]

    by_name = {group.name: group for group in asked.groups}
    for group in asked.groups:
        mine = cents[:, lines(group)].sum(axis=1)
        whole = spent
        if group.share_of == "parent" and group.parent:
            whole = cents[:, lines(by_name[group.parent])].sum(axis=1)
        for bad, what in (
            (group.floor_cents is not None and (mine < group.floor_cents).any(), "floor"),
            (group.cap_cents is not None and (mine > group.cap_cents).any(), "cap"),
            (group.share_low is not None and (mine < group.share_low * whole - 2.001).any(), "share low"),
            (group.share_high is not None and (mine > group.share_high * whole + 2.001).any(), "share high"),
            (group.horizon_cap_cents is not None and mine.sum() > group.horizon_cap_cents, "horizon cap"),
        ):
            out += [f"{what} of {group.name}"] * bool(bad)
    return out


def outcomes(asked: Problem, cents: np.ndarray) -> np.ndarray:
    """Outcome of a plan in each draw, lines' weights aside."""
    spend = cents / 100
    if asked.interactions is not None:
        shares = np.asarray(asked.interactions.shares)
        spend = spend + (spend - np.asarray(asked.interactions.usual_cents) / 100) @ shares.T
    return np.array([float(r.value(spend)) for r in asked.responses])


def net(asked: Problem, cents: np.ndarray) -> float:
    """What a plan is worth, by sorting its draws, less the price of its money."""
    ordered, level = np.sort(outcomes(asked, cents)), asked.risk.level * len(asked.responses)
    value = ordered.mean()
    if asked.risk.measure == "var":
        value = ordered[max(int(np.ceil(level - 1e-9)), 1) - 1]
    if asked.risk.measure == "cvar":
        whole = int(level + 1e-9)
        value = (ordered[:whole].sum() + (level - whole) * ordered[min(whole, len(ordered) - 1)]) / level
        value = ordered[0] if level < 1 else value
    return float(value) - asked.total.price * float(cents.sum()) / 100
