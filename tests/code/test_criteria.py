"""Success criteria: the stated detectable effect holds on planted ones, and contracts are judged by what is known."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from decisions.criteria.judge import faults, judge, lines_of
from decisions.criteria.kpis import KPIS, Series, series
from decisions.criteria.noise import Noise, noise
from decisions.jobs.criteria import criteria
from moe.contracts import contract
from moe.jobs import Night
from tests.code.test_decision_jobs import D, empty, history, unit

WEEK = np.array([0.2, 0.1, 0.0, 0.0, -0.05, -0.15, -0.1])
ALL = list(KPIS)
NO_DELAY: Callable[[str, str], int] = lambda platform, measure: 0  # noqa: E731


def correlated(rng: np.random.Generator, days: int, rho: float) -> np.ndarray:
    """Standard normal days, each correlated with the next."""
    shocks = rng.normal(size=days)
    out = np.empty(days)
    out[0] = shocks[0]
    for t in range(1, days):
        out[t] = rho * out[t - 1] + np.sqrt(1 - rho**2) * shocks[t]
    return out


def looks(rho: float, planted: str, believed: float | None = None, reps: int = 500) -> tuple[float, float]:
    """Share of planted effects that 14 days show, and of false alarms, by the stated effect and interval.

    Each look measures its noise on 56 days of its own; `planted` is 'effect' (against the true level) or 'change'
    (against those 56 days). `believed` replaces the correlation that it found.
    """
    rng, found, alarms, before = np.random.default_rng(7), 0, 0, 56
    weekdays = np.arange(before + 14) % 7
    for _ in range(reps):
        y = 100 * (1 + WEEK[weekdays] + 0.15 * correlated(rng, before + 14, rho))
        base = y[:before].mean()
        q = noise(y[:before] / base - 1, weekdays[:before])
        assert q is not None
        if believed is not None:
            q = Noise(q.days, q.sd, believed, q.weekday)
        level = 100 if planted == "effect" else base
        seen = float((y[before:] / level - 1 - q.weekday[weekdays[before:]]).mean())
        size = q.detectable_effect(14) if planted == "effect" else q.detectable_change(14)
        width = q.half_width(14) * (1 if planted == "effect" else q.change_error(14) / q.mean_error(14))
        found += abs(seen + size) > width
        alarms += abs(seen) > width
    return found / reps, alarms / reps


@pytest.mark.parametrize("planted", ["effect", "change"])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
def test_the_stated_effect_is_shown_four_times_out_of_five(rho: float, planted: str) -> None:
    power, alarms = looks(rho, planted)
    assert 0.75 <= power <= 0.90  # 500 looks: one standard error is 0.018
    assert alarms <= 0.08


def test_days_taken_as_independent_would_promise_too_much() -> None:
    _, alarms = looks(0.6, "effect", believed=0.0)
    assert alarms > 0.2


def test_noise_knows_the_weekdays_and_the_correlation() -> None:
    rng = np.random.default_rng(3)
    found = noise(WEEK[np.arange(2000) % 7] + 0.1 * correlated(rng, 2000, 0.5), np.arange(2000) % 7)
    assert found is not None
    assert abs(found.sd - 0.1) < 0.01 and abs(found.correlation - 0.5) < 0.06
    assert np.abs(found.weekday - WEEK).max() < 0.03
    assert noise(np.full(20, 0.1), np.arange(20) % 7) is None  # too few


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.9])
def test_errors_are_the_sums_of_the_autocovariances(rho: float) -> None:
    q, m = Noise(30, 2.0, rho, np.zeros(7)), 14
    weights = np.r_[np.full(30, -1 / 30), np.full(m, 1 / m)]
    covariance = 4.0 * rho ** np.abs(np.subtract.outer(np.arange(44), np.arange(44)))
    assert q.change_error(m) == pytest.approx(float(np.sqrt(weights @ covariance @ weights)))
    assert q.mean_error(m) == pytest.approx(float(np.sqrt(weights[30:] @ covariance[30:, 30:] @ weights[30:])))
    days = q.days_for(1.5, 2000)
    assert days is not None and q.detectable_effect(days) <= 1.5 < q.detectable_effect(days - 1)


# One campaign's days ------------------------------------------------------------------------------------------------

def rows(days: int, night: date = D, level: float = 40.0, spread: float = 2.0, seed: int = 1,
         since: int = 0, then: float | None = None) -> list[dict[str, Any]]:
    """Line-days up to `night` with a level of conversions; the newest `since` days at `then`."""
    rng = np.random.default_rng(seed)
    out = []
    for age in range(days - 1, -1, -1):
        day = night - timedelta(days=age)
        mean = then if then is not None and age < since else level
        conversions = max(mean * (1 + WEEK[day.weekday()]) + spread * rng.normal(), 0.0)
        out.append({"line_id": "a", "line_name": "Alpha", "platform": "google_ads", "business_date": day,
                    "clicks": int(rng.normal(1000, 5)), "spend": Decimal("400"), "conversions": Decimal(conversions),
                    "conversion_value": Decimal(conversions * rng.normal(50, 15)), "outcome_known": True})
    return out


def known(found: list[dict[str, Any]], delay: int = 0, night: date = D) -> Series:
    made = series(found, [], lambda _, measure: delay if measure.startswith("conv") else 0, night, night)
    assert made is not None
    return made


def contracted(**terms: Any) -> dict[str, Any]:
    return {"criterion_id": "c1", "campaign": "a", "kpi": "conversions", "target": 40.0, "minimum_effect": 0.1,
            "owner": "Ana", "linked_objective": "Grow", "start_date": D - timedelta(days=20),
            "end_date": D + timedelta(days=20), "entered_on": D - timedelta(days=30), "until": None} | terms


@pytest.mark.parametrize(("level", "kpi", "target", "over", "status", "clear"), [
    (50.0, "conversions", 40.0, False, "on_the_way", True),
    (30.0, "conversions", 40.0, False, "missed", True),
    (39.4, "conversions", 40.0, False, "cannot_tell_yet", False),
    (50.0, "conversions", 40.0, True, "reached", True),
    (39.5, "conversions", 40.0, True, "missed", False),
    (50.0, "cost_per_acquisition", 9.0, False, "on_the_way", True),
    (30.0, "cost_per_acquisition", 9.0, True, "missed", True),
])
def test_a_contract_is_judged_by_the_level_behind_its_days(
    level: float, kpi: str, target: float, over: bool, status: str, clear: bool
) -> None:
    days = known(rows(70, level=40.0, since=21, then=level))
    end = D if over else D + timedelta(days=20)
    got = judge(contracted(kpi=kpi, target=target, end_date=end, minimum_effect=0.15), days, ALL)
    assert (got.status, got.clear) == (status, clear)
    assert got.low is not None and got.value is not None and got.high is not None and got.low < got.value < got.high
    assert got.days_known == 21


def test_too_early_says_from_which_night_it_can_be_told_and_days_on_the_way_do_not_count() -> None:
    days = known(rows(70, spread=12.0), delay=6)
    start = D - timedelta(days=7)
    got = judge(contracted(start_date=start, minimum_effect=0.2), days, ALL)
    assert got.status == "cannot_tell_yet" and got.days_known == 2  # of 8, 6 are not complete yet
    assert got.days_needed is not None and got.days_needed > 2
    assert got.told_on == start + timedelta(days=got.days_needed - 1 + 6)
    later = known(rows(90, D + timedelta(days=20), spread=12.0), delay=6, night=D + timedelta(days=20))
    assert judge(contracted(start_date=start, minimum_effect=0.2, target=20.0), later, ALL).status == "on_the_way"


def test_where_the_noise_hides_the_effect_another_kpi_is_named() -> None:
    got = judge(contracted(start_date=D - timedelta(days=6), end_date=D + timedelta(days=7), minimum_effect=0.05,
                           kpi="conversion_value", target=2000.0), known(rows(70, spread=1.5)), ALL)
    assert got.status == "cannot_tell_yet" and (got.days_needed is None or got.days_needed > 14)
    assert got.faster_kpi == "conversions" and got.faster_days is not None and got.faster_days <= 14


def test_a_running_week_is_not_judged_by_the_weekdays_that_it_has_seen() -> None:
    night = D - timedelta(days=D.weekday()) + timedelta(days=1)  # a Tuesday: Monday and Tuesday are 10 % to 20 % better
    days = known(rows(70, night, spread=0.01), night=night)
    got = judge(contracted(start_date=night - timedelta(days=1), minimum_effect=0.1), days, ALL)
    assert got.value == pytest.approx(40.0, rel=0.01)


def test_a_contract_that_has_not_begun_cannot_be_told() -> None:
    got = judge(contracted(start_date=D + timedelta(days=5)), known(rows(70)), ALL)
    assert (got.status, got.value, got.days_known) == ("cannot_tell_yet", None, 0)
    young = judge(contracted(), known(rows(10)), ALL)
    assert young.status == "cannot_tell_yet" and young.days_needed is None and young.value is not None


def test_days_that_were_not_reported_are_not_known_and_silent_ones_are_zero() -> None:
    found = [r for r in rows(40) if r["business_date"] != D - timedelta(days=10)]
    made = series(found, [], NO_DELAY, D - timedelta(days=2), D)
    assert made is not None
    days = made.known(KPIS["clicks"])
    assert list(days[-3:]) == [True, False, False]
    assert days[-11] and made.sums["clicks"][-11] == 0
    assert np.isnan(made.sums["sessions"]).all() and made.noise(KPIS["sessions"]) is None


@pytest.mark.parametrize(("terms", "said"), [
    ({"campaign": "nobody"}, "There is no campaign 'nobody'"),
    ({"kpi": "sessions"}, "The unit has no sessions: choose one of"),
    ({"target": float("nan")}, "give a number above 0"),
    ({"end_date": D - timedelta(days=60), "start_date": D - timedelta(days=90)}, "It expired on"),
    ({"end_date": D - timedelta(days=30)}, "before it starts on"),
])
def test_a_contract_that_cannot_be_judged_says_why_and_what_to_do(terms: dict[str, Any], said: str) -> None:
    has = [k for k in ALL if k != "sessions"]
    assert said in faults([contracted(**terms)], {"a": "Alpha"}, has, D)["c1"]
    assert faults([contracted()], {"a": "Alpha"}, has, D) == {}


def test_of_two_contracts_for_the_same_campaign_and_days_the_first_entered_holds() -> None:
    later = contracted(criterion_id="a-second", entered_on=D - timedelta(days=1))
    apart = contracted(criterion_id="c3", start_date=D + timedelta(days=21), end_date=D + timedelta(days=30))
    found = faults([later, apart, contracted()], {"a": "Alpha"}, ALL, D)
    assert list(found) == ["a-second"] and "c1 holds for the same campaign" in found["a-second"]


def test_a_campaign_is_a_line_or_all_that_a_pattern_means() -> None:
    names = {"g / 1": "Brand | US", "g / 2": "Brand | CA", "m / 1": "Loyalty"}
    assert lines_of("Brand | *", names) == ["g / 1", "g / 2"] and lines_of("g / 2", names) == ["g / 2"]
    assert lines_of("Loyalty", names) == ["m / 1"] and lines_of("brand", names) == []


# The job ------------------------------------------------------------------------------------------------------------

def asked(said: list[dict[str, Any]], past: pa.Table | None = None, deliveries: pa.Table | None = None
          ) -> dict[str, list[dict[str, Any]]]:
    terms = contract("core.criterion__campaign").schema
    table = pa.Table.from_pylist([{"unit": "advertiser", "night": D} | r for r in said], schema=terms)
    out = criteria(Night(unit(), D), history() if past is None else past,
                   empty("core.ad_performance__ad_day") if deliveries is None else deliveries,
                   empty("features.traffic__line_day"), table)
    return {name: table.to_pylist() for name, table in out.items()}


def test_the_job_tells_of_every_line_and_kpi_that_the_unit_has() -> None:
    out = asked([])
    told = {(r["line_id"], r["kpi"]) for r in out["out.kpi_suitability__line"]}
    assert told == {(line, kpi) for line in ("alpha", "beta", "gamma") for kpi in ALL if kpi != "sessions"}
    for r in out["out.kpi_suitability__line"]:
        assert r["days_known"] == 40 and r["suitability"] != "unknown"
        assert r["detectable_change"] >= r["detectable_effect"]  # the past has noise too
    assert out["out.criterion__campaign"] == []


def test_the_job_judges_bad_and_good_contracts_beside_each_other_and_drops_withdrawn_ones() -> None:
    out = asked([
        contracted(criterion_id="all", campaign="*", target=1.0),
        contracted(criterion_id="one", campaign="Alpha", target=1.0),
        contracted(criterion_id="gone", campaign="Alpha", until=D),
        contracted(criterion_id="unknown", campaign="delta"),
    ])["out.criterion__campaign"]
    found = {r["criterion_id"]: r for r in out}
    assert set(found) == {"all", "one", "unknown"}
    assert (found["all"]["lines"], found["one"]["lines"], found["one"]["campaign_name"]) == (3, 1, "Alpha")
    assert found["all"]["value"] > found["one"]["value"] > 1 and found["one"]["status"] == "on_the_way"
    assert found["unknown"]["status"] == "not_judged" and found["unknown"]["value"] is None


def test_the_order_of_rows_changes_nothing() -> None:
    past = history()
    turned = past.take(list(range(past.num_rows))[::-1])
    assert asked([contracted(campaign="*")], past) == asked([contracted(campaign="*")], turned)


def test_a_campaign_has_its_newest_name_whatever_the_order_of_rows() -> None:
    past = history()
    renamed = [r | {"line_name": "Launch"} if (r["line_id"], r["business_date"]) == ("alpha", D) else r
               for r in past.to_pylist()]
    for order in (renamed, renamed[::-1]):
        found = asked([contracted(campaign="Lau*")], pa.Table.from_pylist(order, schema=past.schema))
        (row,) = found["out.criterion__campaign"]
        assert (row["campaign_name"], row["lines"]) == ("Launch", 1) and row["status"] != "not_judged"


@pytest.mark.parametrize("platform", ["google_ads", "several"])
def test_the_delay_is_what_deliveries_showed(platform: str) -> None:
    """A day's conversions grow from 40 to 100 over four nights; its clicks are final at once."""
    past = history()
    past = past.set_column(past.schema.get_field_index("platform"), past.schema.field("platform"),
                           pa.array([platform] * past.num_rows))
    bare = {f.name: None for f in contract("core.ad_performance__ad_day").schema}
    grown = [Decimal(v) for v in (40, 70, 90, 97, 100, 100)]
    delivered = pa.Table.from_pylist([
        bare | {"platform": "google_ads", "source": "s", "account_id": "1", "business_date": D - timedelta(days=9 + n),
                "night": D - timedelta(days=9 + n - age), "clicks": 10, "spend": Decimal(1), "conversions": amount,
                "conversion_value": amount}
        for n in range(3) for age, amount in enumerate(grown)
    ], schema=pa.schema([f.with_nullable(True) for f in contract("core.ad_performance__ad_day").schema]))
    delays = {r["kpi"]: r["delay_days"] for r in asked([], past, delivered)["out.kpi_suitability__line"]}
    assert (delays["conversions"], delays["cost_per_acquisition"], delays["clicks"]) == (3, 3, 0)


def test_a_campaign_has_a_level_of_its_own_only_from_enough_days_on() -> None:
    found = rows(70, since=20, then=80.0)
    start = D - timedelta(days=19)
    apart, together = (known(found).noise(KPIS["conversions"], at) for at in (start, None))
    assert apart is not None and together is not None and apart.sd < 0.3 * together.sd
    few = known(rows(70, since=5, then=80.0))
    early, plain = (few.noise(KPIS["conversions"], at) for at in (D - timedelta(days=4), None))
    assert early is not None and plain is not None and early.sd == plain.sd
