"""Calibration finds what was planted, and the graph says what it says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_world import Trained
from test_bundle import odd_rows

from serving.bundle import Bundle
from training import bundles, evaluate
from training.calibration import Calibration, calibration_error, fit_level, fit_line, fit_steps, worse_calibrated
from training.dataset import TARGETS, Sample, inputs, sample
from training.export import to_onnx
from training.models import candidates


def rows(off: Any, days: int = 24, lines: int = 60, seed: int = 0) -> tuple[Sample, np.ndarray]:
    """Rows whose true rate is `off(predicted)`, and the predicted rates."""
    rng = np.random.default_rng(seed)
    n = days * lines
    rate = rng.lognormal(np.log(0.02), 0.8, n)
    exposure = rng.lognormal(9.0, 0.5, n)
    events = rng.poisson(exposure * off(rate)).astype(float)
    dates = np.repeat(np.arange(days).astype("datetime64[D]"), lines)
    return Sample({"rate": rate}, events, exposure, dates), rate


def chosen(off: Any) -> Calibration:
    """What `calibrated` takes where a model predicts the given rates."""
    made, _ = rows(off)

    class Given:
        calibration = Calibration()

        def predict(self, columns: Any) -> np.ndarray:
            return np.asarray(columns["rate"])

    kept = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "replace", lambda rate, calibration: kept.append(calibration))
        evaluate.calibrated(Given(), made)  # type: ignore[arg-type]
    return kept[0]


@pytest.mark.parametrize(("off", "kind"), [
    (lambda rate: 1.3 * rate, "level"),
    (lambda rate: 0.02 * (rate / 0.02) ** 0.6, "platt"),
    (lambda rate: np.where(rate < 0.02, 0.008, 0.05), "isotonic"),
])
def test_the_kind_that_was_planted_is_found(off: Any, kind: str) -> None:
    found = chosen(off)
    assert found.kind == kind
    later, rate = rows(off, seed=1)
    after = calibration_error(later, found.apply(rate))
    assert 0 <= after.low < after.high < 0.05
    assert after.value < 0.3 * calibration_error(later, rate).value
    assert worse_calibrated(later, rate, found.apply(rate)) == 0.0


def test_few_events_change_little() -> None:
    made, rate = rows(lambda r: 3.0 * r)
    few = Sample(made.columns, np.where(np.arange(len(rate)) < 3, 1.0, 0.0), np.full(len(rate), 0.1), made.dates)
    assert abs(fit_level(few, rate, 1.0).intercept) < 0.05
    assert abs(fit_line(few, rate, 1.0).slope - 1.0) < 0.05


def test_the_graph_calibrates_as_the_model_does(trained: Trained) -> None:
    columns: dict[str, Any] = odd_rows()
    for target in TARGETS[:1]:
        whole = sample(trained.frame, target)
        for rate in candidates(target, whole):
            raw = rate.predict(whole.columns)
            for how in (fit_level(whole, raw, 1.0), fit_line(whole, raw, 1.0), fit_steps(whole, raw)):
                both = [replace(rate, calibration=how), candidates(TARGETS[1], sample(trained.frame, TARGETS[1]))[0]]
                about = {"features": [{"name": k, "type": v} for k, v in inputs().items()]}
                made = Bundle.load(bundles.write(to_onnx(both), about))
                found = bundles.check_parity(made, both, columns)
                assert found["parity_largest_error"] < 1e-5
