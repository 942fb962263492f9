"""`moe up` and `moe down`: Airflow, MLflow, the serving process and the reports, as processes of this machine.

Each runs in a process group of its own with a log; what runs stands in one file, so that `moe down` ends all of it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil

from moe import nightly
from moe.errors import MoeError
from moe.settings import settings
from moe.units import load_unit

HOST = "127.0.0.1"
"They are for the people at this machine; infra/ holds what others reach."
WAIT = 180.0
"Seconds until a service must answer; Airflow takes 20 to 40, and brings its database up first."
END = 20.0
"Seconds that a service has to end by itself."


@dataclass(frozen=True)
class Service:
    """One process group and where it answers."""

    name: str
    port: int
    command: list[str]
    health: str
    says: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


def services() -> list[Service]:
    """What `moe up` starts, from the settings."""
    own, python = settings(), sys.executable
    airflow = nightly.environment() | {
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(own.airflow_port),
        "AIRFLOW__API__BASE_URL": f"http://{HOST}:{own.airflow_port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{own.airflow_port}/execution/",
    }
    mlflow = Service(
        "mlflow", own.mlflow_port, [python, "-m", "mlflow", "server", "--host", HOST, "--port", str(own.mlflow_port),
                                    "--workers", "1"], "/health", "trainings, models and their measures",
        {"MLFLOW_BACKEND_STORE_URI": own.mlflow_uri})  # not in the command, which everyone on the machine may read
    elsewhere = own.mlflow_uri.startswith("http")  # a server of its own
    return [
        Service("airflow", own.airflow_port, [python, "-m", "airflow", "standalone"], "/api/v2/monitor/health",
                "the DAGs: trigger, watch, backfill", airflow),
        *([] if elsewhere else [mlflow]),
        Service("serving", own.serving_port, [python, "-m", "serving"], "/livez",
                "POST /api/v1/predict; the key stands in " + str(_key_file().with_suffix(".txt")), _serving()),
        Service("reports", own.reports_port, [python, "-m", "moe.archive"], "/", "every night's report"),
    ]


def _key_file() -> Path:
    return settings().secrets / "serving-keys.json"


def _serving() -> dict[str, str]:
    """The settings of the serving process: the default unit's model, features and decisions."""
    own = settings()
    unit = load_unit(own.unit).unit
    return {
        "SERVING_POINTER": str(own.published / "model" / f"{unit}.json"),
        "SERVING_BUNDLES": str(own.bundles),
        "SERVING_KEYS": str(_key_file()),
        "SERVING_ONLINE": own.online_address(unit),
        "SERVING_DECISIONS": str(own.home / "serving" / "decisions"),
        "SERVING_PORT": str(own.serving_port),
    }


def _make_key() -> None:
    """A key for the people at this machine, beside its hash and readable by the owner alone."""
    if not _key_file().exists():
        _key_file().parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "serving", "keys", "add", "--id", "desk", "--file", str(_key_file())]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        with os.fdopen(os.open(_key_file().with_suffix(".txt"), os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(made.stdout)


def _state() -> Path:
    return settings().work / "services.json"


@dataclass(frozen=True)
class Group:
    """A process group that `up` started: its number, and when, since numbers are used again."""

    number: int
    since: float

    @property
    def lives(self) -> bool:
        return any(self._holds(process) for process in psutil.process_iter())

    def _holds(self, process: psutil.Process) -> bool:
        try:
            return (os.getpgid(process.pid) == self.number and process.create_time() >= self.since - 1
                    and process.status() != psutil.STATUS_ZOMBIE)
        except (ProcessLookupError, psutil.Error):
            return False


def running() -> dict[str, Group]:
    """What `up` started and what lives, by service."""
    kept = json.loads(_state().read_text()) if _state().exists() else {}
    groups = {name: Group(**group) for name, group in kept.items()}
    return {name: group for name, group in groups.items() if group.lives}


def up(tell: Callable[[str], Any]) -> list[Service]:
    """Start what does not run yet and wait until all of it answers; on a failure nothing is left running."""
    wanted, have = services(), running()
    for service in wanted:
        if service.name not in have and _taken(service.port):
            raise MoeError(f"port {service.port} of {service.name} is in use",
                           f"end what uses it, or set MOE_{service.name.upper()}_PORT to another")
    _prepare(tell)
    started = {}
    try:
        for service in wanted:
            if service.name not in have:
                process = started[service.name] = _start(service)
                have[service.name] = Group(process.pid, psutil.Process(process.pid).create_time())
                _keep(have)
        for service in wanted:
            tell(f"waiting for {service.name}")
            _wait_for(service, started.get(service.name))
    except BaseException:
        down()
        raise
    return wanted


def _prepare(tell: Callable[[str], Any]) -> None:
    for folder in (settings().logs, settings().reports, settings().work, settings().home / "mlflow"):
        folder.mkdir(parents=True, exist_ok=True)
    _make_key()
    tell("preparing Airflow's database")
    with (settings().logs / "prepare.log").open("a") as log:
        nightly.prepare(log)


def _start(service: Service) -> "subprocess.Popen[bytes]":
    with (settings().logs / f"{service.name}.log").open("a") as log:
        return subprocess.Popen(service.command, env=dict(os.environ) | service.environment, stdout=log,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                                cwd=settings().home)


def _wait_for(service: Service, process: "subprocess.Popen[bytes] | None") -> None:
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        if _answers(service):
            return
        if process and process.poll() is not None:
            break
        time.sleep(0.5)
    raise MoeError(f"{service.name} does not answer on {service.address}{service.health}",
                   f"read {settings().logs / f'{service.name}.log'}; everything was stopped again")


def _answers(service: Service) -> bool:
    connection = HTTPConnection(HOST, service.port, timeout=5)
    try:
        connection.request("GET", service.health)
        return connection.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def down() -> list[str]:
    """End everything that `up` started, with all that it started in turn. Gives the names."""
    groups = running()
    for signal_number, patience in ((signal.SIGTERM, END), (signal.SIGKILL, 5.0)):
        for group in groups.values():
            if group.lives:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group.number, signal_number)
        until = time.monotonic() + patience
        while any(group.lives for group in groups.values()) and time.monotonic() < until:
            time.sleep(0.1)
    _state().unlink(missing_ok=True)
    return list(groups)


def _keep(groups: dict[str, Group]) -> None:
    beside = _state().with_suffix(".tmp")
    beside.write_text(json.dumps({name: asdict(group) for name, group in groups.items()}))
    beside.replace(_state())


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def airflow_login() -> str:
    """What Airflow asks for. Its simple auth manager writes the password that it made to a file."""
    path = settings().airflow_home / "simple_auth_manager_passwords.json.generated"
    if not path.exists():
        return "as your Airflow configuration says"
    return ", ".join(f"{user} / {password}" for user, password in json.loads(path.read_text()).items())
