"""The service as an ASGI application: its paths, start and end. Predictions are answered in `predictions.py`.

Plain ASGI, since a framework costs more than everything else that a prediction needs; see docs/choices.md.
"""

import asyncio
import contextlib
import logging

import msgspec

from serving.answers import Ready, Source
from serving.http import JSON, TEXT, CallerGone, Message, Receive, Send, allow, answer, fields, lines, refuse
from serving.keys import Keys
from serving.log import DecisionLog
from serving.lookup import Lookup
from serving.metrics import Metrics
from serving.model import Model
from serving.openapi import document
from serving.predictions import PREDICT, Predictions, fault
from serving.problems import Problem, described
from serving.settings import Settings

log = logging.getLogger("serving")


class App:
    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.keys = Keys(settings.keys)
        self.model = Model(settings.pointer, settings.bundles, settings.batch_rows, self.metrics)
        self.lookup = Lookup(settings.online, settings.online_seconds) if settings.online else None
        self.predictions = Predictions(settings, self.metrics, self.keys, self.model, self.lookup)
        self._get = {"/livez": self._livez, "/readyz": self._readyz, "/metrics": self._metrics,
                     "/openapi.json": self._openapi}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        path, method, predictions = scope["path"], scope["method"], self.predictions
        headers = dict(scope["headers"])
        request_id = predictions.request_id(headers)
        extra: dict[str, str] = {}
        try:
            if path == PREDICT:
                allow(method, "POST")
                status, kind, body = 200, JSON, await predictions.answer(headers, receive, request_id)
            else:
                status, kind, body = self._other(path, method)
        except CallerGone:
            return
        except Exception as error:
            status, kind, body, extra = fault(error, request_id)
        known = path == PREDICT or path in self._get
        self.metrics.of_requests.answers[path if known else "other", status] += 1  # callers must not make labels
        sent = fields(lines(kind, body, request_id, extra))
        if status == 413:
            return await refuse(send, receive, sent, body)
        await answer(send, status, sent, body)

    def _other(self, path: str, method: str) -> tuple[int, bytes, bytes]:
        if path in self._get:
            allow(method, "GET")
            return self._get[path]()
        if path.startswith("/problems/") and (found := described(path.removeprefix("/problems/"))):
            allow(method, "GET")
            return 200, JSON, msgspec.json.encode(found)
        raise Problem("not-found", f"{path} is no path of this service")

    def _livez(self) -> tuple[int, bytes, bytes]:
        return 200, JSON, b'{"alive":true}'

    def _readyz(self) -> tuple[int, bytes, bytes]:
        live = self.model.live
        source: Source | None = "model" if live.bundle else "historical_rates" if live.history else None
        ready = Ready(source is not None, source, live.version, live.fault or None, live.pointer_version,
                      self.predictions.log is not None)
        return 200 if ready.ready else 503, JSON, msgspec.json.encode(ready)

    def _metrics(self) -> tuple[int, bytes, bytes]:
        return 200, TEXT, self.metrics.page()

    def _openapi(self) -> tuple[int, bytes, bytes]:
        return 200, JSON, msgspec.json.encode(document(self.model.live, self.settings))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await asyncio.to_thread(self.model.refresh)
            if self.lookup:
                await self.lookup.open()
            if self.settings.decisions:
                self.predictions.log = DecisionLog(self.settings.decisions, self.settings.log_rows,
                                                   self.settings.log_seconds, self.settings.queue_rows, self.metrics)
        except OSError as error:
            return await send({"type": "lifespan.startup.failed", "message": str(error)})
        following = asyncio.create_task(self._follow())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        if self.predictions.log:
            await asyncio.to_thread(self.predictions.log.close)
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
