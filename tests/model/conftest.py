"""One home for all tests of the model; each test that writes has a unit of its own in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from model_world import Trained, World, unit

from moe.settings import settings


@contextmanager
def _at(folder: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(folder))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        settings.cache_clear()
        yield folder
    settings.cache_clear()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module", autouse=True)
def home(folder: Path) -> Iterator[Path]:
    """By module, so that other tests in the same process keep their own home."""
    with _at(folder):
        yield folder


@pytest.fixture(scope="session")
def trained(folder: Path) -> Trained:
    """A world with structure, and the model trained in its last night."""
    from moe.train import train
    from training.dataset import training_set

    with _at(folder):
        world = World().write()
        return Trained(world, training_set(world.name, world.last), train(unit(world.name), world.last))
