"""uvicorn's protocol with a short way for predictions: no task, no ASGI messages, one write.

A request for predictions is answered by `Predictions.ask` as soon as it is whole. Any other goes uvicorn's ordinary
way: other paths and methods, odd requests (chunked, HTTP/1.0, Expect, upgrades), large ones, those at fault, those
behind an unanswered one, and those of a caller who does not read.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.predictions import PREDICT

_URL = PREDICT.encode()


class Direct:
    """A request on the short way. It stands where uvicorn has its cycle, and looks at it: at a stop, at the loss of
    the connection, and when the next request comes."""

    message_event = asyncio.Event()
    "Set by uvicorn; nobody waits for it."
    __slots__ = ("_protocol", "body", "disconnected", "headers", "keep_alive", "more_body", "response_complete")

    def __init__(self, protocol: "Protocol", headers: dict[bytes, bytes]) -> None:
        self._protocol, self.headers = protocol, headers
        self.keep_alive: bool = protocol.parser.should_keep_alive()
        self.body, self.more_body = b"", True
        self.disconnected = self.response_complete = False

    def reply(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        protocol = self._protocol
        if self.disconnected or protocol.transport.is_closing():
            return
        parts = [STATUS_LINE[status]]
        for name, value in (*protocol.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
        protocol.transport.write(b"".join((*parts, b"\r\n", body)))
        self.response_complete = True
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class Protocol(HttpToolsProtocol):
    """Of an application that is a `serving.app.App`."""

    cycle: Any
    app: Any

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False  # the scope is made where it is needed

    def on_headers_complete(self) -> None:
        if self.url == _URL and (self.cycle is None or self.cycle.response_complete) and self._short():
            headers = dict(self.headers)
            length = headers.get(b"content-length")
            if length is not None and int(length) <= HIGH_WATER_LIMIT:
                self.cycle = Direct(self, headers)
                return
        self._ordinary()

    def _short(self) -> bool:
        parser = self.parser
        return (parser.get_method() == b"POST" and parser.get_http_version() == "1.1" and not parser.should_upgrade()
                and not self.expect_100_continue and not self.flow.write_paused)

    def _ordinary(self) -> None:
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers  # the list that the scope holds
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        asked = self.cycle
        if isinstance(asked, Direct) and not asked.response_complete:
            if self.app.predictions.ask(asked.headers, asked.body, asked.reply):
                return
            self.cycle = None
            self._ordinary()
            self.cycle.keep_alive = self.cycle.keep_alive and asked.keep_alive  # a stop may have been told meanwhile
            self.cycle.body += asked.body
        super().on_message_complete()
