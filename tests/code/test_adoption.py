"""What people overrode and how it went: exact money, returns of known days alone, and no word of cause."""

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from decisions.report import ReportData, render
from decisions.report.adoption import DAYS, Adoption, adoption
from decisions.report.people import words
from decisions.report.requests import requests
from tests.code.report_example import CENTS, DAY, NIGHT, example

BASE = example(3, days=5)
START = DAY - timedelta(days=10)  # the day from which line A was overridden
UNKNOWN = NIGHT - timedelta(days=1)  # outcomes of this day and the next are open


def past(live: Any = lambda day: True) -> list[dict[str, Any]]:
    """30 days of budgets for three lines; A is a person's from START on, at 30.10 a day."""
    return [{"line_id": line, "line_name": line * 3, "business_date": day, "budget": Decimal("30.10"),
             "override_id": "o1" if line == "A" and day >= START else None, "reason": "Locked by Ana: fair",
             "live": live(day)}
            for day in (DAY - timedelta(days=n) for n in range(30)) for line in "ABC"]  # fmt: skip


def history() -> list[dict[str, Any]]:
    """A returns 2 before and 3 under the override; B and C 1 before and 1.5 meanwhile; on other sums of spend."""
    rows = []
    for n in range(40):
        day = NIGHT - timedelta(days=n)
        for line, spend, early, late in (("A", 10, 2, 3), ("B", 40, 1, 1.5), ("C", 5, 1, 1.5)):
            known = day < UNKNOWN
            rows.append({"line_id": line, "line_name": line * 3, "business_date": day, "spend": Decimal(spend),
                         "outcome_known": known, "conversion_value":
                             Decimal(str(spend * (late if day >= START else early))) if known else None,
                         "conversions": Decimal(spend * 2) / 100 if known else None})  # fmt: skip
    return rows


def data(budgets: list[dict[str, Any]] | None = None, days: list[dict[str, Any]] | None = None,
         objective: str = "conversion_value") -> ReportData:  # fmt: skip
    schema = {"budget": CENTS, "override_id": pa.string(), "live": pa.bool_(), "business_date": pa.date32(),
              "line_id": pa.string()}
    rows, seen = past() if budgets is None else budgets, history() if days is None else days
    table = pa.table({n: pa.array([r[n] for r in rows], schema.get(n)) for n in past()[0]})
    money = dict.fromkeys(("spend", "conversions", "conversion_value"), pa.decimal128(38, 6))
    money |= {"outcome_known": pa.bool_(), "business_date": pa.date32(), "line_id": pa.string()}
    known = pa.table({n: pa.array([r[n] for r in seen], money.get(n)) for n in history()[0]})
    return replace(BASE, past=table, history=known, objective=objective)


def test_an_override_is_set_against_itself_before_and_the_others_meanwhile() -> None:
    found = adoption(data())
    (episode,) = found.episodes
    assert (episode.days[0], episode.days[-1], episode.money) == (START, DAY, Decimal("30.10") * 11)
    rates = [s.rate for s in (episode.before, episode.under, episode.model_before, episode.model_under)]
    assert rates == [pytest.approx(r) for r in (2, 3, 1, 1.5)]
    assert episode.before.spend == 14 * 10 and episode.under.spend == (UNKNOWN - START).days * 10, "known days alone"


def test_weeks_add_up_to_the_cent_and_hold_known_days_alone() -> None:
    found = adoption(data())
    assert sum((w.total for w in found.weeks), Decimal(0)) == Decimal("30.10") * 90
    assert sum((w.money for w in found.weeks), Decimal(0)) == Decimal("30.10") * 11
    assert [len(w.lines) for w in found.weeks] == [0, 0, 0, 1, 1]
    assert found.weeks[-1].first == DAY - timedelta(days=6)
    newest = found.weeks[-1]
    assert newest.people.spend == 4 * 10 and newest.model.spend == 4 * 45
    assert (newest.people.rate, newest.model.rate) == (pytest.approx(3), pytest.approx(1.5))


def test_nights_that_never_went_live_count_as_nights_and_as_nothing_else() -> None:
    found = adoption(data(past(live=lambda day: day < START)))
    assert (found.nights, found.live) == (30, 19) and found.episodes == []
    assert " ".join(words(found, data())) == "Of the last 30 nights, 19 went live. People overrode no line in them."


def test_the_order_of_rows_changes_nothing() -> None:
    rows, days = past(), history()
    random.Random(3).shuffle(rows)
    random.Random(4).shuffle(days)
    assert adoption(data(rows, days)) == adoption(data())


def test_a_line_overridden_twice_is_not_compared_with_its_own_override() -> None:
    rows = past()
    for row in rows:
        if row["line_id"] == "A" and row["business_date"] >= START + timedelta(days=5):
            row["override_id"] = "o2"
    first, second = sorted(adoption(data(rows)).episodes, key=lambda e: e.days[0])
    assert (len(first.days), len(second.days)) == (5, 6)
    assert second.before.rate == pytest.approx(2), "the days under the first override are left out"


def test_words_are_plain_and_claim_no_cause(tmp_path: Path) -> None:
    text = " ".join(render(data(), tmp_path).read_text().split())
    assert "In them people overrode 1 line, with 331.10 USD: 12.2 % of all that was released." in text
    assert "Value per USD spent: 3.00 on days under an override, 1.26 on lines left to the model." in text
    assert "This proves nothing about overriding" in text
    assert "Locked by Ana: fair" in text
    said = words(adoption(data(objective="conversions")), data(objective="conversions"))
    assert said[-1].startswith("Conversions per 1,000 USD spent: 20.00 on days")


def test_without_a_past_the_page_says_so(tmp_path: Path) -> None:
    assert adoption(BASE) == Adoption([], [], 0, 0)
    assert "There is no earlier night to look back on." in render(BASE, tmp_path).read_text()
    assert adoption(data([])) == Adoption([], [], 0, 0)
    assert adoption(data(days=[])).episodes[0].under.rate is None


def test_only_the_last_weeks_count() -> None:
    rows = past()
    old: list[date] = [DAY - timedelta(days=DAYS + n) for n in range(3)]
    rows += [{**rows[0], "business_date": day, "override_id": "old"} for day in old]
    assert adoption(data(rows)) == adoption(data())


def test_requests_that_wait_stand_first_and_old_nights_have_none() -> None:
    assert requests(BASE) is None
    line = BASE.budgets.to_pylist()[0]
    rows = [{"override_id": f"r{n}", "line_id": line["line_id"], "to_id": "north", "amount": Decimal("20.00"),
             "until": DAY, "who": "ann", "reason": "Fair", "state": state}
            for n, state in enumerate(("refused", "approved", "requested"))]  # fmt: skip
    view = requests(replace(BASE, requests=pa.Table.from_pylist(rows)))
    assert view is not None and "1 request to approve or refuse" in view.caption
    assert [row.cells[0].text for row in view.rows] == ["waits", "approved", "refused"]
    assert [cell.text for cell in view.rows[0].cells[1:4]] == [line["line_name"], "north", "20.00"]
