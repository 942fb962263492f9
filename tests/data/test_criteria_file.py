"""Success criteria as people enter them: landed through the gate, known from their night, corrected by a later row."""

from pathlib import Path

import pytest
from _stores import D1, D2, D3, FINDINGS, QUARANTINE, known, land, read, shop

from moe.units import Unit, load_unit

CRITERIA = "core.criterion__campaign"
HEADER = ("criterion_id,campaign,kpi,target,minimum_effect,owner,linked_objective,start_date,end_date,entered_on,"
          "until\n")
SOURCE = {"name": "criteria", "mapping": "criteria", "path": "criteria.csv", "late": "go_on"}
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    return shop(tmp_path / "shop", {"sources": [SOURCE]})


def written(name: str = "c1", entered: object = D1, **values: str) -> str:
    whole = {"campaign": "brand", "kpi": "conversions", "target": "40", "minimum_effect": "0.1", "owner": "Ana",
             "linked_objective": "Grow", "start_date": "2026-03-01", "end_date": "2026-03-31"} | values
    return ",".join([name, *(whole[n] for n in HEADER.split(",")[1:9]), str(entered), values.get("until", "")]) + "\n"


def enter(unit: Unit, *lines: str) -> None:
    (unit.folder / "criteria.csv").write_text(HEADER + "".join(lines))


def test_rows_are_known_from_their_night_on_and_corrected_by_a_later_row(unit: Unit) -> None:
    enter(unit)
    land(unit, D1)
    assert known(unit, D1, CRITERIA) == [] and read(FINDINGS, unit, D1) == []
    enter(unit, written(entered=D2), written("c2", D3), written(entered=D3, target="55.5", until=str(D3)))
    land(unit, D2, D3)
    assert [(r["criterion_id"], r["target"], r["until"]) for r in known(unit, D2, CRITERIA)] == [("c1", 40.0, None)]
    assert [(r["criterion_id"], r["target"], r["until"]) for r in known(unit, D3, CRITERIA)] == [
        ("c1", 55.5, D3), ("c2", 40.0, None)]


@pytest.mark.parametrize(("values", "column", "rule", "remedy"), [
    ({"target": ""}, "target", "missing", "must have a value"),
    ({"target": "as much as we can"}, "target", "not readable", "a number"),
    ({"target": "NaN"}, "target", "not readable", "a number"),
    ({"target": "-4"}, "target", "out of range", "at least 0"),
    ({"minimum_effect": "0"}, "minimum_effect", "out of range", "at least 0.01"),
    ({"minimum_effect": "20"}, "minimum_effect", "out of range", "at most 5"),
    ({"kpi": "happiness"}, "kpi", "not an allowed value", "conversions"),
    ({"owner": ""}, "owner", "missing", "must have a value"),
    ({"end_date": "31.03.2026"}, "end_date", "not readable", "YYYY-MM-DD"),
])
def test_a_bad_row_is_kept_out_with_file_row_column_and_remedy(
    unit: Unit, values: dict[str, str], column: str, rule: str, remedy: str
) -> None:
    enter(unit, written("good"), written("bad", **values))
    land(unit, D1)
    assert [r["criterion_id"] for r in known(unit, D1, CRITERIA)] == ["good"]
    found = {q["column"]: q for q in read(QUARANTINE, unit, D1) if q["rule"] == rule}
    assert (found[column]["file"], found[column]["row"]) == ("criteria.csv", 3)
    assert remedy in found[column]["remedy"]


def test_the_shipped_advertisers_contracts_pass_the_gate(tmp_path: Path) -> None:
    shipped = load_unit("advertiser")
    (source,) = (s for s in shipped.sources if s.name == "criteria")
    text = (shipped.folder / source.path).read_text()
    copy = shop(tmp_path / "copy", {"sources": [SOURCE], "first_night": "2026-06-01"})
    (copy.folder / "criteria.csv").write_text(text.replace(",2026-06-05,", ",2026-06-01,").replace(
        ",2026-06-12,", ",2026-06-01,"))
    night = D1.replace(month=6)
    land(copy, night)
    assert len(known(copy, night, CRITERIA)) == len(text.splitlines()) - 1 and read(QUARANTINE, copy, night) == []
