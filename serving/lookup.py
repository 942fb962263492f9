"""Features by entity from the online store: in a thread, with a time limit, and left alone while it is down."""

import asyncio
import contextlib
import importlib
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.problems import Problem

TOGETHER = 500
"Entities that are read at a time: a large batch neither holds up the others nor looks like a store that is down."
PAUSE = 1.0
"Seconds in which a store that failed is not asked again, so that requests do not queue up behind it."


class LookupFailed(Exception):
    """The store did not answer."""


class Lookup:
    """A reader of the online store (`serving.online`), asked by one thread that owns its connection."""

    def __init__(self, address: str, seconds: float) -> None:
        self._address, self._seconds = address, seconds
        self._thread = ThreadPoolExecutor(1, "online")
        self._reader: Any = None
        self._paused_until = 0.0
        self._why = ""

    async def open(self) -> None:
        """Connect before the first request does; a store that is down is found down by the first look-up."""
        with contextlib.suppress(Exception):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._opened)

    async def read(self, entities: list[dict[str, str]]) -> list[dict[str, Any]]:
        """The features known of each entity, by name. Raises LookupFailed, or Problem for an entity without a key."""
        found = []
        for start in range(0, len(entities), TOGETHER):
            found += await self._some(entities[start:start + TOGETHER])
        return found

    async def _some(self, entities: list[dict[str, str]]) -> list[dict[str, Any]]:
        if time.monotonic() < self._paused_until:
            raise LookupFailed(self._why)
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._read, entities)
        try:
            return await asyncio.wait_for(work, self._seconds)
        except Problem:
            raise
        except Exception as error:  # drivers of stores raise classes of their own
            self._why = str(getattr(error, "message", "")) or f"{type(error).__name__} {error}".strip()
            self._paused_until = time.monotonic() + PAUSE
            raise LookupFailed(self._why) from error

    def _read(self, entities: list[dict[str, str]]) -> list[dict[str, Any]]:
        online, reader = self._opened()
        try:
            rows = reader.read(entities)
        except online.EntityError as error:  # the caller's fault, not the store's
            raise Problem("invalid-input", error.message) from error
        return [{name: value for name, value in found.items() if not _unusable(value)} for found in rows]

    def _opened(self) -> tuple[Any, Any]:
        online = importlib.import_module("serving.online")  # with its drivers only where a store is set
        if self._reader is None:
            self._reader = online.open_reader(self._address)
        return online, self._reader

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _unusable(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
