"""A unit's preferences: risk, lines that act on each other, product lines that want the same money."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from decisions.plan import Problem, Risk, Total, solve
from decisions.preferences import interactions_of, preferred, risk_of
from decisions.response import HILL, Response
from moe.errors import MoeError
from moe.preferences import Interaction, ProductLines, RiskChoice

TEXTS = [("1", "google / Generic"), ("2", "google / Brand North"), ("3", "google / Brand South"), ("4", "meta / New")]


def asked() -> Problem:
    made = Response(np.full(4, HILL), np.array([[90.0, 60, 60, 90]]), np.full(4, 50.0), np.ones(4), np.ones((1, 4)),
                    np.zeros((1, 4)))  # fmt: skip
    return Problem(list("1234"), [made], 0, 10**6, Total.daily(16_000))


def test_a_rule_shares_what_givers_bring_among_receivers_by_usual_spend() -> None:
    rules = [Interaction.model_validate(rule) for rule in yaml.safe_load(
        '[{from: ["google / Generic", "meta / *"], to: ["* / Brand*"], share: 0.2},'
        ' {from: ["2"], to: ["google / *"], share: -0.1}, {from: ["nobody"], to: ["*"], share: 1}]')]  # fmt: skip
    made = interactions_of(rules, TEXTS, [100, 300, 100, 50])
    assert made is not None
    assert np.asarray(made.shares)[1:3, 0] == pytest.approx([0.15, 0.05])
    assert np.asarray(made.shares)[1:3, 3] == pytest.approx([0.15, 0.05])
    assert np.asarray(made.shares)[:, 1] == pytest.approx([-0.02, 0, -0.02, 0])
    assert interactions_of(rules[2:], TEXTS, [1, 1, 1, 1]) is None


def test_the_chosen_point_of_the_front_is_the_plan() -> None:
    lines = ProductLines.model_validate({"lines": {"search": ["google / *"], "social": ["meta / *"]},
                                         "weights": {"search": 1, "social": 3}})  # fmt: skip
    weights, found = preferred(asked(), lines, TEXTS, points=4)
    plan = solve(replace(asked(), weights=weights))
    assert (plan.cents == found.chosen.plan.cents).all()
    assert plan.cents[0, 3] > solve(asked()).cents[0, 3]
    assert plan.value == pytest.approx(sum(found.chosen.values.values())), "as much as without weights"
    with pytest.raises(MoeError, match="no budget line is of the product line shop"):
        preferred(asked(), ProductLines(lines={"search": ("google / *",), "shop": ("shop*",)}), TEXTS)


def test_what_is_written_wrong_is_told() -> None:
    assert risk_of(RiskChoice()) == Risk() and risk_of(RiskChoice(measure="cvar", level=0.2)) == Risk("cvar", 0.2)
    with pytest.raises(ValidationError):
        RiskChoice.model_validate({"measure": "worst"})
    with pytest.raises(ValidationError):
        Interaction.model_validate({"from": ["a"], "to": ["b"], "share": 2})
    with pytest.raises(ValidationError, match="one each of a, b"):
        ProductLines.model_validate({"lines": {"a": ["x"], "b": ["y"]}, "weights": {"a": 1}})
