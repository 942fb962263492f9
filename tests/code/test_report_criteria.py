"""The page's success criteria: what became of each contract in words, and which KPI can tell."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from decisions.report import ReportData, criteria, render
from moe.contracts import contract
from tests.code.report_example import NIGHT, example

START = NIGHT - timedelta(days=9)


def judged(**terms: Any) -> dict[str, Any]:
    """A row of out.criterion__campaign: 10 of 28 days known, far from told."""
    return {
        "unit": "shop", "night": NIGHT, "criterion_id": "c1", "campaign": "line-0001",
        "campaign_name": "Brand search", "kpi": "return_on_ad_spend", "target": 4.0, "minimum_effect": 0.1,
        "owner": "Ana", "linked_objective": "Grow", "start_date": START, "end_date": START + timedelta(days=27),
        "lines": 1, "status": "cannot_tell_yet", "note": "", "value": 3.5, "value_low": 2.0, "value_high": 5.0,
        "clear": False, "days_known": 10, "days_needed": 60, "told_on": date(2026, 8, 3), "faster_kpi": "conversions",
        "faster_days": 9,
    } | terms


def night(*rows: dict[str, Any], kpis: list[dict[str, Any]] = []) -> ReportData:  # noqa: B006
    made = [pa.Table.from_pylist(found, schema=contract(name).schema) if found else None for name, found in
            (("out.criterion__campaign", list(rows)), ("out.kpi_suitability__line", kpis))]
    return replace(example(3), criteria=made[0], kpis=made[1])


def section(data: ReportData, folder: Path) -> str:
    html = re.search(r'<section id="criteria".*?</section>', render(data, folder).read_text(), re.DOTALL)
    assert html is not None
    return " ".join(re.sub(r"<[^>]+>", " ", html[0]).split())


@pytest.mark.parametrize(("terms", "said"), [
    ({}, "Cannot be told before Monday 3 August 2026: the effect you want to see (10 %) is smaller than the noise of "
         "its 28 days. Conversions would show it in 9 days."),
    ({"days_needed": 20, "told_on": date(2026, 6, 27), "faster_kpi": None},
     "Cannot be told before Saturday 27 June 2026: 10 of 28 days known, and 10 % takes 20 to show."),
    ({"days_needed": 8, "told_on": date(2026, 6, 15), "faster_kpi": None},
     "Too close to call: 10 of 28 days known, and the target lies within what chance explains. Its figure is final on "
     "Sunday 5 July 2026."),
    ({"days_needed": None, "told_on": None, "faster_kpi": None}, "Too noisy to tell, or too few days with data"),
    ({"status": "on_the_way", "days_needed": 8, "told_on": date(2026, 6, 15), "clear": True},
     "10 of 28 days known; so far the target is kept, by more than chance explains."),
    ({"status": "missed", "kpi": "conversions", "value": 3.0, "days_needed": 8, "told_on": date(2026, 6, 15),
      "clear": True}, "To reach it, the 18 days that are not known yet need 4.56 a day."),
    ({"status": "reached", "days_known": 28},
     "All days are known. Its figure keeps the target; the difference is no more than chance could make."),
    ({"status": "not_judged", "note": "There is no campaign 'x': mend it."}, "There is no campaign 'x': mend it."),
])
def test_what_became_of_a_contract_is_said_to_a_manager(terms: dict[str, Any], said: str) -> None:
    assert said in criteria.said(judged(**terms)).replace("\u00a0", " ")


def test_the_section_shows_contracts_that_need_a_person_first(tmp_path: Path) -> None:
    said = section(night(judged(criterion_id="c1", status="reached", days_known=28), judged(criterion_id="c2"),
                         judged(criterion_id="c3", status="missed", days_known=28)), tmp_path)
    assert "3 contracts: 1 missed, 1 cannot tell yet, 1 reached." in said
    places = [said.index(f" {word} return on spend") for word in ("missed", "cannot tell yet", "reached")]
    assert places == sorted(places)
    assert "Ana: Grow" in said and "≥ 4.00" in said and "2.00 to 5.00" in said
    assert (tmp_path / "criteria.csv").exists()


def test_the_kpis_of_a_line_stand_beside_each_other(tmp_path: Path) -> None:
    kpi = {"unit": "shop", "night": NIGHT, "line_id": "line-0001", "line_name": "Brand search", "value": 30.0,
           "days_known": 84, "noise": 0.2, "correlation": 0.3, "detectable_change": 0.3, "days_needed": 30}
    rows = [kpi | {"kpi": "conversions", "delay_days": 6, "detectable_effect": 0.31, "suitability": "poor"},
            kpi | {"kpi": "clicks", "delay_days": 0, "detectable_effect": 0.04, "suitability": "good"},
            kpi | {"kpi": "conversion_value", "delay_days": 6, "noise": None, "correlation": None,
                   "detectable_effect": None, "detectable_change": None, "days_needed": None,
                   "suitability": "unknown"}]
    said = section(night(kpis=rows), tmp_path)
    assert "Brand search 30.0 – 31 % +6 d 4 % +0 d" in said
    assert "No campaign has a contract" in said
    view = criteria.suitability(night(kpis=rows))
    assert view is not None and [c.tone for c in view.rows[0].cells[2:]] == ["", "off", "good"]


def test_a_night_from_before_the_job_has_a_page(tmp_path: Path) -> None:
    said = section(night(), tmp_path)
    assert "No campaign has a contract" in said and "Which KPI" not in said
    assert not (tmp_path / "criteria.csv").exists() and not (tmp_path / "kpi_suitability.csv").exists()


def test_names_that_people_write_cannot_end_the_page(tmp_path: Path) -> None:
    page = render(night(judged(owner="<script>alert(1)</script>", linked_objective="=1+1")), tmp_path).read_text()
    assert "<script>alert(1)" not in page
    assert ",'=1+1," in (tmp_path / "criteria.csv").read_text().replace('"', "")
