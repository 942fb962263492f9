"""`moe up`: what cannot all be started leaves nothing behind."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moe import services
from moe.services import Service
from moe.settings import settings


def test_where_one_service_cannot_start_none_is_left_running(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = services._start

    def noted(service: Service) -> Any:
        started.append(start(service))
        return started[-1]

    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    wanted = [Service("first", 1, sleeps, "/", ""), Service("second", 1, [str(home / "no-such-program")], "/", "")]
    monkeypatch.setattr(services, "services", lambda: wanted)
    monkeypatch.setattr(services, "_start", noted)
    monkeypatch.setattr(services, "_taken", lambda port: False)
    for folder in (settings().logs, settings().work):
        folder.mkdir()
    monkeypatch.setattr(services, "_prepare", lambda tell: None)
    try:
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            services.up(print)
        assert [process.wait(10) for process in started] == [-15]
        assert services.running() == {}
    finally:
        for process in started:
            process.kill()
