"""A real training with MLflow's runs in PostgreSQL and their files in S3."""

from typing import Any

import pytest
from model_world import World, unit
from services import PASSWORD, Postgres

from moe import publish
from moe.settings import settings
from moe.train import promote, train


def test_runs_in_postgresql_files_in_s3_and_the_alias_moves(
    bucket: Any, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:
    import mlflow

    monkeypatch.setenv("MOE_MLFLOW_TRACKING_URI", postgres.url(database))
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:1")  # ours wins
    settings.cache_clear()
    before = set((settings().home / "mlflow").rglob("*"))  # of other tests' units
    world = World(name="tiny", nights=10, lines=4, seed=5).write()
    first = train(unit("tiny"), world.last)
    world.counts["clicks"][-2] += 1
    world.write_core(world.nights - 1)
    second = train(unit("tiny"), world.last)
    assert first["version"] != second["version"]
    promote(unit("tiny"), world.last, who="ann", reason="tests", despite=True)

    mlflow.set_tracking_uri(settings().mlflow_uri)
    version = mlflow.MlflowClient().get_model_version_by_alias("tiny_line_performance", "champion")
    live = publish.live("model", "tiny")
    assert live and version.tags["bundle"] == live.moved_to == second["version"]
    runs = postgres.execute("select name, artifact_uri from runs order by start_time", database)
    assert [name for name, _ in runs] == [first["version"], second["version"]]
    assert all(uri.startswith(f"s3://{bucket.name}/lake/mlflow/tiny/") for _, uri in runs)
    assert postgres.execute("select count(*) from metrics", database)[0][0] > 10
    served = mlflow.onnx.load_model("models:/tiny_line_performance@champion")
    assert [output.name for output in served.graph.output] == ["click_rate", "conversion_rate", "value_per_conversion"]
    assert set((settings().home / "mlflow").rglob("*")) == before, "something of MLflow stayed in the home"
    assert PASSWORD not in "".join(capfd.readouterr())
