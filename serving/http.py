"""HTTP over ASGI: what a request must be, its body, and answers."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving.problems import Problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON, PROBLEM, TEXT = b"application/json", b"application/problem+json", b"text/plain; version=0.0.4; charset=utf-8"
LINGER_SECONDS = 2.0
"How long a refused body is read and thrown away, so that the caller can read the refusal before the end."


class CallerGone(Exception):
    """The caller closed the connection before the body was whole."""


def allow(method: str, allowed: str) -> None:
    """Raises Problem for any other method."""
    if method != allowed:
        raise Problem("method-not-allowed", f"{method} is not answered here", headers={"allow": allowed})


def check_json(headers: dict[bytes, bytes]) -> None:
    """Raises Problem where the body is not announced as plain JSON."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != JSON or headers.get(b"content-encoding", b"identity") != b"identity":
        raise Problem("media-type", f"the body is announced as {kind.decode('latin-1') or 'nothing'}"
                      + (", compressed" if b"content-encoding" in headers else ""))


async def read_body(headers: dict[bytes, bytes], receive: Receive, most: int) -> bytes:
    """The whole body. Raises Problem as soon as it is known to be above `most` bytes, by its header or by count."""
    length = int(headers.get(b"content-length", b"0"))
    if length > most:
        raise Problem("body-too-large", f"the body has {length} bytes, at most {most} are read")
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        body = body + message["body"] if body else message["body"]
        more = message.get("more_body", False)
        if len(body) > most:
            raise Problem("body-too-large", f"the body has more than {most} bytes")
    return body


def lines(kind: bytes, body: bytes, request_id: str, more: dict[str, str]) -> bytes:
    """The headers of an answer, each with its end of line."""
    made = b"content-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n" % (kind, len(body), request_id.encode())
    return made + b"".join(b"%b: %b\r\n" % (n.encode(), v.encode()) for n, v in more.items()) if more else made


def fields(made: bytes) -> list[tuple[bytes, bytes]]:
    """Header lines as ASGI wants them."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in made.split(b"\r\n")[:-1])]


async def answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, receive: Receive, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Answer before the body has come, and close: at once for who listens, a little later for who still sends."""
    headers = [*headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
    await send({"type": "http.response.body", "body": b""})
