"""The night's workbook, read back from its XML: amounts to the cent, formats, frozen heads, and no formula anywhere."""

import re
import zipfile
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from decisions.report import ReportData, applied, criteria, render
from decisions.report.actions import actions
from decisions.report.ahead import NO_GROUP, ahead
from decisions.report.changes import changes
from decisions.report.front import view
from decisions.report.workbook import LONGEST, workbook
from tests.code.report_example import example, first_night, held
from tests.code.test_report_worth import weighed

NS = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
SHEETS = ["Night", "Budgets", "Bids", "Limits and reasons", "Advice", "Three counts", "What changed", "Limit costs",
          "Days ahead", "Product lines", "Forecast", "Forecast checks", "Plan and spend", "Set on platforms",
          "Success criteria", "KPI suitability", "Playbook"]


def parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(content)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def names(content: bytes) -> list[str]:
    """The sheets in their order."""
    book = ElementTree.fromstring(parts(content)["xl/workbook.xml"])
    return [sheet.get("name", "") for sheet in book.iter(f"{{{NS['s']}}}sheet")]


def cells(content: bytes, sheet: str) -> dict[str, tuple[str, str, int]]:
    """{"B2": (type, value, style)} of a sheet; "s" cells give their text."""
    files = parts(content)
    texts = ["".join(t.text or "" for t in item.iter(f"{{{NS['s']}}}t"))
             for item in ElementTree.fromstring(files["xl/sharedStrings.xml"]).findall("s:si", NS)]
    found = {}
    root = ElementTree.fromstring(files[f"xl/worksheets/sheet{names(content).index(sheet) + 1}.xml"])
    for cell in root.iter(f"{{{NS['s']}}}c"):
        kind, value = cell.get("t", "n"), cell.findtext("s:v", "", NS)
        found[cell.get("r", "")] = (kind, texts[int(value)] if kind == "s" else value, int(cell.get("s", "0")))
    return found


def table(content: bytes, sheet: str) -> list[dict[str, Any]]:
    """Rows below the head as {heading: text or Decimal}; the empty row ends them."""
    found = cells(content, sheet)
    heads = {re.sub(r"\d", "", at): text for at, (_, text, _) in found.items() if re.fullmatch(r"[A-Z]+1", at)}
    rows, at = [], 2
    while f"A{at}" in found:
        row = {}
        for column, head in heads.items():
            kind, value, _ = found.get(f"{column}{at}", ("", "", 0))
            row[head] = Decimal(value) if kind == "n" else value
        rows.append(row)
        at += 1
    return rows


def cents(value: Decimal) -> Decimal:
    """The file keeps numbers as spreadsheets do: binary, with 16 digits."""
    return value.quantize(Decimal("0.01"))


def formats(content: bytes) -> list[str]:
    """Number format of each cell style."""
    root = ElementTree.fromstring(parts(content)["xl/styles.xml"])
    custom = {f.get("numFmtId"): f.get("formatCode", "") for f in root.iter(f"{{{NS['s']}}}numFmt")}
    built_in = {"0": "General", "3": "#,##0", "4": "#,##0.00", "10": "0.00%"}
    styles = root.find("s:cellXfs", NS)
    assert styles is not None
    return [custom.get(x.get("numFmtId")) or built_in[x.get("numFmtId", "")] for x in styles]


def with_names(name: str) -> ReportData:
    data = example(3, days=5)
    at = data.budgets.schema.get_field_index("line_name")
    budgets = data.budgets.set_column(at, "line_name", pa.array([name] * 3))
    return replace(data, budgets=budgets, unit_name=name)


def test_amounts_are_the_release_to_the_cent_with_their_total() -> None:
    data = example(40, days=5)
    content = workbook(data)
    told = {r["line_id"]: r for r in data.budgets.to_pylist()}
    rows = table(content, "Budgets")
    assert len(rows) == len(told)
    for row in rows:
        line = told[row["Line ID"]]
        assert cents(row["Tomorrow's budget"]) == line["budget"]
        assert cents(row["Yesterday's budget"]) == line["previous_budget"]
        assert cents(row["Change"]) == line["budget"] - line["previous_budget"]
        assert row["Why"] == line["reason"] and row["Currency"] == "USD"
    sizes = [abs(row["Change"]) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert cents(Decimal(cells(content, "Budgets")["F43"][1])) == data.release["total"]
    bids = {(r["Line ID"], r["Segment"]): r["Bid a click"].quantize(Decimal("0.0001")) for r in table(content, "Bids")}
    assert bids == {(r["line_id"], r["segment"]): r["bid"] for r in data.bids.to_pylist()}
    for row in table(content, "Limits and reasons"):
        line = told[row["Line ID"]]
        assert (cents(row["Least allowed"]), cents(row["Most allowed"])) == (line["floor"], line["cap"])


def test_numbers_have_formats_and_heads_are_frozen() -> None:
    content = workbook(example(3, days=5))
    patterns = formats(content)
    found = cells(content, "Budgets")
    assert patterns[found["F2"][2]] == "#,##0.00" and patterns[found["D2"][2]] == "yyyy-mm-dd"
    assert patterns[cells(content, "Bids")["E2"][2]] == "#,##0.0000"
    assert patterns[cells(content, "Bids")["H2"][2]] == "0.00%"
    for number in range(2, len(SHEETS) + 1):
        text = parts(content)[f"xl/worksheets/sheet{number}.xml"].decode()
        assert 'state="frozen"' in text and 'topLeftCell="B2"' in text and "<autoFilter" in text


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A1", "+1+1", "-2", "@SUM(A1)", "http://evil.example", "1e9", "\t=1",
                                  "</t><f>1+1</f>"])
def test_no_name_becomes_a_formula_a_link_or_a_number(name: str) -> None:
    content = workbook(with_names(name))
    assert cells(content, "Budgets")["A2"][:2] == ("s", name)
    assert cells(content, "Night")["B1"][:2] == ("s", name)
    for file, text in parts(content).items():
        if file.startswith("xl/worksheets/"):
            assert b"<f>" not in text and b"<hyperlink" not in text, file


def test_the_state_of_the_night_stands_first() -> None:
    assert cells(workbook(example(3, days=5)), "Night")["B4"][1] == "LIVE: apply"
    found = cells(workbook(held("Spend is missing.")), "Night")
    assert found["B4"][1] == "HELD: do not apply" and found["B5"][1] == "Spend is missing."


def test_every_table_of_the_page_is_a_sheet_and_an_older_night_does_without_those_it_lacks() -> None:
    data = example(6, days=5)
    content = workbook(data)
    assert names(content) == SHEETS
    for sheet in SHEETS[1:]:
        heads = {text for at, (_, text, _) in cells(content, sheet).items() if re.fullmatch(r"[A-Z]+1", at)}
        money = {"Planned", "Moved", "Expected", "Released", "Costs a day", "Expected a day", "Gain a day", "So far"}
        assert not heads & money or heads & {"Currency", "Unit", "Unit of the gain"}, f"{sheet}: amounts of what?"
    old = replace(data, changes=None, limit_costs=None, ahead=None, front=None, forecast=None, forecast_scores=None,
                  plan_vs_actual=None, applied=None, criteria=None, kpis=None, counts=None)
    assert names(workbook(old)) == ["Night", "Budgets", "Bids", "Limits and reasons", "Advice", "Playbook"]


def test_the_days_ahead_and_what_changed_are_the_page_s_to_the_cent() -> None:
    data = example(40, days=5)
    content = workbook(data)
    plan, rows = ahead(data), table(content, "Days ahead")
    assert plan is not None and len(rows) == 7 * 40
    by_platform, by_group = plan.splits
    for split, head in ((by_platform, "Platform"), (by_group, "Group")):
        for row in split.table.rows:
            day = (date.fromisoformat(row.cells[0].value or "") - date(1899, 12, 30)).days
            for part, cell in zip(split.parts, row.cells[1:], strict=False):
                of = "" if part == NO_GROUP else part
                mine = [r["Planned"] for r in rows if r["Day"] == day and r[head] == of]
                assert cents(sum(mine, Decimal(0))) == Decimal(cell.value or "")
    last = max(int(re.sub(r"\D", "", at)) for at in cells(content, "Days ahead"))
    assert cents(Decimal(cells(content, "Days ahead")[f"F{last}"][1])) == 7 * data.release["total"]
    causes = changes(data)
    moved = table(content, "What changed")
    assert causes is not None
    for cause in causes.moved:
        up = sum((r["Moved"] for r in moved if r["Cause"] == cause.label and r["Moved"] > 0), Decimal(0))
        assert f"{cents(up):+,.2f}" == cause.up or (cause.up, cents(up)) == ("0.00", 0)
    budgets = {r["line_id"]: r["budget"] - r["previous_budget"] for r in data.budgets.to_pylist()}
    for line, change in budgets.items():
        assert cents(sum((r["Moved"] for r in moved if r["Line ID"] == line), Decimal(0))) == change


def test_sheets_say_what_the_page_says() -> None:
    data = example(6, days=20)
    content = workbook(data)
    advice = table(content, "Advice")
    for row, action in zip(advice, actions(data), strict=True):
        assert (row["What"], row["Risk"]) == (action.title, action.risk)
        assert float(row["Gain a day"] or 0) == pytest.approx(max(action.gain, 0))
        assert row["Unit of the gain"] == "USD" and row["At most"] == ("yes" if action.at_most else "no")
    assert {row["Playbook"] for row in advice} <= {row["Advice"] for row in table(content, "Playbook")}
    front = view(data)
    assert front is not None
    values = [float(cell.value or "") for row in front.table.rows for cell in row.cells[1:3]]
    assert [float(r["Expected a day"]) for r in table(content, "Product lines")] == pytest.approx(values)
    assert [r["Plan"] for r in table(content, "Product lines") if r["Taken"] == "yes"] == [4, 4]
    month = [r for r in table(content, "Forecast") if (r["If"], r["What"], r["Days together"]) ==
             ("As expected", "Conversion value", 28)]
    assert [(r["Expected"], r["Unit"]) for r in month] == [(Decimal(168_000), "USD")]
    assert "The last seven days' mean" not in {r["If"] for r in table(content, "Forecast")}
    states = {r["Line ID"]: (r["State"], r["What to do"]) for r in table(content, "Set on platforms")}
    assert states["line-0001"] == (applied.STATES["partly_applied"], applied.REMEDIES["partly_applied"])
    contracts = {r["Contract"]: r["What that means"] for r in table(content, "Success criteria")}
    assert data.criteria is not None
    assert contracts == {r["criterion_id"]: criteria.said(r) for r in data.criteria.to_pylist()}
    assert len(table(content, "KPI suitability")) == 12
    night = {text: cells(content, "Night").get(at.replace("A", "B"), ("", "", 0))[1]
             for at, (_, text, _) in cells(content, "Night").items() if at.startswith("A")}
    assert float(night["Chance of a gain"]) == 0.94 and float(night["Gain, 5 in 100 are below"]) == pytest.approx(
        data.release["gain_low"])


def test_a_unit_with_margins_has_the_worth_beside_the_value() -> None:
    data = weighed()
    rows = table(workbook(data), "Budgets")
    assert {row["Unit"] for row in rows} == {"USD of value"}
    worth = sum(float(row["Expected worth a day"]) for row in rows)
    assert worth == pytest.approx(data.release["expected_value"])
    assert "Expected a day (USD of worth)" in {text for _, text, _ in cells(workbook(data), "Night").values()}
    assert "Worth of a unit" not in table(workbook(example(3, days=5)), "Budgets")[0]


def test_a_first_night_and_a_long_reason_fit() -> None:
    data = first_night()
    at = data.budgets.schema.get_field_index("reason")
    long = replace(data, budgets=data.budgets.set_column(at, "reason", pa.array(["x" * 40_000] * 3)))
    assert table(workbook(long), "Bids") == []
    assert len(table(workbook(long), "Budgets")[0]["Why"]) == LONGEST


def test_it_stands_beside_the_page_and_is_the_same_every_time(tmp_path: Path) -> None:
    page = render(example(5, days=5), tmp_path)
    assert '<a href="night.xlsx" download>night.xlsx</a>' in page.read_text()
    assert (tmp_path / "night.xlsx").read_bytes() == workbook(example(5, days=5))
