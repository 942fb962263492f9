"""The loop by a real scheduler: `monitor` asks, `train` trains a challenger, `promote` judges it."""

import json
from collections.abc import Iterator

import pytest
import scheduler
from scheduler import Airflow

from benchmarks.monitoring_calm import without_evidently
from benchmarks.monitoring_world import Change, Nights, train
from moe import publish, runner, tables
from moe.jobs import find
from moe.settings import settings

UNIT = "advertiser"
TRAINED, SINCE, ASKED = 28, 30, 32
"A night each: of the model, of the change (the site's events end), and of the request: an alert has to last."


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    """Nights up to the one that asks, watched up to the one before it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("loop")))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        patch.setenv("MOE_UNITS", json.dumps([UNIT]))
        settings.cache_clear()
        made = Nights(11, UNIT, Change(SINCE, traffic=False)).write(ASKED)
        made.score(TRAINED, ASKED, train(made, TRAINED))
        with without_evidently():
            runner.run(find(["monitor"]), made.unit, [made.night(index) for index in range(TRAINED, ASKED)])
        yield made
    settings.cache_clear()


@pytest.fixture(scope="module")
def airflow(nights: Nights) -> Iterator[Airflow]:
    with scheduler.airflow(wait=400) as running:
        yield running


def states(airflow: Airflow, dag: str) -> dict[str, str]:
    return dict(airflow.rows(f"select task_id, state from task_instance where dag_id = '{dag}'"))


@pytest.mark.timeout(900)
def test_a_request_of_monitoring_trains_and_the_challenger_is_judged(airflow: Airflow, nights: Nights) -> None:
    night = nights.night(ASKED)
    champion = publish.live("model", UNIT)
    airflow.run("dags", "trigger", "monitor", "--logical-date", night.isoformat())
    airflow.wait_for("select dag_id, date(logical_date), state from dag_run order by start_date",
                     [(dag, night.isoformat(), "success") for dag in ("monitor", "train", "promote")])
    assert states(airflow, "monitor") == dict.fromkeys(("scored", "monitor", "asks", "train"), "success")
    assert states(airflow, "train") == dict.fromkeys(("due", "scored", "train", "forward", "promote"), "success")
    (request,) = tables.read("out.retrain_request__night", UNIT, night).to_pylist()
    assert request["requested"] and "availability" in request["reasons"]
    (challenger,) = tables.read("out.challenger__night", UNIT, night).to_pylist()
    assert champion and challenger["model_version"] != champion.moved_to
    # Judged by the real rows, of which a store so young holds too few out.
    said = "\n".join(path.read_text() for path in airflow.logs.glob("dag_id=promote/**/attempt=*.log"))
    assert "refused: better: " in said and "held-out dates" in said
    assert publish.live("model", UNIT) == champion


def test_a_night_that_asks_for_nothing_trains_nothing(airflow: Airflow, nights: Nights) -> None:
    night = nights.night(ASKED - 2)
    airflow.run("dags", "trigger", "monitor", "--logical-date", night.isoformat())
    airflow.wait_for(f"select state from dag_run where date(logical_date) = '{night}'", [("success",)])
    assert airflow.rows("select ti.state from task_instance ti join dag_run r on ti.run_id = r.run_id and ti.dag_id = "
                        f"r.dag_id where date(r.logical_date) = '{night}' and ti.task_id = 'train'") == [("skipped",)]
