"""Three nights of the real company by a real scheduler and the real `airflow backfill create`, then again."""

import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import scheduler
from scheduler import Airflow

from feature_repo.online import online_night
from moe import ledger, nightly, publish, tables
from moe.settings import settings

NIGHTS = ["2020-06-01", "2020-06-02", "2020-06-03"]
UNIT = "display_short"
TRIES = 5
WAIT = 900  # seconds: three nights take 170 on two busy cores


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of the real company's unit with a short history, and a home to run it in."""
    folder = tmp_path_factory.mktemp("backfill")
    text = (settings().shipped_units / "online_ads" / "unit.yml").read_text(encoding="utf-8")
    for old, new in (("unit: online_ads", f"unit: {UNIT}"), ("2020-04-01\n", "2020-05-24\n")):
        assert old in text
        text = text.replace(old, new)
    path = folder / UNIT / "unit.yml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(folder / "home"))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        patch.setenv("MOE_UNITS", json.dumps([str(path)]))
        settings.cache_clear()
        yield path
    settings.cache_clear()


@pytest.fixture(scope="module")
def airflow(company: Path) -> Iterator[Airflow]:
    with scheduler.airflow(WAIT) as running:
        yield running


def _backfill(airflow: Airflow, nights: list[str], *more: str) -> bool:
    """Create a backfill and wait until all its runs succeeded; whether the first try created it.

    On SQLite a busy scheduler may cut the creation short; then, as the DAG's document says, it is created again.
    """
    at_once = True
    for _ in range(TRIES):
        airflow.wait_for("select count(*) from backfill where completed_at is null", [(0,)])  # one at a time is allowed
        this = int(airflow.rows("select count(*) from backfill")[0][0]) + 1
        made = airflow.attempt("backfill", "create", "--dag-id", "nightly", "--from-date", nights[0], "--to-date",
                               nights[-1], "--max-active-runs", "1", *more)
        if made.returncode == 0:
            break
        assert "database is locked" in made.stdout, made.stdout
        at_once = False
        airflow.wait_for("select count(*) from dag_run where state in ('queued', 'running')", [(0,)])
    else:
        raise AssertionError(made.stdout)
    airflow.wait_for(f"select date(logical_date), state, run_type from dag_run where backfill_id = {this} "
                     "order by start_date", [(night, "success", "backfill") for night in nights])
    return at_once


def _digests() -> dict[str, dict[str, str]]:
    """The digests of the newest run of every job, by night."""
    return {night: {f"{job}.{table}": digest for job, record in ledger.newest(UNIT, date.fromisoformat(night)).items()
                    for table, digest in record["digests"].items()} for night in NIGHTS}


@pytest.mark.timeout(1900)
def test_a_backfill_runs_its_nights_in_order_repeats_itself_and_publishes_nothing(airflow: Airflow) -> None:
    _backfill(airflow, NIGHTS)
    first = _digests()
    for night in NIGHTS:
        assert date.fromisoformat(night) in tables.nights("out.release__night", UNIT)
        assert (settings().report(UNIT, date.fromisoformat(night)) / "index.html").exists()
    order = [r["date"] for r in ledger.records(UNIT) if r["job"] == "release"]
    assert order == NIGHTS

    # all again, and asked to publish
    at_once = _backfill(airflow, NIGHTS, "--reprocess-behavior", "completed", "--dag-run-conf", '{"publish": true}')
    again = [r["date"] for r in ledger.records(UNIT) if r["job"] == "release"][len(NIGHTS):]
    assert again[-len(NIGHTS):] == NIGHTS
    assert set(again) == set(NIGHTS) and (len(again) == len(NIGHTS) or not at_once)  # a creation cut short ran some
    assert _digests() == first
    assert publish.log("release", UNIT) == [] and publish.live("release", UNIT) is None
    assert online_night(UNIT) is None


def test_a_night_at_a_desk_is_d_and_its_failure_tells_what_to_do(company: Path, capsys: Any) -> None:
    """It ends at the first failure, without waiting for a retry of the late source."""
    text = company.read_text(encoding="utf-8").replace(UNIT, "display_late").replace("performance_data.csv", "gone.csv")
    late = company.parent.parent / "display_late" / "unit.yml"
    late.parent.mkdir()
    late.write_text(text, encoding="utf-8")
    started = time.monotonic()
    assert nightly.nightly(str(late), date(2020, 6, 5)) == 1
    assert time.monotonic() - started < 120
    said = capsys.readouterr().out
    assert "✗ land" in said and "Step land failed." in said and "gone.csv is missing" in said
    assert "What to do:" in said and f"moe nightly --unit {late} --date 2020-06-05" in said
    log = Path(said.partition("Full log: ")[2].strip()).read_text(encoding="utf-8")
    assert "Step land of night 2020-06-05 failed" in log
    assert "Traceback" not in said
