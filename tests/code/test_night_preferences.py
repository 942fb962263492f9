"""What a unit prefers beside its limits, in the night: risk over draws, lines that act on each other, product lines."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from test_decision_jobs import D, bid_inputs, empty, fitted_curves, history, released, unit

from decisions.draws import Draws, as_table
from decisions.jobs.allocate import allocate
from moe.jobs import Night
from moe.preferences import Interaction, ProductLines, RiskChoice
from moe.units import LineTerms

WIDE = {"max_step": 5.0, "explore": None}


def decided(drawn: pa.Table | None = None, **terms: Any) -> dict[str, pa.Table]:
    night, past = Night(unit(**WIDE, **terms), D), history()
    fitted = fitted_curves(night, past)
    return allocate(night, past, fitted["out.curve__line"], empty("out.budget__line"),
                    empty("core.override__override"), fitted["out.demand__line_day"], None,
                    fitted["out.curve_draw__line"] if drawn is None else drawn)


def budgets(made: dict[str, pa.Table]) -> dict[str, float]:
    return {r["line_id"]: float(r["budget"]) for r in made["out.budget__line"].to_pylist()}


def bets_on_gamma() -> pa.Table:
    """Worlds in which the best line is a gamble and the others are as good as sure."""
    random = np.random.default_rng(1)
    luck = random.lognormal(0, 1.0, 200)
    a = np.tile([3_600.0, 1_350.0, 3_600.0], (200, 1)) * random.lognormal(0, 1e-9, (200, 3))
    a[:, 2] *= luck / luck.mean()
    return as_table(Draws(("alpha", "beta", "gamma"), a, np.tile([1_200.0, 900.0, 600.0], (200, 1))))


def test_a_careful_unit_spends_less_on_a_gamble_and_its_worst_worlds_are_better() -> None:
    drawn = bets_on_gamma()
    careful = decided(drawn, risk=RiskChoice(measure="cvar", level=0.1))
    level = decided(drawn, risk=RiskChoice(measure="cvar", level=1.0))
    assert budgets(careful)["gamma"] < budgets(level)["gamma"] - 20

    def worst(made: dict[str, pa.Table]) -> float:
        a = np.array(drawn["ceiling"]).reshape(200, 3)
        k, spend = np.array(drawn["half_saturation"]).reshape(200, 3), np.array([*budgets(made).values()])
        return float(np.sort((a * spend / (spend + k)).sum(axis=1))[:20].mean())

    assert worst(careful) > worst(level)
    whole = careful["out.allocation__night"].to_pylist()[0]
    assert whole["measure"] == "cvar 0.1"
    assert whole["measured_status_quo"] <= whole["measured_value"] <= whole["upper_bound"] * (1 + 1e-9)
    assert whole["optimality_gap"] < 1e-3
    assert sum(budgets(careful).values()) == 900


def test_halo_moves_money_to_the_giver_and_counts_in_what_is_expected() -> None:
    plain, giving = decided(), decided(interactions=(Interaction(**{"from": ["Beta"], "to": ["Gamma"], "share": 0.8}),))
    assert budgets(giving)["beta"] > budgets(plain)["beta"] + 20
    whole = giving["out.allocation__night"].to_pylist()[0]
    assert whole["expected_value"] == whole["measured_value"] >= whole["status_quo_value"]
    assert plain["out.front__point"].num_rows == 0


def test_product_lines_have_a_front_and_the_night_takes_the_point_of_its_weights() -> None:
    lines = {"shoes": ("Alpha",), "bags": ("Beta", "Gamma")}
    even = decided(product_lines=ProductLines(lines=lines, weights={"shoes": 1.0, "bags": 1.0}))
    shoes = decided(product_lines=ProductLines(lines=lines, weights={"shoes": 4.0, "bags": 1.0}))
    assert budgets(shoes)["alpha"] > budgets(even)["alpha"] + 20
    assert budgets(even) == budgets(decided())
    rows = shoes["out.front__point"].to_pylist()
    chosen = {r["product_line"]: r for r in rows if r["chosen"]}
    assert set(chosen) == {"shoes", "bags"}
    by_point: dict[int, dict[str, float]] = {}
    for r in rows:
        by_point.setdefault(r["point"], {})[r["product_line"]] = r["value"]
    told = [by_point[at] for at in sorted(by_point)]
    ordered = [p["shoes"] for p in told]
    assert len(told) > 3
    assert ordered in (sorted(ordered), sorted(ordered, reverse=True))
    assert chosen["shoes"]["weight"] == 4 * chosen["bags"]["weight"]


@pytest.mark.parametrize(("shoes", "bags"), [(1.3, 1.0), (1.0, 1.3), (0.0, 1.0)])
def test_product_lines_weigh_in_prices_and_on_every_day(shoes: float, bags: float) -> None:
    """A free line returns its price of money, in its own outcome, whatever its product line counts."""
    lines = ProductLines(lines={"shoes": ("Alpha",), "bags": ("Beta", "Gamma")},
                         weights={"shoes": shoes, "bags": bags})  # fmt: skip
    made = decided(product_lines=lines, horizon=3)
    rows = made["out.budget__line"].to_pylist()
    free = [r for r in rows if r["binding"] == "none"]
    assert len(free) >= 2
    for r in free:
        assert r["marginal_value"] == pytest.approx(r["money_price"], rel=2e-3)
    dear = {r["line_id"]: r["money_price"] for r in rows}
    assert (dear["alpha"] < dear["gamma"]) == (shoes > bags)
    by_day = [r["budget"] for r in made["out.plan__line_day"].to_pylist() if r["line_id"] == "alpha"]
    assert len(by_day) == 3
    assert float(max(by_day)) == pytest.approx(float(min(by_day)), rel=0.2, abs=1)


def test_the_front_of_a_unit_with_margins_is_of_worth_as_the_night_s_total_is() -> None:
    lines = {"shoes": ("Alpha",), "bags": ("Beta", "Gamma")}
    made = decided(product_lines=ProductLines(lines=lines), terms=(LineTerms(lines=("Beta",), margin=0.4),))
    worth = sum(r["value"] for r in made["out.front__point"].to_pylist() if r["chosen"])
    (whole,) = made["out.allocation__night"].to_pylist()
    assert worth == pytest.approx(whole["expected_value"], rel=1e-6)


def test_a_choice_between_product_lines_is_held_by_their_weights_and_not_by_worth_alone() -> None:
    """Bags are to count most, so that the night gives up worth for them: asked for, and no reason to hold."""
    asked = ProductLines(lines={"shoes": ("Alpha", "Gamma"), "bags": ("Beta",)}, weights={"shoes": 0.01, "bags": 1.0})
    made = decided(product_lines=asked)
    (whole,) = made["out.allocation__night"].to_pylist()
    assert whole["expected_value"] < whole["status_quo_value"]
    for choice, judged_by_worth in ((asked, False), (None, True)):
        night = Night(unit(**WIDE, product_lines=choice), D)
        tables = (made["out.budget__line"], made["out.allocation__night"], empty("out.bid__line_segment"),
                  bid_inputs(made)[0], empty("core.warning__finding"))  # fmt: skip
        (row,) = released(night, *tables, front=made["out.front__point"])["out.release__night"].to_pylist()
        assert ("Today's split is expected to return more" in row["hold_reason"]) == judged_by_worth
        assert ("judged by what a unit of each counts" in row["notes"]) != judged_by_worth
        assert (row["beats_status_quo"] > 0.5) != judged_by_worth
        assert (row["expected_value"], row["status_quo_value"]) == (whole["expected_value"], whole["status_quo_value"])
