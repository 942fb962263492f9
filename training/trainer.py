"""One process of the network's training: steps, validation, and what is kept of them."""

import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from moe.tables import commit_point
from training import checkpoint
from training.checkpoint import State
from training.data import Data
from training.network import built
from training.stream import Batch, Stream

CHECKPOINT = "checkpoint.pt"

@dataclass(frozen=True)
class Config:
    """Options of a training; all but the last three decide what it ends with."""

    epochs: int = 40
    patience: int = 6
    batch_rows: int = 1024
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    seed: int = 7
    workers: int = 0
    threads: int = 1
    checkpoint_every: int = 200
    resume: bool = True

    @property
    def decisive(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k not in ("threads", "checkpoint_every", "resume")}


@dataclass(frozen=True)
class Place:
    """Where a process stands among all."""

    rank: int
    world: int
    device: torch.device


class Trainer:
    """One process of a training."""

    def __init__(self, data: Data, out: Path, config: Config, place: Place, say: Callable[[str], None]) -> None:
        self.config, self.place, self.out, self.say = config, place, out / CHECKPOINT, say
        streams = (Stream(data, part, config.batch_rows, config.seed, place.rank, place.world, config.workers)
                   for part in ("train", "valid"))
        self.train_rows, self.valid_rows = streams
        torch.manual_seed(config.seed)  # equal weights everywhere
        self.model = built(data.reading).to(place.device)
        self.ceilings, self.scales = (torch.tensor(v, dtype=torch.float32, device=place.device)
                                      for v in (data.reading.ceilings, data.reading.scales))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), config.learning_rate,
                                           weight_decay=config.weight_decay, fused=True)
        self.made_with = {**config.decisive, "world": place.world, "data": data.digest}
        self.resumed = config.resume and self.out.exists()
        self.state = checkpoint.resume(self.out, self.model, self.optimizer, self.made_with) \
            if self.resumed else State()
        gpus = [place.device.index] if place.device.type == "cuda" else None
        self.shared: nn.Module = DistributedDataParallel(self.model, gpus) if place.world > 1 else self.model

    def run(self) -> State:
        if not self.resumed:
            self._judge(self._valid_loss())
            self._save()
        while not self.state.finished:
            line = self._epoch()
            loss = self._valid_loss()
            self.state.epoch, self.state.step = self.state.epoch + 1, 0
            self._judge(loss)
            waited = self.state.epoch - self.state.best_epoch
            self.state.finished = waited >= self.config.patience or self.state.epoch >= self.config.epochs
            self._save()
            if not self.place.rank:
                self.say(json.dumps({"epoch": self.state.epoch, **line, "valid_loss": loss,
                                     "best_epoch": self.state.best_epoch}))
        return self.state

    def _epoch(self) -> dict[str, float]:
        """The rest of an epoch; what it says holds for the steps made here, and waiting for this process."""
        self.shared.train()
        stream, first = self.train_rows, self.state.step
        stream.epoch, stream.step = self.state.epoch, first
        total, waited, began = torch.zeros(2, device=self.place.device), 0.0, time.perf_counter()
        batches = self._batches(stream)
        for step in range(first, stream.steps()):
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            key = [self.config.seed, self.state.epoch, step, self.place.rank]
            torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
            loss = self._loss(self.shared, batch)
            self.optimizer.zero_grad(set_to_none=True)
            # By the nominal size, so that each row weighs the same in whichever batch and process it is.
            (loss / self.config.batch_rows).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += torch.stack([loss.detach(), torch.tensor(float(len(batch[0])), device=self.place.device)])
            self.state.step = step + 1
            if self.state.step % self.config.checkpoint_every == 0:
                self._save()
            again = "resumed" if self.resumed else "first"
            commit_point(f"network:{again}:{self.state.epoch}:{self.state.step}:{self.place.rank}")
        loss_sum, rows = self._summed(total)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"rows": rows, "seconds": round(seconds, 3), "rows_per_second": round(rows / seconds),
                "loading_share": round(waited / seconds, 4), "peak_mib": round(peak),
                "train_loss": loss_sum / max(rows, 1)}

    def _loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Half the Poisson deviance summed over rows and targets, less the baseline's: below 0 is better.

        Counts with exposure, fractions among them: a binomial likelihood has no place for those, nor for more
        conversions than clicks.
        """
        numbers, codes, offset, events, exposure = (tensor.to(self.place.device, non_blocking=True)
                                                    for tensor in batch)
        with torch.autocast(self.place.device.type, torch.bfloat16, enabled=self.place.device.type == "cuda"):
            share = model(numbers, codes, offset)
        base = torch.sigmoid(offset)
        expected = exposure * self.ceilings * (share - base)
        loss: Tensor = ((expected - events * (torch.log(share) - torch.log(base))) * self.scales).sum()
        return loss

    def _batches(self, stream: Stream) -> Iterator[Batch]:
        context = "fork" if self.config.workers else None
        yield from DataLoader(stream, batch_size=None, num_workers=self.config.workers,
                              multiprocessing_context=context, pin_memory=self.place.device.type == "cuda")
        while True:  # another process has a row group more: its gradients are shared with none from here
            yield stream.empty()

    def _valid_loss(self) -> float:
        self.model.eval()
        stream, total = self.valid_rows, torch.zeros(2, dtype=torch.float64, device=self.place.device)
        with torch.inference_mode():
            for _, batch in zip(range(stream.steps()), self._batches(stream), strict=False):
                total += torch.stack([self._loss(self.model, batch).double(), total.new_tensor(float(len(batch[0])))])
        loss, rows = self._summed(total)
        return loss / rows

    def _summed(self, values: Tensor) -> list[float]:
        if self.place.world > 1:
            dist.all_reduce(values)
        found: list[float] = values.tolist()
        return found

    def _judge(self, loss: float) -> None:
        if loss < self.state.best_loss:
            self.state.best_loss, self.state.best_epoch = loss, self.state.epoch
            self.state.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _save(self) -> None:
        if not self.place.rank:
            checkpoint.save(self.out, self.state, self.model, self.optimizer, self.made_with)
