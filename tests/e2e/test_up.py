"""`moe up` on free ports: every service answers, a second one is told, and `moe down` leaves no process."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from services import free_port

from moe import services
from moe.settings import settings

MOE = str(Path(sys.executable).parent / "moe")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MOE_HOME", str(tmp_path))
    for name in ("AIRFLOW", "MLFLOW", "SERVING", "REPORTS"):
        monkeypatch.setenv(f"MOE_{name}_PORT", str(free_port()))
    settings.cache_clear()
    yield tmp_path
    services.down()
    settings.cache_clear()


def _moe(command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([MOE, command], text=True, capture_output=True, check=False, timeout=300)


def _of_this_home(home: Path) -> list[str]:
    """Command lines of processes that work in this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MOE_HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return [line for line in found if "pytest" not in line and "execnet" not in line]


def test_everything_comes_up_answers_and_goes_down(home: Path) -> None:
    (home / "reports" / "shop" / "2026-06-30").mkdir(parents=True)
    (home / "reports" / "shop" / "2026-06-30" / "index.html").write_text("<h1>the night</h1>")
    said = _moe("up")
    assert said.returncode == 0, said.stdout + said.stderr
    pages = {s.name: urlopen(s.address, timeout=20).read().decode() for s in services.services() if s.name != "serving"}
    assert "MLflow" in pages["mlflow"] and "/shop/2026-06-30/index.html" in pages["reports"]
    for service in services.services():
        assert service.address in said.stdout
    assert "admin / " in said.stdout
    again = _moe("up")
    assert again.returncode == 0 and len(services.running()) == len(services.services())
    assert _of_this_home(home)
    assert "ended: airflow" in _moe("down").stdout
    assert _of_this_home(home) == []
    assert "nothing was running" in _moe("down").stdout


def test_a_port_in_use_is_named_and_nothing_starts(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings().mlflow_port))
        taken.listen()
        said = _moe("up")
    assert said.returncode == 1
    assert f"port {settings().mlflow_port} of mlflow is in use" in said.stderr and "MOE_MLFLOW_PORT" in said.stderr
    assert services.running() == {} and _of_this_home(home) == []
