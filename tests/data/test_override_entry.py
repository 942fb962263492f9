"""`moe plan`: what a person enters is checked, written in one step, and honoured by the next night's real landing."""

import multiprocessing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from _stores import D1, D2, D3, D4, QUARANTINE, known, land, read, shop
from rich.console import Console
from typer.testing import CliRunner

from decisions import override_entry as plan
from decisions.override_file import history
from decisions.overrides import Override, active
from decisions.periods import period_tonight
from moe import tables
from moe.cli import app
from moe.contracts import contract
from moe.errors import MoeError
from moe.units import Unit

OVERRIDES = "core.override__override"
HEADER = "override_id,kind,line_id,amount,reason,who,entered_on,until\n"
pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    """A unit with an overrides file, and the night D1 decided."""
    found = shop(tmp_path / "shop", {
        "sources": [{"name": "overrides", "mapping": "overrides", "path": "overrides.csv", "late": "go_on"}],
        "budget": {"total": "100", "line_cap": "500"}})
    (found.folder / "overrides.csv").write_text(HEADER)
    decided(D1)
    return found


def decided(night: date) -> None:
    """A night's lines, budgets and release, as far as a plan looks at them."""
    lines = [{"line_id": f"a / {name}", "line_name": name.title(), "platform": "x"} for name in ("brand", "generic")]
    stored("marts.ad_performance__line_day", night, [line | {"business_date": night, "spend": Decimal("60.25")}
                                                     for line in lines])
    stored("out.budget__line", night, [line | {"business_date": night + timedelta(days=1), "budget": Decimal("50.00")}
                                       for line in lines])
    stored("out.release__night", night, [{"business_date": night + timedelta(days=1)}])


def stored(table: str, night: date, rows: list[dict[str, Any]]) -> None:
    schema = pa.schema([f.with_nullable(True) for f in contract(table).schema])
    path = tables.partition(table, "shop", night)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{"unit": "shop", "night": night} | r for r in rows], schema=schema), path)


def moe(unit: Unit, *words: str) -> str:
    """A command's output, all of it in one line; errors are raised."""
    done = CliRunner().invoke(app, ["plan", *words, "--unit", str(unit.folder / "unit.yml")])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


SIGNED = ("--who", "ana", "--reason", "Trade fair, hall 4")


def in_force(unit: Unit, night: date) -> list[Override]:
    """What the allocation of a night honours, from core as of that night."""
    names = ("override_id", "kind", "line_id", "amount", "reason", "who", "entered_on", "until")
    return list(active([Override(**{n: r[n] for n in names}) for r in known(unit, night, OVERRIDES)], night))


def file(unit: Unit) -> Path:
    return unit.folder / "overrides.csv"


def test_a_lock_is_honoured_from_the_next_night_until_its_end(unit: Unit) -> None:
    said = moe(unit, "lock", "brand", "120.50", "--until", "2026-03-04", *SIGNED)
    assert "wrote lock-2026-03-02: lock of 120.50 EUR on Brand (a / brand), from 2026-03-03 to 2026-03-04." in said
    land(unit, D1, D2, D3, D4)
    assert in_force(unit, D1) == []
    for night in (D2, D3):
        (row,) = in_force(unit, night)
        assert (row.line_id, row.amount, row.who, row.reason) == ("a / brand", Decimal("120.50"), "ana", SIGNED[3])
    assert in_force(unit, D4) == [] and read(QUARANTINE, unit, D2) == []


def test_a_plan_that_was_ended_stays_on_record_for_the_nights_before(unit: Unit) -> None:
    moe(unit, "cap", "a / generic", "30", "--until", "2026-03-31", *SIGNED)
    land(unit, D1, D2)
    decided(D2)
    said = moe(unit, "end", "cap-2026-03-02", "--who", "ben", "--reason", "Stock is back")
    assert said == "ended cap-2026-03-02: it no longer holds from 2026-03-03 on"
    land(unit, D3)
    assert len(in_force(unit, D2)) == 1 and in_force(unit, D3) == []
    assert file(unit).read_text().count("cap-2026-03-02") == 2, "nothing of what was written is lost"
    assert read(QUARANTINE, unit, D3) == []
    land(unit, D2)  # an old night again: the same delivery, so it is not refused
    assert len(in_force(unit, D2)) == 1


def test_a_plan_that_no_night_has_seen_is_ended_in_its_place(unit: Unit) -> None:
    moe(unit, "floor", "brand", "80", "--until", "2026-03-31", *SIGNED)
    moe(unit, "end", "floor-2026-03-02", *SIGNED)
    assert file(unit).read_text().count("floor-2026-03-02") == 1
    land(unit, D1, D2)
    assert in_force(unit, D2) == [] and read(QUARANTINE, unit, D2) == []


def test_a_months_total_sets_the_nights_total_from_its_first_day(unit: Unit) -> None:
    said = moe(unit, "set", "--month", "2026-03", "--total", "3100.00", *SIGNED)
    assert "120.50 of it is spent, 100.00 is decided for the day before 2026-03-03" in said
    assert "over the 29 days from 2026-03-03 that is 99.29 a day (without it: 100.00)" in said
    moe(unit, "set", "--month", "2026-04", "--total", "6000", *SIGNED)
    march, april = history(unit)
    assert (april.entered_on, april.until) == (date(2026, 3, 31), date(2026, 4, 30))
    land(unit, D1, D2)
    rows = in_force(unit, D2)
    period = period_tonight(rows, D2, {D1: 12_050})
    assert period is not None and period.override == march
    assert period.even(D3, 1).tolist() == [(310_000 - 12_050) // 29]
    for night in (date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 29), date(2026, 4, 30)):
        held = [o.override_id for o in active([march, april], night)]
        wanted = (night + timedelta(days=1)).strftime("total-%Y-%m")
        assert held == ([wanted] if wanted != "total-2026-05" else []), "one month at a time, and no gap between"


def test_a_line_is_found_by_its_campaign_alone_where_no_other_line_has_it() -> None:
    names = {"g / 1": "google_ads · Brand | West", "g / 2": "google_ads · Non-Brand | West",
             "m / 1": "meta_ads · Loyal | West"}
    lines = plan.Lines(D1, names, {})
    for wanted in ("brand | west", "google_ads · Brand | West"):
        assert plan.find_line(lines, wanted) == "g / 1"
    with pytest.raises(MoeError, match="2 lines are named 'google_ads'"):
        plan.find_line(lines, "google_ads")
    with pytest.raises(MoeError, match="did you mean: meta_ads · Loyal"):
        plan.find_line(lines, "Loyal | We")


@pytest.mark.parametrize(("words", "message", "remedy"), [
    (["lock", "brnd", "5", "--until", "2026-03-09"], "there is no budget line 'brnd'", "did you mean: Brand"),
    (["cap", "brand", "5", "--until", "2026-03-02"], "--until 2026-03-02 is over: the next night is 2026-03-02",
     "a later one"),
    (["cap", "brand", "5", "--until", "2026-03-09", "--currency", "USD"], "unknown currency USD here",
     "give it in EUR"),
    (["cap", "brand", "1,250", "--until", "2026-03-09"], "'1,250' is not an amount", "plain digits"),
    (["cap", "brand", "NaN", "--until", "2026-03-09"], "'NaN' is not an amount", "plain digits"),
    (["cap", "brand", "1.234", "--until", "2026-03-09"], "'1.234' is not an amount", "two decimals"),
    (["cap", "brand", "1.500", "--until", "2026-03-09"], "'1.500' is not an amount", "two decimals"),  # 1500 to many
    (["cap", "brand", "1_250", "--until", "2026-03-09"], "'1_250' is not an amount", "no separator"),
    (["cap", "brand", "1e3", "--until", "2026-03-09"], "'1e3' is not an amount", "plain digits"),
    (["cap", "brand", "1e30", "--until", "2026-03-09"], "'1e30' is not an amount", "plain digits"),
    (["cap", "brand", "9" * 17, "--until", "2026-03-09"], "is not an amount", "plain digits"),
    (["floor", "brand", "501", "--until", "2026-03-09"], "above the unit's largest budget of a line, 500", "line_cap"),
    (["cap", "brand", "5", "--until", "2026-03-09", "--reason", "=1+1"], "--reason is '=1+1'", "one line of text"),
    (["set", "--month", "2026-02", "--total", "5"], "the month 2026-02 is over", "a later one"),
    (["end", "lock-9"], "there is no override lock-9", "the nearest"),
])
def test_what_cannot_hold_is_refused_and_nothing_is_written(
    unit: Unit, words: list[str], message: str, remedy: str
) -> None:
    signed = SIGNED if "--reason" not in words else ("--who", "ana")
    with pytest.raises(MoeError) as error:
        moe(unit, *words, *signed)
    assert message in error.value.message and remedy in error.value.remedy, error.value
    assert file(unit).read_text() == HEADER


@pytest.mark.parametrize(("first", "second", "message"), [
    (["lock", "brand", "40", "--until", "2026-03-20"], ["floor", "brand", "60", "--until", "2026-03-20"],
     "the floor floor-2026-03-02 of 60.00 (ana) is above the lock lock-2026-03-02 of 40.00 (ana)"),
    (["lock", "brand", "--until", "2026-03-20"], ["cap", "brand", "49.99", "--until", "2026-03-20"],
     "the lock lock-2026-03-02 of 50.00 (ana) is above the cap"),
    (["set", "--month", "2026-03", "--total", "9"], ["set", "--month", "2026-03", "--total", "8"],
     "total-2026-03 sets that month to 9.00 already (ana: Trade fair, hall 4)"),
])
def test_two_plans_that_cannot_both_hold_are_refused(
    unit: Unit, first: list[str], second: list[str], message: str
) -> None:
    moe(unit, *first, *SIGNED)
    before = file(unit).read_text()
    with pytest.raises(MoeError) as error:
        moe(unit, *second, *SIGNED)
    assert message in error.value.message and "moe plan end" in error.value.remedy
    assert file(unit).read_text() == before
    moe(unit, "end", history(unit)[0].override_id, *SIGNED)
    moe(unit, *second, *SIGNED)


def test_a_line_is_known_by_its_newest_name(unit: Unit) -> None:
    days = [{"line_id": "a / brand", "line_name": name, "platform": "x", "business_date": day, "spend": Decimal(1)}
            for name, day in (("Launch", D1), ("Brand", D1 - timedelta(days=1)))]
    stored("marts.ad_performance__line_day", D1, days)
    assert "on Launch (a / brand)" in moe(unit, "cap", "launch", "5", "--until", "2026-03-09", *SIGNED)


def test_a_dry_run_says_it_and_writes_nothing(unit: Unit) -> None:
    assert "would write cap-2026-03-02" in moe(unit, "cap", "brand", "5", "--until", "2026-03-09", "--dry-run", *SIGNED)
    assert file(unit).read_text() == HEADER


def test_show_tells_what_holds_what_comes_and_what_is_over(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moe.plan.out", Console(width=200))
    file(unit).write_text(HEADER + f"o1,cap,a / brand,5,Old,ann,{D1},{D2}\r\n")
    moe(unit, "lock", "generic", "--until", "2026-03-09", *SIGNED)
    moe(unit, "set", "--month", "2026-04", "--total", "6000", *SIGNED)
    said = moe(unit, "show")
    assert "as it is" in said and "6,000.00" in said and "from 2026-04-01" in said and "Old" not in said
    assert "Old" in moe(unit, "show", "--all")
    land(unit, D1, D2)
    assert [o.override_id for o in in_force(unit, D2)] == ["lock-2026-03-02"], "a file with two line ends is read"


def test_a_file_that_people_broke_is_named_with_its_row(unit: Unit) -> None:
    file(unit).write_text(HEADER + f"o1,cap,a / brand,five,Old,ann,{D1},{D2}\n")
    with pytest.raises(MoeError, match="row 2"):
        moe(unit, "cap", "brand", "5", "--until", "2026-03-09", *SIGNED)
    assert "five" in file(unit).read_text()


@pytest.mark.parametrize(("row", "message"), [
    (b'o1,cap,a / brand,5,"Old" news,ann,2026-03-01,2026-03-09\n', "row 2: "),
    ("o1,cap,a / brand,5,Fußball,ann,2026-03-01,2026-03-09\n".encode("cp1252"), "is not UTF-8"),
])
def test_a_file_that_is_no_csv_in_utf_8_is_named(unit: Unit, row: bytes, message: str) -> None:
    file(unit).write_bytes(HEADER.encode() + row)
    for words in (["show"], ["cap", "brand", "5", "--until", "2026-03-09", *SIGNED]):
        with pytest.raises(MoeError) as error:
            moe(unit, *words)
        assert str(file(unit)) in error.value.message and message in error.value.message
    assert file(unit).read_bytes() == HEADER.encode() + row


def test_columns_in_another_order_and_of_the_users_own_are_kept(unit: Unit) -> None:
    names = "ticket,until,override_id,kind,line_id,amount,reason,who,entered_on"
    file(unit).write_text(f'{names}\nT-1,{D4},o1,cap,a / brand,5,"a, b",ann,{D1}')
    moe(unit, "cap", "generic", "7", "--until", "2026-03-09", *SIGNED)
    assert file(unit).read_text() == (
        f'{names}\nT-1,{D4},o1,cap,a / brand,5,"a, b",ann,{D1}\n'
        ',2026-03-09,cap-2026-03-02,cap,a / generic,7,"Trade fair, hall 4",ana,2026-03-02\n')


def test_before_the_first_night_a_month_can_be_planned_and_a_line_cannot(tmp_path: Path) -> None:
    fresh = shop(tmp_path / "fresh", {"unit": "fresh", "sources": [
        {"name": "notes", "mapping": "overrides", "path": "notes.csv"}]})
    moe(fresh, "set", "--month", "2099-01", "--total", "5", *SIGNED)
    assert (fresh.folder / "notes.csv").read_text().startswith(HEADER)
    with pytest.raises(MoeError, match="no budget lines yet"):
        moe(fresh, "cap", "brand", "5", "--until", "2099-03-09", *SIGNED)
    with pytest.raises(MoeError, match="has no overrides file"):
        moe(shop(tmp_path / "none", {"unit": "none"}), "show")


def enter(folder: str, at: int, together: Any) -> None:
    from moe.units import load_unit

    unit = load_unit(folder + "/unit.yml")
    together.wait(60)
    for n in range(12):
        plan.add(unit, Override(f"o{at}-{n}", "cap", "a / brand", Decimal(500), "r", "w", D2, D4))


def test_rows_entered_at_the_same_time_are_all_kept(unit: Unit) -> None:
    context = multiprocessing.get_context("fork")
    together = context.Barrier(3)
    writers = [context.Process(target=enter, args=(str(unit.folder), n, together)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [w.exitcode for w in writers] == [0] * 3
    assert sorted(o.override_id for o in history(unit)) == sorted(f"o{at}-{n}" for at in range(3) for n in range(12))
    assert [p.name for p in unit.folder.iterdir() if p.name.startswith(".")] == []
