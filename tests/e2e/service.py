"""The service as its users run it: an environment of its own, a process, and models trained for the tests."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from services import free_port

from moe import publish
from moe.settings import ROOT, settings

LOCK = ROOT / "requirements-serving.lock"
KEY_DAYS = 1


def python() -> Path:
    """The interpreter of an environment made from requirements-serving.lock, once for its content."""
    mark = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"moe-serving-{mark}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
            subprocess.run([sys.executable, "-m", "pip", "--python", folder, "install", "--no-deps", "--no-compile",
                            "--disable-pip-version-check", "-qq", "-r", LOCK], check=True)
            (folder / "ready").touch()
    return folder / "bin" / "python"


def command(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m serving …` run to its end."""
    return subprocess.run([python(), "-m", "serving", *arguments], cwd=ROOT, text=True, capture_output=True,
                          env=_environment(environment or {}), timeout=60)


def _environment(changed: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SERVING_", "MOE_", "PYTHONPATH"))}
    return kept | {"PYTHONPATH": str(ROOT)} | changed


@dataclass
class Service:
    """A running service. `key` is in force; `client` sends it."""

    process: subprocess.Popen[str]
    client: httpx.Client
    key: str
    folder: Path
    port: int

    def predict(self, body: Any, **more: Any) -> httpx.Response:
        return self.client.post("/api/v1/predict", json=body, **more)

    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/readyz").json()
        return found

    def metric(self, name: str) -> float:
        """The value of a metric; of one with labels, the sum over them."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines
                   if line.startswith((f"{name} ", f"{name}{{")))

    def wait(self, what: str, seconds: float = 30) -> None:
        """Until an expression over `ready` holds."""
        end = time.monotonic() + seconds
        while not eval(what, {"ready": self.ready()}):
            assert time.monotonic() < end, f"{what} never came; {self.ready()}"
            time.sleep(0.05)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def said(self) -> str:
        return (self.folder / "service.log").read_text()


@contextmanager
def running(folder: Path, pointer: Path, bundles: Path, **more: str) -> Iterator[Service]:
    """The service on a free port, stopped at the end. `more` are settings by name."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = folder / "keys.json"
    made = command("keys", "add", "--id", "tests", "--days", str(KEY_DAYS), "--file", str(keys))
    port = free_port()
    environment = {"POINTER": str(pointer), "BUNDLES": str(bundles), "KEYS": str(keys), "PORT": str(port),
                   "POLL_SECONDS": "0.1", "DECISIONS": str(folder / "decisions")} | more
    with (folder / "service.log").open("w") as log:
        process = subprocess.Popen(
            [python(), "-m", "serving"], cwd=ROOT, text=True, stdout=log, stderr=log,
            env=_environment({f"SERVING_{name}": value for name, value in environment.items()}))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": made.stdout.strip()},
                      timeout=60) as client:
        service = Service(process, client, made.stdout.strip(), folder, port)
        try:
            _wait_until_alive(service)
            yield service
        finally:
            process.kill()
            process.wait()


def _wait_until_alive(service: Service) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            service.client.get("/livez")
            return
        except httpx.TransportError:
            assert service.process.poll() is None, service.said()
            assert time.monotonic() < end, service.said()
            time.sleep(0.05)


@dataclass(frozen=True)
class Models:
    """Two versions of a unit's model, trained on different counts, and features of its rows."""

    versions: tuple[str, str]
    night: date
    "The last one of the rows."
    rows: list[dict[str, Any]]
    keys: list[dict[str, str]]

    @property
    def bundles(self) -> Path:
        return settings().bundles

    @property
    def pointer(self) -> Path:
        return settings().published / "model" / "shop.json"

    def publish(self, version: str) -> None:
        """Move the pointer by the platform's own function."""
        live = publish.live("model", "shop")
        assert live
        if live.moved_to != version:
            facts = next(entry.facts for entry in publish.log("model", "shop") if entry.moved_to == version)
            publish.move("model", "shop", version, expected=live.moved_to, effective=date.fromisoformat(live.effective),
                         who="tests", reason="a swap", facts=facts)


def train_two() -> Models:
    """Two real trainings of a small world."""
    sys.path.insert(0, str(ROOT / "tests" / "model"))
    from model_world import World, unit

    from moe.train import promote, train
    from training.dataset import columns, training_set

    first, second = (train(unit("shop"), World(nights=16, lines=4, seed=seed).write().last)["version"]
                     for seed in (11, 12))
    world = World(nights=16, lines=4, seed=12)
    promote(unit("shop"), world.last, who="tests", reason="a second version", despite=True)
    frame = training_set("shop", world.last)
    arrays = pd.DataFrame(columns(frame, frame["business_date"])).astype(object)
    rows = arrays.where(arrays.notna(), None).to_dict("records")
    keys = frame[["line_id", "segment"]].astype(str).to_dict("records")
    return Models((first, second), world.last, rows, keys)
