"""`moe doctor`: each finding says what was found and, where something is missing, what to do."""

import re
import sqlite3
from pathlib import Path

import pytest

from moe import doctor
from moe.doctor import Check
from moe.settings import settings

LOCK = settings().root / "requirements.lock"


def found(what: str) -> Check:
    return next(check for check in doctor.checks() if check.what.startswith(what))


def test_this_environment_is_the_locked_one(home: Path) -> None:
    checks = doctor.checks()
    assert len(checks) == len({check.what for check in checks}) == 13
    wrong = [(check.what, check.found) for check in checks if not (check.ok or check.optional)]
    assert wrong == []
    assert not any(home.iterdir()), "looking changed something"


def test_the_lock_pins_exactly_and_names_no_host() -> None:
    lines = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names)) and len(names) > 300


def test_a_differing_and_a_missing_package_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = doctor.version

    def version(name: str) -> str:
        if name == "duckdb":
            return "0.1"
        if name == "feast":
            raise doctor.PackageNotFoundError
        return true(name)

    monkeypatch.setattr(doctor, "version", version)
    check = found("packages")
    assert not check.ok and "make setup" in check.remedy
    assert re.fullmatch(r"duckdb 0\.1 \(wanted [\d.]+\); feast missing \(wanted [\d.]+\)", check.found)


def test_a_builds_own_suffix_is_no_difference(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: true(name).partition("+")[0] + "+cpu")
    assert found("packages").ok


def test_a_database_without_pools_or_without_tables_is_told(home: Path) -> None:
    path = settings().airflow_home / "airflow.db"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as database:
        database.execute("create table dag_run (id int)")
    assert "moe airflow db migrate" in found("Airflow").remedy
    with sqlite3.connect(path) as database:
        database.execute("create table slot_pool (pool text)")
        database.execute("insert into slot_pool values ('default_pool'), ('dbt')")
    check = found("Airflow")
    assert not check.ok and "no pool ['spark']" in check.found and "pools import" in check.remedy


def test_services_that_are_set_and_do_not_answer_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("PostgreSQL").found.startswith("not set") and found("S3").found.startswith("not set")
    for name in ("POSTGRES_URL", "MLFLOW_TRACKING_URI", "AIRFLOW_DATABASE"):
        monkeypatch.setenv(f"MOE_{name}", "postgresql://moe:s3cret@127.0.0.1:1/moe")
    for name, value in {"MOE_S3_URL": "s3://bucket", "MOE_S3_ENDPOINT": "http://127.0.0.1:1",
                        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "s3cret"}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    for what in ("PostgreSQL", "MLflow", "Airflow's", "S3"):
        check = found(what)
        assert not check.ok and "127.0.0.1:1" in check.found and check.remedy
        assert "s3cret" not in repr(check)


@pytest.mark.parametrize(("unit", "ok", "text"), [
    ("advertiser", True, "none yet"), ("no_such", False, "no unit file"),
])
def test_deliveries(home: Path, monkeypatch: pytest.MonkeyPatch, unit: str, ok: bool, text: str) -> None:
    monkeypatch.setenv("MOE_UNIT", unit)
    settings.cache_clear()
    check = found("deliveries")
    assert check.ok is ok and text in check.found


def test_exports_that_are_not_there_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOE_UNIT", "online_ads")
    monkeypatch.setenv("MOE_TEST_DATA", str(home / "nowhere"))
    settings.cache_clear()
    check = found("deliveries")
    assert not check.ok and f"display: no {home / 'nowhere'}" in check.found


def test_a_full_disk_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_GB", 10**9)
    check = found("free disk")
    assert not check.ok and "MOE_HOME" in check.remedy
