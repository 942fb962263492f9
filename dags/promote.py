"""
# Promotion

Compares the newest challenger up to the night of **D** with the champion, on rows that neither was fitted or calibrated
on, and lets it take over where it is better beyond noise, calibrated, worse in no region, and quick. Pointer, log and
MLflow's alias move together; the serving process follows the pointer. It takes over from the night after.

The DAG `train` starts it; a refusal is no failure: the log of `promote` and the version's tags in MLflow say why.

## Trigger
    airflow dags trigger promote --logical-date 2026-06-30

At a desk `moe model promote --date 2026-06-30 --who … --reason …`; `--dry-run` compares and moves nothing.

## Back again
    moe model rollback <version> --who … --reason …

`moe model show` lists the versions. A backfill of this DAG moves nothing.
"""


from _defaults import COMMON, NIGHT, for_each_unit, unit_param
from _steps import run_step
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG


def promotion(dag_id: str, unit: str) -> DAG:
    """The DAG that lets one advertiser's challengers take over."""
    with DAG(
        dag_id,
        description="A challenger takes over where it is better beyond noise.",
        doc_md=__doc__,
        schedule=None,
        **COMMON,
        params={"unit": unit_param(unit)},
        tags=["model"],
    ) as dag:
        PythonOperator(task_id="promote", python_callable=run_step, op_kwargs=NIGHT | {"step": "promote"},
                       show_return_value_in_logs=False)
    return dag


for_each_unit("promote", promotion)
