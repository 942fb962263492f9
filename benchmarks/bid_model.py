"""What the clicks of later dates were worth, beside today's rule, the bid model, and its specification as it is.

    python -m benchmarks.bid_model                  # all worlds; most of the time is landing nights
    python -m benchmarks.bid_model --only company   # the real company (MOE_TEST_DATA)

Rolling: every 7 dates a fit on what was known then, measured on the 7 dates after. Error: quasi-Poisson deviance of
the value of a row's clicks, as a share of the rule's; its 95 % interval is over dates, paired with the rule.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from moe import runner
from moe.jobs import find
from moe.settings import settings
from moe.units import Unit, load_unit
from tests.model.model_world import World as Planted
from training.bid_model import (
    SPECIFICATION,
    VALUE,
    BidOptimizationModel,
    corrected,
    rule,
    value_candidates,
    value_sample,
)
from training.dataset import TARGETS, FloatArray, Sample, columns, sample, training_set
from training.evaluate import choose, deviance
from training.models import prepare

STEP = 7
PRIOR_CONVERSIONS = 10.0
Predict = Callable[[], FloatArray]
out = Console(width=130)


@dataclass(frozen=True)
class Case:
    """A world's training frame. Outcomes of a date are known `delay` days later."""

    name: str
    frame: pd.DataFrame
    delay: int = 0
    least: int = 28
    "Dates to learn from before the first measure."

    def parts(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """What was known at a cut, and the dates after it."""
        dates = np.sort(self.frame["business_date"].unique())
        for at in range(self.least + self.delay, len(dates), STEP):
            known = self.frame["business_date"] < dates[at - self.delay]
            yield self.frame[known], self.frame[self.frame["business_date"].isin(dates[at : at + STEP])]


def simulated(seed: int, nights: int = 60) -> Case:
    from simulator.deliveries import deliver
    from simulator.world import World

    shipped, folder = load_unit("advertiser"), settings().deliveries / str(seed)
    last = shipped.first_night + timedelta(days=nights - 1)
    deliver(World(seed=seed, events_per_day=300), last, folder, settings().truth / str(seed))
    ads = tuple(s.model_copy(update={"path": f"{folder}/{s.name}/{{night}}"}) for s in shipped.sources
                if s.name in ("google_ads", "meta_ads"))
    unit = shipped.model_copy(update={"unit": f"seed_{seed}", "sources": ads})
    return Case(f"simulator, seed {seed}", _built(unit, last, last))


def company() -> Case:
    """Its sales are known 30 days after the click."""
    last = date(2020, 6, 30)
    return Case("real company", _built(load_unit("online_ads"), last, last + timedelta(days=30)), delay=30, least=21)


def planted() -> Case:
    """The world of the tests: a segment's conversion is worth 0.6 to 1.6 times its line's."""
    world = Planted(name="planted", nights=60, exposure=3.0).write()
    return Case("planted segments", training_set(world.name, world.last))


def _built(unit: Unit, last_features: date, last_known: date) -> pd.DataFrame:
    runner.with_history(find(["land"]), unit, last_known)
    runner.with_history(find(["ads"]), unit, last_features)
    return training_set(unit.unit, last_known)


def by_history(known: pd.DataFrame, later: pd.DataFrame) -> FloatArray:
    """Today's rule in the bids: the line's value of a conversion over all that is known, shrunk to the unit's."""
    sums = known.groupby("line_id")[["conversion_value", "conversions"]].sum()
    mean = sums["conversion_value"].sum() / sums["conversions"].sum()
    value = (sums["conversion_value"] + PRIOR_CONVERSIONS * mean) / (sums["conversions"] + PRIOR_CONVERSIONS)
    return later["line_id"].map(value).fillna(mean).to_numpy(np.float64)


def as_specified(known: pd.DataFrame, later: pd.DataFrame) -> FloatArray:
    """Worth of a click by the specification's XGBRegressor and nothing else: squared error, no base."""
    from xgboost import XGBRegressor

    rows = known[known["conversion_value"].notna() & (known["conversion_clicks"] > 0)]
    made = prepare(sample(rows, TARGETS[1]).columns)
    worth = rows["conversion_value"] / rows["conversion_clicks"]
    model = XGBRegressor(**SPECIFICATION, n_jobs=1)
    model.fit(made.raw(columns(rows, rows["business_date"])), worth, sample_weight=rows["conversion_clicks"])
    return np.maximum(model.predict(made.raw(columns(later, later["business_date"]))), 0.0).astype(np.float64)


def worths(known: pd.DataFrame, rows: pd.DataFrame, train: Sample, test: Sample) -> dict[str, Predict]:
    """The candidates by name, each gives the value of a conversion that the conversion rate expects, shape (n,)."""
    model, other = BidOptimizationModel(), BidOptimizationModel(seed=43)
    a_click = test.exposure / rows["conversion_clicks"].to_numpy()
    return {
        "today's rule: the line's history": lambda: by_history(known, rows),
        "the line's last 28 days": lambda: rule(VALUE, train).predict(test.columns),
        "bid model": lambda: corrected(VALUE, train, model.fit_local).predict(test.columns),
        "bid model, two Spark workers": lambda: corrected(VALUE, train, model.fit_spark).predict(test.columns),
        "bid model, another seed": lambda: corrected(VALUE, train, other.fit_local).predict(test.columns),
        "specification as it is": lambda: as_specified(known, rows) / a_click,
        "chosen by `moe train`": lambda: choose(VALUE, train, value_candidates).rate.predict(test.columns),
    }


@dataclass
class Measured:
    """Of one candidate, over all cuts: rows' dates and deviances; value predicted and observed; seconds a cut."""

    dates: list[Any] = field(default_factory=list)
    deviances: list[FloatArray] = field(default_factory=list)
    predicted: float = 0.0
    observed: float = 0.0
    seconds: list[float] = field(default_factory=list)

    @property
    def by_date(self) -> FloatArray:
        _, at = np.unique(np.concatenate(self.dates), return_inverse=True)
        return np.bincount(at, weights=np.concatenate(self.deviances))


def measured(case: Case) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    for known, later in case.parts():
        rate = choose(TARGETS[1], sample(known, TARGETS[1])).rate
        train, test = value_sample(known, rate), value_sample(later, rate)
        rows = later[later["conversion_value"].notna() & (later["conversion_clicks"] > 0)]
        assert len(rows) == len(test.events)
        for name, predict in worths(known, rows, train, test).items():
            one, started = found.setdefault(name, Measured()), time.perf_counter()
            predicted = predict()
            one.seconds.append(time.perf_counter() - started)
            one.dates.append(test.dates)
            one.deviances.append(deviance(test, predicted))
            one.predicted += float(test.exposure @ predicted)
            one.observed += float(test.events.sum())
    return found


def show(cases: list[Callable[[], Case]]) -> Table:
    shown = Table("world", "dates", "candidate", "error, of the rule's", "95 % interval", "predicted / observed",
                  "seconds", title="Worth of a click on later dates")
    for make in cases:
        case = make()
        found = measured(case)
        held = next(iter(found.values())).by_date
        for name, one in found.items():
            difference = (one.by_date - held) / held.mean()
            mean, error = 1 + difference.mean(), 1.96 * difference.std(ddof=1) / np.sqrt(len(held))
            shown.add_row(case.name, str(len(held)), name, f"{mean:.1%}", f"{mean - error:.1%} to {mean + error:.1%}",
                          f"{one.predicted / one.observed:.2f}", f"{np.median(one.seconds):.2f}")
        shown.add_section()
    return shown


CASES: dict[str, list[Callable[[], Case]]] = {
    "company": [company],
    "simulator": [lambda: simulated(7), lambda: simulated(8)],
    "planted": [planted],
}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.bid_model", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    only = parser.parse_args().only
    os.environ.setdefault("MOE_SPARK_MASTER", "local[2]")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:  # Spark still writes as it ends
        os.environ |= {"MOE_HOME": home, "MOE_PSEUDONYM_KEY": "benchmark"}
        out.print(show([case for name, cases in CASES.items() if only in (None, name) for case in cases]))


if __name__ == "__main__":
    main()
