"""The service as an ASGI application: paths, keys, bodies and errors. It predicts in `predict.py`.

Plain ASGI, since a framework costs more than everything else that a prediction needs; see docs/choices.md.
"""

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

import msgspec

from serving.answers import Answer, BatchAnswer, Prediction, Ready, Source
from serving.http import (
    JSON,
    PROBLEM,
    TEXT,
    CallerGone,
    Message,
    Receive,
    Send,
    allow,
    answer,
    check_json,
    fields,
    read_body,
    refuse,
)
from serving.keys import Keys
from serving.log import Decision, DecisionLog
from serving.lookup import Lookup
from serving.metrics import Metrics
from serving.model import Live, Model
from serving.openapi import document
from serving.predict import Predictor
from serving.problems import Problem, described
from serving.schema import Values
from serving.settings import Settings

PREDICT = "/api/v1/predict"
Reply = Callable[[int, list[tuple[bytes, bytes]], bytes], None]
"Sends an answer: its status, headers and body."
log = logging.getLogger("serving")


class Asked(msgspec.Struct, frozen=True):
    """A checked request for predictions; `at` in seconds since 1970, `started` of time.perf_counter."""

    request_id: str
    key_id: str
    live: Live
    batch: bool
    rows: list[Any]
    at: float
    started: float


class App:
    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.keys = Keys(settings.keys)
        self.model = Model(settings.pointer, settings.bundles, settings.batch_rows, self.metrics)
        self.lookup = Lookup(settings.online, settings.online_seconds) if settings.online else None
        self.predictor = Predictor(self.lookup, self.metrics)
        self.log: DecisionLog | None = None
        self._encode = msgspec.json.Encoder().encode
        self._ids, self._prefix = count(1), secrets.token_hex(6)
        self._get = {"/livez": self._livez, "/readyz": self._readyz, "/metrics": self._metrics,
                     "/openapi.json": self._openapi}
        self._answered: dict[tuple[str, int], Any] = {}
        self._waiting: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        path, method = scope["path"], scope["method"]
        headers = dict(scope["headers"])
        request_id = self._request_id(headers)
        extra: dict[str, str] = {}
        try:
            if path == PREDICT:
                allow(method, "POST")
                started = time.perf_counter()
                status, kind, body = 200, JSON, await self._predict(headers, receive, request_id)
                self.metrics.seconds.observe(time.perf_counter() - started)
            else:
                status, kind, body = self._other(path, method)
        except CallerGone:
            return
        except Exception as error:
            status, kind, body, extra = self._fault(error, request_id)
        self._count(path, status)
        sent = fields(kind, body, {"x-request-id": request_id} | extra)
        if status == 413:
            return await refuse(send, receive, sent, body)
        await answer(send, status, sent, body)

    async def _predict(self, headers: dict[bytes, bytes], receive: Receive, request_id: str) -> bytes:
        key_id = self._admit(headers)
        asked = self._read(request_id, key_id, await read_body(headers, receive, self.settings.body_bytes))
        values, made = await self.predictor.predict(asked.live, asked.rows)
        return self._finish(asked, values, made)

    def ask(self, headers: dict[bytes, bytes], raw: bytes, reply: Reply) -> bool:
        """Answer a whole request for predictions by `reply`, without ASGI's messages and mostly without a task.

        False, and nothing is done, where it is at fault: it is then to be called as an ASGI application.
        """
        try:
            asked = self._read(self._request_id(headers), self._admit(headers), raw)
        except Problem:
            return False
        if not self.predictor.soon(asked.live, asked.rows, partial(self._reply, asked, reply)):
            task = asyncio.get_running_loop().create_task(self._wait(asked, reply))
            self._waiting.add(task)  # the loop itself does not keep it
            task.add_done_callback(self._waiting.discard)
        return True

    async def _wait(self, asked: Asked, reply: Reply) -> None:
        try:
            values, made = await self.predictor.predict(asked.live, asked.rows)
        except Exception as error:
            self._reply(asked, reply, [], error)
        else:
            self._reply(asked, reply, values, made)

    def _reply(self, asked: Asked, reply: Reply, values: list[Values], made: list[Prediction] | Exception) -> None:
        extra: dict[str, str] = {}
        try:
            if isinstance(made, Exception):
                raise made
            status, kind, body = 200, JSON, self._finish(asked, values, made)
            self.metrics.seconds.observe(time.perf_counter() - asked.started)
        except Exception as error:
            status, kind, body, extra = self._fault(error, asked.request_id)
        self._count(PREDICT, status)
        reply(status, fields(kind, body, {"x-request-id": asked.request_id} | extra), body)

    def _admit(self, headers: dict[bytes, bytes]) -> str:
        """The key's id, before the body is read."""
        key_id = self.keys.check(headers)
        check_json(headers)
        return key_id

    def _read(self, request_id: str, key_id: str, raw: bytes) -> Asked:
        live = self.model.live
        batch, rows = live.schema.decode(raw)
        return Asked(request_id, key_id, live, batch, rows, time.time(), time.perf_counter())

    def _finish(self, asked: Asked, values: Sequence[Values], made: list[Prediction]) -> bytes:
        """Log the predictions, and encode them."""
        milliseconds = (time.perf_counter() - asked.started) * 1000
        live = asked.live
        version = live.version if any(p.source == "model" for p in made) else None
        if self.log is not None:
            self.log.add(Decision(asked.at, asked.request_id, asked.key_id, version, live.schema.names, asked.rows,
                                  values, made))
        if asked.batch:
            return self._encode(BatchAnswer(made, version, milliseconds, asked.request_id))
        one = made[0]
        return self._encode(Answer(
            one.predicted_ctr, one.predicted_conversion_rate, one.confidence_interval,
            one.conversion_rate_confidence_interval, one.source, one.reason, one.warnings,
            model_version=version, inference_time_ms=milliseconds, request_id=asked.request_id))

    def _fault(self, error: Exception, request_id: str) -> tuple[int, bytes, bytes, dict[str, str]]:
        """What is answered to a request that failed: status, content type, body and further headers."""
        if not isinstance(error, Problem):
            log.error("request %s failed", request_id, exc_info=error)
            error = Problem("internal", f"request {request_id} failed")
        return error.status, PROBLEM, error.body(), error.headers

    def _other(self, path: str, method: str) -> tuple[int, bytes, bytes]:
        if path in self._get:
            allow(method, "GET")
            return self._get[path]()
        if path.startswith("/problems/") and (found := described(path.removeprefix("/problems/"))):
            allow(method, "GET")
            return 200, JSON, self._encode(found)
        raise Problem("not-found", f"{path} is no path of this service")

    def _livez(self) -> tuple[int, bytes, bytes]:
        return 200, JSON, b'{"alive":true}'

    def _readyz(self) -> tuple[int, bytes, bytes]:
        live = self.model.live
        source: Source | None = "model" if live.bundle else "historical_rates" if live.history else None
        ready = Ready(source is not None, source, live.version, live.fault or None, live.pointer_version,
                      self.log is not None)
        return 200 if ready.ready else 503, JSON, self._encode(ready)

    def _metrics(self) -> tuple[int, bytes, bytes]:
        return 200, TEXT, self.metrics.page()

    def _openapi(self) -> tuple[int, bytes, bytes]:
        return 200, JSON, self._encode(document(self.model.live, self.settings))

    def _request_id(self, headers: dict[bytes, bytes]) -> str:
        """The caller's X-Request-ID where it is a short plain word, else one of our own."""
        given = headers.get(b"x-request-id")
        if given is not None and re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", given):
            return given.decode()
        return f"{self._prefix}-{next(self._ids):x}"

    def _count(self, path: str, status: int) -> None:
        known = path if path == PREDICT or path in self._get else "other"  # callers must not make labels
        counter = self._answered.get((known, status))
        if counter is None:
            counter = self._answered[known, status] = self.metrics.requests.labels(known, str(status))
        counter.inc()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await asyncio.to_thread(self.model.refresh)
            if self.lookup:
                await self.lookup.open()
            if self.settings.decisions:
                self.log = DecisionLog(self.settings.decisions, self.settings.log_rows, self.settings.log_seconds,
                                       self.settings.queue_rows, self.metrics)
        except OSError as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        following = asyncio.create_task(self._follow())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        if self.log:
            await asyncio.to_thread(self.log.close)
        if self.lookup:
            self.lookup.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            try:
                await asyncio.to_thread(self.model.refresh)
                self.keys.reload()
            except Exception as error:  # the next look may find it mended
                self.metrics.follow_failed.inc()
                log.error("%s", error)
