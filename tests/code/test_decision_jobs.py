"""The decision jobs: rows in, rows out."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from decisions.draws import from_table as drawn_from
from decisions.jobs.allocate import allocate
from decisions.jobs.ask import solved
from decisions.jobs.bid import bid
from decisions.jobs.curves import curves
from decisions.jobs.release import release
from moe.contracts import contract
from moe.errors import MoeError
from moe.jobs import Night
from moe.units import Unit, load_unit

D = date(2026, 6, 30)
LINES = {"alpha": (400.0, 3.0), "beta": (300.0, 1.5), "gamma": (200.0, 6.0)}  # spend a day, first return


def unit(**budget: Any) -> Unit:
    shipped = load_unit("advertiser")
    terms = {"total": "900.00", "line_floor": "0.00", "line_cap": "800.00", "max_step": 0.2, "least_step": "5.00"}
    return shipped.model_copy(update={"budget": type(shipped.budget)(**(terms | budget))})


def history(days: int = 40, unplaced: bool = True) -> pa.Table:
    """Line-days whose value saturates at three days' spend, with weekly variation of spend."""
    rows = []
    lines = LINES | ({"unplaced": (50.0, 1.0)} if unplaced else {})
    for line, (spend, slope) in lines.items():
        for age in range(days):
            day = D - timedelta(days=age)
            s = spend * (0.7 + 0.1 * day.weekday())
            value = slope * s / (1 + s / (3 * spend))
            rows.append({
                "unit": "advertiser", "night": D, "line_id": line, "line_name": line.title(), "platform": "google_ads",
                "business_date": day, "impressions": int(s * 100), "clicks": int(s), "spend": Decimal(f"{s:.2f}"),
                "currency": "USD", "conversions": Decimal(f"{value / 50:.4f}"),
                "conversion_value": Decimal(f"{value:.4f}"), "outcome_known": True, "click_through_rate": 0.01,
                "conversion_rate": 0.02, "cost_per_click": 1.0, "cost_per_acquisition": 10.0, "return_on_ad_spend": 2.0,
            })
    return pa.Table.from_pylist(rows).cast(contract("marts.ad_performance__line_day").schema)


def empty(table: str) -> pa.Table:
    return contract(table).schema.empty_table()


def fitted_curves(night: Night, past: pa.Table, experiments: list[dict[str, Any]] = []) -> dict[str, pa.Table]:  # noqa: B006
    said = pa.Table.from_pylist(experiments, schema=contract("core.experiment__test").schema)
    return curves(night, past, empty("core.ad_performance__ad_day"), said, empty("core.market_signal__day"))


def decided(night: Night, before: pa.Table | None = None, overrides: list[dict[str, Any]] = []) -> dict[str, pa.Table]:  # noqa: B006
    past = history()
    fitted = fitted_curves(night, past)["out.curve__line"]
    said = pa.Table.from_pylist(
        [{"unit": "advertiser", "night": D} | o for o in overrides], schema=contract("core.override__override").schema
    )
    return allocate(night, past, fitted, before if before is not None else empty("out.budget__line"), said)


def budgets(outputs: dict[str, pa.Table]) -> dict[str, Decimal]:
    return {r["line_id"]: r["budget"] for r in outputs["out.budget__line"].to_pylist()}


def override(**terms: Any) -> dict[str, Any]:
    return {"override_id": "o1", "kind": "lock", "line_id": "alpha", "amount": Decimal("123.45"), "reason": "launch",
            "who": "Ana", "entered_on": D, "until": D + timedelta(days=3)} | terms


def test_the_total_is_kept_to_the_cent_and_money_moves_to_the_higher_return() -> None:
    outputs = decided(Night(unit(), D))
    got = budgets(outputs)
    assert sum(got.values()) == Decimal("900.00")
    assert set(got) == set(LINES)  # unplaced gets no budget
    rows = {r["line_id"]: r for r in outputs["out.budget__line"].to_pylist()}
    assert rows["gamma"]["budget"] > rows["gamma"]["status_quo_budget"]
    assert rows["beta"]["budget"] < rows["beta"]["status_quo_budget"]
    assert all(r["floor"] <= r["budget"] <= r["cap"] for r in rows.values())
    whole = outputs["out.allocation__night"].to_pylist()[0]
    assert whole["expected_value"] >= whole["status_quo_value"]
    assert whole["built_on"] == "recent_spend"


def test_the_first_night_starts_from_the_mean_of_seven_days_and_later_ones_from_the_candidate() -> None:
    first = decided(Night(unit(), D))["out.budget__line"]
    spent = {r["line_id"]: [] for r in history().to_pylist()}
    for r in history().to_pylist():
        if r["business_date"] > D - timedelta(days=7):
            spent[r["line_id"]].append(r["spend"])
    for r in first.to_pylist():
        assert abs(r["previous_budget"] - sum(spent[r["line_id"]]) / 7) <= Decimal("0.005")
    before = first.append_column("unit", pa.repeat("advertiser", first.num_rows))
    second = decided(Night(unit(), D), before)
    assert {r["line_id"]: r["previous_budget"] for r in second["out.budget__line"].to_pylist()} == budgets(
        {"out.budget__line": first})
    assert second["out.allocation__night"].to_pylist()[0]["built_on"] == "candidate"


@pytest.mark.parametrize(("kind", "amount", "holds"), [
    ("lock", "123.45", lambda b: b == Decimal("123.45")),
    ("floor", "500.00", lambda b: b >= Decimal("500.00")),
    ("cap", "100.00", lambda b: b <= Decimal("100.00")),
])
def test_an_override_is_honoured_named_and_leaves_the_total(kind: str, amount: str, holds: Any) -> None:
    outputs = decided(Night(unit(), D), overrides=[override(kind=kind, amount=Decimal(amount))])
    got = budgets(outputs)
    assert holds(got["alpha"])
    assert sum(got.values()) == Decimal("900.00")
    row = next(r for r in outputs["out.budget__line"].to_pylist() if r["line_id"] == "alpha")
    assert row["override_id"] == "o1"
    assert "Ana" in row["reason"]


def test_a_day_of_which_nothing_is_reported_yet_says_nothing_of_the_curves() -> None:
    """A platform that reports a day late, as 0 and not null."""
    def newest(value: Decimal | None) -> pa.Table:
        return pa.Table.from_pylist([r | ({"conversion_value": value} if r["business_date"] == D else {})
                                     for r in history().to_pylist()], schema=history().schema)

    late = rows_as_delivered(("google_ads", [0, 100, 100]))
    assert curves_by(newest(Decimal(0)), late) == curves_by(newest(None), late)


def test_a_line_that_spans_platforms_is_fitted_as_far_as_it_is_reported() -> None:
    """The newest day has a half of its value; taken as final, it would be a fall in return."""
    def wide(newest: str) -> pa.Table:
        half = [r | {"platform": "several"} | ({"conversion_value": r["conversion_value"] * Decimal(newest)}
                                               if r["business_date"] == D else {}) for r in history().to_pylist()]
        return pa.Table.from_pylist(half, schema=history().schema)

    grown = rows_as_delivered(("google_ads", [20, 100, 100]), ("meta_ads", [80, 100, 100]))
    final = rows_as_delivered(("google_ads", [100, 100, 100]))
    found, told = (curves_by(*made) for made in ((wide("0.5"), grown), (wide("1"), final)))
    for column in ("ceiling", "half_saturation"):
        assert found.column(column).to_pylist() == pytest.approx(told.column(column).to_pylist(), rel=0.01)


def rows_as_delivered(*platforms: tuple[str, list[float]]) -> pa.Table:
    """Deliveries of the last 20 dates, each with a platform's conversion value at each age."""
    return pa.Table.from_pylist([
        {"platform": platform, "source": platform, "account_id": "a", "business_date": D - timedelta(days=day),
         "night": D - timedelta(days=day - age), "conversion_value": Decimal(value)}
        for platform, grown in platforms for day in range(20) for age, value in enumerate(grown) if age <= day
    ])


def curves_by(past: pa.Table, deliveries: pa.Table) -> pa.Table:
    return curves(Night(unit(), D), past, deliveries, empty("core.experiment__test"),
                  empty("core.market_signal__day"))["out.curve__line"]


GROUPS = [{"name": "greek", "lines": ["al*", "Bet*"], "floor": "690.00"},
          {"name": "late", "lines": ["gamma"], "share_high": 0.3}]


def test_a_group_s_floor_holds_has_its_price_and_the_same_price_drives_the_bids() -> None:
    free = decided(Night(unit(), D))
    outputs = decided(Night(unit(groups=GROUPS[:1]), D))
    got, before = budgets(outputs), budgets(free)
    assert before["alpha"] + before["beta"] < Decimal("690.00")
    assert got["alpha"] + got["beta"] == Decimal("690.00")
    assert sum(got.values()) == Decimal("900.00")
    rows = {r["line_id"]: r for r in outputs["out.budget__line"].to_pylist()}
    (price,) = [r for r in outputs["out.limit_price__limit"].to_pylist() if r["subject_kind"] == "group"]
    assert (price["subject"], price["limit"]) == ("greek", "floor of greek")
    assert price["price"] == pytest.approx(rows["gamma"]["money_price"] - rows["alpha"]["money_price"], rel=1e-3)
    # What a unit less floor brings, by asking again.
    less = decided(Night(unit(groups=[GROUPS[0] | {"floor": "689.00"}]), D))
    gained = less["out.allocation__night"].to_pylist()[0]["expected_value"]
    gained -= outputs["out.allocation__night"].to_pylist()[0]["expected_value"]
    assert gained == pytest.approx(price["price"], rel=0.05)
    held = [r for r in rows.values() if r["binding"] == "group"]
    assert held and all("within the floor of greek" in r["reason"] for r in held)
    scores, ads = bid_inputs(outputs)
    bid_of = [{r["line_id"]: r["bid"] for r in bid_rows(plan, scores, ads)} for plan in (free, outputs)]
    assert bid_of[1]["gamma"] <= bid_of[0]["gamma"]


def test_groups_that_cannot_hold_are_named_with_the_repair() -> None:
    wrong = [GROUPS[0] | {"floor": "850.00"}, GROUPS[1]]
    with pytest.raises(MoeError, match="floor of greek") as told:
        decided(Night(unit(groups=wrong), D))
    assert "live release stays" in told.value.remedy
    twice = [GROUPS[0], GROUPS[1] | {"lines": ["*"]}]
    with pytest.raises(MoeError, match="in two groups"):
        decided(Night(unit(groups=twice), D))


def test_of_a_floor_and_a_cap_the_one_that_the_budget_meets_is_named() -> None:
    floor = override(override_id="floor-1", kind="floor", amount=Decimal("1"))
    cap = override(override_id="cap-1", kind="cap", amount=Decimal("250"), who="another")
    row = {r["line_id"]: r for r in decided(Night(unit(), D), overrides=[floor, cap])["out.budget__line"].to_pylist()}
    assert (row["alpha"]["budget"], row["alpha"]["override_id"]) == (Decimal("250.00"), "cap-1")
    free = override(override_id="cap-2", line_id="beta", kind="cap", amount=Decimal("9999"))
    row = {r["line_id"]: r for r in decided(Night(unit(), D), overrides=[free])["out.budget__line"].to_pylist()}
    assert row["beta"]["override_id"] is None, "a limit that holds nothing is nobody's decision"


def test_an_expired_override_says_nothing() -> None:
    past = override(entered_on=D - timedelta(days=9), until=D)  # holds to D, not for D+1
    assert budgets(decided(Night(unit(), D), overrides=[past])) == budgets(decided(Night(unit(), D)))


def test_a_monthly_total_sets_the_night_s_total_by_what_is_left() -> None:
    july = override(kind="monthly_total", line_id=None, amount=Decimal("31000.00"), until=date(2026, 7, 31))
    outputs = decided(Night(unit(), D), overrides=[july])
    assert sum(budgets(outputs).values()) == Decimal("1000.00")
    assert "month" in outputs["out.allocation__night"].to_pylist()[0]["notes"]


@pytest.mark.parametrize(("overrides", "message"), [
    ([override(line_id="nowhere")], "unknown line 'nowhere'"),
    ([override(kind="floor", amount=Decimal("500")), override(override_id="o2", kind="cap", amount=Decimal("50"))],
     "is above"),
    ([override(kind="floor", amount=Decimal("800")),
      override(override_id="o2", line_id="beta", kind="floor", amount=Decimal("400"))], "total"),
])
def test_overrides_that_cannot_hold_stop_the_night_with_their_names(overrides: list[Any], message: str) -> None:
    with pytest.raises(MoeError, match=message):
        decided(Night(unit(), D), overrides=overrides)


def test_no_line_with_recent_spend_is_an_error_that_says_where_to_look() -> None:
    night = Night(unit(), D + timedelta(days=60))
    with pytest.raises(MoeError, match="no budget line with spend"):
        allocate(night, history(), *map(empty, ("out.curve__line", "out.budget__line", "core.override__override")))


def test_days_whose_outcome_is_unknown_do_not_pull_a_curve_down() -> None:
    known = history()
    rows = known.to_pylist()
    for r in rows:
        if r["business_date"] > D - timedelta(days=20):
            r["conversions"] = r["conversion_value"] = None
    unknown = pa.Table.from_pylist(rows, schema=known.schema)
    night = Night(unit(), D)
    for name in ("ceiling", "half_saturation"):
        full = fitted_curves(night, known)["out.curve__line"].column(name).to_numpy()
        half = fitted_curves(night, unknown)["out.curve__line"].column(name).to_numpy()
        assert np.allclose(np.log(full), np.log(half), atol=0.25)


def experiment(**terms: Any) -> dict[str, Any]:
    """A test of alpha in which 400 a day more brought 300: about half of what observed spend lets expect."""
    return {"unit": "advertiser", "night": D, "experiment_id": "t1", "kind": "geo", "line_id": "alpha",
            "start_date": D - timedelta(days=20), "end_date": D - timedelta(days=7), "spend_test": Decimal(800),
            "spend_control": Decimal(400), "objective": "conversion_value", "incremental_outcome": 14 * 300.0,
            "standard_error": 14 * 20.0, "entered_on": D, "until": None} | terms


def by_line(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {r["line_id"]: r for r in table.to_pylist()}


def lift(curve: dict[str, Any], of: str = "") -> float:
    """What 800 a day bring above 400 a day, by a curve."""
    a, k = curve[f"ceiling{of}"], curve[f"half_saturation{of}"]
    return float(a * 800 / (800 + k) - a * 400 / (400 + k))


def lift_error(outputs: dict[str, pa.Table], line: str) -> float:
    """Its standard error beside it, over draws."""
    drawn = drawn_from(outputs["out.curve_draw__line"]).of([line])
    found = drawn.value([800.0]) - drawn.value([400.0])
    return float(found.std() / found.mean())


def test_an_experiment_moves_its_curve_to_what_it_measured_and_narrows_it() -> None:
    night = Night(unit(), D)
    without, made = fitted_curves(night, history()), fitted_curves(night, history(), [experiment()])
    before, after = by_line(without["out.curve__line"]), by_line(made["out.curve__line"])
    assert lift(before["alpha"]) > 500, "300 were measured"
    assert abs(lift(after["alpha"]) - 300) < 0.3 * abs(lift(before["alpha"]) - 300)
    assert lift_error(made, "alpha") < 0.7 * lift_error(without, "alpha")
    assert {line: c["evidence"] for line, c in after.items()} == {
        "alpha": "calibrated", "beta": "observational", "gamma": "observational"}
    assert lift(after["alpha"], "_before") == pytest.approx(lift(before["alpha"]))
    assert after["beta"]["ceiling_before"] is None and before["alpha"]["ceiling_before"] is None
    assert {c["evidence"] for c in before.values()} == {"observational"}
    assert [(r["experiment_id"], r["used"], r["note"]) for r in made["out.experiment__test"].to_pylist()] == [
        ("t1", True, "")]
    assert without["out.experiment__test"].num_rows == 0


@pytest.mark.parametrize(("terms", "note"), [
    ({"start_date": D - timedelta(days=40)}, "are not all among those that the curves are fitted on, 2026-05-22 to"),
    ({"end_date": D + timedelta(days=1)}, "are not all among those that the curves are fitted on"),
    ({"objective": "conversions"}, "It counted conversions, and the budgets go by conversion_value."),
    ({"until": D}, "Withdrawn: it counted until 2026-06-30."),
    ({"line_id": "unplaced"}, "Its line gets no budget"),
    ({"line_id": "gone", "start_date": D - timedelta(days=400), "end_date": D - timedelta(days=390)},
     "are not all among"),
])
def test_an_experiment_that_says_nothing_tonight_is_left_out_with_a_note(terms: dict[str, Any], note: str) -> None:
    night = Night(unit(), D)
    made = fitted_curves(night, history(), [experiment(**terms)])
    assert made["out.curve__line"].equals(fitted_curves(night, history())["out.curve__line"])
    (row,) = made["out.experiment__test"].to_pylist()
    assert not row["used"] and note in row["note"]


@pytest.mark.parametrize(("terms", "message"), [
    ({"line_id": "gone"}, "experiment t1: it is on an unknown line 'gone'"),
    ({"end_date": D - timedelta(days=21)}, "experiment t1: it ends on 2026-06-09, before it starts"),
    ({"spend_test": Decimal(400)}, "experiment t1: both arms spend 400.0 a day"),
])
def test_experiments_that_cannot_be_used_stop_the_night_with_their_names(terms: dict[str, Any], message: str) -> None:
    second = experiment(experiment_id="t2", line_id="nowhere")
    with pytest.raises(MoeError, match=message) as error:
        fitted_curves(Night(unit(), D), history(), [experiment(**terms), second])
    assert "t2: it is on an unknown line 'nowhere'" in error.value.message, "all problems at once"
    assert "experiments file" in error.value.remedy and "the live release stays" in error.value.remedy


NO_LANDSCAPE = empty("features.bid_response__line_segment_bid")


def bid_inputs(outputs: dict[str, pa.Table]) -> tuple[pa.Table, pa.Table]:
    keys = [(line, segment) for line in LINES for segment in ("DESKTOP", "MOBILE")]
    scores = pa.table({"line_id": [k[0] for k in keys], "segment": [k[1] for k in keys], "click_rate": [0.01] * 6,
                       "conversion_rate": [0.02, 0.01] * 3, "model_version": ["abc"] * 6})
    ads = pa.table({"line_id": [k[0] for k in keys], "segment": [k[1] for k in keys], "clicks_7d": [700.0] * 6,
                    "spend_7d": [LINES[k[0]][0] * 3.5 for k in keys], "cost_per_click_7d": [1.0] * 6})
    return scores, ads


def bid_rows(outputs: dict[str, pa.Table], scores: pa.Table, ads: pa.Table, response: pa.Table = NO_LANDSCAPE,
             of: Unit | None = None) -> list[dict[str, Any]]:
    made = bid(Night(of or unit(), D), outputs["out.budget__line"], scores, ads, history(), response)
    return made["out.bid__line_segment"].to_pylist()


def test_bids_stay_under_their_cap_and_spend_within_the_budget() -> None:
    night = Night(unit(), D)
    outputs = decided(night)
    scores, ads = bid_inputs(outputs)
    rows = bid_rows(outputs, scores, ads)
    assert len(rows) == 6
    got = budgets(outputs)
    for line in LINES:
        mine = [r for r in rows if r["line_id"] == line]
        assert sum(r["expected_spend"] for r in mine) <= got[line]
        assert mine[0]["bid"] >= mine[1]["bid"]  # twice the conversion rate
        assert all(r["bid"] <= r["bid_cap"] for r in mine)


def test_a_value_of_the_model_is_used_and_the_line_s_history_where_it_has_none() -> None:
    outputs = decided(Night(unit(), D))
    scores, ads = bid_inputs(outputs)
    ads = ads.set_column(2, "clicks_7d", pa.array([0.7] * 6))  # so few that no budget limits a bid
    usual = bid_rows(outputs, scores, ads)
    assert {r["value_source"] for r in usual} == {"history"}
    values = pa.array([3 * usual[0]["value_per_conversion"], *[None] * 5], pa.float64())
    found = bid_rows(outputs, scores.append_column("value_per_conversion", values), ads)
    assert [r["value_source"] for r in found] == ["model", *["history"] * 5]
    assert float(found[0]["bid"]) == pytest.approx(3 * float(usual[0]["bid"]), abs=2e-4)
    assert found[1:] == usual[1:]


def test_a_unit_that_counts_conversions_bids_without_values() -> None:
    outputs = decided(Night(unit(), D))
    scores, ads = bid_inputs(outputs)
    counting = unit().model_copy(update={"objective": "conversions"})
    dear = scores.append_column("value_per_conversion", pa.array([1e6] * 6))
    amounts = [[r["bid"] for r in bid_rows(outputs, table, ads, of=counting)] for table in (scores, dear)]
    assert amounts[0] == amounts[1]


@pytest.mark.parametrize("terms", [{"margin": 0.2}, {"lifetime": 4.0}])
def test_a_click_never_costs_more_than_its_worth_and_may_cost_as_much(terms: dict[str, float]) -> None:
    """Worth is what is left of the value after its cost, and what the customer brings later."""
    worth = next(iter(terms.values()))
    of = unit(terms=[{"lines": ["*"], **terms}])
    whole = allocate(Night(of, D), history(), fitted_tonight()["out.curve__line"], empty("out.budget__line"),
                     empty("core.override__override"))
    free = whole["out.budget__line"].set_column(
        whole["out.budget__line"].schema.get_field_index("money_price"), "money_price", pa.array([1e-3] * 3))
    scores, ads = bid_inputs(whole)
    ads = ads.set_column(2, "clicks_7d", pa.array([0.7] * 6))  # so few that no budget limits a bid
    of = of.model_copy(update={"bids": of.bids.model_copy(update={"cap": Decimal(1000)})})
    for r in bid_rows({"out.budget__line": free}, scores, ads, of=of):
        assert float(r["bid"]) == pytest.approx(worth * r["conversion_rate"] * r["value_per_conversion"], abs=1e-4)


def test_where_a_landscape_tells_what_bids_win_clicks_and_spend_follow_it() -> None:
    outputs = decided(Night(unit(), D))
    scores, ads = bid_inputs(outputs)
    without = bid_rows(outputs, scores, ads)
    curve = [(Decimal("0.0500"), 0.1, 0.04), (Decimal("0.5000"), 0.4, 0.3), (Decimal("6.0000"), 0.8, 2.0)]
    response = pa.Table.from_pylist([
        {"unit": "u", "night": D, "line_id": "alpha", "segment": "DESKTOP", "bid": b, "eligible_impressions": 1000.0,
         "win_rate": won, "cost_per_click": cost, "model_version": "b"} for b, won, cost in curve
    ], schema=NO_LANDSCAPE.schema)
    found = bid_rows(outputs, scores, ads, response)
    assert found[2:] == without[2:]
    amount, clicks = float(found[0]["bid"]), found[0]["expected_clicks"]
    grid, won, cost = ([float(point[at]) for point in curve] for at in range(3))
    assert clicks == pytest.approx(1000 * 0.01 * np.interp(amount, grid, won))
    assert float(found[0]["expected_spend"]) == pytest.approx(clicks * np.interp(amount, grid, cost), abs=0.01)


@cache
def fitted_tonight() -> dict[str, pa.Table]:
    return fitted_curves(Night(unit(), D), history())


def released(
    night: Night, *tables: pa.Table, past_budgets: pa.Table | None = None, past_releases: pa.Table | None = None,
    multipliers: pa.Table | None = None, front: pa.Table | None = None,
) -> dict[str, pa.Table]:
    made = fitted_tonight()
    return release(night, *tables, made["out.curve__line"], made["out.curve_draw__line"],
                   empty("out.budget__line") if past_budgets is None else past_budgets,
                   empty("out.release__night") if past_releases is None else past_releases, multipliers,
                   front=front)


def to_release(night: Night) -> list[pa.Table]:
    outputs = decided(night)
    scores, ads = bid_inputs(outputs)
    table = outputs["out.budget__line"]
    bids = bid(night, table, scores, ads, history(), NO_LANDSCAPE)["out.bid__line_segment"]
    return [table, outputs["out.allocation__night"], bids, scores, empty("core.warning__finding")]


def with_budgets(table: pa.Table, budgets: dict[str, str]) -> pa.Table:
    rows = [r | {"budget": Decimal(budgets[r["line_id"]])} for r in table.to_pylist()]
    return pa.Table.from_pylist(rows, schema=table.schema)


def test_a_release_says_how_surely_it_beats_the_budgets_in_force() -> None:
    night = Night(unit(), D)
    row = released(night, *to_release(night))["out.release__night"].to_pylist()[0]
    assert row["beats_low"] <= row["beats_status_quo"] <= row["beats_high"]
    assert row["beats_status_quo"] > 0.9 and row["gain_low"] < row["gain_high"]
    gain = row["expected_value"] - row["status_quo_value"]
    assert row["gain_low"] < gain < row["gain_high"], "the draws' range holds the gain that the page shows"


def test_budgets_that_probably_lose_are_held_in_words_and_the_unit_s_thresholds_decide() -> None:
    tables = to_release(Night(unit(), D))
    lower, higher = ({"alpha": "355.00", "beta": b, "gamma": g}
                     for b, g in (("380.00", "165.00"), ("270.00", "275.00")))
    tables[0] = with_budgets(tables[0], lower)  # money moves from the best line to the worst
    row = released(Night(unit(), D), *tables)["out.release__night"].to_pylist()[0]
    assert row["held"] and row["beats_status_quo"] < 0.1 and row["expected_regret"] > 0
    assert "beat those in force in only" in row["hold_reason"] and "The budgets in force stay." in row["hold_reason"]
    lax = Night(unit(hold={"probability": 0.0, "regret": 10.0}), D)
    assert "in force" not in released(lax, *tables)["out.release__night"].to_pylist()[0]["hold_reason"]
    tables[0] = with_budgets(tables[0], higher)
    assert "in force" not in released(Night(unit(), D), *tables)["out.release__night"].to_pylist()[0]["hold_reason"]


def test_after_a_held_night_budgets_are_compared_with_the_last_that_were_not_held() -> None:
    night = Night(unit(), D)
    tables = to_release(night)
    nights = [D - timedelta(days=2), D - timedelta(days=1)]
    split = {"alpha": "300.00", "beta": "400.00", "gamma": "200.00"}
    kept = with_budgets(tables[0], split).append_column("night", pa.array([nights[0]] * 3))
    usual = released(night, *tables)["out.release__night"]

    def tonight(*held: bool) -> dict[str, Any]:
        row = usual.to_pylist()[0] | {"unit": "u"}
        rows = [row | {"night": of, "held": h} for of, h in zip(nights, held, strict=True)]
        past = pa.Table.from_pylist(rows, schema=contract("out.release__night").schema)
        found = released(night, *tables, past_budgets=kept, past_releases=past)["out.release__night"]
        return dict(found.to_pylist()[0])

    assert tonight(False, False) == usual.to_pylist()[0]
    after = tonight(False, True)
    assert after["status_quo_value"] < usual.to_pylist()[0]["status_quo_value"], "it had more on the worst line"
    assert str(nights[0]) in after["notes"]
    assert tonight(True, True) == usual.to_pylist()[0], "nothing is known to be in force but today's split"


@pytest.mark.parametrize("share", [0.3, 3.0])
def test_after_a_held_night_both_budgets_count_by_their_worth(share: float) -> None:
    """What stays in force is measured as tonight's budgets are: by each line's worth."""
    margin = {"margin": share} if share <= 1 else {"lifetime": share}
    night = Night(unit(terms=[{"lines": ["*"], **margin}]), D)
    past = history()
    whole = allocate(night, past, fitted_tonight()["out.curve__line"], empty("out.budget__line"),
                     empty("core.override__override"))
    plain = to_release(Night(unit(), D))
    tables = [whole["out.budget__line"], whole["out.allocation__night"], *plain[2:]]
    nights = [D - timedelta(days=2), D - timedelta(days=1)]
    status_quo = {r["line_id"]: str(r["status_quo_budget"]) for r in tables[0].to_pylist()}
    kept = with_budgets(tables[0], status_quo).append_column("night", pa.array([nights[0]] * 3))
    usual = released(night, *tables)["out.release__night"].to_pylist()[0]
    rows = [usual | {"unit": "u", "night": of, "held": held} for of, held in zip(nights, (False, True), strict=True)]
    before = pa.Table.from_pylist(rows, schema=contract("out.release__night").schema)
    found = released(night, *tables, past_budgets=kept, past_releases=before)["out.release__night"].to_pylist()[0]
    assert found["status_quo_value"] == pytest.approx(usual["status_quo_value"]), "the same budgets, the same value"
    assert found["held"] == usual["held"] and not found["held"], found["hold_reason"]


def test_a_draw_that_is_no_number_stops_the_release_by_name() -> None:
    night, made = Night(unit(), D), fitted_tonight()
    rows = made["out.curve_draw__line"].to_pylist()
    rows[0]["ceiling"] = float("nan")
    bad = pa.Table.from_pylist(rows, schema=made["out.curve_draw__line"].schema)
    with pytest.raises(MoeError, match=r"(?s)cannot be compared .* 'alpha' .* live release stays"):
        release(night, *to_release(night), made["out.curve__line"], bad, empty("out.budget__line"),
                empty("out.release__night"))


def test_a_release_that_keeps_every_rule_is_not_held_and_a_broken_one_is() -> None:
    night = Night(unit(), D)
    outputs = decided(night)
    scores, ads = bid_inputs(outputs)
    table, whole = outputs["out.budget__line"], outputs["out.allocation__night"]
    bids = bid(night, table, scores, ads, history(), NO_LANDSCAPE)["out.bid__line_segment"]
    none = empty("core.warning__finding")
    good = released(night, table, whole, bids, scores, none)["out.release__night"].to_pylist()[0]
    assert (good["held"], good["hold_reason"]) == (False, "")
    assert good["total"] == Decimal("900.00")

    rows = table.to_pylist()
    rows[0]["budget"] += 1
    broken = released(night, pa.Table.from_pylist(rows, schema=table.schema), whole, bids, scores, none)
    assert "add up to 901.00" in broken["out.release__night"].to_pylist()[0]["hold_reason"]

    late = pa.Table.from_pylist([{"unit": "u", "night": D, "source": "google_ads", "file": "", "finding": "late",
                                  "column": "", "rows": 0, "message": "hold: x is missing"}], schema=none.schema)
    held = released(night, table, whole, bids, scores, late)["out.release__night"].to_pylist()[0]
    assert held["held"]
    assert "Not delivered: google_ads" in held["hold_reason"]


def test_a_plan_below_a_line_s_least_budget_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a line may get is told by the limits, not by what it got: or the check could not fail."""
    def wrong(asked: Any) -> Any:
        plan = solved(asked)
        moved = plan.cents.copy()
        taken = moved[0, 0] - asked.bounds.lower_cents[0] + 100
        moved[0] += [-taken, 0, taken]
        return replace(plan, cents=moved)

    monkeypatch.setattr("decisions.jobs.allocate.solved", wrong)
    row = released(Night(unit(), D), *to_release(Night(unit(), D)))["out.release__night"].to_pylist()[0]
    assert row["held"] and "Outside their bounds: Alpha" in row["hold_reason"]


def test_a_forbidden_segment_gets_no_bid_and_a_table_that_bids_for_it_is_held() -> None:
    night = Night(unit(), D)
    outputs = decided(night)
    scores, ads = bid_inputs(outputs)
    table, whole = outputs["out.budget__line"], outputs["out.allocation__night"]
    segment = scores.to_pylist()[0]["segment"]
    strict = unit()
    strict = strict.model_copy(update={"bids": strict.bids.model_copy(update={"forbidden": (segment,)})})
    free = bid(night, table, scores, ads, history(), NO_LANDSCAPE)["out.bid__line_segment"]
    made = bid(Night(strict, D), table, scores, ads, history(), NO_LANDSCAPE)["out.bid__line_segment"]
    rows = [r for r in made.to_pylist() if r["segment"] == segment]
    assert rows and all(r["bid"] == 0 == r["expected_spend"] for r in rows)
    assert {r["reason"] for r in rows} == {"No bid: policy forbids this segment"}
    none = empty("core.warning__finding")
    kept, broken = (released(Night(strict, D), table, whole, bids, scores, none)["out.release__night"].to_pylist()[0]
                    for bids in (made, free))
    assert not kept["held"]
    assert broken["hold_reason"].startswith("Policy forbids bids for: ")
