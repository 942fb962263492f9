"""The night's question to `decisions.plan`: what it holds, and that its answer is the best split by other proofs."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_decision_jobs import D, budgets, decided, empty, fitted_curves, history, override, unit

from decisions.allocation import allocate as closed_form
from decisions.jobs.allocate import allocate
from decisions.jobs.ask import ask, solved
from decisions.jobs.delivery import held_to, worst_of
from decisions.jobs.question import Asked
from decisions.overrides import Override
from decisions.periods import Period, bounds_of
from decisions.plan.model import build
from moe.contracts import contract
from moe.errors import MoeError
from moe.jobs import Night

CURVES = fitted_curves(Night(unit(), D), history())["out.curve__line"]


def said_of(overrides: list[dict[str, Any]]) -> pa.Table:
    schema = contract("core.override__override").schema
    return pa.Table.from_pylist([{"unit": "advertiser", "night": D} | o for o in overrides], schema=schema)


def asked(
    overrides: list[dict[str, Any]] = [], before: dict[str, str] | None = None,  # noqa: B006
    demand_of: pa.Table | None = None, of: dict[str, Any] | None = None, **budget: Any,
) -> Asked:  # fmt: skip
    """The question of a night over three lines; `of` changes the unit, `budget` its budget."""
    had = empty("out.budget__line")
    if before is not None:
        schema = pa.schema([field.with_nullable(True) for field in had.schema])
        had = pa.Table.from_pylist([{"line_id": k, "budget": Decimal(v)} for k, v in before.items()], schema=schema)
    night = Night(unit(**budget).model_copy(update=of or {}), D)
    return ask(night, history(), CURVES, had, said_of(overrides), demand_of)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.2, 1.0]), st.floats(0.4, 2.0), st.integers(0, 4))
@settings(max_examples=60)
def test_one_day_agrees_with_the_closed_form_and_with_the_bounds_that_explain_it(
    seed: int, step: float, scale: float, said: int
) -> None:
    random = np.random.default_rng(seed)
    before = {line: f"{random.uniform(0, 500) * (random.random() < 0.8):.2f}" for line in ("alpha", "beta", "gamma")}
    total = max(round(sum(map(float, before.values())) * scale, 2), 10.0)
    row = override(kind=["lock", "floor", "cap"][said % 3], amount=Decimal(f"{random.uniform(0, total / 3):.2f}"))
    it = asked([row] if said < 3 else [], before, total=f"{total:.2f}", max_step=step, line_cap=None)
    model = build(it.problem)
    assert model.lower[0].tolist() == it.bounds.lower_cents[model.order].tolist()
    assert np.minimum(model.upper[0], 10**13).tolist() == it.bounds.upper_cents[model.order].tolist()
    cents = solved(it).cents[0]
    assert cents.sum() == round(total * 100)
    status_quo = it.status_quo(int(cents.sum()))
    peer = closed_form(it.curves, int(cents.sum()), it.bounds.lower_cents, it.bounds.upper_cents, status_quo)
    value = float(it.curves.value(cents / 100).sum())
    assert value == pytest.approx(peer.expected_value, rel=1e-5)
    assert value >= float(it.curves.value(status_quo / 100).sum())


def demand(**days: float) -> pa.Table:
    """Factors by day ahead, `d0` being tomorrow; the same for all lines."""
    rows = [{"line_id": line, "business_date": D + timedelta(days=1 + int(day[1:])), "factor": factor}
            for day, factor in days.items() for line in ("alpha", "beta", "gamma")]  # fmt: skip
    return pa.Table.from_pylist(rows)


def july(kind: str = "monthly_total", amount: str = "31000.00", **terms: Any) -> dict[str, Any]:
    until = date(2026, 7, 31) if kind == "monthly_total" else date(2026, 9, 30)
    row = override(kind=kind, line_id=None, amount=Decimal(amount), until=until, override_id="july")
    return row | terms


def totals(it: Asked) -> list[int]:
    return [int(day) for day in solved(it).cents.sum(axis=1)]


def test_the_plan_has_seven_days_of_which_the_first_is_tomorrows_budget() -> None:
    made = decided(Night(unit(), D))
    plan = made["out.plan__line_day"].to_pylist()
    assert sorted({r["business_date"] for r in plan}) == [D + timedelta(days=1 + t) for t in range(7)]
    first = {r["line_id"]: r["budget"] for r in plan if r["business_date"] == D + timedelta(days=1)}
    assert first == budgets(made)
    by_day: dict[date, Decimal] = {}
    for r in plan:
        by_day[r["business_date"]] = by_day.get(r["business_date"], Decimal(0)) + r["budget"]
        assert r["most_delivered"] == 2 * r["budget"], "Google Ads may spend twice the budget of a day"
    assert set(by_day.values()) == {Decimal("900.00")}
    (whole,) = made["out.allocation__night"].to_pylist()
    assert (whole["total_from"], whole["plan_days"], whole["period_total"]) == ("day", 7, None)


def test_a_period_moves_money_to_days_with_more_demand_within_its_pacing() -> None:
    busy = demand(d0=1.0, d1=1.0, d2=3.0, d3=0.5, d4=1.0, d5=1.0, d6=1.0)
    even = totals(asked([july()], demand_of=busy))
    assert even == [100_000] * 7
    paced = totals(asked([july()], demand_of=busy, pacing=0.15, max_step=1.0))
    assert sum(paced) == 700_000, "what the horizon may spend of the month is kept to the cent"
    assert paced[2] == max(paced) > 110_000 and paced[3] == min(paced) < 90_000
    assert all(85_000 <= day <= 115_000 for day in paced)


def test_a_plan_ends_with_its_period_and_spends_it_to_the_cent() -> None:
    night = Night(unit(pacing=0.2), date(2026, 7, 28))
    rows = [r | {"business_date": r["business_date"] + timedelta(days=28)} for r in history().to_pylist()]
    past = pa.Table.from_pylist(rows, schema=history().schema)
    spent = sum(r["spend"] for r in rows if r["business_date"] >= date(2026, 7, 1) and r["line_id"] != "unplaced")
    total = spent + Decimal("2999.99")
    it = ask(night, past, CURVES, empty("out.budget__line"), said_of([july(amount=f"{total:.2f}")]))
    assert it.problem.days == 3 and "3 days ahead, to the end of the month" in " ".join(it.notes)
    assert solved(it).cents.sum() == 299_999


def test_an_overspent_month_goes_down_to_the_floors_and_says_so() -> None:
    spent = {"line_floor": "20.00"}
    rows = [r | {"business_date": r["business_date"] + timedelta(days=10)} for r in history().to_pylist()]
    past = pa.Table.from_pylist(rows, schema=history().schema)
    night = Night(unit(**spent), D + timedelta(days=10))
    it = ask(night, past, CURVES, empty("out.budget__line"), said_of([july(amount="100.00")]))
    assert solved(it).cents.tolist() == [[2_000] * 3] * 7
    assert any("overspent by" in note and "floors are spent" in note for note in it.notes)
    none = ask(Night(unit(), night.date), past, CURVES, empty("out.budget__line"), said_of([july(amount="100.00")]))
    assert solved(none).cents.sum() == 0 and any("nothing is spent" in note for note in none.notes)


def test_a_platform_that_is_late_has_spent_its_budget_of_the_days_it_has_not_told() -> None:
    night, shift = D + timedelta(days=10), timedelta(days=10)
    rows = [r | {"business_date": r["business_date"] + shift} for r in history().to_pylist()]
    rows = [r | {"platform": "meta_ads" if r["line_id"] == "beta" else r["platform"]} for r in rows]
    late = [r for r in rows if r["platform"] != "meta_ads" or r["business_date"] < night]
    assert len(late) < len(rows)
    past = pa.table({"platform": ["google_ads", "meta_ads"], "business_date": [night, night],
                     "budget": pa.array([Decimal("700.00"), Decimal("250.00")], pa.decimal128(18, 2))})  # fmt: skip

    def told(rows: list[dict[str, Any]]) -> tuple[int, str]:
        table = pa.Table.from_pylist(rows, schema=history().schema)
        said = said_of([july()])
        it = ask(Night(unit(), night), table, CURVES, empty("out.budget__line"), said, None, past)
        assert it.money.period is not None
        return it.money.period.spent_cents, " ".join(it.notes)

    reported = sum(r["spend"] for r in late if r["business_date"] > D and r["line_id"] != "unplaced")
    spent, notes = told(late)
    assert spent == int(reported * 100) + 25_000
    assert "meta_ads has not reported its newest spend yet: its budget of 250.00 counts as spent" in notes
    assert "has not reported" not in told(rows)[1]
    stopped = [r for r in rows if r["platform"] != "meta_ads" or r["business_date"] < night - timedelta(days=3)]
    assert "has not reported" not in told(stopped)[1], "a platform that is silent for days was stopped"


@pytest.mark.parametrize("amount", ["43000", "19000"])
def test_a_period_that_does_not_divide_into_days_is_within_the_widened_steps_of_all_of_them(amount: str) -> None:
    """Days differ by a cent; steps that reach the first day's total alone would stop the night for it."""
    for cents in range(0, 100, 7):
        it = asked([july(amount=f"{amount}.{cents:02d}")])
        assert it.bounds.widened_step is not None and len(set(it.money.even.tolist())) < 3
        assert solved(it).cents.sum(axis=1).tolist() == it.money.even.tolist()


def test_a_quarter_rules_until_a_month_does() -> None:
    quarter = july("quarterly_total", "92000.00") | {"override_id": "q3"}
    assert totals(asked([quarter]))[0] == 100_000
    assert totals(asked([quarter, july(amount="15500.00")]))[0] == 50_000


@given(st.integers(0, 2**32 - 1), st.sampled_from([date(2026, 7, 1), date(2026, 9, 1), date(2027, 2, 1)]))
@settings(max_examples=100)
def test_held_to_a_month_no_platform_rule_can_carry_it_over(seed: int, first: date) -> None:
    """Whatever was budgeted and delivered within the rules so far, and however platforms share the days left."""
    random = np.random.default_rng(seed)
    last = bounds_of("monthly_total", first)[1]
    done, total = int(random.integers(0, last.day)), int(random.integers(10**5, 10**7))
    tomorrow, left = first + timedelta(days=done), last.day - done
    shares = random.dirichlet(np.ones(3))
    names = ("google_ads", "meta_ads", "other")
    budgets = [{"platform": p, "business_date": first + timedelta(days=t),
                "budget": Decimal(int(random.uniform(0.5, 1.1) * total * share / last.day)).scaleb(-2)}
               for p, share in zip(names, shares, strict=True) for t in range(done)]  # fmt: skip
    used = dict(zip(names, random.uniform(0, 1, 3), strict=True))
    spend = [{"platform": r["platform"], "business_date": r["business_date"],
              "spend": round(r["budget"] * Decimal(used[r["platform"]]), 2)} for r in budgets]  # fmt: skip
    spend += [{"platform": p, "business_date": first - timedelta(days=1), "spend": Decimal(1)} for p in names]
    period = Period(Override(**july(amount=f"{total / 100:.2f}", entered_on=first, until=last)), first, last,
                    int(sum(r["spend"] for r in spend[:-3]) * 100))  # fmt: skip
    a_day = held_to(period, spend, budgets, tomorrow)
    planned = [np.full(left, int(a_day * share)) for share in random.dirichlet(np.ones(3))]
    worst = sum(worst_of(period, tomorrow, p, days, spend, budgets) for p, days in zip(names, planned, strict=True))
    assert worst <= total + 3


def test_a_hard_month_lowers_the_pace_and_any_other_reports_the_worst() -> None:
    """September has 30 days, of which Google Ads may deliver 30.4 times the daily budget."""
    shift = timedelta(days=62)
    rows = [r | {"business_date": r["business_date"] + shift} for r in history().to_pylist()]
    past = pa.Table.from_pylist(rows, schema=history().schema)
    total = override(kind="monthly_total", line_id=None, amount=Decimal("30000.00"), until=date(2026, 9, 30),
                     entered_on=D + shift)  # fmt: skip
    made = {key: allocate(Night(unit(delivery=key), D + shift), past, CURVES, empty("out.budget__line"),
                          said_of([total])) for key in ("report", "hold_total")}  # fmt: skip
    whole = {key: tables["out.allocation__night"].to_pylist()[0] for key, tables in made.items()}
    assert whole["report"]["total_configured"] == Decimal("1000.00")
    assert whole["report"]["period_most"] == Decimal("30400.00"), "reported, and not held"
    assert whole["hold_total"]["total_configured"] == Decimal("986.84")
    assert whole["hold_total"]["period_most"] <= Decimal("30000.00")
    assert "cannot pass its total" in whole["hold_total"]["notes"]


def test_lines_that_span_platforms_are_held_by_the_strictest_rule() -> None:
    first = date(2026, 5, 1)
    period = Period(Override(**july(amount="31000.00", entered_on=first, until=date(2026, 5, 31))), first,
                    date(2026, 5, 31), 0)  # fmt: skip
    spend = [{"platform": "several", "business_date": first - timedelta(days=1), "spend": Decimal(1)}]
    one = [[r | {"platform": p} for r in spend] for p in ("several", "google_ads", "meta_ads")]
    several, google, meta = (held_to(period, rows, [], first) for rows in one)
    assert several == min(google, meta) < 100_000 <= google
    assert held_to(period, [], [], first) == 100_000


TARGET = {"low": "300.00", "high": "1500.00"}


def returned(it: Asked) -> tuple[float, float]:
    """Spend and expected value of the whole plan."""
    plan = solved(it)
    return float(plan.cents.sum()) / 100, plan.value


def test_a_return_on_spend_is_reached_with_as_much_as_it_allows_and_a_person_can_change_it() -> None:
    goal = TARGET | {"kind": "return_on_spend", "value": "2.6"}
    spend, value = returned(asked(target=goal, max_step=1.0))
    assert value / spend == pytest.approx(2.6, rel=1e-3) and 300 * 7 < spend < 1500 * 7
    changed = override(kind="target", line_id=None, amount=Decimal("2.8"))
    less, better = returned(asked([changed], target=goal, max_step=1.0))
    assert better / less == pytest.approx(2.8, rel=1e-3) and less < spend
    unreachable = asked(target=goal | {"value": "90"})
    with pytest.raises(MoeError, match="more than the target"):
        solved(unreachable)
    with pytest.raises(MoeError, match="the unit has no target that takes a number"):
        asked([changed])


def test_a_marginal_return_spends_to_it_and_profit_is_where_a_unit_brings_one() -> None:
    for goal, price in (({"kind": "marginal_return", "value": "1.5"}, 1.5), ({"kind": "profit"}, 1.0)):
        it = asked(target=TARGET | {"low": "0.00", "high": "9000.00"} | goal, max_step=5.0, line_cap=None,
                   explore=None)
        plan = solved(it)
        slope = it.curves.marginal(plan.cents[0] / 100)
        assert slope[plan.cents[0] > 0] == pytest.approx(price, rel=1e-2)
        made = decided(Night(unit(target=TARGET | goal), D))["out.allocation__night"].to_pylist()[0]
        assert made["total_from"] == "target" and 300 <= made["total_configured"] <= 1500


def test_margin_and_lifetime_weigh_lines_and_bids_still_see_their_own_returns() -> None:
    plain = decided(Night(unit(), D))
    terms = [{"lines": ["al*"], "margin": 0.9, "lifetime": 3.0}, {"lines": ["*"], "margin": 0.5}]
    weighed = decided(Night(unit(terms=terms), D))
    assert budgets(weighed)["alpha"] > budgets(plain)["alpha"]
    rows = {r["line_id"]: r for r in weighed["out.budget__line"].to_pylist()}
    assert rows["alpha"]["money_price"] * 2.7 == pytest.approx(rows["beta"]["money_price"] * 0.5)
    (whole,) = weighed["out.allocation__night"].to_pylist()
    worth = {"alpha": 2.7, "beta": 0.5, "gamma": 0.5}
    assert whole["expected_value"] == pytest.approx(sum(r["expected_value"] * worth[x] for x, r in rows.items()))
    assert whole["expected_value"] >= whole["status_quo_value"]
    prices = {line: f"{r['money_price'] * worth[line]:,.2f} across the lines" for line, r in rows.items()}
    compared = {line: r["reason"] for line, r in rows.items() if " of worth, against " in r["reason"]}
    assert compared and all(prices[line] in text for line, text in compared.items())
    assert not any("of worth" in r["reason"] for r in plain["out.budget__line"].to_pylist())


def test_a_line_with_a_minimum_runs_at_it_or_not_at_all() -> None:
    had = {"alpha": "450.00", "beta": "400.00", "gamma": "50.00"}
    terms = [{"lines": ["beta"], "minimum": "390.00"}]
    made = decided_from(had, terms=terms)
    assert made["beta"]["budget"] == 0 or made["beta"]["budget"] >= 390
    assert sum(r["budget"] for r in made.values()) == 900
    kept = decided_from(had, terms=terms, max_step=0.02, least_step="1.00")["beta"]
    assert kept["budget"] >= 390 and "minimum of 390.00" in kept["reason"]
    stopped = decided_from({**had, "beta": "390.00"}, terms=terms, total="300.00", max_step=1.0)["beta"]
    assert stopped["budget"] == 0 and "runs from its minimum on" in stopped["reason"]


def decided_from(had: dict[str, str], **budget: Any) -> dict[str, dict[str, Any]]:
    schema = pa.schema([field.with_nullable(True) for field in empty("out.budget__line").schema])
    before = pa.Table.from_pylist([{"line_id": k, "budget": Decimal(v)} for k, v in had.items()], schema=schema)
    return {r["line_id"]: r for r in decided(Night(unit(**budget), D), before)["out.budget__line"].to_pylist()}


def test_a_budget_stays_where_the_data_support_it() -> None:
    free, kept = asked(max_step=1.0), asked(max_step=1.0, explore=0.0)
    most = np.ceil(kept.curves.spend_high * 100)
    assert (solved(free).cents[0] > most).any()
    assert (solved(kept).cents[0] <= np.maximum(most, kept.bounds.lower_cents)).all()
    rows = decided(Night(unit(max_step=1.0, explore=0.0), D))["out.budget__line"].to_pylist()
    assert any("the data do not support more yet" in r["reason"] for r in rows)
    far = asked(max_step=5.0, explore=0.0, total="5000.00", line_cap=None)
    assert totals(far)[0] == 500_000, "a total that the data cannot support is spent all the same"


def test_an_approved_request_is_a_limit_under_its_name_and_others_say_nothing() -> None:
    asked_for = {"kind": "request", "override_id": "r1", "line_id": "alpha", "to_id": "greek",
                 "amount": Decimal("50.00"), "reason": "Fair in the north"}  # fmt: skip
    groups = [{"name": "greek", "lines": ["beta"]}, {"name": "late", "lines": ["gamma"], "share_high": 0.9}]
    plain = budgets(decided(Night(unit(groups=groups), D)))
    for state in ("requested", "refused"):
        row = override(**asked_for, state=state)
        assert budgets(decided(Night(unit(groups=groups), D), overrides=[row])) == plain
    approved = override(**asked_for, state="approved", from_amount=Decimal("150.00"), to_amount=Decimal("450.00"))
    made = decided(Night(unit(groups=groups), D), overrides=[approved])
    rows = {r["line_id"]: r for r in made["out.budget__line"].to_pylist()}
    assert rows["alpha"]["budget"] <= 150 and rows["beta"]["budget"] == 450
    notes = made["out.allocation__night"].to_pylist()[0]["notes"]
    assert "cannot reach tonight's total and limits" in notes, "a group's step is widened, and nobody is stopped"
    assert rows["alpha"]["override_id"] == "r1" and "request r1: Fair in the north" in rows["alpha"]["reason"]
    free = decided(Night(unit(groups=groups, max_step=1.0), D), overrides=[approved])
    prices = {(r["subject"], r["limit"]) for r in free["out.limit_price__limit"].to_pylist()}
    assert ("request r1 of greek", "floor of request r1 of greek") in prices
    gone = approved | {"to_id": "nowhere"}
    with pytest.raises(MoeError, match="unknown line 'nowhere'"):
        decided(Night(unit(groups=groups), D), overrides=[gone])


def changed(column: str, value: Any) -> pa.Table:
    rows = CURVES.to_pylist()
    rows[0][column] = value
    return pa.Table.from_pylist(rows, schema=CURVES.schema)


@pytest.mark.parametrize(("column", "value", "message"), [
    ("ceiling", float("nan"), "the curve of line 'alpha' has a number that is missing or below 0"),
    ("half_saturation", -1.0, "missing or below 0"),
    ("log_half_saturation_variance", 0.0, "a posterior without width"),
])
def test_a_curve_that_cannot_be_stops_the_night_by_name(column: str, value: float, message: str) -> None:
    with pytest.raises(MoeError, match=message) as told:
        ask(Night(unit(), D), history(), changed(column, value), empty("out.budget__line"), said_of([]))
    assert "live release stays" in told.value.remedy


@pytest.mark.parametrize(("spend", "message"), [(Decimal("-3.00"), "is -3"), (None, "is missing")])
def test_a_spend_that_cannot_be_stops_the_night_by_line_and_day(spend: Decimal | None, message: str) -> None:
    rows = history().to_pylist()
    rows[5]["spend"] = spend
    schema = pa.schema([field.with_nullable(True) for field in history().schema])
    past = pa.Table.from_pylist(rows, schema=schema)
    with pytest.raises(MoeError, match=f"the spend of line 'alpha' on 2026-06-25 {message}") as told:
        ask(Night(unit(), D), past, CURVES, empty("out.budget__line"), said_of([]))
    assert "live release stays" in told.value.remedy
    with pytest.raises(MoeError, match="line 'alpha' on 2026-06-25: spend is"):
        fitted_curves(Night(unit(), D), past)


def test_a_group_that_must_spend_and_has_no_line_is_told_by_its_name() -> None:
    groups = [{"name": "Bing", "lines": ["bing / *"], "floor": "10.00"}]
    with pytest.raises(MoeError, match=r"group Bing must get 10.00 a day, and no budget line of tonight is bing / \*"):
        ask(Night(unit(groups=groups), D), history(), CURVES, empty("out.budget__line"), said_of([]))


@pytest.mark.parametrize(("budget", "message"), [
    ({"line_floor": "9.00", "line_cap": "8.00"}, "line_floor 9.00 is above line_cap 8.00"),
    ({"groups": [{"name": "north", "floor": "2.00", "cap": "1.00"}]}, "the floor 2.00 of north is above its cap 1.00"),
    ({"target": {"kind": "profit", "value": "2", "low": "0", "high": "1"}}, "a target of kind profit has no value"),
    ({"target": {"kind": "marginal_return", "low": "0", "high": "1"}}, "of kind marginal_return needs a value"),
    ({"target": {"kind": "profit", "low": "2", "high": "1"}}, "low 2 is above high 1"),
])
def test_a_budget_that_cannot_be_is_refused_with_its_key(budget: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unit(**budget)
