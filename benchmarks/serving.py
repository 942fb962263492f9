"""The service beside MLServer, `mlflow models serve`, plain FastAPI, and bare `session.run`: one core each.

    python -m benchmarks.serving                       # makes an environment a server first (minutes, once)
    python -m benchmarks.serving --only serving mlserver --seconds 10 --python /usr/bin/python3.11

Trains a small model, starts each server on one core with one onnxruntime thread, checks that it answers what the
bundle says, and loads it from other cores with wrk (Debian package `wrk`). The service runs with everything on: keys,
checks, metrics, decision log. Give an interpreter that was built with optimisations, as distributions and our image
have it; without, servers are some tenth slower. Printed: requests a second, median and 99th percentile, the processor
time that the server spent on a request, and its memory after it. On a machine that does other work too, compare by
that time.
"""

import argparse
import contextlib
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.serving_servers import CONNECTIONS, PORT, SERVERS, Server, install, python
from moe.settings import ROOT, settings
from serving import keys
from serving.bundle import OUTPUTS, Bundle

WARM_SECONDS = 2
out = Console(width=110)


@contextmanager
def started(server: Server, folder: Path, bundle: Path, key_file: Path, core: int) -> Iterator[psutil.Process]:
    """A server on one core, answering."""
    server.prepare(folder, bundle)
    holes = {"{folder}": str(folder), "{python}": str(python(server.name)), "{bin}": str(python(server.name).parent)}
    command = [re.sub(r"\{\w+\}", lambda hole: holes[hole[0]], part) for part in server.command]
    pointer = settings().published / "model" / "shop.json"
    of_service = {"POINTER": pointer, "BUNDLES": settings().bundles, "KEYS": key_file,
                  "DECISIONS": folder / "decisions", "PORT": PORT}
    environment = os.environ | {f"SERVING_{name}": str(value) for name, value in of_service.items()} | {
        "PATH": f"{holes['{bin}']}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "BENCHMARK_BUNDLE": str(bundle),
        "OMP_NUM_THREADS": "1"}
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
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            process.terminate()
            for one in psutil.wait_procs(tree, timeout=20)[1]:
                one.kill()


def spent(process: psutil.Process) -> tuple[float, float]:
    """Processor seconds and resident MiB of a process and its children."""
    tree = [process, *process.children(recursive=True)]
    times = [p.cpu_times() for p in tree]
    return sum(t.user + t.system for t in times), sum(p.memory_info().rss for p in tree) / 2**20


def load(server: Server, rows: list[dict[str, Any]], key: str, seconds: int, cores: list[int],
         folder: Path) -> dict[str, float]:
    """wrk's figures, one thread a core: requests, requests a second, milliseconds of the median and of p99."""
    script = folder / "post.lua"
    script.write_text(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                      f'wrk.headers["X-API-Key"] = "{key}"\nwrk.body = [[{json.dumps(server.body(rows))}]]\n')
    said = subprocess.run(["taskset", "-c", ",".join(map(str, cores)), "wrk", f"-t{len(cores)}", f"-c{CONNECTIONS}",
                           f"-d{seconds}s", "--latency", "--timeout", "20s", "-s", script,
                           f"http://127.0.0.1:{PORT}{server.path}"], check=True, text=True, capture_output=True).stdout
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
    parser.add_argument("--python", default=sys.executable, help="that the servers run on (default: this one)")
    parser.add_argument("--cores", nargs="+", type=int, default=[0, 1, 2], help="of the server, and those of the load")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: apt-get install wrk")
    chosen = [server for server in SERVERS if server.name in arguments.only]
    for server in chosen:
        install(server, arguments.python)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MOE_HOME"] = home  # a store of its own for the model
        settings.cache_clear()
        measure(chosen, Path(home), arguments.seconds, arguments.cores[0], arguments.cores[1:])


def measure(chosen: list[Server], home: Path, seconds: int, core: int, of_load: list[int]) -> None:
    folder = model()
    bundle, key_file = Bundle.load(folder), home / "keys.json"
    key = keys.add(key_file, "benchmark", 1)
    table = Table("server", "batch", "requests/s", "rows/s", "p50 ms", "p99 ms", "CPU µs a request", "MiB")
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
