"""Train the network on a folder of Parquet files (`training/data.py` says how it looks).

One process:
    python -m training.train_network --data DATA --out OUT

Two gloo processes on CPU:
    torchrun --standalone --nproc-per-node=2 --max-restarts=3 -m training.train_network --data DATA --out OUT

One GPU, or all of a machine (NCCL):
    python -m training.train_network --data DATA --out OUT --batch-rows 16384 --workers 4
    torchrun --standalone --nproc-per-node=gpu --max-restarts=3 -m training.train_network --data DATA --out OUT \
        --batch-rows 16384 --workers 4

Many nodes: the same on each, with DATA and OUT on storage that all share:
    torchrun --nnodes=4 --nproc-per-node=gpu --max-restarts=3 --rdzv-backend=c10d --rdzv-id=JOB \
        --rdzv-endpoint=HOST:29500 -m training.train_network --data DATA --out OUT --batch-rows 16384 --workers 4

A worker that dies is started again by torchrun with all others, and they go on from OUT/checkpoint.pt, in the
middle of an epoch. On CPU the same data, options and number of processes give the same weights, killed or not.
Set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun: without, torch 2.13's restarted workers find the
addresses of the dead ones, and a restart or two are lost on timeouts (pytorch/pytorch#167288).
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import torch.distributed as dist
import typer

from moe.errors import MoeError
from training.data import Data
from training.trainer import Config, Place, Trainer

DEFAULT = Config()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def join() -> Place:
    """NCCL on GPUs, gloo on CPU. Without torchrun the process is alone."""
    gpu, launched = torch.cuda.is_available(), dist.is_torchelastic_launched()
    device = torch.device("cuda", dist.get_node_local_rank() if launched else 0) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if launched:
        dist.init_process_group("nccl" if gpu else "gloo")
        return Place(dist.get_rank(), dist.get_world_size(), device)
    return Place(0, 1, device)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder of Parquet files with their data.json.")],
    out: Annotated[Path, typer.Option(help="Folder of checkpoint.pt; on many nodes, shared by all.")],
    epochs: Annotated[int, typer.Option(min=1, help="At most so many.")] = DEFAULT.epochs,
    patience: Annotated[int, typer.Option(min=1, help="Stop after so many without gain.")] = DEFAULT.patience,
    batch_rows: Annotated[int, typer.Option(min=1, help="Rows of a step, in each process.")] = DEFAULT.batch_rows,
    learning_rate: Annotated[float, typer.Option(min=0, help="Of AdamW.")] = DEFAULT.learning_rate,
    weight_decay: Annotated[float, typer.Option(min=0, help="Pull to the baseline.")] = DEFAULT.weight_decay,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and dropout.")] = DEFAULT.seed,
    workers: Annotated[int, typer.Option(min=0, help="Reading processes for each training one.")] = DEFAULT.workers,
    threads: Annotated[int, typer.Option(min=1, help="Of each process, on CPU.")] = DEFAULT.threads,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="Steps; also at each epoch's end.")]
        = DEFAULT.checkpoint_every,
    resume: Annotated[bool, typer.Option(help="Go on from OUT/checkpoint.pt. Without, a restarted worker "
                                              "starts anew too.")] = True,
) -> None:
    """Train the network; one JSON line an epoch, from the first process. See the module's head for launches."""
    torch.set_num_threads(threads)
    place = join()
    config = replace(DEFAULT, epochs=epochs, patience=patience, batch_rows=batch_rows, learning_rate=learning_rate,
                     weight_decay=weight_decay, seed=seed, workers=workers, threads=threads,
                     checkpoint_every=checkpoint_every, resume=resume)
    try:
        Trainer(Data(data), out, config, place, lambda line: print(line, flush=True)).run()
    except MoeError as error:
        sys.exit(str(error))
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


if __name__ == "__main__":
    app()
