"""The run ledger: one JSON file a run of a job, and the reading of them."""

import json
import os
import subprocess
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from moe import __version__
from moe.settings import settings


@lru_cache(maxsize=1)
def code_version() -> str:
    """Version of the code that runs: the commit, with `+` where the tree was changed."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=settings().root, capture_output=True, text=True, check=True, timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return __version__
    return described.stdout.strip()


def append(record: dict[str, Any]) -> Path:
    """Keep one run's record. Records are never changed."""
    folder = settings().ledger / record["unit"] / record["date"]
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path: Path = folder / f"{stamp}-{os.getpid()}-{record['job']}.json"
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(record, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(beside, path)
    return path


def records(unit: str, night: date | None = None) -> list[dict[str, Any]]:
    """Records of a unit, oldest first: of one night, or of all."""
    pattern = f"{night.isoformat()}/*.json" if night else "*/*.json"
    found = sorted((settings().ledger / unit).glob(pattern), key=lambda path: path.name)
    return [json.loads(path.read_text(encoding="utf-8")) | {"at": f"{path.name[:15]}Z"} for path in found]


def newest(unit: str, night: date) -> dict[str, dict[str, Any]]:
    """The newest record of each job of a night."""
    return {record["job"]: record for record in records(unit, night)}
