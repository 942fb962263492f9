"""The short way of predictions beside the ordinary one, over real sockets, with a graph that is written here.

The ordinary way is taken by the same request with a query, which the service does not read.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from test_serving_predict import Graph, live
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from serving import keys, predict, turn
from serving.app import App
from serving.lookup import LookupFailed
from serving.predictions import PREDICT, Predictions
from serving.protocol import Protocol
from serving.schema import Schema
from serving.settings import Settings

ROW = {"features": {"clicks_7d": 4.0, "click_rate_28d": 0.1}}


class Counted(App):
    """`ordinary` counts the requests that went the ordinary way."""

    ordinary = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.ordinary += 1
        await super().__call__(scope, receive, send)


class Served:
    """A service in this process, beside its protocol's connections."""

    def __init__(self, folder: Path, body_bytes: int = 2**20, **config: Any) -> None:
        self.key = keys.add(folder / "keys.json", "tests", 1)
        self.app = Counted(Settings(folder / "none.json", folder, keys=folder / "keys.json", body_bytes=body_bytes))
        self.graph = Graph()
        self.app.model.live = live(self.graph)
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"today")]
        self.config = uvicorn.Config(self.app, ws="none", access_log=False, log_config=None, proxy_headers=False,
                                     **config)
        self.config.load()

    def protocol(self) -> Protocol:
        return Protocol(self.config, self.state, {})

    def request(self, body: Any = ROW, path: str = PREDICT, method: str = "POST", **changed: str | None) -> bytes:
        """A request as its bytes; None leaves a header out."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"host": "x", "x-api-key": self.key, "x-request-id": "r1", "content-type": "application/json",
                   "content-length": str(len(raw))} | {n.replace("_", "-"): v for n, v in changed.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + raw


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[bytes, bytes]:
        """Head and body of the next answer, without the time it took."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100"):
            head += await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length, head
        body = await self.reader.readexactly(int(length[1]))
        body, timed = re.subn(rb'("inference_time_ms":)[0-9.e-]+', rb"\g<1>0", body)
        return re.sub(rb"content-length: \d+", b"", head) if timed else head, body

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        self.writer.write(request)
        return await asyncio.wait_for(self.answer(), 20)


@asynccontextmanager
async def listening(served: Served) -> AsyncIterator[Callable[[], Awaitable[Caller]]]:
    """Makes callers of a served service."""
    server = await asyncio.get_running_loop().create_server(served.protocol, "127.0.0.1", 0)
    callers: list[Caller] = []

    async def caller() -> Caller:
        callers.append(Caller(*await asyncio.open_connection(*server.sockets[0].getsockname())))
        return callers[-1]

    try:
        yield caller
    finally:
        for made in callers:
            made.writer.close()
        server.close()


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


SHORT: dict[str, dict[str, Any]] = {
    "a row": {}, "a batch": {"body": {"rows": [ROW, {"features": {"clicks_7d": 2.0}}]}},
    "a bearer": {"authorization": "Bearer KEY", "x_api_key": None},
    "a request id that is none": {"x_request_id": "no id"},
    "JSON in other words": {"content_type": "Application/JSON; charset=utf-8"},
    "a graph that breaks": {"body": {"features": {"clicks_7d": 99}}},
    "many rows": {"body": {"rows": [ROW] * 90}},
    "a row that the graph cannot read": {"body": {"features": {"clicks_7d": 13}}},
}
ORDINARY: dict[str, dict[str, Any]] = {
    "no key": {"x_api_key": None}, "an unknown key": {"x_api_key": "guess"}, "a form": {"content_type": "text/plain"},
    "compressed": {"content_encoding": "gzip"}, "no JSON": {"body": b"{"}, "nothing": {"body": b""},
    "a wrong type": {"body": {"features": {"clicks_7d": "x"}}},
    "too many rows": {"body": {"rows": [{"features": {}}] * 101}}, "another method": {"method": "PUT"},
    "too large": {"content_length": "99999999"}, "a caller who wants to be told": {"expect": "100-continue"},
    "a body of no known length": {"body": b"5\r\n{\"fea\r\n0\r\n\r\n", "content_length": None,
                                  "transfer_encoding": "chunked"},
}


@pytest.mark.parametrize("name", [*SHORT, *ORDINARY])
def test_both_ways_answer_the_same_bytes(served: Served, name: str) -> None:
    changed = (SHORT | ORDINARY)[name]
    changed = {k: v.replace("KEY", served.key) if isinstance(v, str) else v for k, v in changed.items()}

    async def ask() -> tuple[Any, Any]:
        async with listening(served) as caller:
            found = await (await caller()).ask(served.request(**changed))
            assert served.app.ordinary == (name in ORDINARY)
            wanted = await (await caller()).ask(served.request(**changed, path=f"{PREDICT}?ordinary"))
            assert served.app.ordinary == (name in ORDINARY) + 1
            return found, wanted

    own = served.app.predictions._prefix.encode() + rb"-[0-9a-f]+"  # an id of the service's own counts up
    found, wanted = ([re.sub(own, b"own", part) for part in answer] for answer in asyncio.run(ask()))
    assert found == wanted


def test_what_has_to_be_waited_for_goes_the_short_way_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch above INLINE_ROWS, a row to be looked up, a store that is down, and a service without a model."""
    failed = False

    class Store:
        async def read(self, entities: list[dict[str, str]]) -> list[dict[str, Any]]:
            if failed:
                raise LookupFailed("refused")
            return [{"clicks_7d": 5.0} for _ in entities]

    for module in (predict, turn):
        monkeypatch.setattr(module, "INLINE_ROWS", 2)
    served.app.predictions._predictor._lookup = Store()  # type: ignore[assignment]
    whole, lacking = {"clicks_7d": 4.0, "click_rate_28d": 0.1}, {"click_rate_28d": 0.1}

    async def ask() -> None:
        nonlocal failed
        async with listening(served) as caller:
            one = await caller()

            async def rates(body: Any) -> list[float]:
                told = json.loads((await one.ask(served.request(body)))[1])
                return [p["predicted_ctr"] for p in told.get("predictions", [told])]

            assert await rates({"rows": [ROW] * 3}) == [8.0] * 3
            assert await rates({"features": lacking, "entity": {"line_id": "a"}}) == [10.0]
            assert await rates({"features": whole, "entity": {"line_id": "a"}}) == [8.0]
            failed = True
            assert await rates({"features": lacking, "entity": {"line_id": "a"}}) == [0.1]
            served.app.model.live = live(None, fault="no bundle")
            assert await rates(ROW) == [0.1]
            served.app.model.live = replace(served.app.model.live, history=None)
            assert "no-answer" in str(await one.ask(served.request({"features": {}})))
            assert served.app.ordinary == 0

    asyncio.run(ask())


def test_a_body_above_the_limit_is_refused_though_it_is_small(tmp_path: Path) -> None:
    served = Served(tmp_path, body_bytes=100)

    async def ask() -> bytes:
        async with listening(served) as caller:
            return (await (await caller()).ask(served.request({"rows": [ROW] * 3})))[0]

    assert asyncio.run(ask()).startswith(b"HTTP/1.1 413")


def test_a_fault_of_the_service_is_told_and_the_next_request_answered(
        served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        async with listening(served) as caller:
            one = await caller()
            for place, name in ((Schema, "values"), (Predictions, "_finish")):
                with monkeypatch.context() as patch:
                    patch.setattr(place, name, None)
                    head, body = await one.ask(served.request())
                assert head.startswith(b"HTTP/1.1 500") and b"request r1 failed" in body
                assert (await one.ask(served.request()))[0].startswith(b"HTTP/1.1 200")

    asyncio.run(ask())


def test_callers_are_predicted_together_and_each_gets_its_own(served: Served) -> None:
    async def ask() -> list[bytes]:
        async with listening(served) as caller:
            callers = [await caller() for _ in range(20)]
            requests = [served.request({"features": {"clicks_7d": n + 0.5}}) for n in range(20)]
            return [body for _, body in await asyncio.gather(
                *(one.ask(request) for one, request in zip(callers, requests, strict=True)))]

    assert [json.loads(body)["predicted_ctr"] for body in asyncio.run(ask())] == [2 * n + 1.0 for n in range(20)]
    assert served.app.ordinary == 0
    assert sum(served.graph.runs) == 20
    assert len(served.graph.runs) < 20


def test_requests_sent_at_once_are_answered_in_their_order(served: Served) -> None:
    """Short, at fault, short, another path, short: whatever way each goes."""
    asked = [served.request(x_request_id="a"), served.request(x_request_id="b", body=b"{"),
             served.request(x_request_id="c"), served.request(x_request_id="d", method="GET", path="/livez", body=b""),
             served.request(x_request_id="e")]

    async def ask(first: int) -> list[tuple[bytes, bytes]]:
        async with listening(served) as caller:
            one = await caller()
            one.writer.write(b"".join(asked[first:] + asked[:first]))
            return [await asyncio.wait_for(one.answer(), 20) for _ in asked]

    for first in range(len(asked)):
        ids = [re.search(rb"x-request-id: (.)", head) for head, _ in asyncio.run(ask(first))]
        assert b"".join(found[1] for found in ids if found).decode() == "abcde"[first:] + "abcde"[:first]


@pytest.mark.parametrize("body", [json.dumps(ROW).encode(), b"{}"])
def test_a_request_that_is_half_sent_at_a_stop_is_answered_and_the_connection_closed(
        tmp_path: Path, body: bytes) -> None:
    served = Served(tmp_path, timeout_keep_alive=60)

    async def ask() -> bytes:
        async with listening(served) as caller:
            one = await caller()
            request = served.request(body)
            one.writer.write(request[:-1])
            await until(lambda: any(c.cycle for c in served.state.connections))
            [connection] = served.state.connections
            connection.shutdown()
            one.writer.write(request[-1:])
            return await asyncio.wait_for(one.reader.read(), 20)

    answer = asyncio.run(ask())
    assert answer.startswith(b"HTTP/1.1 200" if body != b"{}" else b"HTTP/1.1 422")
    assert b"connection: close\r\n" in answer
    assert not served.state.connections


def test_an_idle_connection_is_closed_and_a_caller_who_leaves_hurts_nobody(tmp_path: Path) -> None:
    served = Served(tmp_path, timeout_keep_alive=0.2)

    async def ask() -> None:
        async with listening(served) as caller:
            one, other = await caller(), await caller()
            other.writer.write(served.request())
            other.writer.transport.abort()
            assert (await one.ask(served.request()))[0].startswith(b"HTTP/1.1 200")
            assert await asyncio.wait_for(one.reader.read(), 20) == b""
            await until(lambda: not served.state.connections)

    asyncio.run(ask())


def test_who_does_not_read_is_not_answered_without_limit(served: Served) -> None:
    """What is asked beyond the limit waits for the caller to read; then every answer comes."""
    request, more = served.request({"rows": [ROW] * 100}), 100
    asked = 0

    async def ask() -> None:
        nonlocal asked
        async with listening(served) as caller:
            one = await caller()

            def paused() -> bool:
                return any(connection.flow.write_paused for connection in served.state.connections)

            def all_run_or_paused() -> bool:
                return paused() or sum(served.graph.runs) == 100 * asked

            while not paused():
                one.writer.write(request)
                asked += 1
                await until(all_run_or_paused)
            for _ in range(more):
                one.writer.write(request)
                await asyncio.sleep(0.002)
            [connection] = served.state.connections
            assert connection.transport.get_write_buffer_size() < 3 * HIGH_WATER_LIMIT
            assert sum(served.graph.runs) <= 100 * (asked + 2)
            for _ in range(asked + more):
                head, body = await asyncio.wait_for(one.answer(), 20)
                assert head.startswith(b"HTTP/1.1 200") and body.count(b"predicted_ctr") == 100

    asyncio.run(ask())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)
