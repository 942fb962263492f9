"""Market signals as people enter them: landed through the gate, days ahead included, corrected by a later row."""

from datetime import date
from pathlib import Path

import pytest
from _stores import D1, D2, D3, QUARANTINE, known, land, read, shop

from moe.units import Unit, load_unit

SIGNALS = "core.market_signal__day"
HEADER = "signal,business_date,value,entered_on\n"
SOURCE = {"name": "market_signals", "mapping": "market_signals", "path": "market_signals.csv", "late": "go_on"}
SALE = date(2026, 4, 1)
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    return shop(tmp_path / "shop", {"sources": [SOURCE]})


def enter(unit: Unit, *rows: str) -> None:
    (unit.folder / "market_signals.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))


def values(unit: Unit, night: date) -> dict[date, float]:
    return {r["business_date"]: r["value"] for r in known(unit, night, SIGNALS)}


def test_a_sale_ahead_is_known_from_its_night_and_a_later_row_corrects_it(unit: Unit) -> None:
    enter(unit, f"sale,{SALE},1,{D2}")
    land(unit, D1, D2)
    assert values(unit, D1) == {}
    assert values(unit, D2) == {SALE: 1.0}
    enter(unit, f"sale,{SALE},1,{D2}", f"sale,{SALE},0,{D3}")
    land(unit, D3)
    assert values(unit, D3) == {SALE: 0.0}
    assert values(unit, D2) == {SALE: 1.0}


@pytest.mark.parametrize(("row", "column", "rule"), [
    (f",{SALE},1,{D1}", "signal", "missing"),
    (f"sale,1 April,1,{D1}", "business_date", "not readable"),
    (f"sale,{SALE},strong,{D1}", "value", "not readable"),
    (f"sale,{SALE},,{D1}", "value", "missing"),
])
def test_a_bad_row_is_kept_out_with_its_place(unit: Unit, row: str, column: str, rule: str) -> None:
    enter(unit, f"index,{D1},101.5,{D1}", row)
    land(unit, D1)
    assert [r["signal"] for r in known(unit, D1, SIGNALS)] == ["index"]
    found = {q["column"]: q for q in read(QUARANTINE, unit, D1) if q["rule"] == rule}
    assert (found[column]["file"], found[column]["row"]) == ("market_signals.csv", 3)


def test_the_shipped_advertiser_has_a_file_to_append_to() -> None:
    shipped = load_unit("advertiser")
    (source,) = (s for s in shipped.sources if s.name == "market_signals")
    assert shipped.resolve(source.path).read_text() == HEADER
