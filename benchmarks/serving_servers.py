"""The servers that `benchmarks.serving` compares: how each is installed, started, asked and read.

Peers get what their documentation says for production, one onnxruntime thread, and an environment of their own.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moe.settings import ROOT, settings

PORT, CONNECTIONS = 8931, 32
COMMON = ("numpy==2.4.6", "onnxruntime==1.31.1")
PEERS = settings().work / "peers"
"The servers' environments, kept from run to run."


@dataclass(frozen=True)
class Server:
    """How a server is installed, started and asked. `{…}` in its command: folder, port, python."""

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    path: str
    body: Callable[[list[dict[str, Any]]], Any]
    rates: Callable[[Any], list[float]]
    "Click rates in an answer."
    prepare: Callable[[Path, Path], None] = lambda folder, bundle: None
    live: str = ""


def _v2(rows: list[dict[str, Any]]) -> Any:
    kinds = {str: "BYTES", int: "INT64", float: "FP64"}
    return {"inputs": [{"name": name, "shape": [len(rows), 1], "datatype": kinds[type(rows[0][name])],
                        "data": [row[name] for row in rows]} for name in rows[0]]}


def _mlserver(batch: int) -> Callable[[Path, Path], None]:
    def prepare(folder: Path, bundle: Path) -> None:
        # debug off silences the access log; no worker process, since there is one core
        (folder / "settings.json").write_text(json.dumps({
            "debug": False, "http_port": PORT, "grpc_port": PORT + 1, "metrics_port": PORT + 2, "parallel_workers": 0}))
        batching = {"max_batch_size": batch, "max_batch_time": 0.001} if batch else {}
        (folder / "model-settings.json").write_text(json.dumps({
            "name": "line", "implementation": "benchmarks.serving_peers.OnnxModel", **batching}))
    return prepare


def _mlflow(folder: Path, bundle: Path) -> None:
    subprocess.run([python("mlflow"), "-m", "benchmarks.serving_peers", "save-mlflow", bundle, folder / "model"],
                   check=True, cwd=ROOT, capture_output=True)


def _features(rows: list[dict[str, Any]]) -> Any:
    return {"features": rows[0]} if len(rows) == 1 else {"rows": [{"features": row} for row in rows]}


def _ours(answer: Any) -> list[float]:
    return [p["predicted_ctr"] for p in answer.get("predictions", [answer])]


def _mlserver_rates(answer: Any) -> list[float]:
    return next(list(o["data"]) for o in answer["outputs"] if o["name"] == "click_rate")


MLSERVER = {"packages": (*COMMON, "mlserver==1.7.1", "uvloop==0.21.0"),
            "command": ("{bin}/mlserver", "start", "{folder}"), "path": "/v2/models/line/infer", "body": _v2,
            "rates": _mlserver_rates, "live": "/v2/health/ready"}
SERVERS = (
    Server("serving", ("-r", str(ROOT / "requirements-serving.lock")), ("{python}", "-m", "serving"),
           "/api/v1/predict", _features, _ours, live="/readyz"),
    Server("mlserver", prepare=_mlserver(0), **MLSERVER),  # type: ignore[arg-type]
    Server("mlserver, adaptive batching", prepare=_mlserver(CONNECTIONS), **MLSERVER),  # type: ignore[arg-type]
    Server("mlflow", (*COMMON, "mlflow==3.17.2"),
           ("{bin}/mlflow", "models", "serve", "-m", "{folder}/model", "-p", str(PORT), "--env-manager", "local",
            "-w", "1"), "/invocations", lambda rows: {"dataframe_records": rows},
           lambda answer: [p["click_rate"] for p in answer["predictions"]], _mlflow, "/ping"),
    Server("fastapi", (*COMMON, "fastapi==0.165.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"),
           ("{bin}/uvicorn", "benchmarks.serving_peers:fastapi_app", "--factory", "--port", str(PORT),
            "--no-access-log"), "/predict", lambda rows: {"rows": [{"features": row} for row in rows]},
           lambda answer: list(answer["click_rate"]), live="/openapi.json"),
)


def environment(name: str) -> Path:
    return PEERS / name.partition(",")[0]


def python(name: str) -> Path:
    return environment(name) / "bin" / "python"


def install(server: Server, interpreter: str) -> None:
    """Make the server's environment where there is none, or one of another interpreter."""
    mark = environment(server.name) / "ready"
    if not mark.exists() or mark.read_text() != interpreter:
        print(f"installing {server.name} …")
        subprocess.run([interpreter, "-m", "venv", "--clear", mark.parent], check=True)
        subprocess.run([python(server.name), "-m", "pip", "install", "-qq", *server.packages], check=True)
        mark.write_text(interpreter)
