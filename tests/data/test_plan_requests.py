"""`moe plan request`, `approve`, `refuse`, `set --quarter`, `target`: one CSV, honoured by the next landing."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from _stores import D1, D2, D3, QUARANTINE, known, land, read, shop
from rich.console import Console
from test_override_entry import HEADER, OVERRIDES, SIGNED, decided, moe

from decisions.override_file import history
from decisions.overrides import active
from moe.errors import MoeError
from moe.units import Unit

pytestmark = pytest.mark.usefixtures("home")
GROUPS = [{"name": "north", "lines": ["a / brand"]}, {"name": "south", "lines": ["Generic"]}]
ASK = ("request", "north", "generic", "20", "--until", "2026-03-09")


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    """A unit with two lines at 50.00 a day, each in a group, an overrides file, and the night D1 decided."""
    target = {"kind": "return_on_spend", "value": "2", "low": "50", "high": "200"}
    found = shop(tmp_path / "shop", {
        "sources": [{"name": "overrides", "mapping": "overrides", "path": "overrides.csv", "late": "go_on"}],
        "budget": {"total": "100", "line_cap": "500", "groups": GROUPS, "target": target}})
    (found.folder / "overrides.csv").write_text(HEADER + f"o1,cap,a / brand,400,Old,ann,{D1},2026-03-20\n")
    decided(D1)
    return found


def states(unit: Unit, night: date) -> list[Any]:
    return [(r["override_id"], r["state"], r["from_amount"], r["to_amount"])
            for r in known(unit, night, OVERRIDES) if r["kind"] == "request"]  # fmt: skip


def test_a_request_waits_is_approved_with_what_it_means_and_stays_on_record(
    unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(unit, D1)
    said = moe(unit, *ASK, *SIGNED)
    assert "request-2026-03-02: 20.00 EUR a day from north to Generic (a / generic), until 2026-03-09, waits" in said
    monkeypatch.setattr("moe.plan.out", Console(width=200))
    assert "waits for approval" in moe(unit, "show")
    land(unit, D1, D2)  # the first night again: its delivery is the same, though the file has more columns
    assert states(unit, D2) == [("request-2026-03-02", "requested", None, None)]
    decided(D2)
    said = moe(unit, "approve", "request-2026-03-02", "--who", "ben", "--reason", "Agreed")
    assert "north gets at most 30.00 a day, Generic (a / generic) at least 70.00" in said
    land(unit, D2, D3)
    assert states(unit, D2)[0][1] == "requested", "what held in a night stays"
    (_, waited, agreed) = history(unit)
    assert (waited.who, agreed.who) == ("ana", "ben") and agreed.reason == f"Agreed (asked for by ana: {SIGNED[3]})"
    assert states(unit, D3) == [("request-2026-03-02", "approved", Decimal("30.00"), Decimal("70.00"))]
    assert read(QUARANTINE, unit, D3) == [] and len(active(history(unit), D3)) == 3
    with pytest.raises(MoeError, match="is approved already"):
        moe(unit, "refuse", "request-2026-03-02", *SIGNED)


def test_a_refused_request_says_nothing(unit: Unit) -> None:
    moe(unit, *ASK, *SIGNED)
    moe(unit, "refuse", "request-2026-03-02", *SIGNED)
    land(unit, D1, D2)
    assert states(unit, D2) == [("request-2026-03-02", "refused", None, None)]


@pytest.mark.parametrize(("words", "message"), [
    (["request", "nrth", "generic", "20", "--until", "2026-03-09"], "there is no budget line 'nrth'"),
    (["request", "north", "north", "20", "--until", "2026-03-09"], "not the one in `line_id`"),
    (["request", "north", "south", "20", "--until", "2026-03-02"], "--until 2026-03-02 is over"),
    (["request", "north", "south", "20", "--until", "2026-03-09", "--currency", "USD"], "unknown currency USD"),
    (["approve", "request-9"], "there is no request request-9"),
    (["set", "--month", "2026-03", "--quarter", "2026-q1", "--total", "5"], "give either --month or --quarter"),
    (["set", "--quarter", "2026-5", "--total", "5"], "'2026-5' is not a quarter"),
    (["set", "--quarter", "2025-q4", "--total", "5"], "the quarter 2025-q4 is over"),
    (["target", "0", "--until", "2026-03-09"], "a target must be above 0"),
])
def test_what_cannot_be_is_refused_and_nothing_is_written(unit: Unit, words: list[str], message: str) -> None:
    before = (unit.folder / "overrides.csv").read_text()
    with pytest.raises(MoeError) as error:
        moe(unit, *words, *SIGNED)
    assert message in error.value.message, error.value
    assert (unit.folder / "overrides.csv").read_text() == before


def test_a_request_that_cannot_hold_is_not_approved(unit: Unit) -> None:
    moe(unit, "request", "brand", "generic", "51", "--until", "2026-03-09", *SIGNED)
    with pytest.raises(MoeError, match=r"a / brand has 50.00 a day, less than the 51.00 asked for"):
        moe(unit, "approve", "request-2026-03-02", *SIGNED)
    moe(unit, "request", "brand", "generic", "20", "--until", "2026-03-09", *SIGNED)
    moe(unit, "lock", "generic", "60", "--until", "2026-03-09", *SIGNED)
    with pytest.raises(MoeError, match=r"it cannot hold: line 'a / generic': the floor request-2026-03-02-2 of 70.00"):
        moe(unit, "approve", "request-2026-03-02-2", *SIGNED)


def test_what_a_person_asks_for_is_refused_where_an_approved_request_stands_against_it(unit: Unit) -> None:
    moe(unit, "request", "brand", "south", "20", "--until", "2026-03-09", *SIGNED)
    moe(unit, "approve", "request-2026-03-02", *SIGNED)
    before = (unit.folder / "overrides.csv").read_text()
    with pytest.raises(MoeError, match=r"of 40.00 \(ana\) is above the cap request-2026-03-02 of 30.00"):
        moe(unit, "floor", "brand", "40", "--until", "2026-03-09", *SIGNED)
    assert (unit.folder / "overrides.csv").read_text() == before
    moe(unit, "floor", "brand", "30", "--until", "2026-03-09", *SIGNED)


def test_a_request_is_checked_against_what_starts_later(unit: Unit) -> None:
    with (unit.folder / "overrides.csv").open("a") as file:
        file.write("o2,floor,a / brand,40,Fair,ann,2026-03-04,2026-03-20\n")
    moe(unit, "request", "brand", "south", "20", "--until", "2026-03-09", *SIGNED)
    with pytest.raises(MoeError, match=r"in the night of 2026-03-04 it cannot hold: line 'a / brand': the floor o2"):
        moe(unit, "approve", "request-2026-03-02", *SIGNED)


def test_a_quarter_and_a_target_are_rows_of_the_same_file(unit: Unit) -> None:
    said = moe(unit, "set", "--quarter", "2026-q1", "--total", "3000", *SIGNED)
    assert "wrote total-2026-q1: quarterly total of 3,000.00 EUR, from 2026-03-03 to 2026-03-31" in said
    assert "120.50 of it is spent, 100.00 is decided for the day before 2026-03-03; over the 29 days" in said
    with pytest.raises(MoeError, match=r"total-2026-q1 sets that quarter to 3,000\.00 already"):
        moe(unit, "set", "--quarter", "2026-Q1", "--total", "4000", *SIGNED)
    moe(unit, "target", "2.5", "--until", "2026-03-20", *SIGNED)
    land(unit, D1, D2)
    kinds = {r["kind"]: r["amount"] for r in known(unit, D2, OVERRIDES)}
    assert kinds["quarterly_total"] == 3000 and kinds["target"] == Decimal("2.50")
    moe(unit, "end", "target-2026-03-02", *SIGNED)
    bare = shop(unit.folder.parent / "bare", {"unit": "bare", "sources": [
        {"name": "overrides", "mapping": "overrides", "path": "o.csv"}]})
    with pytest.raises(MoeError, match="unit bare has no target that takes a number"):
        moe(bare, "target", "2.5", "--until", "2099-03-20", *SIGNED)
