"""Running jobs by the one contract of every step: read as of D, replace exactly partition D, record.

See docs/choices.md, 'The job contract'.
"""

import contextlib
import errno
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from moe import frames, ledger, tables
from moe.asof import COVERAGE, as_of_sql
from moe.contracts import Contract, contract
from moe.errors import MissingInput, MoeError
from moe.jobs import JOBS, Job, Night, Read
from moe.settings import settings
from moe.units import Unit, option


@dataclass
class Record:
    """One run of a job for a night: the JSON line that it prints and the ledger keeps."""

    job: str
    unit: str
    date: str
    status: str = "done"
    seconds: float = 0.0
    rows_in: dict[str, int] = field(default_factory=dict)
    rows_out: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    code: str = ""
    reason: str = ""


class Skip(Exception):
    """A step that has nothing to work on, with the reason. A job raises it too; nothing is replaced then."""


@dataclass(frozen=True)
class Output:
    """An output whose contract is not a shipped one, such as a landing table of a user's own export."""

    frame: Any
    contract: Contract


Report = Callable[[Record], None]


def run(
    jobs: Iterable[Job],
    unit: Unit,
    nights: Iterable[date],
    report: Report = lambda _: None,
    replace: bool = False,
) -> list[Record]:
    """Run jobs night by night in one process. Stops at the first error, which the ledger keeps.

    A job whose history is needed (`Job.history`) is not expanded here: see `with_history`.
    """
    jobs = list(jobs)
    return [_run_one(job, Night(unit, night, replace), report) for night in nights for job in jobs]


def with_history(jobs: Iterable[Job], unit: Unit, night: date, report: Report = lambda _: None) -> list[Record]:
    """Run jobs for one night, each history job first for the earlier nights that it has not done."""
    jobs = list(jobs)
    return build_history(jobs, unit, night, report) + run(jobs, unit, [night], report)


def build_history(jobs: Iterable[Job], unit: Unit, night: date, report: Report = lambda _: None) -> list[Record]:
    """Run the history jobs among `jobs` for the nights before `night` that they have not done."""
    history = (job for job in jobs if job.history)
    return [r for job in history for r in run([job], unit, missing_nights(job, unit, night), report)]


def missing_nights(job: Job, unit: Unit, night: date) -> list[date]:
    """Nights before `night`, from the unit's first, that a job has neither done nor skipped."""
    table = job.writes[0] if job.writes else COVERAGE
    have = set(tables.nights(table, unit.unit))
    count = (night - unit.first_night).days
    candidates = (unit.first_night + timedelta(days=d) for d in range(max(count, 0)))
    return [n for n in candidates if n not in have and _status(job, unit, n) != "skipped"]


def _status(job: Job, unit: Unit, night: date) -> str:
    return str(ledger.newest(unit.unit, night).get(job.name, {}).get("status", ""))


def _run_one(job: Job, night: Night, report: Report) -> Record:
    record = Record(job.name, night.unit.unit, night.date.isoformat(), code=ledger.code_version())
    started = time.perf_counter()
    try:
        inputs = _inputs(job, night, record)
        tables.commit_point(f"read:{job.name}")
        _replace(_outputs(job, night, inputs), night, record)
    except Skip as skip:
        record.status, record.reason = "skipped", str(skip)
    except Exception as error:
        record.status, record.reason = "failed", f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError):  # the ledger may fail by the same full disk: the first error counts
            _record(record, started, report)
        raise
    try:
        _record(record, started, report)
    except OSError as error:
        raise MoeError(f"{job.name} of {night.date} is done, but the ledger could not be written: {error}",
                       "free disk space under the platform's home (`moe doctor`), then run the job again: "
                       "it gives the same rows") from error
    return record


def inputs(job: Job, night: Night) -> dict[str, Any]:
    """What a job would read in a night, by name: for whoever asks its function without replacing anything.

    Raises MissingInput where a table is not there yet, MoeError where the unit has no such data.
    """
    try:
        return _inputs(job, night, Record(job.name, night.unit.unit, night.date.isoformat()))
    except Skip as skip:
        raise MoeError(f"{job.name} has nothing to decide: {skip}", "`moe jobs` lists what it reads") from skip


def _inputs(job: Job, night: Night, record: Record) -> dict[str, Any]:
    return {name: _read(read, night, job, record) for name, read in job.reads.items()}


def _record(record: Record, started: float, report: Report) -> None:
    record.seconds = round(time.perf_counter() - started, 3)
    tables.commit_point(f"record:{record.job}")
    ledger.append(asdict(record))
    report(record)


def _outputs(job: Job, night: Night, inputs: dict[str, Any]) -> dict[str, Any]:
    try:
        return job.function()(night, **inputs)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise MoeError(f"{job.name} of {night.date} could not write: {error}",
                       "free disk space under the platform's home (`moe doctor`), then run again; "
                       "nothing was replaced") from error


def _replace(outputs: dict[str, Any], night: Night, record: Record) -> None:
    """Write every output beside its partition, then move all into place: a failed write replaces nothing."""
    written = []
    try:
        for table, frame in outputs.items():
            terms = frame.contract if isinstance(frame, Output) else contract(table)
            frame = frame.frame if isinstance(frame, Output) else frame
            written.append(frames.write(frame, terms, night.unit.unit, night.date))
    except BaseException:
        for file in written:
            file.temporary.unlink(missing_ok=True)
        raise
    for file in written:
        tables.put_in_place(file.temporary, file.target)
        if settings().lake and file.contract.layer != "landing":  # landing alone holds personal data as delivered
            from moe import lake

            lake.replace(file.contract, night.unit.unit, night.date, file.target)
        record.rows_out[file.table] = file.rows
        record.digests[file.table] = file.digest
        record.outputs[file.table] = str(file.target.relative_to(settings().store))


def _read(read: Read, night: Night, job: Job, record: Record) -> Any:
    unit, terms = night.unit.unit, contract(read.table)
    until = night.before if read.how == "before" else night.date
    since = until - timedelta(days=read.days - 1)
    paths = tables.files(read.table, unit, since, until)
    if not read.optional:
        _demand(read, night, unit)
    if job.engine == "spark":
        from moe import spark

        record.rows_in[read.table] = sum(pq.read_metadata(p).num_rows for p in paths)
        if read.how == "as_of":
            return spark.as_of(terms, unit, until, since)
        return spark.partitions(terms, unit, since, until)
    table = as_of(terms, unit, until, since) if read.how == "as_of" else _concat(paths, terms)
    record.rows_in[read.table] = table.num_rows
    return table


def as_of(terms: Contract, unit: str, night: date, since: date) -> pa.Table:
    """A core table as known in `night`, from deliveries of the nights since..night, in key order."""
    with tables.connect() as connection:
        tables.scan(connection, terms.name, tables.files(terms.name, unit, since, night)).create_view("rows")
        tables.scan(connection, COVERAGE, tables.files(COVERAGE, unit, since, night)).create_view("coverage")
        key = ", ".join(f'"{name}"' for name in terms.key)
        sql = f"{as_of_sql(terms, 'rows', night, since, 'coverage')} order by {key}"
        return connection.sql(sql).to_arrow_table()


def _concat(paths: list[Any], terms: Contract) -> pa.Table:
    if not paths:
        return terms.schema.empty_table()
    # a column that a contract gained later is null in older partitions
    return pa.concat_tables([tables.read_file(path) for path in paths], promote_options="default")


def _demand(read: Read, night: Night, unit: str) -> None:
    """Skip where the unit has no such data; raise where the job that should have written it did not run."""
    have = tables.nights(read.table, unit)
    if read.how in ("as_of", "deliveries"):
        if night.date not in tables.nights(COVERAGE, unit):
            raise _missing(COVERAGE, "land", night)
        paths = tables.files(read.table, unit, night.unit.first_night, night.date)
        if not any(pq.read_metadata(path).num_rows for path in paths):
            raise Skip(f"unit {unit} has no rows in {read.table}")
    elif night.date not in have:
        producer = next((job for job in JOBS if read.table in job.writes), None)
        name = producer.name if producer else "land"
        if producer and _status(producer, night.unit, night.date) == "skipped":
            raise Skip(f"step {name} was skipped")
        raise _missing(read.table, name, night)


def _missing(table: str, job: str, night: Night) -> MoeError:
    return MissingInput(
        f"{table} has no partition of {night.date} for unit {night.unit.unit}",
        f"run `moe run {job} --unit {option(night.unit.unit)} --date {night.date}` first",
    )
