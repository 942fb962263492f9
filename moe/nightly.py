"""`moe nightly` and `moe airflow`: a night of the DAG at a desk, and Airflow with its settings derived from ours."""

import fcntl
import getpass
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from moe.errors import MissingInput, MoeError
from moe.settings import settings, with_driver
from moe.units import Unit, load_unit, option

if TYPE_CHECKING:
    from rich.console import Console

FIRST_NIGHT = 29
"Nights after its first one that the shipped advertiser's default night is: 30 days to learn from."
AFTER_LIVE = ("online", "report", "follow")
"Steps after `make_live`: a failure of theirs says nothing about whether the release went live."
PATIENT = "?timeout=60"
"Seconds that one of Airflow's processes waits for another one's write to SQLite; 5 fail beside a busy scheduler."
NOT_OURS = ("Could not import graphviz", "The `airflow.utils.operator_helpers", "fetch_arrow_table")
"How the warnings begin that no user of ours can act on."
MOST_TABLES = 3
"Tables named in a job's line; `moe ledger` has them all."


def night_of(unit: Unit, text: str) -> date:
    """The night D named by `ds`. Raises MoeError where there is none, or it cannot be run (yet)."""
    if not text:
        raise MoeError("this run has no logical date, so it has no night D",
                       "start it with a date: `airflow dags trigger nightly --logical-date YYYY-MM-DD`")
    night = date.fromisoformat(text)
    if night < unit.first_night:
        raise MoeError(f"{night} is before the first night of {unit.unit}, {unit.first_night}",
                       "choose a later night, or an earlier first_night in its unit.yml")
    if night >= datetime.now(UTC).date():
        raise MoeError(f"the day {night} is not over (UTC), so its night cannot run",
                       "the newest possible night is yesterday")
    return night


def environment(desk: str = "") -> dict[str, str]:
    """The environment of Airflow's processes. What the user's environment sets for Airflow wins.

    A night at a desk has a metadata database of its own, by unit: a scheduler that looks at the same one would
    run the night's tasks as well.
    """
    home = settings().airflow_home
    database, of_sessions = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC"
    shared = with_driver(settings().airflow_database.get_secret_value())
    ours = {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        database: shared or f"sqlite:///{home / 'airflow.db'}{PATIENT}",
        "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        # what our packages warn their own makers of, and Airflow of a drawing that nobody asked for
        "PYTHONWARNINGS": ",".join(f"ignore:{text}" for text in NOT_OURS),
        # no package of ours reports to its makers
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "FEAST_USAGE": "False",
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    always = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings().dags),
        "MOE_HOME": str(settings().home),
        # `airflow standalone` finds its parts there, also where nobody activated the environment
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    if shared:
        ours[of_sessions] = shared  # Airflow's own guess wants a third driver, asyncpg
    if desk:
        always[database] = f"sqlite:///{home / f'desk-{desk}.db'}{PATIENT}"
        always[of_sessions] = f"sqlite+aiosqlite:///{home / f'desk-{desk}.db'}{PATIENT}"
    return ours | dict(os.environ) | always


def prepare(log: IO[str], desk: str = "") -> None:
    """Bring Airflow's database to this release and make its pools, once a database and release."""
    stamp = _stamp(desk)
    if stamp.exists():
        return
    stamp.parent.mkdir(parents=True, exist_ok=True)
    for command in (["db", "migrate"], ["pools", "import", str(settings().dags / "pools.json")]):
        done = subprocess.run(_airflow(command), env=environment(desk), stdout=log, stderr=subprocess.STDOUT,
                              check=False)
        if done.returncode:
            raise MoeError(f"`airflow {' '.join(command)}` failed", f"see {log.name}; `moe doctor` checks the rest")
    stamp.touch()


def airflow(arguments: list[str]) -> int:
    """Run an Airflow command on this home: `moe airflow standalone`, `moe airflow backfill create …`."""
    if not _stamp().exists():
        with _open_log("airflow", "prepare") as log:
            prepare(log)
    return subprocess.run(_airflow(arguments), env=environment(), check=False).returncode


def nightly(unit: str, night: date | None, publish: bool = True) -> int:
    """Run one night of a unit (a name or a path) through its DAG, showing each job. Gives the exit code."""
    from moe.terminal import plain as out

    started = time.monotonic()
    found = load_unit(unit)
    night = night_of(found, (night or _default_night(found)).isoformat())
    conf = {"unit": option(found.unit), "publish": publish, "who": _who()}
    command = _airflow(["dags", "test", "nightly", night.isoformat(), "--conf", json.dumps(conf)])
    with _only_one(found.unit, night), _open_log(found.unit, night.isoformat()) as log:
        out.print(f"Night of {night}, {found.name}: decides {night + timedelta(days=1)}", style="bold")
        show = _Show(out)
        with out.status("preparing Airflow") as status:
            prepare(log, found.unit)
            status.update("starting")
            show.status = status.update
            code = _follow(command, environment(found.unit), log, show)
    if code or show.failed:
        _print_failure(out, show.failed, unit, night, Path(log.name))
        return 1
    _print_decided(out, found, night, unit)
    out.print(f"Full log: {log.name}\nDone in {time.monotonic() - started:.0f} s")
    return 0


@dataclass
class _Show:
    """Turns the lines that the steps print into one line a job."""

    out: "Console"
    status: Any = lambda text: None
    failed: dict[str, Any] | None = None
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def take(self, line: dict[str, Any]) -> None:
        if "job" in line:
            self.jobs.setdefault(line["job"], []).append(line)
            self.status(f"{line['job']} {line['date']}")
        elif line["status"] == "started":
            self.jobs = {}
            self.status(line["step"])
        else:
            self._end(line)

    def _end(self, line: dict[str, Any]) -> None:
        for job, records in self.jobs.items():
            newest = records[-1]
            self._line(newest["status"], job, sum(r["seconds"] for r in records), _job_text(records))
        if line["status"] == "failed":
            self.failed = line
        if not self.jobs:
            self._line(line["status"], line["step"], line["seconds"], "" if self.failed else line["says"])

    def _line(self, status: str, name: str, seconds: float, text: str) -> None:
        from moe.terminal import MARKS

        self.out.print(MARKS[status], f"{name:<12}{seconds:8.1f} s ", text)


def _job_text(records: list[dict[str, Any]]) -> str:
    """What a job did: the rows of D, most first, and over how many nights; or why it did not."""
    newest = records[-1]
    if newest["status"] != "done":
        return "" if newest["status"] == "failed" else str(newest["reason"])
    rows = sorted(((count, table.partition(".")[2]) for table, count in newest["rows_out"].items()), reverse=True)
    shown = [f"{count:,} {table}" for count, table in rows[:MOST_TABLES]]
    if len(rows) > MOST_TABLES:
        shown.append(f"{len(rows) - MOST_TABLES} more")
    if not shown:
        shown = ["pages written"]  # `docs` and `report` have no tables
    return (f"{len(records)} nights; " if len(records) > 1 else "") + ", ".join(shown)


def _follow(command: list[str], environment: dict[str, str], log: IO[str], show: _Show) -> int:
    """Run a command; its output goes to the log, and the steps' lines in it to `show`."""
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, errors="replace") as process:
        assert process.stdout
        for text in process.stdout:
            log.write(text)
            log.flush()
            line = _step_line(text)
            if line:
                show.take(line)
    return process.returncode


def _step_line(text: str) -> dict[str, Any] | None:
    """The JSON line of a step or job in a line of the log, or None."""
    start = text.find("{")
    if start < 0 or '"status": ' not in text:
        return None
    try:
        line = json.loads(text[start:])
    except ValueError:
        return None
    return line if isinstance(line, dict) and {"job", "step"} & line.keys() else None


def _print_failure(out: "Console", failed: dict[str, Any] | None, unit: str, night: date, log: Path) -> None:
    if failed:
        out.print(f"\nStep {failed['step']} failed.", style="red bold")
        out.print(failed["says"])
        out.print(f"What to do: {failed['remedy']}")
        moved = "" if failed["step"] in AFTER_LIVE else " What is live has not moved."
        out.print(f"Then run it again: moe nightly --unit {unit} --date {night}.{moved}")
    else:
        last = [text for text in log.read_text(encoding="utf-8").splitlines() if text.strip()][-5:]
        out.print("\nAirflow stopped before a step ran. Its last lines:", style="red bold")
        out.print("\n".join(last))
    out.print(f"Full log: {log}")


def _print_decided(out: "Console", unit: Unit, night: date, asked: str) -> None:
    from moe import publish, tables

    which = f"--unit {asked} --date {night}"
    try:
        release = tables.read("out.release__night", unit.unit, night).to_pylist()[0]
    except MissingInput:
        out.print("\nNothing was decided: a step that decides was skipped, see above.", style="bold")
    else:
        live = publish.live("release", unit.unit)
        state = (f"held, not live: {release['hold_reason']}" if release["held"]
                 else "live" if live and live.moved_to == night.isoformat()
                 else "a candidate, not live")
        out.print(f"\n{release['lines']} budget lines, {release['total']:,.2f} {release['currency']} for "
                  f"{night + timedelta(days=1)}, {release['bids']} bids: {state}", style="bold")
        out.print(f"Look further: moe show out.budget__line {which}\n"
                  f"              moe show out.bid__line_segment {which}\n"
                  f"              moe release show --unit {asked}")
    page = settings().report(unit.unit, night) / "index.html"
    if page.exists():
        out.print(f"Report: {page.as_uri()}")


def _default_night(unit: Unit) -> date:
    if unit.simulated and unit.folder.is_relative_to(settings().shipped_units):
        return unit.first_night + timedelta(days=FIRST_NIGHT)
    raise MoeError(f"no night was given for {unit.unit}", "add --date YYYY-MM-DD (with make: DATE=YYYY-MM-DD)")


@contextmanager
def _only_one(name: str, night: date) -> Iterator[None]:
    """One active night a unit in a store."""
    path = settings().work / f"nightly-{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise MoeError(f"a night of {name} is running here already: {file.read().strip()}",
                           "wait until it ends; two nights at once would build on each other's halves") from error
        file.truncate(0)
        file.write(f"night {night}, process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        file.flush()
        yield


def _stamp(desk: str = "") -> Path:
    database = urlsplit("" if desk else settings().airflow_database.get_secret_value())
    where = f"{database.hostname}-{database.port}-{database.path.strip('/')}-" if database.hostname else ""
    return settings().airflow_home / f".{f'desk-{desk}' if desk else 'airflow'}-{where}{version('apache-airflow')}"


def _open_log(unit: str, name: str) -> IO[str]:
    folder = settings().logs / "nightly" / unit
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}.log"
    return path.open("w", encoding="utf-8")


def _airflow(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"
