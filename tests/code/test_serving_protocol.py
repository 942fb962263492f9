"""The short way of predictions beside the ordinary one, over real sockets, with a graph that is written here.

The ordinary way is taken by the same request with a query, which the service does not read.
"""

import asyncio
import gc
import json
import re
import tempfile
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from test_serving_predict import Graph, live
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
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


class Sent(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.bytes, self.closed = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.bytes += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def answers(served: Served, pieces: list[bytes], wanted: int) -> list[bytes]:
    """What a connection is told that receives some pieces; before an empty one, what was asked is answered."""
    protocol, sent = served.protocol(), Sent()
    protocol.connection_made(sent)
    for piece in pieces:
        if piece:
            protocol.data_received(piece)
        await asyncio.sleep(0 if piece else 0.01)
    await until(lambda: sent.bytes.count(b"HTTP/1.1 ") == wanted and not served.state.tasks)
    protocol.connection_lost(None)
    told = re.sub(rb'("inference_time_ms":)[0-9.e-]+', rb"\g<1>0", sent.bytes)
    return re.split(rb"(?=HTTP/1.1 )", re.sub(rb"content-length: \d+", b"", told))[1:]


HEADS: list[dict[str, Any]] = [
    {}, {}, {}, {"x_request_id": "another"}, {"body": b"{"}, {"x_api_key": "guess"},
    {"path": "/livez", "method": "GET"},
    {"body": b"5\r\n{\"fea\r\n0\r\n\r\n", "content_length": None, "transfer_encoding": "chunked"},
    {"body": {"rows": [ROW] * 3}}, {"body": json.dumps(ROW).encode() + b" \r\n "}]


@given(data=st.data())
@hypothesis.settings(max_examples=200, deadline=None)
def test_requests_in_any_pieces_are_answered_as_one_by_one(data: st.DataObject) -> None:
    """Whichever heads are the same, and wherever a packet ends."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for module in (turn, predict):
            patch.setattr(module, "INLINE_ROWS", 2)  # the batch takes longer than the rows that come after it
        served = Served(Path(folder))
        kinds = data.draw(st.lists(st.sampled_from(HEADS), min_size=2, max_size=8))
        asked = [served.request(**{"body": {"features": {"clicks_7d": 10.0 ** data.draw(st.integers(0, 12))}}} | kind)
                 for kind in kinds]
        whole = b"".join(asked)
        cuts = {at for at in accumulate(map(len, asked)) if data.draw(st.sampled_from((True, True, False)))}
        cuts |= set(data.draw(st.lists(st.integers(1, len(whole)), max_size=3)))
        pieces = []
        for a, b in pairwise([0, *sorted(cuts - {len(whole)}), len(whole)]):
            pieces += [whole[a:b], b""][:data.draw(st.integers(1, 2))]
        one_by_one = [asyncio.run(answers(served, [request], 1))[0] for request in asked]
        assert asyncio.run(answers(served, pieces, len(asked))) == one_by_one


def test_what_only_looks_like_a_head_that_came_before_is_none(
        served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        async def read(self, entities: list[dict[str, str]]) -> list[dict[str, Any]]:
            await asyncio.sleep(0.05)
            return [{"clicks_7d": 5.0} for _ in entities]

    monkeypatch.setattr(served.app.predictions._predictor, "_lookup", Store())
    asked, livez = served.request(), b"GET /livez HTTP/1.1\r\nx-note: "
    later = served.request({"features": {}, "entity": {"line_id": "a"}})
    spaced = served.request(json.dumps(ROW).encode() + b" \r\n ")
    ok, alive, bad, looked_up = b'{"predicted_ctr":8', b"alive", b"HTTP/1.1 400", b'{"predicted_ctr":10'
    for pieces, wanted in (
            ([asked, b"", livez, asked], [ok, alive]),  # the second is a header's value, and the end of that request
            ([asked[:-3], asked[-3:] + asked, b"", asked[-3:] + asked], [ok, ok, bad]),
            ([asked + asked, b"", asked + asked], [ok] * 4),
            ([asked, b"", asked[:-9], b"", asked[-9:]], [ok, ok]),
            ([asked, b"", spaced[:-2], b"", spaced[-2:], b"", asked], [ok, ok, ok]),
            ([asked, b"", later, asked, asked], [ok, looked_up, ok, ok]),
            ([asked, b"", asked.replace(b"content-length: ", b"content-length: +")], [ok, bad])):
        told = asyncio.run(answers(served, pieces, len(wanted)))
        assert all(word in answer for word, answer in zip(wanted, told, strict=True)), (pieces, told)


def test_a_head_is_parsed_once_and_a_key_is_checked_each_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = 0

    def counted(self: HttpToolsProtocol, data: bytes) -> None:
        nonlocal parsed
        parsed += 1
        of_uvicorn(self, data)

    of_uvicorn = HttpToolsProtocol.data_received
    monkeypatch.setattr(HttpToolsProtocol, "data_received", counted)

    async def ask() -> None:
        async with listening(served) as caller:
            one = await caller()
            for n in (1, 10, 1000):
                head, body = await one.ask(served.request({"features": {"clicks_7d": n + 0.5}}))
                assert json.loads(body)["predicted_ctr"] == 2 * n + 1.0 and head.startswith(b"HTTP/1.1 200")
            assert parsed == 1
            keys.revoke(served.app.settings.keys or Path(), "tests")
            served.app.keys.reload()
            assert (await one.ask(served.request()))[0].startswith(b"HTTP/1.1 401")
            assert parsed == 2

    asyncio.run(ask())


def test_a_connection_that_breaks_in_a_request_is_forgotten(tmp_path: Path) -> None:
    """Its timer does not wait for the answer for ever."""
    served = Served(tmp_path, timeout_keep_alive=0.05)

    async def ask() -> None:
        protocol, sent = served.protocol(), Sent()
        protocol.connection_made(sent)
        protocol.data_received(served.request())
        await until(lambda: b"HTTP/1.1 200" in sent.bytes)
        protocol.data_received(served.request())
        sent.close()
        protocol.connection_lost(ConnectionResetError())
        found = weakref.ref(protocol)
        del protocol
        await asyncio.sleep(0.3)
        gc.collect()
        assert found() is None

    asyncio.run(ask())


def test_a_connection_that_is_used_is_not_closed_as_idle(tmp_path: Path) -> None:
    served = Served(tmp_path, timeout_keep_alive=2)

    async def ask() -> None:
        async with listening(served) as caller:
            one = await caller()
            for _ in range(6):
                assert (await one.ask(served.request()))[0].startswith(b"HTTP/1.1 200")
                await asyncio.sleep(0.5)
            assert await asyncio.wait_for(one.reader.read(), 20) == b""

    asyncio.run(ask())


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
