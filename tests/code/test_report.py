"""The nightly report without a browser: the rules of the actions, safety, exact totals, size, determinism."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from decisions.report import ReportData, formats, render, tables
from decisions.report.actions import actions
from decisions.report.files import csv_bytes
from decisions.report.gain import expected_gain, response
from decisions.report.page import header
from decisions.report.series import series
from decisions.report.templating import embedded
from decisions.report.views import Action
from tests.code.report_example import NIGHT, example, first_night, held, quarantine
from tests.code.report_example import scores as report_scores


def quiet(**changes: Any) -> ReportData:
    """A live night on which there is nothing to do, with `changes`."""
    data = example(6)
    budgets = with_column(data.budgets, "previous_budget", data.budgets["budget"].to_pylist())
    budgets = with_column(budgets, "binding", ["none"] * 6)
    calm = replace(
        data,
        budgets=budgets,
        plan_vs_actual=None,
        quarantine=data.quarantine.slice(0, 0),
        warnings=data.warnings.slice(0, 0),
        limits=None,
        release={**data.release, "lines_changed": 0},
    )
    return replace(calm, **changes)


def with_column(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    i = table.schema.get_field_index(name)
    return table.set_column(i, name, pa.array(values, table.schema.field(i).type))


def only(found: list[Action]) -> Action:
    assert len(found) == 1, found
    return found[0]


def test_nothing_to_do_is_an_answer(tmp_path: Path) -> None:
    assert actions(quiet()) == []
    assert "Nothing to do." in render(quiet(), tmp_path).read_text()


def test_apply_names_the_largest_move() -> None:
    data = quiet()
    budgets = data.budgets["budget"].to_pylist()
    before = [budgets[0] - 300, budgets[1] + 250, budgets[2] + 50, *budgets[3:]]
    action = only(actions(quiet(budgets=with_column(data.budgets, "previous_budget", before))))
    names = data.budgets["line_name"].to_pylist()
    assert action.verb == "Apply"
    assert action.title == f"Move 250.00\u00a0USD from {names[1]} to {names[0]}"
    gain = expected_gain(data)
    assert (action.gain, action.low, action.high) == (gain.value, gain.low, gain.high)


def test_look_where_spend_left_the_plan_on_the_newest_day_only() -> None:
    plan = example(6).plan_vs_actual
    assert plan is not None
    spend = plan["planned_budget"].to_pylist()
    newest = [i for i, day in enumerate(plan["business_date"].to_pylist()) if day == NIGHT]
    older = next(i for i in range(len(spend)) if i not in newest)
    spend[newest[0]] *= Decimal("0.6")
    spend[newest[1]] *= Decimal("0.8")  # within what a platform does by itself
    spend[older] *= Decimal("0.1")
    action = only(actions(quiet(plan_vs_actual=with_column(plan, "spend", spend))))
    assert action.verb == "Look"
    assert "spent 40\u00a0% less than planned on Thu\u00a011\u00a0Jun" in action.title
    curve, planned = example(6).curves.to_pylist()[0], float(plan["planned_budget"][newest[0]].as_py())
    assert action.gain == pytest.approx(response(curve, planned) - response(curve, 0.6 * planned))
    assert action.low is not None and action.high is not None and action.low < action.gain < action.high


def test_spend_without_a_plan_is_named() -> None:
    plan = example(6).plan_vs_actual
    assert plan is not None
    free = with_column(plan, "planned_budget", [Decimal("0.00")] * plan.num_rows)
    assert "spent without a plan on" in actions(quiet(plan_vs_actual=free))[0].title


def test_quarantine_counts_rows_once_and_their_spend_is_the_stake() -> None:
    rows = quarantine(413).slice(0, 413)
    second = with_column(with_column(rows.slice(0, 5), "rule", ["range"] * 5), "spend", [None] * 5)
    twice = pa.concat_tables([rows, second])
    action = only(actions(quiet(quarantine=twice)))
    assert (action.verb, action.title) == ("Fix", "413 rows of amazon_ads were quarantined")
    assert "sp_2026-06-11.csv: not a number in clicks." in action.detail
    assert action.gain == pytest.approx(413 * 31.5 * example(6).release["shadow_price"])
    assert action.at_most


@pytest.mark.parametrize(
    ("binding", "factor", "verb"),
    [("cap", 2.0, "Raise"), ("cap", 0.5, None), ("floor", 0.5, "Lower"), ("floor", 2.0, None),
     ("lock", 2.0, "Review"), ("lock", 0.5, "Review"), ("none", 2.0, None), ("cap", 1.01, None)],
)  # fmt: skip
def test_limits_that_cost_money_are_named(binding: str, factor: float, verb: str | None) -> None:
    data = quiet()
    returns = data.release["shadow_price"] * factor
    budgets = with_column(data.budgets, "binding", [binding] + ["none"] * 5)
    budgets = with_column(
        budgets, "marginal_value", [returns, *data.budgets["marginal_value"].to_pylist()[1:]]
    )
    found = actions(quiet(budgets=budgets))
    assert [a.verb for a in found] == ([verb] if verb else [])
    if verb:
        assert f"The next USD returns {returns:.2f} here" in found[0].detail


def test_a_group_s_limit_is_named_with_what_it_costs() -> None:
    rows = pa.table({"subject_kind": ["group", "group", "line"], "subject": ["West", "East", "l1"],
                     "limit": ["floor of West", "cap of East", "the line's cap"], "price": [0.62, 1e-4, 5.0]})
    (found,) = actions(quiet(limits=rows))
    assert found.verb == "Review"
    assert found.title == "Review the floor of West: its last 100\u00a0USD cost 62.0\u00a0USD a day"
    assert "62.0\u00a0USD more a day" in found.detail


def test_a_line_without_plan_or_report_is_named_and_the_first_night_is_quiet() -> None:
    plan = example(6).plan_vs_actual
    assert plan is not None
    nothing = [None] * plan.num_rows
    assert actions(quiet(plan_vs_actual=with_column(plan, "planned_budget", nothing))) == []
    silent = actions(quiet(plan_vs_actual=with_column(plan, "spend", nothing)))
    assert len(silent) == 6
    assert "reported no spend for" in silent[0].title


@pytest.mark.parametrize(
    ("code", "verbs"), [("step_up", []), ("override_cap", ["Review"]), ("cap", ["Raise"])]
)
def test_whose_cap_it_is_decides_what_to_do(code: str, verbs: list[str]) -> None:
    data = quiet()
    budgets = with_column(data.budgets, "binding", ["cap"] + ["none"] * 5)
    budgets = with_column(budgets, "reason_code", [code] + ["kept"] * 5)
    budgets = with_column(budgets, "marginal_value", [data.release["shadow_price"] * 2] * 6)
    assert [a.verb for a in actions(quiet(budgets=budgets))] == verbs


def test_no_cap_is_raised_beyond_what_the_data_support() -> None:
    data = quiet()
    budgets = with_column(data.budgets, "binding", ["cap"] * 6)
    budgets = with_column(budgets, "marginal_value", [data.release["shadow_price"] * 2] * 6)
    narrow = with_column(data.curves, "spend_high", [1.0] * 6)
    assert len(actions(quiet(budgets=budgets))) == 6
    assert actions(quiet(budgets=budgets, curves=narrow)) == []


def test_urgent_first_then_by_money() -> None:
    found = actions(example())
    assert [a.gain for a in found] == sorted((a.gain for a in found), reverse=True)
    failed = replace(
        example(), steps=[{"job": "land", "status": "failed", "seconds": 1.0, "reason": "no disk"}]
    )
    assert actions(failed)[0].title == "Step land failed"


def test_a_held_night_is_not_applied() -> None:
    found = actions(held("Google Ads is missing."))
    assert found[0].verb == "Decide"
    assert "Google Ads is missing." in found[0].detail
    assert "the night of Wednesday 10 June 2026 stay live" in found[0].detail
    assert "Apply" not in {a.verb for a in found}


def test_the_log_keeps_the_live_night_as_text() -> None:
    data = example(3)
    assert data.live is not None
    assert replace(data, live={**data.live, "night": NIGHT.isoformat()}).status == "live"
    assert replace(data, live={**data.live, "night": "2026-06-10"}).status == "candidate"


def test_the_gain_s_range_and_chance_are_those_of_the_release_s_draws() -> None:
    data = example()
    gain = expected_gain(data)
    assert gain.value == pytest.approx(data.release["expected_value"] - data.release["status_quo_value"])
    assert (gain.low, gain.high) == (data.release["gain_low"], data.release["gain_high"])
    assert gain.words.startswith("Probably better than today’s split: in 94 of 100 cases that the data allow. Over all")
    assert f"may lose is {formats.outcome(data.release['expected_regret'], 'USD')} a day" in gain.words
    sure = replace(data, release={**data.release, "beats_status_quo": 1.0})
    assert "in more than 98 of 100 cases" in expected_gain(sure).words


def test_a_night_from_before_the_draws_says_that_its_gain_s_uncertainty_is_not_known() -> None:
    data = example()
    old = replace(data, release={k: v for k, v in data.release.items() if k not in ("beats_status_quo", "gain_low")})
    assert "No uncertainty is known" in expected_gain(old).words
    assert header(old)["known"] is False


def test_the_forecast_is_told_in_words_and_as_a_table_and_old_nights_do_without(tmp_path: Path) -> None:
    text = render(example(), tmp_path).read_text()
    assert "next 28 days are expected to bring 504,000\u00a0USD of conversion value" in text
    assert "In 9 of 10 such months it will be between 403,000 and 630,000\u00a0USD" in text
    assert "held in 86\u00a0% of 98 forecasts, and they were 25\u00a0% closer than the mean of the last" in text
    assert text.index("As expected</") < text.index("Clicks cost 15 % more</")
    assert "The last seven days' mean" not in text, "peers are for the back-test"
    drawn = json.loads(re.search(r'id="forecast-data">(.*?)</script>', text, re.S)[1])
    assert len(drawn["fans"]["all"]["price_rise"]["spend"]) == 5
    assert len(drawn["fans"]["all"]["price_rise"]["spend"][0]) == 28 == len(drawn["so_far"]["all"]["spend"])
    old = render(replace(example(), forecast=None, forecast_scores=None), tmp_path).read_text()
    assert "This night made no forecast." in old and 'id="forecast-data"' not in old


@pytest.mark.parametrize(("scores", "said"), [
    (report_scores(skill=-0.1), "10\u00a0% further off than the mean of the last seven days: trust that simple rule"),
    (report_scores(days=3), "Too few days"),
    (None, "Too few days"),
])
def test_the_verdict_on_earlier_forecasts_hides_nothing(scores: pa.Table | None, said: str, tmp_path: Path) -> None:
    assert said in render(replace(example(), forecast_scores=scores), tmp_path).read_text()


@pytest.mark.parametrize(
    ("written", "expected"),
    [(formats.money(Decimal("1234.5"), "USD"), "1,234.50\u00a0USD"), (formats.percent(0.123), "12.3\u00a0%"),
     (formats.number(3400, signed=True), "+3,400"), (formats.number(-0.001, 2, signed=True), "0.00"),
     (formats.number(Decimal("-7.25"), 2), "\u22127.25"), (formats.number(None), "\u2013"),
     (formats.number(float("nan")), "\u2013"), (formats.compact(12_500), "12.5k"),
     (formats.money(Decimal("0.1") + Decimal("0.2"), "EUR"), "0.30\u00a0EUR"),
     (formats.count(1, "line"), "1 line"),
     (formats.instant("2026-06-12T00:12:09+02:00"), "Thu\u00a011\u00a0Jun, 22:12\u00a0UTC"),
     (formats.long_day(NIGHT), "Thursday 11 June 2026")],
)  # fmt: skip
def test_numbers_for_people(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize("lines", [1, 18, 1000, 1003])
def test_budgets_on_the_page_are_the_release_to_the_cent(lines: int, tmp_path: Path) -> None:
    data = example(lines, days=3)
    text = render(data, tmp_path).read_text()
    shown = {i: Decimal(b) for i, b in re.findall(r'<tr data-line="([^"]+)" data-budget="([^"]+)">', text)}
    told = dict(zip(data.budgets["line_id"].to_pylist(), data.budgets["budget"].to_pylist(), strict=True))
    rest = re.findall(r'<tr data-rest="([^"]+)">', text)
    total = Decimal(re.findall(r'<tr data-total="([^"]+)">', text)[0])
    assert all(told[i] == b for i, b in shown.items())
    assert len(shown) == min(lines, 1000)
    assert sum(shown.values()) + sum(map(Decimal, rest)) == total == data.release["total"]
    assert f'id="total" data-value="{data.release["total"]}"' in text
    assert "Do not apply" not in text


def test_a_total_that_does_not_add_up_is_said() -> None:
    data = example()
    wrong = replace(data, release={**data.release, "total": data.release["total"] + Decimal("0.01")})
    assert header(data)["mismatch"] == ""
    assert header(wrong)["mismatch"] == formats.money(data.release["total"], "USD")


def test_names_cannot_become_markup_or_script(tmp_path: Path) -> None:
    evil = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
    data = example(3)
    data = replace(
        data,
        unit_name=evil,
        budgets=with_column(data.budgets, "line_name", [evil] * 3),
        curves=with_column(data.curves, "line_name", [evil] * 3),
        history=with_column(data.history, "line_name", [evil] * data.history.num_rows),
        links={"bad": "javascript:alert(3)", evil: "https://example.org/?a=1&b=2"},
    )
    text = render(data, tmp_path).read_text()
    assert evil not in text
    assert "<script>alert" not in text
    assert "<img" not in text
    assert 'href="javascript' not in text
    assert text.count("<script") == text.count("</script>") == 10
    block = re.search(r'<script type="application/json" id="series-data">(.*?)</script>', text, re.S)
    assert block is not None
    assert json.loads(block[1])["sets"][1]["name"] == evil
    assert json.loads(embedded({"a": "</script>\u2028&"})) == {"a": "</script>\u2028&"}


def test_days_that_platforms_are_still_reporting_are_told() -> None:
    data = example(3)
    shown = series(replace(data, forecast=None))
    assert not any(shown["partly"])
    days = [date.fromisoformat(shown["first"]) + timedelta(days=i) for i, known in enumerate(shown["known"]) if known]
    reported = dict(zip((date.fromisoformat(shown["first"]) + timedelta(days=i) for i in range(len(shown["known"]))),
                        shown["sets"][0]["conversions"], strict=True))
    rows = [{"scenario": "so_far", "scope": "all", "days": 1, "metric": "conversions", "business_date": day,
             "mean": reported[day] * (1.2 if day == days[-1] else 1.02)} for day in days]
    found = series(replace(data, forecast=pa.Table.from_pylist(rows)))["partly"]
    assert [day for day, open_ in zip(reported, found, strict=True) if open_] == [days[-1]]


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    text = render(example(3), tmp_path).read_text()
    assert not re.findall(r'(?:src|srcset)="(?!data:)', text)
    assert not re.findall(r'<link[^>]+href="(?!data:)', text)
    assert not re.findall(r"@import|url\(", text)
    assert "default-src 'none'" in text.replace("&#39;", "'")


@pytest.mark.parametrize("value", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\uff1d1"])
def test_csv_cells_cannot_run(value: str) -> None:
    text = csv_bytes(pa.table({"name": [value, "a-b", None], "n": [-1.5, 2.0, None]})).decode("utf-8-sig")
    first = text.splitlines()[1]
    assert first.startswith(f'"\'{value}"')
    assert first.endswith(",-1.5"), "numbers stay numbers"
    assert '"a-b"' in text


def test_csv_files_hold_the_tables(tmp_path: Path) -> None:
    data = example(5, days=10)
    render(data, tmp_path)
    for name, table in tables(data).items():
        assert table is not None
        read = pd.read_csv(tmp_path / name, dtype=str, keep_default_na=False)
        assert list(read.columns) == table.column_names
        for column in table.column_names:
            told = ["" if v is None else v for v in table[column].to_pylist()]
            if pa.types.is_floating(table.schema.field(column).type):
                assert [float(v) for v in read[column] if v] == [v for v in told if v != ""]
            elif pa.types.is_decimal(table.schema.field(column).type):
                assert [Decimal(v) for v in read[column] if v] == [v for v in told if v != ""]
            else:
                written = [str(v).lower() if isinstance(v, bool) else str(v) for v in told]
                assert list(read[column]) == written, (name, column)


def test_a_first_night_renders_and_leaves_no_stale_file(tmp_path: Path) -> None:
    render(example(3, days=5), tmp_path)
    assert (tmp_path / "plan_vs_actual.csv").exists()
    text = render(first_night(), tmp_path).read_text()
    assert not (tmp_path / "plan_vs_actual.csv").exists()
    assert not (tmp_path / "orders.csv").exists()
    plan = example(3).plan_vs_actual
    assert plan is not None
    unplanned = replace(
        first_night(), plan_vs_actual=with_column(plan, "planned_budget", [None] * plan.num_rows)
    )
    assert "There is no plan to compare with yet" in render(unplanned, tmp_path / "unplanned").read_text()
    for words in ("There is no plan to compare with yet", "No curve could be fitted yet", "has no bids",
                  "Every delivered row passed", "has been made live yet"):  # fmt: skip
        assert words in text
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")], "no temporary file is left"


def test_every_table_may_be_empty(tmp_path: Path) -> None:
    data = first_night()
    nothing = replace(
        data,
        budgets=data.budgets.slice(0, 0),
        history=data.history.slice(0, 0),
        steps=[],
        links={},
        release={**data.release, "total": Decimal("0.00"), "total_configured": Decimal("0.00"), "lines": 0,
                 "lines_changed": 0, "expected_value": 0.0, "status_quo_value": 0.0, "shadow_price": 0.0},
    )  # fmt: skip
    assert "This release has no budget lines." in render(nothing, tmp_path).read_text()


def test_held_and_candidate_say_what_is_live_instead(tmp_path: Path) -> None:
    text = " ".join(render(held("Spend is missing."), tmp_path).read_text().split())
    assert "<strong>Why it is held:</strong> Spend is missing." in text
    assert "the budgets of the night of Wednesday 10 June 2026" in text
    older = replace(example(3), live={**held().live, "night": NIGHT - timedelta(days=3)})  # type: ignore[dict-item]
    assert "CANDIDATE – not live" in render(older, tmp_path).read_text()


def test_a_thousand_lines_stay_under_two_megabytes(tmp_path: Path) -> None:
    data = example(1000)
    page = render(data, tmp_path)
    assert page.stat().st_size < 2_000_000
    text = page.read_text()
    assert text.count("<figure>") == 24
    assert "The 24 of 1,000 lines whose budgets move most" in text
    assert "The first 300 of 3,000 bids. All of them are in bids.csv." in text
    assert len((tmp_path / "bids.csv").read_text().splitlines()) == 3001


@pytest.mark.parametrize("objective", ["conversion_value", "conversions"])
def test_the_same_night_gives_the_same_bytes(objective: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        render(example(18, days=30, objective=objective), tmp_path / folder)
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert "index.html" in names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
