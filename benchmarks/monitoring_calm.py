"""What monitoring shows on simulated worlds: the statistics of calm nights, and the requests that the job files.

Every world has a model that `moe train` trained in its 30th night, and is followed for the six weeks that a model
may live. Between training and then the simulator's season goes from its lowest to its highest.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

from benchmarks.monitoring_world import ADS, SCORES, TRAFFIC, Change, Nights, train
from moe import runner, tables
from moe.contracts import contract
from moe.jobs import find
from moe.settings import settings
from monitoring import availability, drift, job, outcomes, seen
from monitoring.maintenance import Row
from monitoring.model import CURRENT_NIGHTS, Model, Window
from monitoring.requests import TABLE as REQUESTS
from monitoring.thresholds import Limit, Outcome

TRAINED, LIFE = 29, 42
"The night of the first model (as `moe nightly` has it), and the nights that a model may live."
UNCHECKED = {
    (ADS, "platform"): "text with as many rows a platform every night",
    (ADS, "days_active_28d"): "counts up while a store is young and stays at 28 afterwards",
}

PARTS = {(ADS, "value_per_conversion_28d"): 5, (SCORES, "value_per_conversion"): 5}
"""Of PSI, where not ten: all segments of a line share its value, so that a tenth of 14 lines is one or two, and empty
once they move; calm nights then reach a PSI of 2.8. Values lower by 30 % were found by tenths after 18 nights or more
(in 2 of 8 worlds never), by fifths after 11 to 16."""


@contextmanager
def home(begun: Path | None = None) -> Iterator[Path]:
    """A home of its own for one world, which may begin as another's copy. Its partitions are read once, since none is
    replaced, and of outcomes only the two weeks that are judged."""
    read_once = lru_cache(maxsize=None)(tables.read_file)
    with (tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, MOE_HOME=folder),
          mock.patch.object(tables, "read_file", read_once), mock.patch.object(outcomes, "WEEKS", 0)):
        settings.cache_clear()
        tables._database.cache_clear()
        if begun:
            shutil.copytree(begun, folder, dirs_exist_ok=True)
        yield Path(folder)
    settings.cache_clear()


def trained(seed: int) -> tuple[Nights, str]:
    """A world's nights up to its model, and the model's version. MLflow is not told: its store takes longer to make
    than a model to train."""
    nights = Nights(seed, f"w{seed}").write(TRAINED)
    with redirect_stdout(sys.stderr), mock.patch("training.tracking.record"), mock.patch("training.tracking.follow"):
        return nights, train(nights, TRAINED)


def plain(column: drift.Compared) -> dict[str, float]:
    """The same statistics by numpy and scipy alone: the peer."""
    edges = drift.bin_edges(column)
    now, then = (np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) / len(values)
                 for values in (column.current, column.reference))
    now, then = (np.where(share == 0, 0.0001, share) for share in (now, then))  # as Evidently has it
    return {"psi": float(((then - now) * np.log(then / now)).sum()),
            "ks": float(ks_2samp(column.reference, column.current, method="asymp").statistic)}


def calm(seed: int) -> pd.DataFrame:
    """Every statistic of every night of a calm world's model: table, column, check, night, statistic, rows."""
    with home():
        nights, version = trained(seed)
        nights.write(TRAINED + LIFE)
        nights.score(TRAINED, TRAINED + LIFE, version)
        model = Model(version, nights.night(TRAINED))
        return pd.DataFrame([row for age in range(1, LIFE + 1) for row in _night(nights, model, TRAINED + age)])


def _night(nights: Nights, model: Model, index: int) -> Iterator[dict[str, Any]]:
    current = Window.ending(nights.night(index), CURRENT_NIGHTS)
    with tables.connect() as connection:
        seen.register(connection, nights.name, model.reference, model.first_scores, current)
        pairs = {None: model.reference}
        if current.until >= model.first_scores.until:
            pairs[model.version] = model.first_scores
        for version, reference in pairs.items():
            now, then = (seen.sample(connection, w, version).df() for w in (current, reference))
            for table in (SCORES,) if version else (ADS, TRAFFIC):
                for name in numbers(table):
                    one = drift.Compared.of(name, now[name], then[name], {}, PARTS.get((table, name), 10))
                    for check, value in plain(one).items():
                        yield {"table": table, "column": name, "check": check, "night": index, "statistic": value,
                               "current": len(one.current), "reference": len(one.reference)}
        names = {t: tuple(numbers(t)) for t in (ADS, TRAFFIC)}
        for found in availability.missing(connection, names, model.reference, Window(current.until, current.until)):
            yield {"table": "*", "column": f"{found.table}.{found.column}", "check": "missing", "night": index,
                   "statistic": found.statistic}
    with tables.connect() as connection:
        days = outcomes.by_day(connection, nights.name, nights.night(index), model)
    limit = Limit(warn=0, alert=0)
    limits = dict.fromkeys(("click_rate", "conversion_rate"), Outcome(calibration=limit, decay=limit))
    for row in outcomes.judged(days, limits):
        if row["calibration_status"] != "waiting":
            about = {"table": row["target"], "column": row["platform"], "night": index}
            yield about | {"check": "calibration", "statistic": abs(np.log(row["predicted_over_observed"]))}
            yield about | {"check": "decay", "statistic": row["decay"]}


def numbers(table: str) -> list[str]:
    """The columns of a table that are compared."""
    return [c.name for c in contract(table).columns
            if c.type in ("DOUBLE", "BIGINT") and (table, c.name) not in UNCHECKED]


@contextmanager
def without_evidently() -> Iterator[None]:
    """The job with `plain` in Evidently's place, which draws every column: a test shows that their numbers agree."""
    def found(columns: list[drift.Compared], _snapshot: Any) -> list[drift.Found]:
        return [drift.Found(c.name, check, value, None) for c in columns for check, value in plain(c).items()]

    drawn = mock.Mock(get_html_str=lambda as_iframe: "")
    with mock.patch.object(drift, "report", lambda _: drawn), mock.patch.object(drift, "found", found):
        yield


def watched(seed: int, changes: Sequence[Change]) -> list[list[Row]]:
    """For each change the rows of `out.retrain_request__night` of the nights that the job `monitor` looked at, up to
    the first request or the end of the model's life. The nights before CHANGED are the same for all."""
    with home() as folder, without_evidently(), mock.patch.object(job, "write_pages"):
        nights, version = trained(seed)
        before = _asked(nights, version, TRAINED, CHANGED - 1)
        if before[-1]["requested"]:
            return [before] * len(changes)
        found = []
        for change in changes:
            with home(folder):
                found.append(before + _asked(nights.turned(change), version, CHANGED, TRAINED + LIFE))
        return found


def _asked(nights: Nights, version: str, since: int, until: int) -> list[Row]:
    rows: list[Row] = []
    for index in range(since, until + 1):
        nights.write(index)
        nights.score(index, index, version)
        runner.run(find(["monitor"]), nights.unit, [nights.night(index)])
        rows += tables.read(REQUESTS, nights.name, nights.night(index)).to_pylist()
        if rows[-1]["requested"]:
            break
    return rows


CHANGED = TRAINED + 15
SCENARIOS = {
    "calm": Change(),
    "conversions fall by 40 %": Change(CHANGED, conversions=0.6),
    "clicks cost 50 % more": Change(CHANGED, price=1.5),
    "conversions are worth 30 % less": Change(CHANGED, value=0.7),
    "bounce rate rises by 0.2": Change(CHANGED, bounces=0.2),
    "impressions and clicks double": Change(CHANGED, volume=2.0),
    "the site stops delivering": Change(CHANGED, traffic=False),
}
