"""uvicorn's protocol with a short way for predictions: no task, no ASGI messages, one write.

A request for predictions is answered by `Predictions.ask` as soon as it is whole. Any other goes uvicorn's ordinary
way: other paths and methods, odd requests (chunked, HTTP/1.0, Expect, upgrades), large ones, those at fault, those
behind an unanswered one, and those of a caller who does not read.

Callers who keep a connection send the same head with body after body. A head that was parsed is not parsed again: the
same bytes between two messages say the same, and of another length only where the next message begins.
"""

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.predictions import PREDICT

_URL = PREDICT.encode()
_HEAD = re.compile(rb"POST %b HTTP/1\.1\r\n(?:.+\r\n)*content-length: *([0-9]+)\r\n(?:.+\r\n)*\r\n" % _URL,
                   re.IGNORECASE)
_DIGITS = 12
"Further on the end of a length is not looked for."


class Direct:
    """A request on the short way. It stands where uvicorn has its cycle, and looks at it: at a stop, at the loss of
    the connection, and when the next request comes."""

    message_event = asyncio.Event()
    "Set by uvicorn; nobody waits for it."
    __slots__ = ("_protocol", "body", "disconnected", "headers", "keep_alive", "more_body", "response_complete")

    def __init__(self, protocol: "Protocol", headers: dict[bytes, bytes], keep_alive: bool, body: bytes = b"") -> None:
        self._protocol, self.headers, self.keep_alive, self.body = protocol, headers, keep_alive, body
        self.more_body = not body
        self.disconnected = self.response_complete = False

    def reply(self, status: int, headers: bytes, body: bytes) -> None:
        protocol = self._protocol
        if self.disconnected or protocol.transport.is_closing():
            return
        date = [b"%b: %b\r\n" % field for field in protocol.server_state.default_headers]
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        protocol.transport.write(b"".join((STATUS_LINE[status], *date, headers, end, body)))
        self.response_complete = True
        if not self.keep_alive:
            protocol.transport.close()
        protocol.answered()


class Protocol(HttpToolsProtocol):
    """Of an application that is a `serving.app.App`."""

    cycle: Any
    app: Any
    _same: tuple[bytes, bytes] | None = None
    "The last request's head before and after its length, where it came whole and alone, and went the short way."
    _answered_at = 0.0

    def data_received(self, data: bytes) -> None:
        if self._same is not None and self._again(data):
            return
        self._same = None
        super().data_received(data)
        asked = self.cycle
        if (isinstance(asked, Direct) and asked.keep_alive and asked.body
                and (head := _HEAD.fullmatch(data, 0, len(data) - len(asked.body)))):
            self._same = data[:head.start(1)], data[head.end(1):head.end()]

    def _again(self, data: bytes) -> bool:
        """Answer one whole request with the head of the one before but for its length; False where it is none."""
        last, (before, after) = self.cycle, self._same or (b"", b"")
        start = len(before)
        end = data.find(b"\r\n", start, start + _DIGITS)
        length = data[start:end]
        if not (data.startswith(before) and length.isdigit() and data.startswith(after, end)
                and len(data) - end - len(after) == int(length) <= HIGH_WATER_LIMIT
                and last.response_complete and last.keep_alive and not self.flow.write_paused):
            return False
        self.cycle = asked = Direct(self, last.headers, True, data[end + len(after):])
        if not self.app.predictions.ask(asked.headers, asked.body, asked.reply):
            self.cycle = last
            return False
        return True

    def answered(self) -> None:
        """After a request on the short way. The timer of an idle connection goes on, and looks at the time at its end:
        to set a new one for each answer costs as much as to look the key up."""
        self._answered_at = self.loop.time()
        if self.pipeline or self.flow.read_paused or self.timeout_keep_alive_task is None:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.is_closing():  # a caller who broke off in a request is never answered
            return
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        waiting = self.cycle is not None and not self.cycle.response_complete
        if waiting or left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive if waiting else left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False  # the scope is made where it is needed

    def on_headers_complete(self) -> None:
        if self.url == _URL and (self.cycle is None or self.cycle.response_complete) and self._short():
            headers = dict(self.headers)
            length = headers.get(b"content-length")
            if length is not None and int(length) <= HIGH_WATER_LIMIT:
                self.cycle = Direct(self, headers, self.parser.should_keep_alive())
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
