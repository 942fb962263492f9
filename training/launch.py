"""From a training set to the network's rates: write its data, launch the training, read the checkpoint."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import torch

from moe.errors import MoeError
from moe.locks import exclusive
from moe.settings import settings
from training import checkpoint, cluster
from training.data import Data, write
from training.dataset import MIN_DATES, TARGETS, FloatArray, columns, inputs, sample
from training.models import Rate
from training.network import Network, built
from training.reading import Reading, learn, nothing_to_learn
from training.trainer import CHECKPOINT, Config, Place, Trainer

LEAST_ROWS = 500
"Training rows below which the network is no candidate: its embeddings then see a line a handful of times."
LAST_LINES = 40
RESTARTS = 3


@dataclass(frozen=True)
class Rows:
    """Training rows of both targets: events and exposure of shape (n, targets), exposure 0 where unknown."""

    columns: dict[str, Any]
    events: FloatArray
    exposure: FloatArray
    days: npt.NDArray[np.datetime64]

    def table(self, chosen: npt.NDArray[np.bool_]) -> pa.Table:
        counts: dict[str, FloatArray] = {}
        for at, target in enumerate(TARGETS):
            counts |= {target.events: self.events[chosen, at], target.exposure: self.exposure[chosen, at]}
        kinds = {"string": pa.string(), "double": pa.float64(), "int64": pa.int64()}
        arrays = {name: pa.array(self.columns[name][chosen], kinds[kind], from_pandas=kind == "string")
                  for name, kind in inputs().items()}
        return pa.table(arrays | counts)


def network_rates(frame: pd.DataFrame) -> dict[str, list[Rate]]:
    """The trained network as a candidate by target: of those with something to learn, on enough rows.

    It learns from dates that are older than what any target is chosen by, so that all candidates compete on
    the same later dates. Raises MoeError where the training fails.
    """
    rows = _rows(frame)
    if rows is None:
        return {}
    days = np.unique(rows.days)
    late = rows.days >= days[-max(1, round(0.15 * len(days)))]
    early = ~late
    events, exposure = rows.events[early], rows.exposure[early]
    if all(nothing_to_learn(target, events[:, i], exposure[:, i]) for i, target in enumerate(TARGETS)):
        return {}
    reading = learn({name: values[early] for name, values in rows.columns.items()}, events, exposure)
    state = _trained(reading, rows, late)
    model = built(reading)
    model.load_state_dict(state)
    return {target.name: [Rate(target, Network(model, reading, target), reading.starts[target.name].fallback)]
            for target in TARGETS if reading.starts[target.name].scale}


def _rows(frame: pd.DataFrame) -> Rows | None:
    found = [sample(frame, target) for target in TARGETS]
    able = [s.split()["train"].dates.max() for s in found
            if len(np.unique(s.dates)) >= MIN_DATES and s.events.sum()]
    if not able:
        return None
    days = frame["business_date"].to_numpy("datetime64[D]")
    oldest = frame[days <= min(able)]
    exposure = np.column_stack([oldest[target.exposure].fillna(0.0) for target in TARGETS])
    events = np.column_stack([oldest[target.events] for target in TARGETS])
    exposure = np.where(np.isnan(events), 0.0, np.maximum(exposure, 0.0))
    events = np.where(exposure > 0, events, 0.0)
    if len(oldest) < LEAST_ROWS:
        return None
    return Rows(columns(oldest, oldest["business_date"]), events, exposure, days[days <= min(able)])


def _trained(reading: Reading, rows: Rows, late: npt.NDArray[np.bool_]) -> dict[str, torch.Tensor]:
    """Weights of the best epoch. A training of the same data that was killed is taken up where it stood."""
    folder = settings().work / "network"
    # As many batches an epoch, about, for few rows as for many: small steps are what training lives on.
    batch_rows = int(np.clip(2 ** round(np.log2((~late).sum() / 32)), 32, 4096))
    config = Config(batch_rows=batch_rows)
    with exclusive(folder.with_suffix(".lock")):  # one training at a time in a store
        write(folder / "data", _parts(rows, late), reading)
        data = Data(folder / "data")
        made_with = f"{data.digest} {config} {settings().training_launch} {settings().training_processes}"
        out = folder / hashlib.sha256(made_with.encode()).hexdigest()[:16]
        match settings().training_launch:
            case "kubernetes":
                cluster.run(data.folder, out, ["--batch-rows", str(config.batch_rows)])
            case "torchrun":
                _torchrun(data, out, config, settings().training_processes)
            case _:
                _here(data, out, config)
        found: dict[str, torch.Tensor] = checkpoint.load(out / CHECKPOINT)["state"]["best"]
        shutil.rmtree(folder)
    return found


def _parts(rows: Rows, late: npt.NDArray[np.bool_]) -> Iterator[tuple[str, str, pa.Table]]:
    for day in np.unique(rows.days):
        chosen = rows.days == day
        yield "valid" if late[chosen].all() else "train", str(day), rows.table(chosen)


def _here(data: Data, out: Path, config: Config) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            Trainer(data, out, config, Place(0, 1, torch.device("cpu")), lambda line: None).run()
    finally:
        torch.set_num_threads(before)


def environment() -> dict[str, str]:
    """Of torchrun: a restarted worker must not meet the addresses of dead ones, see training/train_network.py."""
    return os.environ | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def _torchrun(data: Data, out: Path, config: Config, processes: int, restarts: int = RESTARTS) -> None:
    log = out.with_suffix(".log")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               f"--nproc-per-node={processes}", f"--max-restarts={restarts}",
               "-m", "training.train_network", "--data", str(data.folder), "--out", str(out),
               "--batch-rows", str(config.batch_rows)]
    with log.open("w") as file:
        code = subprocess.run(command, cwd=settings().root, env=environment(), stdout=file,
                              stderr=subprocess.STDOUT).returncode
    if code:
        last = "\n    ".join(log.read_text().splitlines()[-LAST_LINES:])
        raise MoeError(f"the network's training ended with {code}:\n    {last}",
                       f"the whole log is {log}; MOE_TRAINING_LAUNCH=in_process trains without torchrun")
