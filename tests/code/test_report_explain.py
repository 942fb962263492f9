"""The page's explanation: causes in words, the month, what limits cost, and the playbook behind each advice."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest

from decisions.draws import Draws
from decisions.report import ReportData, playbook, render
from decisions.report.actions import actions
from decisions.report.changes import CAUSES, changes
from decisions.report.data import Period
from decisions.report.gain import draws_of
from decisions.report.limits import sentences
from decisions.report.pacing import expected_end, pace
from decisions.report.views import Kind
from tests.code.report_example import NIGHT, example, held, quarantine
from tests.code.test_report import quiet, with_column

ROOT = Path(__file__).parents[2]
JUNE = Period("monthly_total", Decimal("200000.00"), "Ben", "Plan of the board")


def test_every_waterfall_on_the_page_leads_from_yesterday_to_tomorrow_to_the_cent(tmp_path: Path) -> None:
    data = example(200, days=5)
    text = render(data, tmp_path).read_text()
    block = re.search(r'<script type="application/json" id="waterfall-data">(.*?)</script>', text, re.S)
    assert block is not None
    told = json.loads(block[1])
    budgets = {r["line_id"]: r for r in data.budgets.to_pylist()}
    assert set(told["lines"]) == {line for line, r in budgets.items() if r["budget"] != r["previous_budget"]}
    for line, (before, after, steps) in told["lines"].items():
        assert Decimal(before) / 100 == budgets[line]["previous_budget"]
        assert Decimal(after) / 100 == budgets[line]["budget"]
        assert before + sum(amount for _, amount in steps) == after
    assert [label for label, _ in told["causes"]] == [CAUSES[c][0] for c in ("on_its_way", "new_data", "step")]


def test_the_unit_s_causes_are_sums_of_the_lines_and_a_cause_without_rows_is_not_named() -> None:
    data = example()
    view = changes(data)
    assert view is not None and data.changes is not None
    amounts = [r["amount"] for r in data.changes.to_pylist() if r["cause"] == "new_data"]
    row = next(m for m in view.moved if m.label == "New data")
    assert row.up == f"+{sum(a for a in amounts if a > 0):,.2f}"
    assert row.words == f"{sum(a > 0 for a in amounts)} lines up, {sum(a < 0 for a in amounts)} down"
    assert "A person" not in {m.label for m in view.moved}
    assert max(max(m.up_bar, m.down_bar) for m in view.moved) == 1
    assert "Still on its way" in view.words[1]


def test_a_night_from_before_the_tables_still_has_a_page(tmp_path: Path) -> None:
    old = replace(example(5), changes=None, draws=None, limit_costs=None, limits=None)
    text = render(old, tmp_path).read_text()
    assert 'id="changes"' not in text
    assert 'id="limits"' not in text
    assert not (tmp_path / "changes.csv").exists()
    assert draws_of(old) is None


def test_draws_of_other_lines_say_nothing() -> None:
    data = example(6)
    assert draws_of(data) is not None
    assert draws_of(replace(data, draws=Draws(("other",), np.ones((3, 1)), np.ones((3, 1))))) is None


def test_unlike_things_are_ranked_by_outcome_and_not_by_face_value() -> None:
    dear = example(6, objective="conversions")  # a conversion costs about 40: spend is no measure of outcome
    rows = quiet(release=dear.release, objective="conversions", quarantine=quarantine(100).slice(0, 100))
    (found,) = actions(rows)
    assert found.gain == pytest.approx(100 * 31.5 * dear.release["shadow_price"])
    assert found.gain < 100 * 31.5 / 20
    assert found.at_most


def test_an_action_says_what_it_is_worth_what_it_risks_and_what_happens_without_it(tmp_path: Path) -> None:
    data = example()
    for action in actions(data):
        assert action.risk and action.otherwise
        assert action.low is None or action.high is None or action.low <= action.high
    text = render(data, tmp_path).read_text()
    assert text.count("If nobody does it") == 3
    assert "nine times out of ten)" in text


def test_raising_a_cap_is_judged_in_every_draw() -> None:
    data = quiet()
    budgets = with_column(data.budgets, "binding", ["cap"] + ["none"] * 5)
    budgets = with_column(budgets, "marginal_value", [data.release["shadow_price"] * 2] * 6)
    (found,) = actions(quiet(budgets=budgets))
    assert found.low is not None and found.high is not None
    assert data.draws is not None
    sure = replace(data.draws, a=np.repeat(data.draws.a[:1], 40, 0), k=np.repeat(data.draws.k[:1], 40, 0))
    (certain,) = actions(quiet(budgets=budgets, draws=sure))
    assert certain.low == pytest.approx(certain.high)
    assert found.high - found.low > 0


def test_what_limits_cost_is_said_dearest_first_and_free_limits_are_left_out() -> None:
    data = example()
    said = sentences(data)
    shadow = data.release["shadow_price"]
    assert said[0].startswith("The floor of North costs about 140\u00a0USD a day: its last 100\u00a0USD bring")
    assert f"{shadow * 100 / 3:,.1f}\u00a0USD there" in said[0]
    assert said[0].endswith("elsewhere, 3.0 times as much.")
    assert said[1].startswith("The cap on ")
    assert not any("South" in text for text in said)
    assert said[-1] == "100\u00a0USD more of total a day would bring about 131\u00a0USD more a day."
    assert sentences(replace(data, limit_costs=None)) == []


@pytest.mark.parametrize(("rate", "plan", "end"), [
    (1.0, None, 100 + 20 * 10),
    (1.1, None, 100 + 20 * 11),
    (1.0, 250.0, 250.0),
    (0.5, 250.0, 100 + 150 * (1 - np.prod([1 - 0.5 / left for left in range(20, 0, -1)]))),
    (1.0, 80.0, 100.0),
])  # fmt: skip
def test_where_a_period_will_end(rate: float, plan: float | None, end: float) -> None:
    assert expected_end(100.0, 10.0, 20, rate, plan) == pytest.approx(end)


def test_the_month_in_words() -> None:
    data = replace(example(6), period=JUNE)
    found = pace(data)
    assert found is not None
    june = [r["spend"] for r in data.history.to_pylist() if r["business_date"] >= date(2026, 6, 1)]
    assert found.spent == pytest.approx(float(sum(june)))
    assert (found.days_gone, found.days_left, found.plan) == (11, 19, 200_000)
    assert "The plan for June 2026 is 200,000\u00a0USD, set by Ben: Plan of the board." in found.words[0]
    assert found.bar["plan"] == 100
    without = pace(replace(data, period=None))
    assert without is not None
    assert without.end == pytest.approx(found.spent + 19 * float(data.release["total"]))
    assert "Nobody has set a total" in without.words[-1]
    quarter = pace(replace(data, period=replace(JUNE, kind="quarterly_total")))
    assert quarter is not None
    assert (quarter.period, quarter.days_left) == ("April to June 2026", 19)


def test_floors_above_what_a_month_leaves_are_told_as_what_they_cost() -> None:
    data = replace(example(6), period=replace(JUNE, spent=Decimal("150000.00")))
    found = pace(data)
    assert found is not None and found.spent == 150_000 and "spread evenly" in found.words[-1]
    decided = data.release["business_date"]
    ahead = pa.table({"business_date": [decided], "budget": pa.array([Decimal("99000.00")], pa.decimal128(18, 2))})
    short = replace(JUNE, spent=Decimal("190000.00"))
    found = pace(replace(data, ahead=ahead, period=short))
    assert found is not None
    assert "Floors ask for" in found.words[-1] and "over" in found.words[-1] and "on plan" not in found.words[-1]


def test_on_the_first_of_a_month_nothing_of_it_is_spent() -> None:
    data = example(3)
    july = replace(data, period=JUNE, release={**data.release, "business_date": date(2026, 7, 1)},
                   history=data.history.filter(pa.compute.less(data.history["business_date"], date(2026, 6, 30))))
    found = pace(july)
    assert found is not None
    assert (found.spent, found.days_gone, found.days_left) == (0, 0, 31)
    assert "July 2026 begins with tomorrow’s budget" in found.words[0]


def nights() -> list[ReportData]:
    """Nights that together give every kind of advice."""
    data = quiet()
    plan = example(6).plan_vs_actual
    assert plan is not None
    newest = [i for i, day in enumerate(plan["business_date"].to_pylist()) if day == NIGHT]
    spend = plan["planned_budget"].to_pylist()
    spend[newest[0]] *= 2
    spend[newest[1]] /= 4
    spend[newest[2]] = None
    price = data.release["shadow_price"]

    def bound(binding: str, factor: float, code: str = "kept") -> ReportData:
        rows = with_column(data.budgets, "binding", [binding] + ["none"] * 5)
        rows = with_column(with_column(rows, "reason_code", [code] * 6), "marginal_value", [price * factor] * 6)
        return quiet(budgets=rows)

    spent = float(sum(r["spend"] for r in data.history.to_pylist() if r["business_date"] >= date(2026, 6, 1)))
    applied = example().applied
    assert applied is not None
    ignored = with_column(applied, "difference", [-value for value in applied["released_budget"].to_pylist()])
    slow = pa.Table.from_pylist([
        {"line_id": "line-0000", "line_name": "a", "business_date": NIGHT - timedelta(days=n),
         "planned_budget": Decimal(1), "spend": Decimal("0.05")} for n in range(3)])  # fmt: skip
    return [
        example(), held(), replace(data, live=None, release={**data.release, "lines_changed": 2}),
        quiet(steps=[{"job": "land", "status": "failed", "seconds": 1.0, "reason": "no disk"}]),
        quiet(plan_vs_actual=with_column(plan, "spend", spend)), quiet(quarantine=quarantine()),
        bound("cap", 2.0), bound("floor", 0.5), bound("lock", 2.0, "locked"), quiet(limits=example().limits),
        quiet(period=replace(JUNE, total=Decimal(round(spent / 2)))), quiet(applied=ignored),
        quiet(period=replace(JUNE, total=Decimal(round(spent * 3))), plan_vs_actual=slow),
    ]  # fmt: skip


def test_every_kind_of_advice_can_be_given_and_has_its_entry_in_the_playbook() -> None:
    kinds = {action.kind for data in nights() for action in actions(data)}
    assert kinds == set(get_args(Kind)) == {entry.kind for entry in playbook.entries()}


@pytest.mark.parametrize(("change", "message"), [
    (lambda text: text.replace("\nlate:", "\nlater:"), "no entry for late"),
    (lambda text: text + "\nnew_idea: {title: x}\n", "no advice leads to the playbook's entry for new_idea"),
    (lambda text: text.replace("  ignore: If it is one", "  ignored: If it is one"), "late needs exactly"),
])
def test_a_playbook_with_a_gap_or_an_orphan_is_refused(change: Any, message: str) -> None:
    source = (ROOT / "decisions/report/assets/playbook.yml").read_text()
    with pytest.raises(ValueError, match=message):
        playbook.read(change(source))


def test_the_document_and_the_page_are_written_from_the_same_playbook(tmp_path: Path) -> None:
    assert (ROOT / "docs/how-to/playbook.md").read_text() == playbook.document(), (
        "write it again: see decisions/report/playbook.py")
    text = render(example(3), tmp_path).read_text()
    for kind in get_args(Kind):
        assert f'id="playbook-{kind}"' in text
    assert set(re.findall(r'href="#(playbook-\w+)"', text)) <= set(re.findall(r'id="(playbook-\w+)"', text))


def test_what_an_operator_needs_first_comes_first_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    text = render(replace(example(), period=JUNE), tmp_path).read_text()
    order = re.findall(r'<section id="(\w+)"', text)
    first = ["todo", "changes", "budgets", "apply", "settings", "pace", "ahead", "forecast", "plan", "counts", "limits",
             "front", "criteria", "people"]
    assert order[: len(first)] == first
    assert order[-2:] == ["problems", "steps"]
    assert set(re.findall(r'<a href="#(\w+)"', text)) <= {*order, "top", *re.findall(r'id="(playbook-\w+)"', text)}
    nav = re.findall(r'<a href="#(\w+)">', text.split("</nav>")[0])
    assert set(nav) == {*order}, "the table of contents names every section"
