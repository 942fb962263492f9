"""Seconds and memory of fitting all lines, the choice of curve and carry-over included.

    OMP_NUM_THREADS=1 python -m benchmarks.fit_growth

The largest simulated advertiser is repeated with other noise to 100, 1,000 and 5,000 lines of six channels.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from datetime import timedelta

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.fit_world import DAYS, observed
from decisions.fitting import fit, history


def grown(lines: int) -> tuple[float, float, int]:
    """Seconds of fitting the largest simulated advertiser, repeated to `lines` lines; the process's peak MiB, its data
    included; and how many specs were chosen."""
    base = observed(1)
    clicks = np.asarray(base.clicks)
    random = np.random.default_rng(1)
    copies = -(-lines // len(base.line_ids))
    days = len(base.spend)
    rows = [(f"{name}-{c}", f"{base.campaigns[i]}-{c % 20}", f"{base.channels[i]}-{c % 3}", i)
            for c in range(copies) for i, name in enumerate(base.line_ids)][:lines]
    dates = [base.first_day + timedelta(days=day) for day in range(days)]
    known = history(
        [row[:3] for row in rows], [row[0] for row in rows for _ in dates], dates * len(rows),
        np.concatenate([base.spend[:, row[3]] for row in rows]),
        np.concatenate([base.outcome[:, row[3]] * random.gamma(25, 1 / 25, days) for row in rows]),
        clicks=np.concatenate([clicks[:, row[3]] for row in rows]),
    )
    start = time.perf_counter()
    fitted = fit(known)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds, peak, len(set(fitted.specs))


def growth() -> Table:
    table = Table(title=f"fit with choice of the spec, {DAYS} days, 6 channels, one thread")
    for name in ("lines", "seconds", "peak MiB", "specs"):
        table.add_column(name, justify="right")
    for lines in (100, 1_000, 5_000):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, memory, specs = pool.apply(grown, (lines,))
        table.add_row(f"{lines:,}", f"{seconds:.1f}", f"{memory:.0f}", str(specs))
    return table


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    Console(width=100).print(growth())
