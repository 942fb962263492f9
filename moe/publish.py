"""Making a release or a model live: check, move the pointer by compare and swap, append to the log.

The pointer is the authority; everything else that shows what is live follows it.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from moe.errors import PublishError
from moe.settings import settings
from moe.tables import commit_point

Kind = Literal["release", "model"]


@dataclass(frozen=True)
class Entry:
    """One line of the publication log."""

    at: str
    who: str
    moved_from: str | None
    moved_to: str
    effective: str
    "Night from which it holds."
    reason: str
    facts: dict[str, Any]
    "Totals of a release; measures of a model."


def _log(kind: Kind, unit: str) -> Path:
    return settings().published / kind / f"{unit}.log.jsonl"


def _pointer(kind: Kind, unit: str) -> Path:
    return settings().published / kind / f"{unit}.json"


def live(kind: Kind, unit: str) -> Entry | None:
    """What is live now, or None."""
    path = _pointer(kind, unit)
    return Entry(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def log(kind: Kind, unit: str) -> list[Entry]:
    """Every move, oldest first."""
    path = _log(kind, unit)
    if not path.exists():
        return []
    return [Entry(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def effective(kind: Kind, unit: str, night: date) -> Entry | None:
    """The newest entry that holds in a night: of the entries effective by then, the last one appended."""
    held = [entry for entry in reversed(log(kind, unit)) if entry.effective <= night.isoformat()]
    return max(held, key=lambda entry: entry.effective, default=None)  # of equals the first: the last appended


@contextmanager
def _locked(kind: Kind, unit: str) -> Iterator[None]:
    path = _pointer(kind, unit).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def move(
    kind: Kind,
    unit: str,
    to: str,
    *,
    expected: str | None,
    effective: date,
    who: str,
    reason: str,
    facts: dict[str, Any],
    forward_only: bool = True,
) -> Entry:
    """Move the pointer from `expected` to `to` and log it.

    Raises PublishError where the pointer is not where the caller saw it, or would move backwards.
    """
    if not who or not reason:
        raise PublishError("a move needs who and why", "give --who and --reason")
    with _locked(kind, unit):
        now = live(kind, unit)
        seen = now.moved_to if now else None
        if seen != expected:
            raise PublishError(f"the {kind} pointer of {unit} stands at {seen}, not at {expected}",
                               "someone moved it meanwhile: look with `moe release show`, then try again")
        if forward_only and now and effective.isoformat() < now.effective:
            raise PublishError(f"{kind} {to} of {effective} is older than the live one of {now.effective}",
                               "older nights write candidates only; to go back use `moe release rollback`")
        at = datetime.now(UTC).isoformat(timespec="seconds")
        entry = Entry(at, who, seen, to, effective.isoformat(), reason, facts)
        _append(_log(kind, unit), entry)
        commit_point(f"logged:{kind}")
        beside = _pointer(kind, unit).with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps(entry.__dict__, sort_keys=True), encoding="utf-8")
        os.replace(beside, _pointer(kind, unit))
    return entry


def _append(path: Path, entry: Entry) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry.__dict__, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
