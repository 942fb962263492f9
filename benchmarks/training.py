"""Samples per second of the network's training from Parquet, beside bare loops over tensors in memory.

    python -m benchmarks.training                    # minutes
    python -m benchmarks.training --rows 200000 --repeats 1

The bare loops have the same model, loss, optimizer and global batch, on one thread and on two: they read
nothing, share nothing and keep nothing. Each measurement is a process (or two) of its own; runs of a size take
turns, and the best of each counts, so that other work on the machine disturbs all alike. Peak memory is one
process's; of two, the first one's.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from training.data import Data, write
from training.dataset import IDS, TARGETS, inputs
from training.reading import Reading, learn

ROOT = Path(__file__).resolve().parent.parent
LINES, DAY_ROWS, VALID_ROWS, BATCH = 2_000, 50_000, 10_000, 4_096
KINDS = {"bare, 1 thread": (0, 1), "from Parquet, 1 process": (1, 1), "bare, 2 threads": (0, 2),
         "from Parquet, 2 processes": (2, 1)}
"Processes (0: the bare loop) and threads of each."


def columns(rows: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    made = {name: random.lognormal(0, 1, rows) if kind == "double" else random.integers(1, 8, rows)
            if kind == "int64" else np.array(["a", "b", "c"], dtype=object)[random.integers(0, 3, rows)]
            for name, kind in inputs().items()}
    lines = np.array([f"line_{i}" for i in range(LINES)], dtype=object)
    made |= {name: lines[random.integers(0, LINES, rows)] for name in IDS}
    for target in TARGETS:
        made[target.baseline] = random.uniform(0.01, 0.1, rows)
        made[target.exposure] = random.poisson(1_000, rows).astype(float)
        made[target.events] = random.poisson(made[target.exposure] * made[target.baseline]).astype(float)
    return made


def tables(rows: int) -> Iterator[tuple[str, str, pa.Table]]:
    for day, at in enumerate(range(0, rows, DAY_ROWS)):
        yield "train", f"{day:05d}", pa.table(columns(min(DAY_ROWS, rows - at), day))
    yield "valid", "99999", pa.table(columns(VALID_ROWS, 99_999))


def reading() -> Reading:
    first = columns(DAY_ROWS, 0)
    events = np.column_stack([first[target.events] for target in TARGETS])
    return learn(first, events, np.column_stack([first[target.exposure] for target in TARGETS]))


def bare(folder: Path, threads: int) -> None:
    """Two passes over what a million rows at most hold in memory; says as `training.train_network` does."""
    import torch

    from training.stream import Stream
    from training.trainer import Config, Place, Trainer

    torch.set_num_threads(threads)
    rows = Stream(Data(folder), "train", BATCH, 7)
    batches = [batch for _, batch in zip(range(1_000_000 // BATCH), rows, strict=False)]
    trainer = Trainer(Data(folder), Path("unused"), Config(batch_rows=BATCH), Place(0, 1, torch.device("cpu")), print)
    model, optimizer = trainer.model.train(), trainer.optimizer
    for _ in range(2):
        began, seen = time.perf_counter(), 0
        for batch in batches:
            loss = trainer._loss(model, batch)
            optimizer.zero_grad(set_to_none=True)
            (loss / BATCH).backward()
            optimizer.step()
            seen += len(batch[0])
        print(json.dumps({"rows_per_second": seen / (time.perf_counter() - began)}))


def measure(folder: Path, processes: int, threads: int) -> dict[str, float]:
    """What the second epoch said: the first one warms up."""
    if not processes:
        command = ["-m", "benchmarks.training", "--bare", str(folder), "--threads", str(threads)]
    else:
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [*(launch if processes > 1 else []), "-m", "training.train_network", "--data", str(folder),
                   "--out", str(folder / "out"), "--no-resume", "--epochs", "2", "--batch-rows",
                   str(BATCH // processes), "--threads", str(threads)]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    said: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[200_000, 1_000_000, 4_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.bare, options.threads)
        return
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write(folder, tables(rows), reading())
            found = defaultdict(list)
            for _ in range(options.repeats):
                for name, how in KINDS.items():
                    found[name].append(measure(folder, *how))
        table = Table("", "samples/s", "of 2 bare threads", "waiting for data", "peak MiB",
                      title=f"{rows:,} rows, {BATCH} a step, {LINES} lines, on CPU")
        best = {name: max(runs, key=lambda run: run["rows_per_second"]) for name, runs in found.items()}
        peer = best["bare, 2 threads"]["rows_per_second"]
        for name, run in best.items():
            known = "loading_share" in run
            table.add_row(name, f"{run['rows_per_second']:,.0f}", f"{run['rows_per_second'] / peer:.2f}",
                          f"{run['loading_share']:.1%}" if known else "", f"{run['peak_mib']:,.0f}" if known else "")
        Console().print(table)


if __name__ == "__main__":
    main()
