"""Reading features by entity: the serving reader beside Feast's own `get_online_features`, on SQLite and Redis.

    python -m benchmarks.online                  # minutes; starts a Redis (apt-get install redis-server)
    python -m benchmarks.online --sizes 2000

Milliseconds a request in one process, entities drawn at random; answers are compared with Feast's first. `CPU` is
the processor's time of this process, which other work on the machine stretches less than the clock's (a SQLite
read happens in this process alone, of Redis the server's time is left out).
`read + predict` is the read and then `Bundle.predict` with the features on demand that a request brings (the
weekday of the decided day), which the model's graph transforms. The first column of seconds is what bringing the
night online took.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from feature_repo.online import materialize
from feature_repo.store import SERVICE, feature_store
from moe.settings import settings
from moe.train import train
from serving.bundle import Bundle
from serving.online import open_reader
from tests.model.model_world import World, unit
from tests.services import redis_server

SIZES, BATCHES = (2_000, 100_000), (1, 64)
REQUESTS, FEAST_REQUESTS, WARM = 1_000, 300, 20
WEEKDAY = 1
Entities = list[dict[str, str]]


def written(entities: int) -> World:
    """A night's partitions of as many entities, three segments a line."""
    world = World(nights=1, lines=entities // 3 + 1, name=f"bench_{entities}")
    world.write_ads(0)
    world.write_traffic(0)
    return world


def milliseconds(call: Callable[[Entities], Any], requests: list[Entities]) -> list[float]:
    """p50 and p99 by the clock, then of the processor's time."""
    for request in requests[:WARM]:
        call(request)
    clocks = (time.perf_counter, time.process_time)
    seconds = []
    for request in requests:
        started = [clock() for clock in clocks]
        call(request)
        seconds.append([clock() - at for clock, at in zip(clocks, started, strict=True)])
    return [float(value) * 1000 for value in np.percentile(seconds, [50, 99], axis=0).T.ravel()]


def measure(table: Table, store: str, world: World, bundle: Bundle) -> None:
    started = time.perf_counter()
    count = materialize(world.name, world.last)["ads"]
    brought = f"{time.perf_counter() - started:.1f}"
    reader, feast = open_reader(settings().online_address(world.name)), feature_store(world.name)
    service = feast.get_feature_service(SERVICE)
    everyone = [{"line_id": str(line), "segment": str(of)} for line, of in zip(world.line, world.segment, strict=True)]

    def by_feast(entities: Entities) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = feast.get_online_features(service, entities).to_dict()
        return found

    def predicted(entities: Entities) -> Any:
        rows = [entity | values for entity, values in zip(entities, reader.read(entities), strict=True)]
        columns = {name: [row[name] for row in rows] for name in bundle.features if name != "weekday"}
        return bundle.predict(columns | {"weekday": [WEEKDAY] * len(rows)})

    chance = random.Random(1)
    for size in BATCHES:
        requests = [chance.sample(everyone, size) for _ in range(REQUESTS)]
        expected, found = by_feast(requests[0]), reader.read(requests[0])
        assert all(row[name] == expected[name][i] for i, row in enumerate(found) for name in row)
        for what, call, times in (("reader", reader.read, REQUESTS), ("Feast", by_feast, FEAST_REQUESTS),
                                  ("read + predict", predicted, REQUESTS)):
            found_ms = [f"{value:.2f}" for value in milliseconds(call, requests[:times])]
            table.add_row(store, f"{count:,}", brought, str(size), what, *found_ms)
        brought = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="entities online")
    sizes = parser.parse_args().sizes
    table = Table("store", "entities online", "brought in s", "entities a request", "what", "p50 ms", "p99 ms",
                  "CPU p50", "CPU p99")
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as address:
        os.environ |= {"MOE_HOME": folder, "MOE_PSEUDONYM_KEY": "benchmark"}
        settings.cache_clear()
        trained = World(name="trained").write()
        bundle = Bundle.load(settings().bundles / train(unit(trained.name), trained.last)["version"])
        for entities in sizes:
            world = written(entities)
            for store, where in (("SQLite", ""), ("Redis", address)):
                os.environ["MOE_ONLINE_STORE"] = where
                settings.cache_clear()
                measure(table, store, world, bundle)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
