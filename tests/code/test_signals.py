"""Market signals: what the fit learns of a promotion, and what it then expects of the days ahead."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from fit_world import FIRST, Truth
from test_decision_jobs import by_line, empty, unit

from decisions.jobs.curves import curves
from decisions.signals import panel
from moe.contracts import contract
from moe.jobs import Night

DAYS, EFFECT = 90, 0.5
PROMOTED = {*range(20, 27), *range(50, 57), *range(78, 81)}
LAST = FIRST + timedelta(days=DAYS - 1)


def said(*days: int) -> pa.Table:
    rows = [{"signal": "promotion", "business_date": FIRST + timedelta(days=d), "value": 1.0, "entered_on": LAST}
            for d in days] + [{"signal": "promotion", "business_date": FIRST, "value": 0.0, "entered_on": LAST}]
    return pa.Table.from_pylist(rows, schema=contract("core.market_signal__day").schema)


def promoted_history() -> tuple[Truth, pa.Table]:
    """A planner spends more on promotions, which sell by themselves too."""
    truth = Truth(n=8, days=DAYS, seed=4)
    on = np.isin(np.arange(DAYS), sorted(PROMOTED))[:, None]
    spend = truth.typical * (truth.spend / truth.typical) ** 0.3 * np.where(on, 2.0, 1.0)
    outcome = np.array([truth.value(s) for s in spend]) * np.exp(EFFECT * on)
    outcome = 5 * np.random.default_rng(2).poisson(outcome / 5)
    base = {"unit": "advertiser", "night": LAST, "platform": "google_ads", "impressions": 1, "clicks": None,
            "currency": "USD", "conversions": Decimal(1), "outcome_known": True, "click_through_rate": 0.01,
            "conversion_rate": 0.02, "cost_per_click": 1.0, "cost_per_acquisition": 1.0, "return_on_ad_spend": 1.0}
    rows = [base | {"line_id": name, "line_name": name, "spend": Decimal(f"{spend[d, i]:.2f}"),
                    "business_date": FIRST + timedelta(days=d), "conversion_value": Decimal(int(outcome[d, i]))}
            for d in range(DAYS) for i, (name, *_) in enumerate(truth.lines)]
    return truth, pa.Table.from_pylist(rows, schema=contract("marts.ad_performance__line_day").schema)


def fitted(past: pa.Table, market: pa.Table) -> dict[str, pa.Table]:
    night = Night(unit(), LAST)
    return curves(night, past, empty("core.ad_performance__ad_day"), empty("core.experiment__test"), market)


def test_a_promotion_is_not_taken_for_return() -> None:
    truth, past = promoted_history()
    right = truth.marginal(truth.typical)

    def error(made: dict[str, pa.Table]) -> float:
        rows = by_line(made["out.curve__line"])
        own = [rows[name] for name, *_ in truth.lines]
        a, k = (np.array([r[c] for r in own]) for c in ("ceiling", "half_saturation"))
        return float(np.median(a * k / (truth.typical + k) ** 2 / right))

    without, within = fitted(past, said()), fitted(past, said(*PROMOTED))
    assert error(without) > 1.3, "what sold by itself is counted for the spend"
    assert error(within) == pytest.approx(1, abs=0.15)


def test_a_promotion_ahead_raises_the_demand_of_its_days_alone() -> None:
    _, past = promoted_history()
    usual, planned = fitted(past, said(*PROMOTED)), fitted(past, said(*PROMOTED, DAYS + 2, DAYS + 3))
    ratio: dict[int, list[float]] = {day: [] for day in range(31)}
    of_both = (made["out.demand__line_day"].to_pylist() for made in (planned, usual))
    for a, b in zip(*of_both, strict=True):
        ratio[(a["business_date"] - LAST).days - 1].append(a["factor"] / b["factor"])
    risen = {day for day, of_lines in ratio.items() if np.mean(of_lines) > 1.2}
    assert risen == {2, 3}
    assert np.mean(ratio[2]) == pytest.approx(np.exp(EFFECT), rel=0.15)
    assert all(r == pytest.approx(1) for day in set(ratio) - risen for r in ratio[day])


def test_nothing_is_learned_from_a_signal_that_hardly_moved() -> None:
    rows = [{"signal": name, "business_date": FIRST + timedelta(days=d), "value": v}
            for name, of_day in (("flat", lambda d: 7.0), ("once", lambda d: float(d == 5)), ("index", float))
            for d in range(10) for v in [of_day(d)]]
    names, values = panel(rows, FIRST, FIRST + timedelta(days=9), 2)
    assert names == ("index",)
    assert values.shape == (12, 1)
    assert values[:10].std() == pytest.approx(1)
    assert list(values[10:, 0]) == [0, 0], "a day without a row is a usual one"


def test_what_lies_ahead_stays_within_what_was_seen() -> None:
    rows = [{"signal": "index", "business_date": FIRST + timedelta(days=d), "value": float(d if d < 10 else 99)}
            for d in range(12)]
    _, values = panel(rows, FIRST, FIRST + timedelta(days=9), 2)
    assert values[10, 0] == values[9, 0] == values.max()


def test_a_history_without_signals_has_none() -> None:
    assert panel([], date(2026, 1, 1), date(2026, 1, 5), 3)[1].shape == (8, 0)
