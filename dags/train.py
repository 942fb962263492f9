"""
# Training

Trains a challenger on what was known in the night of **D**, and asks for its promotion: every Monday for the Sunday
before (`ds` is that Sunday), and for a night whose monitoring files a retrain request (the DAG `monitor` starts it).

| step | what it does |
|---|---|
| `due` | of a Sunday, of a night with a retrain request, or started by a person; otherwise the run ends here |
| `scored` | waits, without holding a worker, until the night of D has its scores: its deliveries are landed then |
| `train` | training set, candidates, calibration, bundle, parity, MLflow: `out.challenger__night` of D |
| `forward` | a backfill ends here |
| `promote` | starts the DAG `promote` of the same D |

## Trigger
    airflow dags trigger train --logical-date 2026-06-30

At a desk `moe train --date 2026-06-30`.

## Re-run and backfill
The same data give the same version, so running again changes nothing. A backfill trains the challengers of its nights
and promotes none of them: a version decides from the night after its promotion, and older nights never see it.
"""

from datetime import timedelta

from _conditions import is_no_backfill, is_scored, is_training_due
from _defaults import COMMON, EVERY_NIGHT, NIGHT, for_each_unit, unit_param
from _steps import run_step
from airflow.providers.standard.operators.python import PythonOperator, ShortCircuitOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.sdk import DAG


def training(dag_id: str, unit: str, promotes: str) -> DAG:
    """The DAG that trains one advertiser's challengers."""
    with DAG(
        dag_id,
        description="A challenger every week, and when monitoring asks for one.",
        doc_md=__doc__,
        # daily, so that ds is D; `due` leaves most days out
        schedule=EVERY_NIGHT,
        **COMMON,
        params={"unit": unit_param(unit)},
        tags=["model"],
    ) as dag:
        scored = PythonSensor(task_id="scored", python_callable=is_scored, op_kwargs=NIGHT, mode="reschedule",
                              poke_interval=600, timeout=timedelta(hours=18))
        due = ShortCircuitOperator(task_id="due", python_callable=is_training_due, op_kwargs=NIGHT)
        train = PythonOperator(task_id="train", python_callable=run_step, op_kwargs=NIGHT | {"step": "train"},
                               pool="training", show_return_value_in_logs=False)
        forward = ShortCircuitOperator(task_id="forward", python_callable=is_no_backfill)
        promote = TriggerDagRunOperator(task_id="promote", trigger_dag_id=promotes, logical_date="{{ ds }}",
                                        reset_dag_run=True, conf={"unit": "{{ params.unit }}", "who": "DAG train"})
        due >> scored >> train >> forward >> promote
    return dag


for_each_unit("train", training, "promote")
