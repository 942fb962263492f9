"""Requests for predictions: keys, bodies, the decision log and answers. It predicts in `predict.py`."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

import msgspec

from serving.answers import Answer, BatchAnswer, Prediction
from serving.http import JSON, PROBLEM, Receive, check_json, lines, read_body
from serving.keys import Keys
from serving.log import DecisionLog
from serving.log_rows import Decision
from serving.lookup import Lookup
from serving.metrics import Metrics
from serving.model import Live, Model
from serving.predict import Predictor
from serving.problems import Problem
from serving.schema import Values
from serving.settings import Settings

PREDICT = "/api/v1/predict"
Reply = Callable[[int, bytes, bytes], None]
"Sends an answer: its status, header lines and body."
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


class Predictions:
    def __init__(self, settings: Settings, metrics: Metrics, keys: Keys, model: Model, lookup: Lookup | None) -> None:
        self._body_bytes, self._counts, self._keys, self._model = settings.body_bytes, metrics.of_requests, keys, model
        self._predictor = Predictor(lookup, metrics)
        self.log: DecisionLog | None = None
        self._encode = msgspec.json.Encoder().encode
        self._ids, self._prefix = count(1), secrets.token_hex(6)
        self._waiting: set[asyncio.Task[None]] = set()

    async def answer(self, headers: dict[bytes, bytes], receive: Receive, request_id: str) -> bytes:
        """The body that answers an ASGI request. Raises Problem and CallerGone."""
        started = time.perf_counter()
        key_id = self._admit(headers)
        asked = self._read(request_id, key_id, await read_body(headers, receive, self._body_bytes))
        values, made = await self._predictor.predict(asked.live, asked.rows)
        body = self._finish(asked, values, made)
        self._counts.took(time.perf_counter() - started)
        return body

    def ask(self, headers: dict[bytes, bytes], raw: bytes, reply: Reply) -> bool:
        """Answer a whole request for predictions by `reply`, without ASGI's messages and mostly without a task.

        False, and nothing is done, where it is at fault: it is then to be called as an ASGI application.
        """
        if len(raw) > self._body_bytes:
            return False
        try:
            asked = self._read(self.request_id(headers), self._admit(headers), raw)
            soon = self._predictor.soon(asked.live, asked.rows, partial(self._reply, asked, reply))
        except Exception:  # is told the ordinary way
            return False
        if not soon:
            task = asyncio.get_running_loop().create_task(self._wait(asked, reply))
            self._waiting.add(task)  # the loop itself does not keep it
            task.add_done_callback(self._waiting.discard)
        return True

    async def _wait(self, asked: Asked, reply: Reply) -> None:
        try:
            values, made = await self._predictor.predict(asked.live, asked.rows)
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
            self._counts.took(time.perf_counter() - asked.started)
        except Exception as error:
            status, kind, body, extra = fault(error, asked.request_id)
        self._counts.answers[PREDICT, status] += 1
        reply(status, lines(kind, body, asked.request_id, extra), body)

    def _admit(self, headers: dict[bytes, bytes]) -> str:
        """The key's id, before the body is read."""
        key_id = self._keys.check(headers)
        check_json(headers)
        return key_id

    def _read(self, request_id: str, key_id: str, raw: bytes) -> Asked:
        live = self._model.live
        batch, rows = live.schema.decode(raw)
        return Asked(request_id, key_id, live, batch, rows, time.time(), time.perf_counter())

    def _finish(self, asked: Asked, values: Sequence[Values], made: list[Prediction]) -> bytes:
        """Log the predictions, and encode them."""
        milliseconds = (time.perf_counter() - asked.started) * 1000
        live = asked.live
        version = live.version if "model" in [p.source for p in made] else None
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

    def request_id(self, headers: dict[bytes, bytes]) -> str:
        """The caller's X-Request-ID where it is a short plain word, else one of our own."""
        given = headers.get(b"x-request-id")
        if given is not None and re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", given):
            return given.decode()
        return f"{self._prefix}-{next(self._ids):x}"


def fault(error: Exception, request_id: str) -> tuple[int, bytes, bytes, dict[str, str]]:
    """What is answered to a request that failed: status, content type, body and further headers."""
    if not isinstance(error, Problem):
        log.error("request %s failed", request_id, exc_info=error)
        error = Problem("internal", f"request {request_id} failed")
    return error.status, PROBLEM, error.body(), error.headers
