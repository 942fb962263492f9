"""The DAG files: they parse, quickly and always alike, and their night is D however a run is started."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from moe.errors import FileFault, MissingFile, MoeError, Retriable
from moe.settings import settings

DAGS = settings().dags
KNOWN = {".airflowignore", "_conditions.py", "_defaults.py", "_steps.py", "monitor.py", "nightly.py", "pools.json",
         "promote.py", "train.py"}
HEAVY = ("pyspark", "great_expectations", "feast", "mlflow", "torch", "dbt", "pandas", "duckdb", "sklearn", "evidently")

PARSE = """
import json, sys, time
from pathlib import Path
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.dag_version_inflation_checker import check_dag_file_stability

def parse():
    for name in ("nightly", "monitor", "train", "promote", "_steps", "_conditions", "_defaults"):
        sys.modules.pop(name, None)
    before, started = set(sys.modules), time.perf_counter()
    bag = BundleDagBag(sys.argv[1], bundle_path=Path(sys.argv[1]), bundle_name="dags-folder")
    return bag, time.perf_counter() - started, set(sys.modules) - before

bag, seconds, loaded = parse()
again, _, _ = parse()
dump = lambda b: {i: DagSerialization.to_dict(d) for i, d in b.dags.items()}
def digest(b):
    return {i: SerializedDagModel.hash(d) for i, d in dump(b).items()}
from pendulum import datetime as at
core = DagSerialization.from_dict(dump(bag)["nightly"])
backfill = core.iter_dagrun_infos_between(at(2026, 6, 28), at(2026, 6, 30))
last = DataInterval(at(2026, 6, 29), at(2026, 6, 30))
scheduled = core.timetable.next_dagrun_info(
    last_automated_data_interval=last, restriction=TimeRestriction(at(2000, 1, 1), None, catchup=True))
newest = core.timetable.next_dagrun_info(
    last_automated_data_interval=last, restriction=TimeRestriction(at(2000, 1, 1), None, catchup=core.catchup))
stable = [check_dag_file_stability(f) for f in sys.argv[2:]]
print("RESULT" + json.dumps({
    "errors": bag.import_errors, "seconds": seconds, "loaded": sorted({m.partition(".")[0] for m in loaded}),
    "digests": [digest(bag), digest(again)],
    "level": [str(s.check_level.value) for s in stable],
    "unstable": [str(w) for s in stable for w in s.runtime_varying_values.values()],
    "args": {i: {t.task_id: [t.owner, t.retries, [c.__name__ for c in t.on_failure_callback], t.pool]
                 for t in d.tasks} for i, d in bag.dags.items()},
    "backfill": [str(i.logical_date.date()) for i in backfill],
    "scheduled": [str(scheduled.logical_date), str(scheduled.run_after)],
    "newest": [str(newest.logical_date.date()), str(newest.run_after.date())],
    "timetables": sorted({json.dumps(d["dag"]["timetable"], sort_keys=True) for i, d in dump(bag).items()
                          if not i.startswith("promote")}),
    "edges": {i: {t.task_id: sorted(t.downstream_task_ids) for t in d.tasks} for i, d in bag.dags.items()},
}))
"""


@pytest.fixture(scope="module")
def airflow_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Airflow on a home of its own, with a second advertiser."""
    from moe.nightly import environment

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("MOE_UNITS", '["advertiser", "online_ads"]')
        settings.cache_clear()
        found = environment()
    settings.cache_clear()
    return found


@pytest.fixture(scope="module")
def parsed(airflow_env: dict[str, str]) -> dict[str, Any]:
    """What a process that does nothing else finds when it parses the folder, twice."""
    files = [str(path) for path in sorted(DAGS.glob("*.py"))]
    done = subprocess.run([sys.executable, "-c", PARSE, str(DAGS), *files], env=airflow_env, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    line = next(text for text in done.stdout.splitlines() if text.startswith("RESULT"))
    return dict(json.loads(line.removeprefix("RESULT")))


@pytest.fixture(scope="module")
def steps() -> Iterator[Any]:
    """The module of the steps, imported as Airflow does: with the DAG folder on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DAGS))
        import _steps

        yield _steps


@pytest.fixture(scope="module")
def conditions(steps: Any) -> Any:
    """The module of what a run waits for, imported beside the steps."""
    import _conditions

    return _conditions


def test_every_file_is_known() -> None:
    assert {path.name for path in DAGS.iterdir() if path.name != "__pycache__"} == KNOWN


def test_the_folder_parses(parsed: dict[str, Any]) -> None:
    print(f"parse: {parsed['seconds']:.2f} s")
    assert parsed["errors"] == {}
    assert set(parsed["args"]) == {
        name for dag in ("nightly", "monitor", "train", "promote") for name in (dag, f"{dag}__online_ads")}


def test_parsing_loads_nothing_heavy(parsed: dict[str, Any]) -> None:
    assert "moe" in parsed["loaded"], "the list of loaded modules is not that of the parse"
    assert not set(HEAVY) & set(parsed["loaded"])


def test_parsing_again_makes_no_new_version(parsed: dict[str, Any]) -> None:
    first, second = parsed["digests"]
    assert first == second and len(first) == 8
    assert set(parsed["level"]) == {"error"}
    assert parsed["unstable"] == []


def test_every_task_starts_from_the_default_arguments(parsed: dict[str, Any]) -> None:
    for dag, tasks in parsed["args"].items():
        for name, (owner, retries, callbacks, pool) in tasks.items():
            assert (owner, callbacks) == ("marketing-data", ["tell"])
            assert retries == (32 if name == "land" else 2)
            assert pool == {"features": "spark", "marts": "dbt"}.get(
                name, "training" if (dag.partition("__")[0], name) == ("train", "train") else "default_pool")


def test_the_night_is_one_way(parsed: dict[str, Any]) -> None:
    edges = parsed["edges"]["nightly"]
    way = ["simulate", "land", "features", "first_model", "score", "decide", "release", "make_live", "report", "follow"]
    for step, after in pairwise(way):
        assert after in edges[step]
    assert edges["marts"] == ["score"] and "marts" in edges["features"]
    assert "online" in edges["make_live"] and edges["online"] == edges["follow"] == [], "the report waits for no store"
    assert set(edges) == {*way, "marts", "online"}


def test_d_is_the_same_day_in_every_dag(parsed: dict[str, Any]) -> None:
    assert len(parsed["timetables"]) == 1


def test_a_request_trains_and_a_training_asks_for_promotion(parsed: dict[str, Any]) -> None:
    for dag, way in (("monitor", ["scored", "monitor", "asks", "train"]),
                     ("train", ["due", "scored", "train", "forward", "promote"])):
        for unit in ("", "__online_ads"):
            edges = parsed["edges"][f"{dag}{unit}"]
            assert edges == {step: [after] for step, after in pairwise(way)} | {way[-1]: []}


@pytest.mark.parametrize(("night", "run_type", "filed", "due"), [
    ("2026-06-28", "scheduled", None, True),  # a Sunday
    ("2026-06-29", "scheduled", None, False), ("2026-06-29", "manual", None, True),
    ("2026-06-29", "scheduled", "2026-06-29", True), ("2026-06-29", "scheduled", "2026-06-27", False),
])
def test_training_is_due(conditions: Any, monkeypatch: pytest.MonkeyPatch, night: str, run_type: str, filed: str | None,
                         due: bool) -> None:
    from monitoring import requests

    run = SimpleNamespace(run_type=SimpleNamespace(value=run_type))
    monkeypatch.setattr(conditions, "get_current_context", lambda: {"dag_run": run})
    open_request = SimpleNamespace(filed=date.fromisoformat(filed), reasons="drift") if filed else None
    monkeypatch.setattr(requests, "open_request", lambda *_: open_request)
    assert conditions.is_training_due("advertiser", night) is due
    assert conditions.asks_for_training("advertiser", night) is (filed == night)


def test_monitoring_waits_at_a_scheduler_and_says_what_to_do_at_a_desk(
    conditions: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    from moe import ledger, tables

    def ask(user: str) -> bool:
        run = SimpleNamespace(triggering_user_name=user)
        monkeypatch.setattr(conditions, "get_current_context", lambda: {"dag_run": run})
        return bool(conditions.is_scored("advertiser", "2026-06-30"))

    assert ask("airflow") is False
    with pytest.raises(AirflowFailException, match="moe nightly --unit advertiser --date 2026-06-30"):
        ask("dag_test")
    with pytest.raises(AirflowFailException, match="before the first night"):
        conditions.is_scored("advertiser", "2026-05-31")
    skipped = {"score": {"status": "skipped"}}
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "newest", lambda *_: skipped)
        with pytest.raises(AirflowSkipException):
            ask("airflow")
    path = tables.partition("features.score__line_segment", "advertiser", date(2026, 6, 30))
    path.parent.mkdir(parents=True)
    path.touch()
    assert ask("airflow") is True


def test_every_job_has_a_step(steps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from moe import runner
    from moe.jobs import JOBS

    ran: list[str] = []
    monkeypatch.setattr(runner, "with_history", lambda found, *_: ran.extend(job.name for job in found) or [])
    for name in ("land", "features", "marts", "score", "decide", "release", "report", "train", "monitor"):
        steps.STEPS[name](SimpleNamespace(unit=None, date=date(2026, 6, 30)), steps.Asked("backfill"))
    assert ran == [job.name for job in JOBS]


def test_no_removed_names() -> None:
    subprocess.run([sys.executable, "-m", "ruff", "check", "--select", "AIR", str(DAGS)], check=True)


def test_ds_is_d_for_scheduled_runs_and_backfills(parsed: dict[str, Any]) -> None:
    """`ds` is the logical date. That of `airflow dags test` is shown by a real run in tests/e2e."""
    assert parsed["scheduled"] == ["2026-06-30 00:00:00+00:00", "2026-07-01 00:00:00+00:00"]
    assert parsed["backfill"] == ["2026-06-28", "2026-06-29", "2026-06-30"]
    today = datetime.now(UTC).date()
    assert parsed["newest"] == [str(today - timedelta(days=1)), str(today)], "an unpaused DAG runs yesterday's night"


@pytest.mark.parametrize(("run_type", "asked", "live"), [
    ("scheduled", False, True), ("scheduled", True, True), ("manual", False, False), ("manual", True, True),
    ("backfill", False, False), ("backfill", True, False), ("asset_triggered", False, False),
])
def test_scheduled_nights_go_live_others_when_asked_backfills_never(
    steps: Any, run_type: str, asked: bool, live: bool
) -> None:
    assert steps.publishes(steps.Asked(run_type, asked)) is live


def test_a_failure_names_step_message_and_remedy(steps: Any, caplog: pytest.LogCaptureFixture) -> None:
    import _defaults

    outer = RuntimeError("wrapped")
    outer.__cause__ = MoeError("core.orders has no partition", "run `moe run land`")
    task = SimpleNamespace(task_id="marts", run_id="scheduled__1")
    with caplog.at_level(logging.ERROR):
        _defaults.tell({"ti": task, "ds": "2026-06-30", "params": {"unit": "advertiser"}, "exception": outer})
    for part in ("Step marts", "night 2026-06-30", "advertiser", "core.orders has no partition", "run `moe run land`"):
        assert part in caplog.text
    assert "wrapped" not in caplog.text


def test_a_step_tells_its_own_error_whatever_brought_it_up(steps: Any) -> None:
    from _defaults import what_failed

    inner = ValueError("CSV column #1: invalid UTF8")
    own = FileFault("l1.csv, row 2, column campaign: not UTF-8", "save it as UTF-8")
    own.__cause__ = inner
    assert what_failed(own) == ("l1.csv, row 2, column campaign: not UTF-8", "save it as UTF-8")
    assert what_failed(inner)[0] == "ValueError: CSV column #1: invalid UTF8"


def test_only_what_mends_itself_is_tried_again(steps: Any) -> None:
    from _defaults import mends_itself

    late = MissingFile("google_ads: the folder is missing", "wait")
    assert mends_itself(late, 20, at_a_desk=False)
    assert not mends_itself(FileFault("what is missing.csv is empty (0 bytes)", "ask"), 1, at_a_desk=False)
    assert not mends_itself(FileFault("a column was renamed", "mend the mapping"), 1, at_a_desk=False)
    assert not mends_itself(MoeError("no model", "train one"), 1, at_a_desk=False)
    assert mends_itself(OSError("no space left"), 2, at_a_desk=False)
    assert not mends_itself(OSError("no space left"), 3, at_a_desk=False)
    assert mends_itself(Retriable("Redis does not answer", "start it"), 2, at_a_desk=False)
    assert not mends_itself(Retriable("Redis does not answer", "start it"), 3, at_a_desk=False)
    assert not mends_itself(late, 1, at_a_desk=True)
    assert mends_itself(Retriable("no answer", "wait"), 2, at_a_desk=False)
    assert not mends_itself(Retriable("no answer", "wait"), 3, at_a_desk=False)


@pytest.mark.parametrize(("run_type", "asked", "moves"), [
    ("scheduled", False, True), ("manual", True, True), ("manual", False, False), ("backfill", True, False),
])
def test_followers_follow_runs_that_publish_alone(steps: Any, home: Path, monkeypatch: pytest.MonkeyPatch,
                                                  run_type: str, asked: bool, moves: bool) -> None:
    """A release is live, and what would follow it cannot be reached: who tries, fails."""
    from moe import publish

    night = SimpleNamespace(unit=SimpleNamespace(unit="shop"), date=date(2026, 6, 30))
    how = steps.Asked(run_type, publish=asked)
    said = steps.STEPS["follow"](night, how)
    assert said == ("nothing is set to follow what is live" if moves else
                    f"a {run_type} run that does not publish moves no follower")
    monkeypatch.setenv("MOE_POSTGRES_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.cache_clear()
    assert steps.STEPS["follow"](night, how) == ("nothing is live yet" if moves else said)
    publish.move("release", "shop", "2026-06-30", expected=None, effective=night.date, who="w", reason="r", facts={})
    if moves:
        with pytest.raises(Retriable, match="PostgreSQL is behind"):
            steps.STEPS["follow"](night, how)
    else:
        assert steps.STEPS["follow"](night, how) == said


def test_a_night_that_cannot_be_run_is_refused_with_a_remedy(home: Path) -> None:
    from moe.nightly import night_of
    from moe.units import load_unit

    unit = load_unit("advertiser")
    assert night_of(unit, "2026-06-30") == date(2026, 6, 30)
    today = datetime.now(UTC).date()
    for text, part in (("", "no logical date"), ("2026-05-31", "before the first night"), (str(today), "not over")):
        with pytest.raises(MoeError, match=part):
            night_of(unit, text)


def test_a_second_night_of_a_unit_is_refused(home: Path) -> None:
    from moe.nightly import nightly
    from moe.settings import settings as current

    script = ("from datetime import date; import time; from moe.nightly import _only_one\n"
              "with _only_one('advertiser', date(2026, 6, 29)): print('in', flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"MOE_HOME": str(current().home)}) as other:
        assert other.stdout and other.stdout.readline() == "in\n"
        try:
            with pytest.raises(MoeError, match=r"already: night 2026-06-29, process \d+"):
                nightly("advertiser", date(2026, 6, 30))
        finally:
            other.kill()


def test_a_young_unit_is_trained_again_until_there_is_something_to_learn(
    steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moe import publish, train

    facts: dict[str, Any] = {}
    effective = SimpleNamespace(moved_to="rule", effective="2026-06-29", facts=facts)
    monkeypatch.setattr(publish, "effective", lambda *_: effective)
    live = SimpleNamespace(facts=facts)
    monkeypatch.setattr(publish, "live", lambda *_: live)
    trained = {"version": "learnt", "rows": 1, "learnt": True, "status": "published"}
    monkeypatch.setattr(train, "train", lambda *_: trained)
    night = SimpleNamespace(unit=SimpleNamespace(unit="young"), date=date(2026, 6, 30))
    ask = lambda run_type: steps.first_model(night, steps.Asked(run_type))  # noqa: E731
    for learnt, run_type, said in ((False, "scheduled", "trained learnt"), (False, "backfill", "model rule"),
                                   (True, "scheduled", "model rule")):
        facts["learnt"] = learnt
        assert ask(run_type).startswith(said)
    facts["learnt"], live.facts = False, {"learnt": True}
    assert ask("scheduled").startswith("model rule"), "a night that the rule decided is run again"
