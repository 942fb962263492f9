"""The maintenance check: rows in, one row out; thresholds that know the sizes; the statistics are Evidently's."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.monitoring_calm import plain
from moe.contracts import contract
from monitoring import drift
from monitoring.maintenance import AGAIN_AFTER, maintenance_check
from monitoring.model import Model
from monitoring.thresholds import ADS, SCORES, TRAFFIC, Limit, for_size, thresholds

D = date(2026, 7, 20)
MODEL = Model("a" * 16, D - timedelta(days=20))


def column(check: str = "psi", name: str = "bounce_rate", nights: int = 3, **changes: Any) -> dict[str, Any]:
    return {"table_name": TRAFFIC, "column_name": name, "check_name": check, "statistic": 0.9, "alert_above": 0.5,
            "status": "alert", "nights_alert": nights} | changes


def outcome(**changes: Any) -> dict[str, Any]:
    return {"target": "conversion_rate", "platform": "all", "is_judged": True, "dates": 14, "until": D,
            "predicted_over_observed": 1.4, "ratio_low": 1.3, "ratio_high": 1.5, "decay": 0.4,
            "calibration_status": "ok", "decay_status": "ok"} | changes


def check(columns: list[dict[str, Any]] = [], outcomes: list[dict[str, Any]] = [],  # noqa: B006 (read only)
          before: dict[str, Any] | None = None, model: Model = MODEL, night: date = D) -> dict[str, Any]:
    return maintenance_check(night, model, columns, outcomes, before, thresholds())


def test_nothing_is_asked_where_nothing_alerts() -> None:
    row = check([column(status="ok", nights=0)], [outcome()])
    assert (row["requested"], row["open_since"], row["reasons"]) == (False, None, "")


@pytest.mark.parametrize(("columns", "asked"), [
    ([column("psi"), column("ks")], True),
    ([column("psi")], False),  # one measure of two
    ([column("psi"), column("ks", name="sessions")], False),  # of different columns
    ([column("psi"), column("ks", nights=2)], False),  # not long enough
    ([column("missing")], True),
    ([column("missing", nights=2)], False),
    ([column("absent_nights", name="*")], True),
])
def test_a_column_counts_once_its_alert_lasted(columns: list[dict[str, Any]], asked: bool) -> None:
    assert check(columns)["requested"] is asked


def test_reasons_are_in_words() -> None:
    row = check([column("psi"), column("ks"), column("missing", name="sessions")],
                [outcome(calibration_status="alert"), outcome(decay_status="alert"), outcome(platform="meta_ads")])
    calibration, decay, moved, gone = row["reasons"].splitlines()
    assert calibration == ("calibration: the conversion rate over the 14 dates to 2026-07-20 was predicted at 1.40 "
                           "times what happened (95 % interval 1.30 to 1.50)")
    assert decay.startswith("decay: ") and "40.0% above the 28-day shrunk rate's" in decay
    assert moved.endswith("features.traffic__line_day.bounce_rate 0.9 above 0.5 for 3 nights")
    assert gone.startswith("availability: more of it is missing") and "sessions" in gone


def test_decay_asks_for_all_platforms_together_or_the_only_one() -> None:
    one = outcome(platform="meta_ads", decay_status="alert")
    assert not check([], [outcome(), one])["requested"]
    assert "decay: " in check([], [one])["reasons"]
    assert "on meta_ads" in check([], [outcome(), one | {"calibration_status": "alert"}])["reasons"]


def test_rows_of_earlier_weeks_are_not_judged() -> None:
    assert not check([], [outcome(is_judged=False, calibration_status="alert")])["requested"]


def test_an_old_model_is_replaced() -> None:
    limit = timedelta(days=thresholds().oldest_model_days)
    assert not check(model=Model("a" * 16, D - limit))["requested"]
    assert "age: the model was trained 43 days ago" in check(model=Model("a" * 16, D - limit - timedelta(1)))["reasons"]


def test_an_open_request_is_filed_once_and_again_after_two_weeks() -> None:
    moved = [column("psi"), column("ks")]
    first = check(moved)
    second = check(moved, before=first, night=D + timedelta(days=1))
    assert (second["requested"], second["open_since"]) == (False, D) and second["reasons"]
    calm = check([], before=second, night=D + timedelta(days=2))
    assert calm["open_since"] == D, "a request that nobody answered stays open"
    later = D + AGAIN_AFTER
    again = check(moved, before=calm, night=later)
    assert (again["requested"], again["open_since"]) == (True, later)
    answered = check([], before=again, model=Model("b" * 16, later), night=later + timedelta(days=1))
    assert answered["open_since"] is None


def test_every_number_that_the_model_reads_or_says_has_thresholds_or_a_reason() -> None:
    for table in (ADS, TRAFFIC, SCORES):
        stamps = {"event_at", "known_at", "model_version"}
        wanted = {c.name for c in contract(table).columns if not c.key} - stamps
        given = thresholds().columns[table]
        assert set(given) == wanted
        for name, one in given.items():
            assert one.unchecked or (one.psi and one.ks), name
            for limit in filter(None, (one.psi, one.ks)):
                assert 0 < limit.warn <= limit.alert and limit.calm_median is not None
                assert limit.calm_median < limit.warn


@pytest.mark.parametrize("kind", ["skewed", "in fifths", "few values", "with nulls", "constant"])
def test_the_report_gives_what_numpy_and_scipy_give(kind: str) -> None:
    rng = np.random.default_rng(4)
    now, then = pd.Series(rng.lognormal(0.2, 1, 300)), pd.Series(rng.lognormal(0, 1, 500))
    if kind == "few values":
        now, then = (part.round() for part in (now, then))
    limits = dict.fromkeys(drift.CHECKS, Limit(warn=0.1, alert=0.1))
    if kind == "constant":
        now, then = now * 1e-17 + 0.8, then * 0 + 0.8  # as sums of decimals over a count come out
    longer = drift.Compared.of("other", pd.Series(rng.normal(size=900)), pd.Series(rng.normal(size=900)), limits)
    one = drift.Compared.of("amount", now, then, limits, 5 if kind == "in fifths" else 10)
    columns = [one, longer] if kind == "with nulls" else [one]  # the shorter is filled up with nulls
    found = {(f.column, f.check): f for f in drift.found(columns, drift.report(columns))}
    for each in columns:
        for name, value in plain(each).items():
            assert found[each.name, name].statistic == pytest.approx(value, abs=1e-9)
    if kind == "in fifths":
        assert one.shown("psi") == "amount by fifths" and len(drift.bin_edges(one)) == 4
    assert found["amount", "psi"].p_value is None
    p_value = found["amount", "ks"].p_value
    assert p_value is not None and (p_value == 1 if kind == "constant" else 0 < p_value < 1)


def test_values_that_a_line_s_segments_share_are_cut_into_fifths() -> None:
    """Lines that wander by 3 % leave tenths empty, which PSI takes for a change; fifths hold several lines."""
    assert {name for part in thresholds().columns.values() for name, column in part.items() if column.parts == 5} == {
        "value_per_conversion_28d", "value_per_conversion"}
    rng, found = np.random.default_rng(1), {5: 0.0, 10: 0.0}
    for _ in range(30):
        lines = rng.lognormal(4.4, 0.15, 14)
        then, now = (pd.Series(np.repeat(lines * np.exp(0.03 * rng.normal(size=14)), 3 * nights)) for nights in (14, 7))
        for parts in found:
            found[parts] += plain(drift.Compared.of("value", now, then, {}, parts))["psi"] / 30
    assert found[10] > 3 * found[5], found


@pytest.mark.parametrize("parts", [5, 10])
def test_small_samples_get_higher_thresholds_and_do_not_alert_by_chance(parts: int) -> None:
    measured, rng = thresholds().measured, np.random.default_rng(1)
    limit = Limit(warn=0.1, alert=0.1)
    assert for_size(limit, "psi", 10**6, 10**6, measured) == limit
    alerts = {"psi": 0, "ks": 0}
    for _ in range(300):
        now, then = pd.Series(rng.normal(size=40)), pd.Series(rng.normal(size=80))
        for name, value in plain(drift.Compared.of("x", now, then, {}, parts)).items():
            alerts[name] += value > for_size(limit, name, 40, 80, measured, parts).alert
    assert alerts["psi"] <= 5 and alerts["ks"] <= 5, alerts
    unadjusted = [plain(drift.Compared.of("x", pd.Series(rng.normal(size=40)), pd.Series(rng.normal(size=80)), {},
                                          parts)) for _ in range(100)]
    assert sum(one["psi"] > limit.alert for one in unadjusted) > 30
