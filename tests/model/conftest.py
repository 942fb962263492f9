"""One home for all tests of the model; each test that writes has a unit of its own in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from moe.settings import settings
from tests.model.world import World, unit


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        settings.cache_clear()
        yield settings().home
    settings.cache_clear()


@dataclass(frozen=True)
class Trained:
    world: World
    frame: pd.DataFrame
    result: dict[str, Any]


@pytest.fixture(scope="session")
def trained(home: Any) -> Trained:
    """A world with structure, and the model trained in its last night."""
    from moe.train import train
    from training.dataset import training_set

    world = World().write()
    return Trained(world, training_set(world.name, world.last), train(unit(world.name), world.last))
