"""A real standalone Spark cluster on loopback: a master and workers from the pip package."""

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
from services import free_port

from moe.spark import java_home, packaged_java

SPARK_CLASS = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
DEPLOY = "org.apache.spark.deploy"
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # also where the tests themselves are killed


class Worker:
    """One worker: a process group that holds its executors too."""

    def __init__(self, folder: Path, master: str, cores: int, memory: str) -> None:
        self.folder, self.scratch = folder, folder / "scratch"
        self.scratch.mkdir(parents=True)
        self.process = _start(folder, f"{DEPLOY}.worker.Worker", "--cores", str(cores), "--memory", memory,
                              "--work-dir", str(folder / "work"), master, SPARK_LOCAL_DIRS=str(self.scratch))

    @property
    def executors(self) -> int:
        """How many executors it has started, for all applications."""
        return len(list(self.folder.glob("work/app-*/*")))

    def shuffled(self) -> set[Path]:
        """Files in which its executors hold results of one stage for the next."""
        return set(self.scratch.rglob("shuffle_*.data"))

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Cluster:
    """`url` is what MOE_SPARK_MASTER takes."""

    def __init__(self, folder: Path, workers: int = 2, cores: int = 1, memory: str = "1g") -> None:
        port, self.web = free_port(), free_port()
        self.url = f"spark://127.0.0.1:{port}"
        (folder / "master").mkdir(parents=True)
        self.master = _start(folder / "master", f"{DEPLOY}.master.Master", port=port, web=self.web)
        self.workers = [Worker(folder / f"worker-{n}", self.url, cores, memory) for n in range(workers)]

    def state(self) -> dict[str, Any]:
        """What the master says of its workers and applications."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/json/", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def wait(self, seconds: float = 120) -> None:
        """Until every worker has registered."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if self.state()["aliveworkers"] == len(self.workers):
                    return
            time.sleep(0.1)
        raise TimeoutError("the cluster did not start")

    def stop(self) -> None:
        for process in (*(worker.process for worker in self.workers), self.master):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2, cores: int = 1, memory: str = "1g") -> Iterator[Cluster]:
    """A cluster that has started; nothing of it is left afterwards."""
    made = Cluster(folder, workers, cores, memory)
    try:
        made.wait()
        yield made
    finally:
        made.stop()


def _start(folder: Path, name: str, *arguments: str, port: int = 0, web: int = 0,
           **environment: str) -> subprocess.Popen[bytes]:
    places = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", str(web)]
    environment |= {"JAVA_HOME": str(java_home() or packaged_java()), "SPARK_LOCAL_IP": "127.0.0.1",
                    "SPARK_DAEMON_MEMORY": "256m"}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([*DIES_WITH_US, SPARK_CLASS, name, *places, *arguments], env=os.environ | environment,
                                stdout=log, stderr=log, start_new_session=True)
