"""A challenger takes over only where it is better, calibrated, nowhere worse, and quick enough."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from model_world import World
from onnx import TensorProto, helper, numpy_helper

from serving.bundle import Bundle
from training import bundles
from training.compare import Check, HeldOut, compare
from training.dataset import TARGETS, FloatArray, inputs, sample, training_set
from training.evaluate import choose
from training.export import to_onnx
from training.models import Rate, Regression, candidates


@dataclass(frozen=True)
class Contest:
    """The shrunk rate, the model that was chosen over it, and later rows that neither saw."""

    baseline: list[Rate]
    winner: list[Rate]
    held_out: Mapping[str, HeldOut]

    def checks(self, challenger: list[Rate], champion: list[Rate] | None = None) -> dict[str, Check]:
        found = compare(bundle(champion or self.baseline), bundle(challenger), self.held_out)
        return {check.name: check for check in reversed(found) if not check.passed} or {"all": found[0]}


def bundle(rates: list[Rate], model: bytes = b"") -> Bundle:
    about = {"features": [{"name": name, "type": kind} for name, kind in inputs().items()]}
    return Bundle.load(bundles.write(model or to_onnx(rates), about))


@pytest.fixture(scope="module")
def contest(home: Path) -> Contest:
    world = World(name="contest", nights=56).write()
    frame = training_set(world.name, world.last)
    whole = [sample(frame, target) for target in TARGETS]
    late = [rows.split()["report"] for rows in whole]
    kept = [candidates(t, rows.split()["train"])[0]
            for t, rows in zip(TARGETS, whole, strict=True)]
    return Contest(kept, [choose(t, rows).rate for t, rows in zip(TARGETS, whole, strict=True)],
                   {t.name: HeldOut(rows, np.asarray(rows.columns["platform"], dtype=object))
                    for t, rows in zip(TARGETS, late, strict=True)})


def test_a_better_model_takes_over_and_the_comparison_says_by_how_much(contest: Contest) -> None:
    (check,) = contest.checks(contest.winner).values()
    assert check.passed and "click_rate better by" in check.said


def test_the_same_model_again_does_not(contest: Contest) -> None:
    assert set(contest.checks(contest.winner, contest.winner)) == {"better"}


def test_a_worse_one_is_refused(contest: Contest) -> None:
    found = contest.checks(contest.baseline, contest.winner)["better"]
    assert "worse by" in found.said


def test_a_miscalibrated_one_is_refused_though_it_is_better(contest: Contest) -> None:
    level = contest.winner[0].calibration
    off = [replace(contest.winner[0], calibration=replace(level, intercept=level.intercept + np.log(1.15), knots=())),
           contest.winner[1]]
    found = contest.checks(off)
    assert "predicted over observed 1.1" in found["calibrated"].said and "better" not in found


def test_one_that_is_worse_in_a_region_is_refused_though_it_is_better_in_all(contest: Contest) -> None:
    linear = next(rate for rate in contest.winner if isinstance(rate.correction, Regression))
    at = TARGETS.index(linear.target)
    made, rows = linear.correction.preparation, contest.held_out[linear.target.name]
    hot = [(name, value) for name, values in made.names.items() for value in values]
    shifted = linear.correction.coefficients.copy()
    shifted[len(made.numbers) + hot.index(("segment", "new"))] += 0.25
    planted = [*contest.winner]
    planted[at] = replace(linear, correction=replace(linear.correction, coefficients=shifted))
    by_segment = {name: replace(held, region=np.asarray(held.sample.columns["segment"], dtype=object))
                  for name, held in contest.held_out.items()}
    found = {c.name: c for c in compare(bundle(contest.winner), bundle(planted), by_segment)}
    assert rows.sample.events.sum() > 0
    assert f"{linear.target.name} in new" in found["regions"].said and "loyal" not in found["regions"].said


def test_a_slow_one_is_refused(contest: Contest) -> None:
    """A graph of equal rates that also multiplies a large matrix."""
    model = onnx.load_from_string(to_onnx(contest.winner))
    heavy: FloatArray = np.zeros((3000, 3000))
    model.graph.initializer.append(numpy_helper.from_array(heavy, "heavy"))
    first = contest.winner[0].target.name
    for node in model.graph.node:  # the rate is now the old one plus the sum of the product
        node.output[:] = [f"{name}_quick" if name == first else name for name in node.output]
    nodes = [helper.make_node("Unsqueeze", [f"{first}_quick", "heavy_axis"], ["heavy_row"]),
             helper.make_node("Expand", ["heavy_row", "heavy_shape"], ["heavy_rows"]),
             helper.make_node("MatMul", ["heavy_rows", "heavy"], ["heavy_product"]),
             helper.make_node("ReduceSum", ["heavy_product", "heavy_axis"], ["heavy_sum"], keepdims=0),
             helper.make_node("Add", [f"{first}_quick", "heavy_sum"], [first])]
    model.graph.node.extend(nodes)
    for name, values in (("heavy_axis", [1]), ("heavy_shape", [1, 3000])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.DOUBLE
    slow = bundle([], model.SerializeToString(deterministic=True))
    found = {c.name: c for c in compare(bundle(contest.baseline), slow, contest.held_out)}
    assert not found["quick"].passed and found["better"].passed
