"""Making a release or a model live: check, move the pointer by compare and swap, append to the log.

The pointer is the authority; everything else that shows what is live follows it.
"""

import json
import os
from collections import deque
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from moe.errors import PublishError
from moe.locks import exclusive
from moe.settings import settings
from moe.tables import commit_point, replace

Kind = Literal["release", "model", "bid_model"]
MODELS: tuple[Kind, ...] = ("model", "bid_model")
"Kinds whose moves name a bundle: the rates of lines, and the curves of the bid."
REMEDIES: dict[Kind, tuple[str, str]] = {
    "release": ("look with `moe release show`, then try again",
                "older nights write candidates only; to go back use `moe release rollback`"),
    "model": ("look with `moe model show`, then try again",
              "promote the challenger of a later night; to go back use `moe model rollback`"),
    "bid_model": ("try again: `moe model promote` looks anew",
                  "fit those of a later night, which has a challenger, with `moe model promote`")}
"What to do where another moved first, and where a move would go backwards. No command goes back to earlier curves."


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
    """Every move, oldest first. A move that was cut off before it was logged is there too: it stands in the
    pointer; a line that was cut off is none."""
    now = live(kind, unit)  # before the log, so that a move in between is in both
    path = _log(kind, unit)
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    entries = [Entry(**json.loads(line)) for line in lines if line.endswith(b"\n")]
    return entries if now is None or now in entries else [*entries, now]


def effective(kind: Kind, unit: str, night: date) -> Entry | None:
    """The newest entry that holds in a night: of the entries effective by then, the last one appended."""
    held = [entry for entry in reversed(log(kind, unit)) if entry.effective <= night.isoformat()]
    return max(held, key=lambda entry: entry.effective, default=None)  # of equals the first: the last appended


def stood(kind: Kind, unit: str, night: date) -> Entry | None:
    """What was live from a night's own move until a later night's: roll-backs in between count. None before the first.

    It is what people had to apply on the day after the night, and no move of a later night changes it.
    """
    moves = takewhile(lambda entry: entry.effective <= night.isoformat(), log(kind, unit))
    return next(iter(deque(moves, maxlen=1)), None)


def _locked(kind: Kind, unit: str) -> AbstractContextManager[None]:
    return exclusive(_pointer(kind, unit).with_suffix(".lock"))


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

    The pointer holds the whole entry, so that a kill before the log's line loses nothing: the next move
    writes it. Raises PublishError where the pointer is not where the caller saw it, or would move backwards.
    """
    if not who or not reason:
        raise PublishError("a move needs who and why", "give --who and --reason")
    with _locked(kind, unit):
        now = live(kind, unit)
        seen = now.moved_to if now else None
        if seen != expected:
            raise PublishError(f"the {kind} pointer of {unit} stands at {seen}, not at {expected}",
                               f"someone moved it meanwhile: {REMEDIES[kind][0]}")
        if forward_only and now and effective.isoformat() < now.effective:
            raise PublishError(f"{kind} {to} of {effective} is older than the live one of {now.effective}",
                               REMEDIES[kind][1])
        at = datetime.now(UTC).isoformat(timespec="seconds")
        entry = Entry(at, who, seen, to, effective.isoformat(), reason, facts)
        before = log(kind, unit)
        beside = _pointer(kind, unit).with_suffix(".tmp")
        _write(beside, [entry])
        commit_point(f"written:{kind}")
        replace(beside, _pointer(kind, unit))
        commit_point(f"moved:{kind}")
        _write(_log(kind, unit).with_suffix(".tmp"), [*before, entry])
        replace(_log(kind, unit).with_suffix(".tmp"), _log(kind, unit))
    return entry


def take_over(kind: Kind, unit: str, entries: list[Entry]) -> None:
    """Make the log of a store that is gone this store's own. Raises PublishError where this one has another."""
    with _locked(kind, unit):
        if log(kind, unit) not in ([], entries):
            raise PublishError(f"the {kind} log of {unit} has moves of its own here",
                               "restore into an empty store: set MOE_HOME to a new folder")
        for path, held in ((_log(kind, unit), entries), (_pointer(kind, unit), entries[-1:])):
            _write(path.with_suffix(".tmp"), held)
            replace(path.with_suffix(".tmp"), path)


def _write(path: Path, entries: list[Entry]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(entry.__dict__, sort_keys=True) + "\n" for entry in entries)
        file.flush()
        os.fsync(file.fileno())
