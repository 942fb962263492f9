"""The night's question to `decisions.plan`: what it holds, and that its answer is the best split by other proofs."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_decision_jobs import D, empty, fitted_curves, history, override, unit

from decisions.allocation import allocate as closed_form
from decisions.jobs.ask import Asked, ask, solved
from decisions.plan.model import build
from moe.contracts import contract
from moe.jobs import Night

CURVES = fitted_curves(Night(unit(), D), history())["out.curve__line"]


def asked(overrides: list[dict[str, Any]] = [], before: dict[str, str] | None = None, **budget: Any) -> Asked:  # noqa: B006
    """The question of a night over three lines."""
    said = pa.Table.from_pylist([{"unit": "advertiser", "night": D} | o for o in overrides],
                                schema=contract("core.override__override").schema)
    had = empty("out.budget__line")
    if before is not None:
        schema = pa.schema([field.with_nullable(True) for field in had.schema])
        had = pa.Table.from_pylist([{"line_id": k, "budget": Decimal(v)} for k, v in before.items()], schema=schema)
    return ask(Night(unit(**budget), D), history(), CURVES, had, said)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.2, 1.0]), st.floats(0.4, 2.0), st.integers(0, 4))
@settings(deadline=None, max_examples=60)
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
    peer = closed_form(it.curves, int(cents.sum()), it.bounds.lower_cents, it.bounds.upper_cents, it.status_quo)
    value = float(it.curves.value(cents / 100).sum())
    assert value == pytest.approx(peer.expected_value, rel=1e-5)
    assert value >= float(it.curves.value(it.status_quo / 100).sum())
