"""
# The night

Takes what the platforms, the site and the shop reported, and gives tomorrow's budget per line and bid per
segment, with the report beside them. The night of **D**, the last complete business day, is the run whose
`ds` is D; it starts at midnight UTC after D.

| step | what it does |
|---|---|
| `simulate` | the shipped advertiser only: writes its deliveries up to D |
| `land` | checks and takes in every delivery up to D that is not landed yet; waits up to 8 hours for a late one |
| `features` | sessions, traffic, hours, customers, ads: one Spark session, missing earlier nights first |
| `first_model` | trains the unit's first model where none is effective in D, or only the rule of a young unit |
| `marts` | one dbt build, exported to D |
| `score` → `decide` → `release` | scores, curves, budgets, bids and their percentages, the candidate release |
| `make_live` | the candidate goes live, in a scheduled or asked-for run, unless a check holds it |
| `online` | the features of D for lookups by entity (Feast: SQLite, or Redis by `MOE_ONLINE_STORE`), in the same runs |
| `report` | three counts of the same sales, settings on the platforms beside the release, success criteria, the page |
| `follow` | PostgreSQL and S3, where they are set, follow what is live; tried again, and never undoes a release |

## Trigger
On a laptop `make nightly DATE=2026-06-30`. On a running Airflow (`moe airflow standalone` starts one, and
`moe airflow …` gives every command its settings):

    airflow dags trigger nightly --logical-date 2026-06-30 --conf '{"publish": true}'

A trigger without a logical date has no D and is refused. Without `publish` a run that a person starts writes a
candidate and moves nothing. Unpausing the DAG starts the night of yesterday at once.

## Re-run
Clear a task with those downstream. A step replaces exactly the partitions of D that it owns, in one move, and
the same inputs give the same rows: the digests of the ledger show it (`var/ledger/<unit>/<D>/`). A night that changed
does change the nights after it, because D builds on D−1's candidate: run those again too, in order.

## Backfill
    airflow backfill create --dag-id nightly --from-date 2026-06-28 --to-date 2026-06-30 \\
        --reprocess-behavior completed --max-active-runs 1

`--dry-run` shows the nights. `--reprocess-behavior completed` matters: the default silently leaves out nights
that ran. `--max-active-runs 1` matters: nights build on each other. The DAG must not be paused, and a backfill
that was cancelled cannot be resumed: create a new one. On SQLite, creating one over nights that ran may end
with `database is locked` while the scheduler writes: wait until the runs that it made are done, and create it
again (PostgreSQL does not need this). The run of D is named after the instant that it may
start, the midnight after D; its logical date is D.

It replaces the partitions of its nights: landing and core from the same deliveries (one that differs from what
was landed is refused), features, marts, scores, candidates and report pages. It **never publishes**: no release,
nor anything that follows what is live (features online), moves, and `publish` is ignored. Where no model is
effective in its first night, one is trained for that night on.
"""


from _defaults import COMMON, EVERY_NIGHT, NIGHT, WAITS, for_each_unit, unit_param
from _steps import run_step
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Param


def nightly(dag_id: str, unit: str) -> DAG:
    """The DAG of one advertiser's nights."""
    with DAG(
        dag_id,
        description="From what was delivered up to D to the budgets and bids of the day after.",
        doc_md=__doc__,
        schedule=EVERY_NIGHT,
        **COMMON,
        params={
            "unit": unit_param(unit),
            "publish": Param(False, type="boolean", title="Make the release live",
                             description="Scheduled nights go live anyway, backfills never."),
        },
        tags=["night"],
    ) as dag:

        def step(name: str, **more: object) -> PythonOperator:
            return PythonOperator(task_id=name, python_callable=run_step, op_kwargs=NIGHT | {"step": name},
                                  show_return_value_in_logs=False, **more)

        simulate = step("simulate")
        land = step("land", **WAITS)
        features = step("features", pool="spark")
        first_model = step("first_model")
        marts = step("marts", pool="dbt")
        score = step("score")
        decide = step("decide")
        release = step("release")
        make_live = step("make_live")
        online = step("online")
        report = step("report")
        follow = step("follow")

        simulate >> land >> features >> [first_model, marts] >> score >> decide >> release >> make_live
        make_live >> [online, report]
        report >> follow
    return dag


for_each_unit("nightly", nightly)
