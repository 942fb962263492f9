"""Fixtures that all tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moe import units
from moe.settings import settings

pytest_plugins = ["services"]


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
