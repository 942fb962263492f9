"""Monitoring: time for a million rows beside plain scipy, thresholds from calm worlds, and false alarms.

    python -m benchmarks.monitoring                               # seconds and memory, 0.1 to 10 million rows
    python -m benchmarks.monitoring --thresholds                  # writes monitoring/thresholds.yml, 32 worlds
    python -m benchmarks.monitoring --alarms calm --first 101     # requests in worlds that no threshold has seen
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar
from unittest import mock

import numpy as np
import pandas as pd
import yaml
from scipy.stats import binomtest

from benchmarks.monitoring_calm import CHANGED, SCENARIOS, TRAINED, calm, home, numbers, plain, watched
from benchmarks.monitoring_fit import fit, held_out
from benchmarks.monitoring_world import ADS, SCORES, TRAFFIC, Nights, baseline_model, put
from moe import runner, tables
from moe.jobs import find
from monitoring import drift, seen, thresholds
from monitoring.model import CURRENT_NIGHTS, Model, Window

KEYS_A_LINE, HISTORY = 3, 28
T = TypeVar("T")
VISITS = ("bounce_rate", "pages_per_session", "forms_per_session")


def large(rows: int) -> Nights:
    """A unit with `rows` rows of features over 28 nights, scores, traffic, and each night's own deliveries."""
    size = rows // HISTORY // KEYS_A_LINE * KEYS_A_LINE
    nights, rng = Nights(1, "large"), np.random.default_rng(1)
    line = np.repeat([f"line_{i:06d}" for i in range(size // KEYS_A_LINE)], KEYS_A_LINE)
    nights.line, nights.segment = line, np.tile(["a", "b", "c"], size // KEYS_A_LINE)
    nights.platform = np.where(np.arange(size) // KEYS_A_LINE % 2, "meta_ads", "google_ads")
    version, lines = baseline_model(nights, HISTORY // 2 - 1), np.unique(line)
    for index in range(HISTORY):
        counts = {"impressions": rng.poisson(rng.lognormal(6, 1, size)) + 1.0}
        counts["clicks"] = rng.binomial(counts["impressions"].astype(int), 0.03).astype(float)
        counts |= {"spend": counts["clicks"] * 0.8, "conversions": rng.binomial(counts["clicks"].astype(int), 0.05)}
        counts["value"] = counts["conversions"] * rng.lognormal(4, 0.5, size)
        nights._known[index] = counts
        nights._core(index, {index: counts})
        features = nights.ads(index)
        put(ADS, "large", nights.night(index), features)
        visits = {name: rng.gamma(4, 0.1, len(lines)) for name in VISITS}
        put(TRAFFIC, "large", nights.night(index), {
            "line_id": lines, "sessions": rng.poisson(50, len(lines)), **visits,
            "business_date": [nights.night(index)] * len(lines), **nights._stamps(index, len(lines))})
        put(SCORES, "large", nights.night(index), {
            "line_id": line, "segment": nights.segment, "click_rate": features["click_rate_28d"],
            "conversion_rate": features["conversion_rate_28d"],
            "value_per_conversion": features["value_per_conversion_28d"], "model_version": [version] * size})
        nights._known.pop(index - 28, None)
    return nights


def job() -> None:
    runner.run(find(["monitor"]), Nights(1, "large").unit, [Nights(1, "large").night(HISTORY - 1)])


def evidently_on_all() -> None:
    with mock.patch.object(seen, "MOST_ROWS", 10**9):
        job()


def plain_on_all() -> None:
    """The distributions alone, of all rows: what Evidently's part of the job is measured beside."""
    nights, night = Nights(1, "large"), Nights(1, "large").night(HISTORY - 1)
    model = Model("", nights.night(HISTORY // 2 - 1))
    current = Window.ending(night, CURRENT_NIGHTS)
    with tables.connect() as connection, mock.patch.object(seen, "MOST_ROWS", 10**9):
        seen.register(connection, "large", model.reference, current)
        now, then = (seen.sample(connection, w).df() for w in (current, model.reference))
        for name in [name for table in (ADS, TRAFFIC, SCORES) for name in numbers(table)]:
            plain(drift.Compared.of(name, now[name], then[name], {}))


PLAIN = "numpy and scipy on all rows, distributions alone"
PEERS = {"the job": job, "the job, Evidently on all rows": evidently_on_all,
         PLAIN: plain_on_all}


def speed(sizes: list[float]) -> None:
    """Print seconds and peak memory of each peer, each in a process of its own on the same store."""
    print("| million rows | what | s | peak GB |\n|---|---|---|---|")
    for size in sizes:
        with home():
            large(int(size * 1e6))
            for name in PEERS if size <= 1 else ("the job", PLAIN):
                done = subprocess.run([sys.executable, "-m", "benchmarks.monitoring", "--peer", name], text=True,
                                      stdout=subprocess.PIPE, check=True)
                told = json.loads(done.stdout.splitlines()[-1])
                print(f"| {size:g} | {name} | {told['seconds']:.1f} | {told['gb']:.1f} |", flush=True)


def measure(name: str) -> None:
    started = time.perf_counter()
    PEERS[name]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": time.perf_counter() - started, "gb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thresholds", action="store_true", help="measure calm worlds and write thresholds.yml")
    parser.add_argument("--alarms", nargs="*", choices=list(SCENARIOS), help="requests in worlds of these scenarios")
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--first", type=int, default=1, help="seed of the first world")
    parser.add_argument("--processes", type=int, default=1, help="worlds at the same time")
    parser.add_argument("--sizes", type=float, nargs="*", default=[0.1, 1.0, 10.0], help="million rows")
    parser.add_argument("--peer", choices=list(PEERS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.worlds)
    if asked.peer:
        measure(asked.peer)
    elif asked.thresholds:
        frame = pd.concat(by_seed(calm, seeds, asked.processes), names=["seed"]).reset_index("seed")
        write(frame, asked.worlds)
        print("calm worlds that would ask for a model under thresholds fitted without them: {} of {}".format(
            *held_out(frame)))
    elif asked.alarms is not None:
        alarms(asked.alarms or list(SCENARIOS), seeds, asked.processes)
    else:
        speed(asked.sizes)


def by_seed(measured: Callable[[int], T], seeds: range, processes: int) -> dict[int, T]:
    """What is measured of each world, in so many processes."""
    found = {}
    with ProcessPoolExecutor(processes) as pool:
        for seed, one in zip(seeds, pool.map(measured, seeds), strict=True):
            found[seed] = one
            print(f"world {seed} is done", file=sys.stderr, flush=True)
    return found


def alarms(names: list[str], seeds: range, processes: int) -> None:
    """Print how many worlds of each scenario saw a request, after how many nights, and for what."""
    worlds = by_seed(partial(watched, changes=[SCENARIOS[name] for name in names]), seeds, processes)
    print("| scenario | worlds | with a request | 95 % interval | nights after the change | reasons |\n"
          "|---|---|---|---|---|---|")
    for name, lives in zip(names, zip(*worlds.values(), strict=True), strict=True):
        asked = [life for life in lives if life[-1]["requested"]]
        after = [len(life) - 1 + TRAINED - CHANGED for life in asked]
        reasons = Counter(reason.partition(":")[0] for life in asked for reason in life[-1]["reasons"].splitlines())
        nights = "" if name == "calm" or not after else f"{np.median(after):.0f} ({min(after)} to {max(after)})"
        low, high = binomtest(len(asked), len(lives)).proportion_ci(method="exact")
        print(f"| {name} | {len(lives)} | {len(asked)} | {low:.0%} to {high:.0%} | {nights} | "
              f"{', '.join(f'{k} {n}' for k, n in reasons.most_common())} |")


def write(calm_nights: pd.DataFrame, worlds: int) -> None:
    content = yaml.safe_dump(fit(calm_nights, worlds), sort_keys=False, width=110, default_flow_style=None)
    thresholds.FILE.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
