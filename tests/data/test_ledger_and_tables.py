"""The run ledger, runs side by side, and publishing by compare and swap."""

import json
import signal
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from _stores import ADS, D1, D2, D3, deliver, land, ledger_of, python, row, rows, shop, store_bytes

from moe import ledger, publish, runner, tables
from moe.errors import FileFault, MissingInput, MoeError, PublishError
from moe.jobs import find
from moe.settings import settings
from moe.units import Unit

pytestmark = pytest.mark.usefixtures("home")
RUN = """
import sys
from datetime import date
from moe import runner
from moe.jobs import find
from moe.units import load_unit
runner.run(find(["land"]), load_unit(sys.argv[1]), [date.fromisoformat(night) for night in sys.argv[2:]])
"""


def started(unit: Unit, *nights: date) -> "subprocess.Popen[str]":
    return python(RUN, str(unit.folder / "unit.yml"), *map(str, nights))


def ended(process: "subprocess.Popen[str]") -> None:
    _, printed = process.communicate()
    assert process.returncode == 0, printed


def delivered(tmp_path: Path) -> Unit:
    unit = shop(tmp_path / "shop")
    for night in (D1, D2, D3):
        deliver(unit, night, [*rows(D1, 50), row(night, "x", clicks=night.day)])
    return unit


def test_a_run_is_one_file_of_the_ledger(tmp_path: Path) -> None:
    unit = delivered(tmp_path)
    (record,) = land(unit, D1)
    (kept,) = ledger_of(unit, D1)
    assert kept["digests"] == record.digests and kept["rows_out"][ADS] == 51
    assert (kept["job"], kept["unit"], kept["date"], kept["status"]) == ("land", "shop", "2026-03-01", "done")
    assert kept["outputs"][ADS] == f"core/ad_performance__ad_day/shop/{D1}.parquet" and kept["code"]
    land(unit, D1)
    assert len(ledger_of(unit, D1)) == 2
    assert ledger.newest("shop", D1)["land"]["digests"] == record.digests


def test_a_failed_run_is_kept_with_its_reason(tmp_path: Path) -> None:
    unit = shop(tmp_path / "shop")
    with pytest.raises(FileFault):
        land(unit, D1)
    (kept,) = ledger_of(unit, D1)
    assert kept["status"] == "failed" and kept["outputs"] == {}
    assert "report.csv is missing" in kept["reason"] and "What to do: ask the source" in kept["reason"]


def test_a_job_without_its_input_is_refused_or_skipped(tmp_path: Path) -> None:
    unit = delivered(tmp_path)
    path = unit.folder / "unit.yml"
    with pytest.raises(MissingInput, match=f"run `moe run land --unit {path} --date 2026-03-01` first"):
        runner.run(find(["customers"]), unit, [D1])
    land(unit, D1)
    (record,) = runner.run(find(["customers"]), unit, [D1])
    assert (record.status, record.reason) == ("skipped", "unit shop has no rows in core.order__order")


def test_a_full_disk_under_the_ledger_is_told_after_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = delivered(tmp_path)

    def full(*_: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "append", full)
    with pytest.raises(MoeError, match="land of 2026-03-01 is done, but the ledger could not be written"):
        land(unit, D1)
    monkeypatch.setattr("sources.land.deliver", full)  # the first error is the one that counts
    with pytest.raises(MoeError, match=r"(?s)could not write.*nothing was replaced"):
        land(unit, D2)


def test_the_same_night_in_two_processes_is_harmless(tmp_path: Path) -> None:
    unit = delivered(tmp_path)
    for process in [started(unit, D1, D2) for _ in range(2)]:
        ended(process)
    digests = [r["digests"] for r in ledger_of(unit, D1)]
    assert len(digests) == 2 and digests[0] == digests[1]
    assert land(unit, D1)[0].digests == digests[0]
    assert all(name.endswith(".parquet") and "/." not in name for name in store_bytes())


def test_nights_in_any_order_and_at_the_same_time_equal_nights_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = delivered(tmp_path)
    for process in [started(unit, D3), started(unit, D2, D1)]:
        ended(process)
    beside = store_bytes()
    monkeypatch.setenv("MOE_HOME", str(tmp_path / "calm"))
    settings.cache_clear()
    land(unit, D1, D2, D3)
    assert store_bytes() == beside


def move(to: str, expected: str | None, night: date = D1, **changes: Any) -> publish.Entry:
    terms: dict[str, Any] = {
        "expected": expected, "effective": night, "who": "ann", "reason": "test", "facts": {"n": 1}}
    return publish.move("release", "shop", to, **(terms | changes))


def test_the_pointer_moves_by_compare_and_swap_and_is_logged() -> None:
    assert publish.live("release", "shop") is None and publish.log("release", "shop") == []
    first = move("a", None)
    second = move("b", "a", D2)
    assert publish.live("release", "shop") == second and publish.log("release", "shop") == [first, second]
    assert (second.moved_from, second.moved_to, second.who, second.effective) == ("a", "b", "ann", "2026-03-02")
    with pytest.raises(PublishError, match="stands at b, not at a"):
        move("c", "a", D3)
    assert publish.log("release", "shop") == [first, second]


def test_the_pointer_moves_forward_only_unless_rolled_back() -> None:
    move("b", None, D2)
    with pytest.raises(PublishError, match="older than the live one"):
        move("a", "b", D1)
    move("a", "b", D1, forward_only=False)
    assert [e.moved_to for e in publish.log("release", "shop")] == ["b", "a"]
    with pytest.raises(PublishError, match="who and why"):
        move("c", "a", D3, reason="")


@pytest.mark.parametrize(("kind", "looks", "goes_back"), [
    ("release", "moe release show", "moe release rollback"),
    ("model", "moe model show", "moe model rollback"),
    ("bid_model", "moe model promote", "moe model promote"),
])
def test_a_move_that_is_refused_names_commands_of_its_kind(kind: publish.Kind, looks: str, goes_back: str) -> None:
    terms: dict[str, Any] = {"who": "ann", "reason": "test", "facts": {}}
    publish.move(kind, "shop", "b", expected=None, effective=D2, **terms)
    with pytest.raises(PublishError, match=looks):
        publish.move(kind, "shop", "c", expected="a", effective=D3, **terms)
    with pytest.raises(PublishError, match=goes_back):
        publish.move(kind, "shop", "a", expected="b", effective=D1, **terms)


def test_what_is_effective_in_a_night() -> None:
    for to, expected, night in (("a", None, D1), ("b", "a", D3), ("c", "b", D3)):
        move(to, expected, night)
    names = {night: publish.effective("release", "shop", night) for night in (D1, D2, D3)}
    assert {n: e.moved_to if e else None for n, e in names.items()} == {D1: "a", D2: "a", D3: "c"}
    assert publish.effective("release", "shop", date(2026, 2, 28)) is None


RACE = """
import sys
from datetime import date
from moe import publish
from moe.errors import PublishError
won = 0
for _ in range(40):
    live = publish.live("release", "shop")
    try:
        publish.move("release", "shop", sys.argv[1], expected=live.moved_to if live else None,
                     effective=date(2026, 3, 1), who=sys.argv[1], reason="race", facts={})
        won += 1
    except PublishError:
        pass
print(won)
"""


def test_of_two_racing_processes_each_move_starts_where_the_last_ended() -> None:
    racing = [python(RACE, name) for name in ("left", "right")]
    won = sum(int(process.communicate()[0]) for process in racing)
    log = publish.log("release", "shop")
    assert len(log) == won >= 40
    assert [e.moved_from for e in log] == [None, *(e.moved_to for e in log[:-1])]
    assert publish.live("release", "shop") == log[-1]


MOVE = """
from datetime import date
from moe import publish
publish.move("release", "shop", "b", expected="a", effective=date(2026, 3, 2), who="bob", reason="night", facts={})
"""


@pytest.mark.parametrize(("point", "live"), [("written:release", "a"), ("moved:release", "b")])
def test_a_kill_while_publishing_leaves_pointer_and_log_in_step(point: str, live: str) -> None:
    """Before the pointer moved nothing happened; after it the move holds, and the log tells it."""
    first = move("a", None)
    process = python(MOVE, MOE_KILL_AT=point)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    now = publish.live("release", "shop")
    assert now and now.moved_to == live
    assert [e.moved_to for e in publish.log("release", "shop")] == (["a"] if live == "a" else ["a", "b"])
    last = move("c", live, D3)
    assert [e.moved_to for e in publish.log("release", "shop")] == (["a", "c"] if live == "a" else ["a", "b", "c"])
    assert publish.log("release", "shop")[0] == first and publish.log("release", "shop")[-1] == last
    assert sorted(p.suffix for p in (settings().published / "release").iterdir()) == [".json", ".jsonl", ".lock"]
    lines = (settings().published / "release" / "shop.log.jsonl").read_text().splitlines()
    assert [json.loads(line)["moved_to"] for line in lines] == [e.moved_to for e in publish.log("release", "shop")]


def test_a_missing_partition_names_the_job_to_run() -> None:
    with pytest.raises(MissingInput, match=r"(?s)has no partition of 2026-03-01 for unit shop.*moe run"):
        tables.read(ADS, "shop", D1)
