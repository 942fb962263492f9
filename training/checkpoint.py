"""Checkpoints of a training: written whole or not at all, and taken up only by the training that they are of."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from moe.errors import MoeError


@dataclass
class State:
    """Where a training stands. Dropout is drawn anew from (seed, epoch, step, rank) at each step, so that no
    generator's state is needed to go on exactly."""

    epoch: int = 0
    step: int = 0
    "Steps of the epoch that are done."
    best_loss: float = float("inf")
    best_epoch: int = 0
    "0 is the untrained network, which is the baseline."
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    finished: bool = False


def save(path: Path, state: State, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
         made_with: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        torch.save({"state": vars(state), "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                    "made_with": made_with}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load(path: Path) -> dict[str, Any]:
    """Tensors and plain values only: a checkpoint cannot run code."""
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever damaged bytes make of the unpickler
        raise MoeError(f"checkpoint {path} cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}",
                       "start anew with --no-resume") from error
    return found


def resume(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer,
           made_with: dict[str, Any]) -> State:
    """Go on where a checkpoint stands. Raises MoeError where it is of another configuration or other data."""
    found = load(path)
    other = [f"{name} {found['made_with'].get(name)!r}, not {value!r}" for name, value in made_with.items()
             if found["made_with"].get(name) != value]
    if other:
        raise MoeError(f"checkpoint {path} was made with {'; '.join(other)}",
                       "train with what it was made with, or start anew with --no-resume")
    model.load_state_dict(found["model"])
    optimizer.load_state_dict(found["optimizer"])
    return State(**found["state"])
