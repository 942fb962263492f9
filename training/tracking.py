"""What MLflow holds of a training: a run with its measures, and a registered version.

MLflow follows the publication log: its alias says nothing that the log has not said before.
"""

import contextlib
import io
import logging
import os
from typing import Any

import onnx
import pandas as pd

from moe.settings import settings

ALIAS = "champion"
REQUIREMENTS = ["numpy", "onnxruntime"]
"Stated, since finding them out takes MLflow 8 to 17 seconds."


def _client() -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when the package is imported
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if settings().s3_endpoint:
        os.environ["MLFLOW_S3_ENDPOINT_URL"] = settings().s3_endpoint
    if settings().mlflow_uri.startswith("sqlite:"):
        (settings().home / "mlflow").mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(settings().mlflow_uri)
    return mlflow.MlflowClient()


def registered_name(unit: str) -> str:
    return f"{unit}_line_performance"


def record(unit: str, version: str, params: dict[str, Any], metrics: dict[str, float],
           said: dict[str, pd.DataFrame], model: bytes) -> None:
    """One run in the unit's experiment, with the tables `said` by name, and the model registered under the bundle's
    version as a tag."""
    client = _client()
    import mlflow

    if known(unit, version, client):
        return
    experiment = client.get_experiment_by_name(unit)
    number = experiment.experiment_id if experiment else client.create_experiment(
        unit, artifact_location=settings().mlflow_artifacts(unit))
    with mlflow.start_run(experiment_id=number, run_name=version):
        mlflow.set_tag("bundle", version)
        mlflow.log_params(params)
        mlflow.log_metrics(metrics)
        for name, table in said.items():
            mlflow.log_table(table, f"{name}.json")
        with contextlib.redirect_stderr(io.StringIO()):  # what it registered, which we say ourselves
            info = mlflow.onnx.log_model(
                onnx.load_from_string(model), name="model", pip_requirements=REQUIREMENTS,
                registered_model_name=registered_name(unit), save_as_external_data=False,
            )
    client.set_model_version_tag(registered_name(unit), info.registered_model_version, "bundle", version)


def known(unit: str, version: str, client: Any) -> str | None:
    """MLflow's number of a registered bundle."""
    found = client.search_model_versions(f"name = '{registered_name(unit)}' and tags.bundle = '{version}'")
    return str(found[0].version) if found else None


def mark(unit: str, version: str, tags: dict[str, str]) -> None:
    """Say something of a registered version."""
    client = _client()
    if number := known(unit, version, client):
        for key, value in tags.items():
            client.set_model_version_tag(registered_name(unit), number, key, value[:5000])


def follow(unit: str, version: str) -> None:
    """Move the alias to the version that the publication log made live."""
    client = _client()
    if number := known(unit, version, client):
        client.set_registered_model_alias(registered_name(unit), ALIAS, number)
