"""Real services for tests and benchmarks: on a free port, stopped at the end."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """A Redis that keeps nothing on disk; gives its address. It is killed where the block ends."""
    program, port = shutil.which("redis-server"), port or free_port()
    assert program, "redis-server is missing: apt-get install redis-server"
    with subprocess.Popen([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
                          stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < until, "redis-server did not start"
            time.sleep(0.02)
