"""Experiments as people enter them: landed through the gate, known from their night on, withdrawn by a later row."""

from datetime import date
from pathlib import Path

import pytest
from _stores import D1, D2, D3, D4, FINDINGS, QUARANTINE, known, land, read, shop

from moe import tables
from moe.units import Unit, load_unit

TESTS = "core.experiment__test"
HEADER = ("experiment_id,kind,line_id,start_date,end_date,spend_test,spend_control,objective,incremental_outcome,"
          "standard_error,entered_on,until\n")
SOURCE = {"name": "experiments", "mapping": "experiments", "path": "experiments.csv", "late": "go_on"}
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    return shop(tmp_path / "shop", {"sources": [SOURCE]})


def written(name: str = "t1", entered: date = D1, **values: str) -> str:
    whole = {"kind": "geo", "line_id": "brand", "start_date": "2026-02-01", "end_date": "2026-02-14",
             "spend_test": "80.50", "spend_control": "40", "objective": "conversion_value",
             "incremental_outcome": "-120.5", "standard_error": "60"} | values
    return ",".join([name, *(whole[n] for n in HEADER.split(",")[1:10]), str(entered), values.get("until", "")]) + "\n"


def enter(unit: Unit, *lines: str) -> None:
    (unit.folder / "experiments.csv").write_text(HEADER + "".join(lines))


def test_rows_are_known_from_their_night_on_and_withdrawn_by_a_later_row(unit: Unit) -> None:
    enter(unit)
    land(unit, D1)
    assert known(unit, D1, TESTS) == [] and read(FINDINGS, unit, D1) == []
    enter(unit, written(entered=D2), written("t2", D3))
    land(unit, D2, D3)
    (first,) = known(unit, D2, TESTS)
    assert (first["line_id"], float(first["spend_test"]), first["incremental_outcome"], first["until"]) == (
        "brand", 80.5, -120.5, None)
    assert [r["experiment_id"] for r in known(unit, D3, TESTS)] == ["t1", "t2"]
    enter(unit, written(entered=D2), written("t2", D3), written(entered=D4, until=str(D4)))
    land(unit, D4)
    assert [(r["experiment_id"], r["until"]) for r in known(unit, D4, TESTS)] == [("t1", D4), ("t2", None)]
    assert known(unit, D2, TESTS) == [first], "the nights before still know it as it was"
    assert [r for night in (D2, D3, D4) for r in read(QUARANTINE, unit, night)] == []


@pytest.mark.parametrize(("values", "column", "rule", "remedy"), [
    ({"standard_error": "0"}, "standard_error", "out of range", "at least 0.01"),
    ({"standard_error": ""}, "standard_error", "missing", "must have a value"),
    ({"incremental_outcome": "NaN"}, "incremental_outcome", "not readable", "a number"),
    ({"spend_control": "-1"}, "spend_control", "out of range", "at least 0"),
    ({"objective": "clicks"}, "objective", "not an allowed value", "conversion_value, conversions"),
    ({"kind": "guess"}, "kind", "not an allowed value", "lift, geo"),
    ({"end_date": "14.02.2026"}, "end_date", "not readable", "YYYY-MM-DD"),
])
def test_a_bad_row_is_kept_out_with_file_row_column_and_remedy(
    unit: Unit, values: dict[str, str], column: str, rule: str, remedy: str
) -> None:
    enter(unit, written("good"), written("bad", **values))
    land(unit, D1)
    assert [r["experiment_id"] for r in known(unit, D1, TESTS)] == ["good"]
    found = {q["column"]: q for q in read(QUARANTINE, unit, D1) if q["rule"] == rule}
    assert (found[column]["file"], found[column]["row"]) == ("experiments.csv", 3)
    assert remedy in found[column]["remedy"]


def test_a_file_that_is_not_there_yet_stops_no_night_and_is_named(unit: Unit) -> None:
    land(unit, D1)
    assert [(f["source"], f["finding"]) for f in read(FINDINGS, unit, D1)] == [("experiments", "late")]
    assert known(unit, D1, TESTS) == []


def test_the_shipped_advertiser_has_a_file_to_append_to() -> None:
    shipped = load_unit("advertiser")
    (source,) = (s for s in shipped.sources if s.name == "experiments")
    assert shipped.resolve(source.path, D1).read_text() == HEADER and source.late == "go_on"


def test_a_unit_without_such_a_source_and_a_store_from_before_it_know_none(tmp_path: Path) -> None:
    plain = shop(tmp_path / "plain", {"unit": "plain", "sources": [
        {"name": "notes", "mapping": "overrides", "path": "notes.csv", "late": "go_on"}]})
    land(plain, D1, D2)
    assert known(plain, D2, TESTS) == []
    for night in (D1, D2):
        tables.partition(TESTS, "plain", night).unlink()
    assert known(plain, D2, TESTS) == []
