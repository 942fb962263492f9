"""What every DAG and every task starts from: its night, one DAG a unit, retries, and what a failure tells."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param

from moe.errors import MissingFile, MoeError, Retriable
from moe.nightly import AFTER_LIVE
from moe.settings import settings

log = logging.getLogger("moe.dags")

RETRIES = 2  # for what mends itself: a full disk cleared, a network back
AT_A_DESK = "dag_test"
"Whose runs `airflow dags test` starts, as Airflow calls them."
WAITS = {"retries": 32, "retry_delay": timedelta(minutes=15)}
"A source whose delivery is late and whose unit says wait: tried again for 8 hours, until the working day."


def mends_itself(error: BaseException, try_number: int, at_a_desk: bool) -> bool:
    """Whether trying again later makes sense. What a person must put right fails at once, so that they hear of it.

    At a desk (`airflow dags test`) nobody waits for a retry.
    """
    if at_a_desk:
        return False
    if isinstance(error, MissingFile):
        return True
    return (isinstance(error, Retriable) or not isinstance(error, MoeError)) and try_number <= RETRIES


def what_failed(error: BaseException | None) -> tuple[str, str]:
    """The message of the product's own error, bare or wrapped by Airflow's, and what to do about it."""
    if not isinstance(error, MoeError) and error is not None and error.__cause__:
        error = error.__cause__
    if isinstance(error, MoeError):
        return error.message, error.remedy
    return (
        f"{type(error).__name__}: {error}",
        "read the traceback in the log of this step; an error that names no remedy is worth an issue",
    )


def tell(context: Mapping[str, Any]) -> None:
    """Failure callback: which step of which night failed, with what, what to do, and what it changed."""
    task = context["ti"]
    message, remedy = what_failed(context.get("exception"))
    moved = "" if task.task_id in AFTER_LIVE else ", and what is live has not moved"
    log.error(
        "Step %s of night %s failed (%s, run %s): %s\n  What to do: %s\n  Then clear the task with those "
        "downstream. Tables of earlier steps are complete, tables of this one are as before%s.",
        task.task_id, context.get("ds", "?"), context["params"].get("unit", "?"), task.run_id, message, remedy, moved,
    )


DEFAULT_ARGS: dict[str, Any] = {
    "owner": "marketing-data",
    "retries": RETRIES,
    "retry_delay": timedelta(minutes=5),
    "on_failure_callback": tell,
}


EVERY_NIGHT = CronDataIntervalTimetable("0 0 * * *", timezone="UTC")
"Stated in full: a cron string alone would make ds the day that has just begun."
NIGHT = {"unit": "{{ params.unit }}", "night": "{{ ds | default('') }}"}
"What every step is told: its unit, and D."
COMMON: dict[str, Any] = {"start_date": datetime(2000, 1, 1, tzinfo=UTC), "catchup": False, "max_active_runs": 1,
                          "default_args": DEFAULT_ARGS}


def unit_param(unit: str) -> Param:
    return Param(unit, type="string", minLength=1, title="Business unit",
                 description="A name under units/, or the path of a unit.yml.")


def for_each_unit(name: str, make: Callable[..., Any], *then: str) -> None:
    """One DAG a unit: the first has the plain name, others end in the name of the unit's folder; its file is not read
    while parsing. `then` are DAGs of the same unit that this one starts."""
    for at, unit in enumerate(settings().units):
        suffix = f"__{Path(unit).parent.name if '/' in unit else unit}" if at else ""
        make(name + suffix, unit, *(other + suffix for other in then))
