"""What the tasks of a night call, one function a step. A step imports what it needs when it runs.

Each step prints its jobs' JSON lines, and one line of its own at its start and its end; `moe nightly` shows
a person what stands in them.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from _defaults import AT_A_DESK, mends_itself, what_failed
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException

from moe.errors import MoeError, PublishError
from moe.jobs import Night, find
from moe.nightly import night_of
from moe.units import load_unit


@dataclass(frozen=True)
class Asked:
    """How this run came to be."""

    run_type: str
    "scheduled, manual or backfill."
    publish: bool = False
    who: str = "airflow"


def publishes(asked: Asked) -> bool:
    """Scheduled nights go live, others where a person asked for it, backfills never."""
    return asked.run_type == "scheduled" or (asked.publish and asked.run_type != "backfill")


def simulate(night: Night, _: Asked) -> str:
    if not night.unit.simulated:
        return "a real advertiser: its sources deliver"
    from simulator.applied import deliver_settings
    from simulator.deliveries import deliver
    from simulator.world import World

    world, places = World(first_day=night.unit.first_night), (night.settings.deliveries, night.settings.truth)
    folders = deliver(world, night.date, *places)
    folders += deliver_settings(world, night.unit.unit, night.date, *places)
    return f"{len(folders)} deliveries written" if folders else "delivered already"


def first_model(night: Night, asked: Asked) -> str:
    from moe import publish
    from moe.train import train

    unit = night.unit.unit
    model, live = publish.effective("model", unit, night.date), publish.live("model", unit)
    # A young unit starts with rates by rule: look every night whether there is enough to learn from. One that learnt
    # since keeps its rule in the nights that the rule decided.
    learnt = any(entry and entry.facts.get("learnt", True) for entry in (model, live))
    if model and (learnt or not publishes(asked)):
        return f"model {model.moved_to[:12]}, effective since {model.effective}"
    trained = train(night.unit, night.date)
    how = f"trained {trained['version'][:12]} on {trained['rows']:,} rows"
    rule = "" if trained["learnt"] else ": too few to learn from, so the 28-day rates are used as they are"
    return f"{how}{rule}, {trained['status']}"


def make_live(night: Night, asked: Asked) -> str:
    from moe import publish, release, tables

    unit = night.unit.unit
    if night.date not in tables.nights("out.release__night", unit):
        return "the night has no candidate: its release step was skipped"
    if not publishes(asked):
        return f"candidate only: a {asked.run_type} run does not publish" + " unasked" * (asked.run_type == "manual")
    live = publish.live("release", unit)
    if live and live.effective > night.date.isoformat():
        return f"candidate only: the release of {live.effective} is live, and releases go forward"
    reason = "scheduled night" if asked.run_type == "scheduled" else "night run by a person"
    try:
        return release.make_live(unit, night.date, who=asked.who, reason=reason)
    except PublishError as error:
        if tables.read("out.release__night", unit, night.date)["held"][0].as_py():
            return f"not made live: {error.message}"
        raise


def online(night: Night, asked: Asked) -> str:
    unit = night.unit.unit
    if not publishes(asked):
        return f"nothing moved: a {asked.run_type} run does not publish" + " unasked" * (asked.run_type == "manual")
    from feature_repo.online import ONLINE_FROM, online_night
    from moe import tables
    from moe.online import bring

    if night.date not in tables.nights(ONLINE_FROM, unit):
        return "the night has no ad features: its features step was skipped"
    newest = online_night(unit)
    if newest and newest > night.date:
        return f"nothing moved: the features of {newest} are online, and they go forward"
    return bring(unit, night.date)


def follow(night: Night, asked: Asked) -> str:
    from moe import follow, publish

    if not publishes(asked):
        return f"a {asked.run_type} run that does not publish moves no follower"
    if not follow.followers():
        return "nothing is set to follow what is live"
    if publish.live("release", night.unit.unit) is None:
        return "nothing is live yet"
    return "; ".join(follow.follow(night.unit.unit))


def jobs(*names: str) -> Callable[[Night, Asked], str]:
    """A step that runs jobs in one process; a job with a history catches up with its missing nights first."""

    def step(night: Night, _: Asked) -> str:
        from moe import runner

        records = runner.with_history(find(list(names)), night.unit, night.date, _print_record)
        skipped = [f"{r.job} skipped: {r.reason}" for r in records if r.status == "skipped" and
                   r.date == night.date.isoformat()]
        return "; ".join(skipped)

    return step


def report(night: Night, asked: Asked) -> str:
    """What earlier decisions became, and the pages, also of the night whose release ended with this one's; then people
    are told of a night that publishes, which can fail nothing. Where a look back fails, the page is written all the
    same and names it; then the step fails."""
    from moe import publish
    from moe.notify import notify
    from moe.release import pages_anew

    fault: MoeError | None = None
    try:
        said = [jobs("reconcile", "applied", "criteria")(night, asked)]
    except MoeError as error:
        said, fault = [], error
    said.append(jobs("docs", "report")(night, asked))
    live = publish.live("release", night.unit.unit) if publishes(asked) else None
    if live is not None and live.moved_to == night.date.isoformat() and live.moved_from:
        said += pages_anew(night.unit, [date.fromisoformat(live.moved_from)])
    if fault is not None:
        raise fault
    return "; ".join(filter(None, (*said, notify(night.unit, night.date) if publishes(asked) else "")))


def promote(night: Night, asked: Asked) -> str:
    from moe.train import promote as let_take_over

    if asked.run_type == "backfill":
        return "a backfill moves nothing that is live"
    verdict = let_take_over(night.unit, night.date, who=asked.who, reason=f"challenger of the night of {night.date}")
    return f"{verdict['said']}; curves of the bid: {verdict['bid_response']}"


STEPS: dict[str, Callable[[Night, Asked], str]] = {
    "simulate": simulate,
    "land": jobs("land"),
    "features": jobs("sessions", "traffic", "hours", "customers", "ads"),  # one process: Spark starts once
    "first_model": first_model,
    "marts": jobs("marts"),
    "score": jobs("score"),
    "decide": jobs("curves", "allocate", "explain", "bid", "multipliers", "forecast"),
    "release": jobs("release"),
    "make_live": make_live,
    "online": online,
    "report": report,
    "train": jobs("train"),
    "promote": promote,
    "follow": follow,
    "monitor": jobs("monitor"),
}


CHATTY = ("feast", "great_expectations", "py4j", "mlflow", "alembic")
"Libraries whose notes nobody reads in a night's log; their warnings stay."


def run_step(step: str, unit: str, night: str) -> None:
    """The one callable of every task. `night` is D, rendered from `ds`."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    context = get_current_context()
    run = context["dag_run"]
    conf: dict[str, Any] = run.conf or {}
    who = str(conf.get("who") or run.triggering_user_name or "airflow")
    asked = Asked(str(run.run_type.value), bool(context["params"].get("publish")), who)
    started = time.perf_counter()
    _print({"step": step, "unit": unit, "date": night, "status": "started"})
    line: dict[str, Any] = {"step": step, "unit": unit, "date": night, "status": "done", "says": ""}
    try:
        found = load_unit(unit)
        line["says"] = STEPS[step](Night(found, night_of(found, night)), asked)
    except Exception as error:
        line["status"], line["type"] = "failed", type(error).__name__
        line["says"], line["remedy"] = what_failed(error)
        at_a_desk = run.triggering_user_name == AT_A_DESK
        if mends_itself(error, context["ti"].try_number, at_a_desk):
            raise
        raise AirflowFailException(str(error)) from error
    finally:
        _print(line | {"seconds": round(time.perf_counter() - started, 3)})


def _print_record(record: Any) -> None:
    _print(asdict(record))


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line, sort_keys=True), flush=True)
