"""Whether a run goes on: what its sensors wait for, and where it ends early."""

from datetime import date

from _defaults import AT_A_DESK
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from moe.errors import MoeError
from moe.nightly import night_of
from moe.units import Unit, load_unit

WEEKDAY = 6
"The training's: the week ends with a Sunday."


def is_scored(unit: str, night: str) -> bool:
    """Whether the night's scores are there; a sensor asks it again. At a desk nobody waits for another run."""
    from moe import ledger, tables

    found, day = _asked_for(unit, night)
    if day in tables.nights("features.score__line_segment", found.unit):
        return True
    if ledger.newest(found.unit, day).get("score", {}).get("status") == "skipped":
        raise AirflowSkipException(f"unit {found.unit} has no scores: the step score was skipped")
    if get_current_context()["dag_run"].triggering_user_name == AT_A_DESK:
        error = MoeError(f"the night of {day} has no scores", f"run `moe nightly --unit {unit} --date {day}` first")
        raise AirflowFailException(str(error)) from error
    return False


def is_training_due(unit: str, night: str) -> bool:
    """Whether D is a Sunday, a person or the DAG `monitor` started the run, or D's monitoring asked for a model."""
    is_asked_for = _run_type() != "scheduled"  # and may have no night, which its first step then says
    return is_asked_for or date.fromisoformat(night).weekday() == WEEKDAY or _is_requested(unit, night)


def asks_for_training(unit: str, night: str) -> bool:
    """Whether D's monitoring asked for a model; a backfill asks nobody."""
    return _run_type() != "backfill" and _is_requested(unit, night)


def is_no_backfill() -> bool:
    """A backfill trains its nights' challengers and promotes none of them."""
    return _run_type() != "backfill"


def _run_type() -> str:
    return str(get_current_context()["dag_run"].run_type.value)


def _is_requested(unit: str, night: str) -> bool:
    """Filed in that very night: one that stays open after a training is filed again two weeks later."""
    from monitoring.requests import open_request

    found, day = _asked_for(unit, night)
    request = open_request(found, day)
    if request is None or request.filed != day:
        print(f"the night of {day} asked for no training", flush=True)
        return False
    print(f"the night of {day} asked for a training: {request.reasons}", flush=True)
    return True


def _asked_for(unit: str, night: str) -> tuple[Unit, date]:
    """The unit and the night of a task; what a person must put right fails the task at once."""
    try:
        found = load_unit(unit)
        return found, night_of(found, night)
    except MoeError as error:
        raise AirflowFailException(str(error)) from error
