"""Fixtures that all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from moe import units
from moe.settings import settings

pytest_plugins = ["services"]

# A test's Java lives for seconds: the optimising compiler would cost more than it gives. Session and 20 small jobs take
# 24 s of processor time instead of 47 s. Java's own variable, so that every process that a test starts has it too.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

# A test's time says more of the machine than of the code. All else is as hypothesis has it: under CI=true the same
# examples every time.
hypothesis.settings.register_profile("unhurried", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")

LONGEST = ("test_backfill", "test_real_nights", "test_kill_night", "test_spark_cluster", "test_dbt_on_spark",
           "test_loop_dags", "test_kill", "test_spark_jobs", "test_terraform", "test_up", "test_reconciliation")
"Files that take a minute or more, longest first: they start first, so that none is left to run alone at the end."


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(autouse=True)
def no_units_of_other_tests() -> None:
    units._FILES.clear()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of the platform: what the test writes lands here, and settings are read anew."""
    monkeypatch.setenv("MOE_HOME", str(tmp_path))
    monkeypatch.setenv("MOE_PSEUDONYM_KEY", "tests")
    settings.cache_clear()
    yield settings().home
    settings.cache_clear()
