"""The service beside MLServer, `mlflow models serve`, plain FastAPI, and bare `session.run`: one core each.

    python -m benchmarks.serving                       # makes an environment a server first (minutes, once)
    python -m benchmarks.serving --only serving mlserver --seconds 10

Trains a small model, starts each server on one core with one onnxruntime thread, checks that it answers what the
bundle says, and loads it from another core with wrk (Debian package `wrk`). The service runs with everything on:
keys, checks, metrics, decision log. Printed: requests a second, median and 99th percentile, the processor time that
the server spent on a request, and its peak memory. On a machine that does other work too, compare by that time.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import timeit
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from moe.settings import ROOT, settings
from serving import keys
from serving.bundle import OUTPUTS, Bundle

PORT, CONNECTIONS, WARM_SECONDS = 8931, 32, 2
COMMON = ("numpy==2.4.6", "onnxruntime==1.31.1")
PEERS = settings().work / "peers"
"The servers' environments, kept from run to run."
out = Console()


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
    subprocess.run([_python("mlflow"), "-m", "benchmarks.serving_peers", "save-mlflow", bundle, folder / "model"],
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


def _environment(name: str) -> Path:
    return PEERS / name.partition(",")[0]


def _python(name: str) -> Path:
    return _environment(name) / "bin" / "python"


def install(server: Server) -> None:
    mark = _environment(server.name) / "ready"
    if not mark.exists():
        out.print(f"installing {server.name} …")
        subprocess.run([sys.executable, "-m", "venv", "--clear", mark.parent], check=True)
        subprocess.run([_python(server.name), "-m", "pip", "install", "-qq", *server.packages], check=True)
        mark.touch()


@contextmanager
def started(server: Server, folder: Path, bundle: Path, key_file: Path, core: int) -> Iterator[psutil.Process]:
    """A server on one core, answering."""
    server.prepare(folder, bundle)
    holes = {"{folder}": str(folder), "{python}": str(_python(server.name)), "{bin}": str(_python(server.name).parent)}
    command = [re.sub(r"\{\w+\}", lambda hole: holes[hole[0]], part) for part in server.command]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "BENCHMARK_BUNDLE": str(bundle), "SERVING_POINTER": str(settings().published / "model"
        / "shop.json"), "SERVING_BUNDLES": str(settings().bundles), "SERVING_KEYS": str(key_file),
        "SERVING_DECISIONS": str(folder / "decisions"), "SERVING_PORT": str(PORT), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["taskset", "-c", str(core), *command], cwd=ROOT, env=environment, stdout=log,
                                   stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}{server.live}", timeout=5).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"{server.name} did not start:\n{(folder / 'log').read_text()[-3000:]}")
                time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        tree = [*psutil.Process(process.pid).children(recursive=True), process]
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            for one in tree:
                one.kill()


def spent(process: psutil.Process) -> tuple[float, float]:
    """Processor seconds and resident MiB of a process and its children."""
    tree = [process, *process.children(recursive=True)]
    times = [p.cpu_times() for p in tree]
    return sum(t.user + t.system for t in times), sum(p.memory_info().rss for p in tree) / 2**20


def load(server: Server, rows: list[dict[str, Any]], key: str, seconds: int, core: int,
         folder: Path) -> dict[str, float]:
    """wrk's figures: requests, requests a second, milliseconds of the median and the 99th percentile."""
    script = folder / "post.lua"
    script.write_text(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                      f'wrk.headers["X-API-Key"] = "{key}"\nwrk.body = [[{json.dumps(server.body(rows))}]]\n')
    said = subprocess.run(["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency",
                           "-s", script, f"http://127.0.0.1:{PORT}{server.path}"], check=True, text=True,
                          capture_output=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"{server.name} failed requests:\n{said}")
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}

    def percentile(which: str) -> float:
        value, unit = re.search(rf"^\s+{which}%\s+([\d.]+)(us|ms|s)\s*$", said, re.MULTILINE).groups()  # type: ignore[union-attr]
        return float(value) * units[unit]

    return {"requests": float(re.search(r"(\d+) requests in", said)[1]),  # type: ignore[index]
            "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),  # type: ignore[index]
            "p50": percentile("50"), "p99": percentile("99")}


def check(server: Server, rows: list[dict[str, Any]], bundle: Bundle, key: str) -> None:
    """The server says what the bundle says."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}{server.path}", json.dumps(server.body(rows)).encode(),
        {"Content-Type": "application/json", "X-API-Key": key})
    found = server.rates(json.load(urllib.request.urlopen(request)))
    wanted = bundle.predict({name: [row[name] for row in rows] for name in bundle.features})["click_rate"]
    assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 1e-9, server.name


def bare(bundle: Bundle, rows: list[dict[str, Any]]) -> float:
    """Seconds of `session.run` alone, its inputs made before: the best of five."""
    feed = {name: bundle._column(name, kind, {name: [row[name] for row in rows]})
            for name, kind in bundle.features.items()}
    runs = 2000 // len(rows) + 50
    return min(timeit.repeat(lambda: bundle.session.run(list(OUTPUTS), feed), number=runs, repeat=5)) / runs


def model() -> Path:
    """A small model, trained in this store."""
    sys.path.insert(0, str(ROOT / "tests" / "model"))
    from model_world import World, unit

    from moe import publish
    from moe.train import train

    version = train(unit(), World().write().last)["version"]
    live = publish.live("model", "shop")
    assert live and live.moved_to == version
    return settings().bundles / version


def example(bundle: Bundle) -> dict[str, Any]:
    """A row with everything known."""
    values = {f["name"]: f.get("values", [0.5])[0] for f in bundle.about["features"]}
    return values | {"click_rate_28d": 0.02, "conversion_rate_28d": 0.06, "impressions_7d": 25000.0, "clicks_7d": 510.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[s.name for s in SERVERS], default=[s.name for s in SERVERS])
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--cores", nargs=2, type=int, default=(0, 1), help="of the server, and of the load")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: apt-get install wrk")
    chosen = [server for server in SERVERS if server.name in arguments.only]
    for server in chosen:
        install(server)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MOE_HOME"] = home  # a store of its own for the model
        settings.cache_clear()
        measure(chosen, Path(home), arguments.seconds, *arguments.cores)


def measure(chosen: list[Server], home: Path, seconds: int, core: int, of_load: int) -> None:
    folder = model()
    bundle, key_file = Bundle.load(folder), home / "keys.json"
    key = keys.add(key_file, "benchmark", 1)
    table = Table("server", "batch", "requests/s", "rows/s", "p50 ms", "p99 ms", "CPU µs a request", "peak MiB")
    for batch in (1, 64):
        rows = [example(bundle)] * batch
        for server in chosen:
            place = home / f"{server.name}-{batch}"
            place.mkdir()
            with started(server, place, folder, key_file, core) as process:
                check(server, rows, bundle, key)
                load(server, rows, key, WARM_SECONDS, of_load, place)
                before, _ = spent(process)
                found = load(server, rows, key, seconds, of_load, place)
                after, memory = spent(process)
                micros = (after - before) / found["requests"] * 1e6
            table.add_row(server.name, str(batch), f"{found['rate']:,.0f}", f"{found['rate'] * batch:,.0f}",
                          f"{found['p50']:.2f}", f"{found['p99']:.2f}", f"{micros:,.0f}", f"{memory:.0f}")
        run = bare(bundle, rows)
        table.add_row("bare session.run", str(batch), f"{1 / run:,.0f}", f"{batch / run:,.0f}", f"{run * 1e3:.3f}", "",
                      f"{run * 1e6:.0f}", "")
    out.print(table)


if __name__ == "__main__":
    main()
