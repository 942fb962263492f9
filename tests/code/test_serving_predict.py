"""Predicting together, looking up, falling back and logging, with a bundle that is written here.

`Graph` stands in for a bundle's graph alone: it doubles the clicks. The service's real graphs are in tests/e2e.
"""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from serving import lookup
from serving.answers import Prediction
from serving.bundle import BundleError
from serving.lookup import Lookup, LookupFailed
from serving.metrics import Metrics
from serving.model import Live
from serving.predict import Predictor
from serving.problems import Problem
from serving.schema import Schema
from serving.turn import INLINE_ROWS, Turn

FEATURES = [{"name": "clicks_7d", "type": "double"}, {"name": "click_rate_28d", "type": "double"}]
HISTORY = {"click_rate": 0.02, "conversion_rate": 0.05}


class Graph:
    version, intervals = "0" * 16, ((0.9, 0.5, 2.0), None)
    features = dict.fromkeys(("clicks_7d", "click_rate_28d"), "double")

    def __init__(self) -> None:
        self.runs: list[int] = []

    def predict(self, columns: dict[str, Any]) -> dict[str, Any]:
        clicks = np.array(columns["clicks_7d"], dtype=float)
        self.runs.append(len(clicks))
        if (clicks == 13).any():
            raise BundleError("row 0 has no finite click_rate", "mend it")
        if (clicks == 99).any():
            raise RuntimeError("the graph broke")
        return {"click_rate": clicks * 2, "conversion_rate": clicks * 3}


def live(graph: Any, **more: Any) -> Live:
    return Live(Schema(FEATURES, ("line_id",), 100), graph, HISTORY, **({"fault": ""} | more))


def rows(state: Live, *clicks: float | None, entity: str | None = None) -> list[Any]:
    keys = {"line_id": entity} if entity else None
    asked = {"rows": [{"features": {"clicks_7d": c}, "entity": keys} for c in clicks]}
    return state.schema.decode(json.dumps(asked).encode())[1]


def predict(state: Live, asked: list[Any], found: Lookup | None = None) -> list[Prediction]:
    return asyncio.run(Predictor(found, Metrics()).predict(state, asked))[1]


def test_requests_of_one_turn_are_one_run_and_each_gets_its_own_rows() -> None:
    graph, turn = Graph(), Turn(Metrics())

    async def ask() -> Any:
        return await asyncio.gather(*(turn.rates(graph, [(n + 0.5, None)] * (n % 3 + 1)) for n in range(20)))

    for n, (clicks, conversions) in enumerate(asyncio.run(ask())):
        assert clicks == [n * 2.0 + 1.0] * (n % 3 + 1)
        assert conversions == [n * 3.0 + 1.5] * (n % 3 + 1)
    assert graph.runs == [39]


def test_a_request_that_arrives_before_the_run_joins_it_unless_there_are_many() -> None:
    async def ask(rows: int) -> list[int]:
        graph, turn = Graph(), Turn(Metrics())
        first = asyncio.ensure_future(turn.rates(graph, [(1.0, None)] * rows))
        await asyncio.sleep(0)  # one turn of the loop later
        await asyncio.gather(first, turn.rates(graph, [(2.0, None)]))
        return graph.runs

    assert asyncio.run(ask(1)) == [2]
    assert asyncio.run(ask(INLINE_ROWS)) == [INLINE_ROWS, 1]


def test_batches_that_come_at_once_are_several_runs_with_a_look_at_the_sockets_between() -> None:
    looks, at = 0, []

    class Watched(Graph):
        def predict(self, columns: dict[str, Any]) -> dict[str, Any]:
            at.append(looks)
            return super().predict(columns)

    async def look() -> None:
        nonlocal looks
        while True:
            looks += 1
            await asyncio.sleep(0)

    async def ask() -> list[int]:
        graph, turn, most = Watched(), Turn(Metrics()), INLINE_ROWS // 2 - 1
        looking = asyncio.ensure_future(look())
        found = await asyncio.gather(*(turn.rates(graph, [(float(n), None)] * most) for n in range(5)))
        looking.cancel()
        assert [clicks for clicks, _ in found] == [[n * 2.0] * most for n in range(5)]
        return [run // most for run in graph.runs]

    assert asyncio.run(ask()) == [2, 2, 1]
    assert len(set(at)) == 3


def test_one_request_s_fault_is_not_its_neighbours() -> None:
    graph, turn = Graph(), Turn(Metrics())

    async def ask() -> Any:
        return await asyncio.gather(*(turn.rates(graph, [(float(n), None)]) for n in (1, 13, 2)),
                                    return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert (first[0], third[0]) == ([2.0], [4.0])
    assert isinstance(second, BundleError)


def test_two_bundles_in_one_turn_do_not_mix() -> None:
    old, new, turn = Graph(), Graph(), Turn(Metrics())

    async def ask() -> Any:
        return await asyncio.gather(*(turn.rates((old, new)[n % 2], [(float(n), None)]) for n in range(6)))

    asyncio.run(ask())
    assert (old.runs, new.runs) == ([3], [3])


def test_a_caller_who_goes_away_does_not_take_the_others_with_them() -> None:
    graph, turn = Graph(), Turn(Metrics())

    async def ask() -> Any:
        gone = asyncio.ensure_future(turn.rates(graph, [(1.0, None)]))
        stays = asyncio.ensure_future(turn.rates(graph, [(2.0, None)]))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(ask())[0] == [4.0]


def test_a_large_batch_leaves_the_loop_free() -> None:
    class Slow(Graph):
        def predict(self, columns: dict[str, Any]) -> dict[str, Any]:
            time.sleep(0.2)
            return super().predict(columns)

    async def ask() -> int:
        work = asyncio.ensure_future(Turn(Metrics()).rates(Slow(), [(1.0, None)] * 300))
        ticks = 0
        while not work.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert asyncio.run(ask()) > 2


def test_intervals_are_factors_of_the_rate_and_null_where_none_is_stated() -> None:
    state = live(Graph())
    for clicks, lower, upper in ((0.125, 0.125, 0.5), (0.375, 0.375, 1.0)):  # no rate is above 1
        [found] = predict(state, rows(state, clicks))
        interval = found.confidence_interval
        assert interval and (interval.level, interval.lower, interval.upper) == (0.9, lower, upper)
        assert found.conversion_rate_confidence_interval is None


def test_a_click_may_bring_more_than_one_conversion_and_its_interval_says_so() -> None:
    graph = Graph()
    graph.intervals = (None, (0.9, 0.5, 2.0))  # type: ignore[assignment]
    [found] = predict(live(graph), rows(live(graph), 0.5))
    assert found.predicted_conversion_rate == 1.5
    interval = found.conversion_rate_confidence_interval
    assert interval and (interval.lower, interval.upper) == (0.75, 3.0)


def test_a_large_batch_is_looked_up_in_parts_and_others_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Store:
        def read(self, entities: list[dict[str, str]]) -> list[dict[str, Any]]:
            time.sleep(0.03)
            asked.append(len(entities))
            return [{"line_id": e["line_id"]} for e in entities]

    many = [{"line_id": str(n)} for n in range(5000)]
    made = Lookup("x", 0.2)  # less than the whole takes
    monkeypatch.setattr(made, "_opened", lambda: (SimpleNamespace(EntityError=ZeroDivisionError), Store()))

    async def ask() -> Any:
        return await asyncio.gather(made.read(many), made.read([{"line_id": "one"}]))

    whole, one = asyncio.run(ask())
    assert [e["line_id"] for e in whole] == [e["line_id"] for e in many] and one == [{"line_id": "one"}]
    assert asked.index(1) < len(asked) - 2


def test_a_graph_that_breaks_is_fallen_back_from_and_a_row_it_cannot_read_is_refused() -> None:
    state = live(Graph())
    found = predict(state, rows(state, 99.0, 1.0))
    assert {p.source for p in found} == {"historical_rates"}
    assert "RuntimeError" in (found[0].reason or "")
    assert found[0].predicted_ctr == HISTORY["click_rate"]
    with pytest.raises(Problem, match="invalid-input"):
        predict(state, rows(state, 13.0))


def test_with_no_rate_at_all_there_is_no_answer() -> None:
    state = live(None, fault="no bundle")
    assert predict(state, rows(state, 1.0))[0].predicted_conversion_rate == HISTORY["conversion_rate"]
    bare = Live(state.schema, None, None, "no bundle")
    with pytest.raises(Problem, match="no-answer"):
        predict(bare, rows(bare, 1.0))


class Store:
    """A reader that answers with 5 clicks, or not."""

    def __init__(self) -> None:
        self.asked, self.seconds, self.fails = 0, 0.0, False

    def read(self, entities: list[dict[str, str]]) -> list[dict[str, Any]]:
        self.asked += 1
        time.sleep(self.seconds)
        if self.fails:
            raise ConnectionError("refused")
        return [{"clicks_7d": 5.0, "click_rate_28d": float("nan")} for _ in entities]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    module = SimpleNamespace(open_reader=lambda address: made, EntityError=KeyError)
    monkeypatch.setattr(lookup.importlib, "import_module", lambda name: module)
    return made


def test_only_rows_that_lack_something_are_looked_up(store: Store) -> None:
    state = live(Graph())
    asked = [*rows(state, None, entity="a"), *rows(state, 2.0), *rows(state, None)]
    found = predict(state, asked, Lookup("x", 5))
    assert [p.source for p in found[:2]] == ["model", "model"]
    assert [p.predicted_ctr for p in found[:2]] == [10.0, 4.0]
    assert found[0].warnings == ["feature click_rate_28d is missing: predicted without it"]  # NaN is nothing known
    assert store.asked == 1


def test_a_store_that_fails_is_left_alone_for_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "PAUSE", 0.2)
    store.fails = True

    async def ask() -> None:
        made = Lookup("x", 5)
        for _ in range(3):
            with pytest.raises(LookupFailed, match="refused"):
                await made.read([{"line_id": "a"}])
        assert store.asked == 1
        store.fails = False
        await asyncio.sleep(0.3)
        assert (await made.read([{"line_id": "a"}]))[0] == {"clicks_7d": 5.0}

    asyncio.run(ask())


def test_a_store_that_is_slow_is_not_waited_for(store: Store) -> None:
    store.seconds = 1.0
    state = live(Graph())
    [found] = predict(state, rows(state, None, entity="a"), Lookup("x", 0.05))
    assert found.source == "historical_rates"
    assert "TimeoutError" in (found.reason or "")
