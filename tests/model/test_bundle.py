"""The exported graph says what the fitted model says, and a bundle that is damaged is refused."""

import contextlib
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_world import Trained

from moe.errors import MoeError
from moe.settings import settings
from serving.bundle import OUTPUTS, Bundle, BundleError
from training import bundles
from training.bid_model import VALUE
from training.dataset import TARGETS, inputs, sample
from training.export import to_onnx
from training.launch import network_rates
from training.models import Rate, candidates


@pytest.fixture(scope="module")
def bundle(trained: Trained) -> Bundle:
    return Bundle.load(settings().bundles / trained.result["version"])


@pytest.fixture(scope="module")
def fitted(trained: Trained) -> list[list[Rate]]:
    """The candidates of each kind: a pair of rates for both baselines, regressions, tree models, and heads."""
    networks = network_rates(trained.frame)
    both = ([*candidates(target, sample(trained.frame, target)), *networks[target.name]] for target in TARGETS)
    return [list(pair) for pair in zip(*both, strict=True)]


KNOWN_NAMES = ("new", "loyal", "google_ads", *(f"line_{i:03d}" for i in range(8)))


def odd_rows(n: int = 3000) -> dict[str, Any]:
    """Rows with missing numbers, zeros, giants, and names that training never saw."""
    rng = np.random.default_rng(1)
    columns: dict[str, Any] = {}
    for name, kind in inputs().items():
        if kind == "double":
            values = rng.lognormal(rng.uniform(-4, 6), 2.0, n)
            columns[name] = np.where(rng.random(n) < 0.2, np.nan, np.where(rng.random(n) < 0.1, 0.0, values))
        elif kind == "string":
            columns[name] = rng.choice(np.array([*KNOWN_NAMES, "never seen", "", None], object), n)
        else:
            columns[name] = rng.integers(1, 8, n)
    return columns


def test_the_graph_equals_the_fitted_model_on_odd_rows(fitted: list[list[Rate]]) -> None:
    for rates in fitted:
        about = {"features": [{"name": k, "type": v} for k, v in inputs().items()]}
        made = Bundle.load(bundles.write(to_onnx(rates), about))
        found = bundles.check_parity(made, rates, odd_rows(100_000))
        assert found["parity_largest_error"] < 1e-5
        assert found["parity_rows_at_split"] < 300


def test_one_network_stands_once_in_the_graph_of_both_rates(fitted: list[list[Rate]]) -> None:
    sizes = [len(to_onnx(rates)) for rates in ([fitted[3][0], fitted[0][1]], fitted[3])]
    assert sizes[1] < 1.05 * sizes[0]


def test_a_graph_that_differs_is_refused(fitted: list[list[Rate]], bundle: Bundle) -> None:
    with pytest.raises(MoeError, match="nothing was registered"):
        bundles.check_parity(bundle, fitted[0], odd_rows())


def test_rates_are_finite_and_not_negative(bundle: Bundle) -> None:
    rates = bundle.predict(odd_rows())
    assert tuple(rates) == (*OUTPUTS, VALUE.name)
    for values in rates.values():
        assert values.dtype == np.float64
        assert values.shape == (3000,)
        assert (values >= 0).all()


def test_a_row_predicts_the_same_alone_and_among_others(bundle: Bundle) -> None:
    rows = odd_rows(50)
    alone = [bundle.predict({k: v[i : i + 1] for k, v in rows.items()})["click_rate"][0] for i in range(50)]
    assert alone == pytest.approx(bundle.predict(rows)["click_rate"], rel=1e-12)


def test_rows_may_be_plain_lists_and_none(bundle: Bundle) -> None:
    row: dict[str, Any] = {name: [None] for name in bundle.feature_names} | {"weekday": [3]}
    assert np.isfinite(bundle.predict(row)["conversion_rate"]).all()


def test_no_rows_give_no_rates(bundle: Bundle) -> None:
    assert all(len(v) == 0 for v in bundle.predict(odd_rows(0)).values())


def test_a_missing_column_is_named(bundle: Bundle) -> None:
    rows = odd_rows(3)
    del rows["cost_per_click_7d"]
    with pytest.raises(BundleError, match="cost_per_click_7d"):
        bundle.predict(rows)


@pytest.mark.parametrize(("column", "values"), [
    ("weekday", [None, 1, 2]), ("clicks_7d", ["many", 1, 2]), ("clicks_7d", [[1], [2], [3]]), ("clicks_7d", [1.0]),
    ("click_rate_28d", [np.inf, 0.1, 0.1]),
])
def test_a_column_that_cannot_be_read_is_refused(bundle: Bundle, column: str, values: list[Any]) -> None:
    with pytest.raises(BundleError):
        bundle.predict(odd_rows(3) | {column: values})


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json"])
def test_a_damaged_bundle_is_refused(bundle: Bundle, tmp_path: Path, name: str) -> None:
    copy = tmp_path / bundle.version
    shutil.copytree(settings().bundles / bundle.version, copy)
    assert Bundle.load(copy).version == bundle.version
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(BundleError, match="damaged"):
        Bundle.load(copy)


def test_two_trainings_of_the_same_data_write_one_bundle(
    bundle: Bundle, fitted: list[list[Rate]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look before either has written, as far as the lock lets them."""
    monkeypatch.setenv("MOE_HOME", str(tmp_path))
    settings.cache_clear()
    both = threading.Barrier(2)
    load = Bundle.load

    def looked(folder: Path) -> Bundle:
        try:
            return load(folder)
        finally:
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(0.5)

    monkeypatch.setattr(Bundle, "load", looked)
    monkeypatch.setattr(os, "getpid", threading.get_ident)
    about = {"features": [{"name": k, "type": v} for k, v in inputs().items()]}
    model = to_onnx(fitted[1])
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: bundles.write(model, about), range(2))
    assert first == second and load(first).version == first.name
    assert [path.name for path in first.parent.iterdir() if path.is_dir()] == [first.name]
    settings.cache_clear()


def test_an_absent_or_cut_off_bundle_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="moe train"):
        Bundle.load(tmp_path / "0123456789abcdef")
    (tmp_path / bundle.version).mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(tmp_path / bundle.version)


def test_a_damaged_bundle_is_written_again(fitted: list[list[Rate]]) -> None:
    about = {"features": [{"name": k, "type": v} for k, v in inputs().items()], "case": "written again"}
    model = to_onnx(fitted[0])
    folder = bundles.write(model, about)
    (folder / "model.onnx").write_bytes(b"")
    assert bundles.write(model, about) == folder
    assert Bundle.load(folder).version == folder.name
