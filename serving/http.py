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


def fields(kind: bytes, body: bytes, extra: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer."""
    return [(b"content-type", kind), (b"content-length", b"%d" % len(body)),
            *((name.encode(), value.encode()) for name, value in extra.items())]


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
