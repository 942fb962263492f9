"""
# Monitoring

Compares the night's features and scores with those that the model learned from, sets its predictions against the
outcomes that have matured, and says whether a new model should be trained. Decides nothing of the night itself.

| step | what it does |
|---|---|
| `scored` | waits, without holding a worker, until the night of D has its scores: up to 18 hours |
| `monitor` | the job of the same name: three tables, the page of the night, and the retrain request |
| `asks` | the run ends here where no training was asked for in this night, and in a backfill |
| `train` | starts the DAG `train` of the same D |

It waits for the scores and not for the run that makes them, so that it follows a scheduled night, one that a person
started and a backfill alike. A unit whose scores were skipped is skipped here too, and so is a night in which
no line was scored (no ads for 28 days).

## Trigger
    airflow dags trigger monitor --logical-date 2026-06-30

At a desk `moe run monitor --date 2026-06-30`. The page stands in `reports/<unit>/monitoring/<D>/index.html`, and the
nightly page links to it.

## Re-run and backfill
Run again where the night's scores changed. An alert counts once it has lasted three nights, and how long it has is
read from the night before: run nights in order (`--max-active-runs 1`), as the nights themselves.

    airflow backfill create --dag-id monitor --from-date 2026-06-28 --to-date 2026-06-30 \\
        --reprocess-behavior completed --max-active-runs 1

It replaces D's partitions of `out.monitor__column`, `out.monitor__outcome` and `out.retrain_request__night`, and the
page. A request asks; it moves nothing that is live.
"""

from datetime import timedelta

from _conditions import asks_for_training, is_scored
from _defaults import COMMON, EVERY_NIGHT, NIGHT, for_each_unit, unit_param
from _steps import run_step
from airflow.providers.standard.operators.python import PythonOperator, ShortCircuitOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.sdk import DAG


def monitoring(dag_id: str, unit: str, trains: str) -> DAG:
    """The DAG that watches one advertiser's nights."""
    with DAG(
        dag_id,
        description="Drift, decay and availability of the model's night, and whether to train again.",
        doc_md=__doc__,
        schedule=EVERY_NIGHT,
        **COMMON,
        params={"unit": unit_param(unit)},
        tags=["monitoring"],
    ) as dag:
        scored = PythonSensor(task_id="scored", python_callable=is_scored, op_kwargs=NIGHT, mode="reschedule",
                              poke_interval=600, timeout=timedelta(hours=18))
        monitor = PythonOperator(task_id="monitor", python_callable=run_step, op_kwargs=NIGHT | {"step": "monitor"},
                               show_return_value_in_logs=False)
        asks = ShortCircuitOperator(task_id="asks", python_callable=asks_for_training, op_kwargs=NIGHT)
        train = TriggerDagRunOperator(task_id="train", trigger_dag_id=trains, logical_date="{{ ds }}",
                                      reset_dag_run=True, conf={"unit": "{{ params.unit }}"})
        scored >> monitor >> asks >> train
    return dag


for_each_unit("monitor", monitoring, "train")
