"""The whole plan as a table, and what the night says of the month or quarter that it follows."""

from datetime import timedelta

import numpy as np
import pyarrow as pa

from decisions.amounts import money
from decisions.jobs.ask import budgeted
from decisions.jobs.delivery import rules_of, worst_of
from decisions.jobs.question import Asked
from decisions.jobs.totals import assumed
from decisions.plan import Plan
from decisions.plan.delivery import worst_day
from moe.jobs import Night


def plan_table(asked: Asked, plan: Plan, night: Night) -> pa.Table:
    """Rows of out.plan__line_day: days of the plan, lines within each."""
    days, n = plan.cents.shape
    value = np.mean([response.daily(plan.cents / 100)[:days] for response in asked.problem.responses], axis=0)
    dates = [night.decided_day + timedelta(days=t) for t in range(days)]
    last = np.array([max((worst_day(rule, plan.cents[:, i]) for rule in rules_of(asked.platforms[line])), key=np.sum)
                     for i, line in enumerate(asked.lines)])  # fmt: skip
    return pa.table({
        "line_id": asked.lines * days,
        "business_date": [day for day in dates for _ in range(n)],
        "line_name": [asked.names[line] for line in asked.lines] * days,
        "platform": [asked.platforms[line] for line in asked.lines] * days,
        "budget": money(plan.cents.ravel()),
        "currency": [night.unit.currency] * (days * n),
        "expected_value": value.ravel(),
        "money_price": plan.money_price.ravel(),
        "limit": [str(name) or "none" for name in plan.binding.ravel()],
        "most_delivered": money(last.T.ravel()),
    })


def period_columns(
    asked: Asked, plan: Plan, night: Night, history: pa.Table, past: pa.Table | None
) -> dict[str, pa.Array]:
    """Columns of out.allocation__night about the total: what rules it, and the worst that platforms may make of it."""
    period, target = asked.money.period, asked.money.target
    rules = period.word if period is not None else "day" if target is None else "target"
    amounts: list[int | None] = [None, None, None]
    if period is not None:
        tomorrow, worst = night.decided_day, 0
        history = history.filter([night.unit.funds(line) for line in history.column("line_id").to_pylist()])
        spend, budgets = history.select(["platform", "business_date", "spend"]).to_pylist(), budgeted(past)
        spend += assumed(spend, budgets, night)
        before = {r["platform"] for r in spend if r["business_date"] >= period.first}
        for platform in sorted({*asked.platforms.values()} | before):
            mine = np.array([asked.platforms[line] == platform for line in asked.lines])
            worst += worst_of(period, tomorrow, platform, plan.cents[:, mine].sum(axis=1), spend, budgets)
        amounts = [period.override.cents, period.spent_cents, worst]
    named = zip(("period_total", "period_spent", "period_most"), amounts, strict=True)
    return {
        "total_from": pa.array([rules]),
        "plan_days": pa.array([len(plan.cents)], pa.int64()),
        **{name: money([c]) if c is not None else pa.nulls(1, pa.decimal128(18, 2)) for name, c in named},
    }

