"""The page of a unit that states margins and lifetimes: what is decided is told in worth, what is counted in value."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from decisions.report import ReportData, render
from decisions.report.actions import actions
from decisions.report.budgets import budgets
from decisions.report.curves import curve_views
from decisions.report.front import view
from decisions.report.gain import OUTCOMES
from decisions.report.limits import sentences
from decisions.report.page import header
from tests.code.report_example import LOCKED, example
from tests.code.test_report import with_column


def weighed(objective: str = "conversion_value") -> ReportData:
    """A night of a unit whose lines differ in worth; the release counts it, as the night's jobs do."""
    data = example(12, days=20, objective=objective)
    weights = {f"line-{i:04d}": 0.2 + 0.1 * i for i in range(11)}  # the last line states nothing
    rows = data.budgets.to_pylist()
    expected, quo = (sum(r[name] * weights.get(r["line_id"], 1.0) for r in rows)
                     for name in ("expected_value", "status_quo_value"))
    release = data.release | {"expected_value": expected, "status_quo_value": quo}
    prices = [data.release["shadow_price"] / weights.get(r["line_id"], 1.0) for r in rows]
    return replace(data, budgets=with_column(data.budgets, "money_price", prices), release=release, weights=weights)


def told_in_worth(data: ReportData) -> ReportData:
    """The same night of a unit without terms, whose tables hold the worth itself."""
    def times(table: pa.Table, names: tuple[str, ...]) -> pa.Table:
        weights = pa.array([data.weights.get(line, 1.0) for line in table["line_id"].to_pylist()])
        for name in names:
            table = with_column(table, name, pc.multiply(table[name], weights).to_pylist())
        return table

    assert data.draws is not None
    lines = [data.weights.get(line, 1.0) for line in data.draws.line_ids]
    return replace(data, weights={}, budgets=times(data.budgets, OUTCOMES), curves=times(data.curves, ("ceiling",)),
                   draws=replace(data.draws, a=data.draws.a * lines))


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_headline_and_the_table_of_budgets_are_the_same_worth() -> None:
    data = weighed()
    view = budgets(data)
    value = [column.key for column in view.columns].index("value")
    lines = {row.data["line"]: row.cells[value] for row in view.rows}
    for r in data.budgets.to_pylist():
        assert float(lines[r["line_id"]].value or "") == r["expected_value"] * data.weights.get(r["line_id"], 1.0)
    assert float(view.foot[-1].cells[value].value or "") == pytest.approx(data.release["expected_value"])
    assert view.foot[-1].cells[value].text == header(data)["expected"]
    assert view.columns[value].label == "Expected worth" and header(data)["unit"] == "USD of worth"
    assert view.note.startswith("Expected worth, “Next USD” and the reasons count value times the line’s margin")


@pytest.mark.parametrize("objective", ["conversion_value", "conversions"])
def test_advice_of_a_unit_with_margins_is_that_of_one_whose_outcomes_are_its_worth(objective: str) -> None:
    data = weighed(objective)
    table = data.budgets
    held = ["cap", "cap", "floor", "lock", *["none"] * 8]
    steep = [price * {"cap": 3, "floor": 0.3, "lock": 2}.get(by, 1)
             for price, by in zip(table["money_price"].to_pylist(), held, strict=True)]
    for name, values in (("binding", held), ("marginal_value", steep), ("reason_code", ["kept"] * 12)):
        table = with_column(table, name, values)
    data = replace(data, budgets=table)
    found, same = actions(data), actions(told_in_worth(data))
    assert [a.title for a in found if a.kind != "review_group"] == [a.title for a in same if a.kind != "review_group"]
    for one, other in zip(found, same, strict=True):
        assert (one.kind, one.gain, one.low, one.high) == (
            other.kind, pytest.approx(other.gain), pytest.approx(other.low), pytest.approx(other.high))
    assert {"raise_cap", "lower_floor", "review_override", "under_plan"} <= {a.kind for a in found}
    unit = "USD of worth" if objective == "conversion_value" else "weighted conversions"
    for one, other in zip(sentences(data), sentences(told_in_worth(data)), strict=True):
        assert unit in one and one.replace(unit, "USD" if objective == "conversion_value" else "conversions") == other


def test_what_is_counted_and_what_is_decided_say_so(tmp_path: Path) -> None:
    data = weighed()
    curve = next(c for c in curve_views(data) if c.line_id == f"line-{LOCKED + 1:04d}")
    line = next(r for r in data.budgets.to_pylist() if r["line_id"] == curve.line_id)
    weight = data.weights[curve.line_id]
    assert curve.returns == f"{line['marginal_value']:.2f} of value, {line['marginal_value'] * weight:.2f} of worth"
    front = view(data)
    assert front is not None and "4,699 USD of worth to Equipment" in plain(front.words[0])
    text = plain(render(data, tmp_path).read_text())
    assert "Expected worth a day" in text and "<dt>Worth</dt>" in text and "conversion value a day" in text
    gains = re.findall(r"<dt>Gain</dt><dd>(?:At most |\+)[\d,.]+ ([^<]*?) a day", text)
    assert len(gains) == 3 and set(gains) == {"USD of worth"}


def test_a_unit_without_terms_reads_no_worth(tmp_path: Path) -> None:
    text = render(example(6, days=5), tmp_path).read_text()
    assert "of worth" not in text and "of value," not in text and "Expected worth" not in text
