"""Bidding strategies beside each other, on generated auction logs, at second and first price.

    python -m benchmarks.auctions --seeds 20

Measured, for each budget: clicks that a strategy buys in the last 40 % of a log, by those of ours: the geometric
mean over seeds with a 95 % interval (t of the log ratio), and on how many seeds ours has more. Clicks are expected
ones, by the world's truth, so that who happened to click adds no noise; `--counted` counts clicks that happened.
`--conversions` bids for conversions and counts those. `--calm` is a market without drift and predictions
without bias, where little is left to gain. `--parts` takes ours apart: without calibration, pacing or
shading, and linear under our pacing. The market (`benchmarks/auction_world.py`) is none that a strategy contains.
Every strategy learns from the first 60 % alone. `--size` times a replay of so many auctions instead; `--write FILE`
writes the first seed's log, for `moe replay`.
"""

import argparse
import os
import resource
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow.csv
import pyarrow.parquet
from rich.console import Console
from rich.table import Table
from scipy.stats import t

from benchmarks.auction_world import World, table, world
from decisions.auctions.log import AuctionLog
from decisions.auctions.replay import STRATEGIES, VARIANTS, Bought, replay

BUDGETS = [Fraction(1, 2**k) for k in (6, 5, 4, 3, 2, 1)]
TRAIN_SHARE = 0.6
EXPECTED = 10**9  # expected clicks are counted in 10⁻⁹
out = Console()


def judged(made: World, conversions: bool, counted: bool) -> tuple[AuctionLog, int]:
    """A log, and the instant from which it is judged: there, clicks are expected ones unless they are to be counted."""
    log = made.for_conversions if conversions else made.log
    instant = log.instant(TRAIN_SHARE)
    if counted:
        return log, instant
    later = log.seen.time >= instant
    click = np.where(later, np.rint(made.click_rate * EXPECTED).astype(np.int64), log.click)
    conversion = np.where(later, np.rint(made.conversion_rate * EXPECTED).astype(np.int64), log.conversion)
    return replace(log, click=click, conversion=conversion), instant


def compare(args: argparse.Namespace, first_price: bool) -> None:
    names = [*STRATEGIES, *(v for v in VARIANTS if args.parts and v != "ours")]
    got = np.empty((args.seeds, len(names), len(BUDGETS)))
    spend = np.empty_like(got)
    for seed in range(args.seeds):
        log, instant = judged(world(args.first + seed, args.auctions, calm=args.calm), args.conversions, args.counted)
        rows = replay(log, instant, [float(b) for b in BUDGETS], names, first_price=first_price,
                      conversions=args.conversions)
        got[seed] = _grid(rows, "conversions" if args.conversions else "clicks", names)
        spend[seed] = _grid(rows, "spend_nanos", names) / _grid(rows, "budget_nanos", names)
    got /= 1 if args.counted else EXPECTED
    what = "conversions" if args.conversions else "clicks"
    price = "first" if first_price else "second"
    shown = Table("", *[str(b) for b in BUDGETS], title=f"{what} at {price} price, {args.seeds} seeds")
    ours = names.index("ours")
    for j, name in enumerate(names):
        shown.add_row(f"{name}: mean", *[f"{v:,.1f}" for v in got[:, j].mean(axis=0)])
        shown.add_row("  budget spent", *[f"{v:.0%}" for v in spend[:, j].mean(axis=0)], end_section=name == names[-1])
    for j, name in enumerate(names):
        if j != ours:
            ratio = np.log(np.maximum(got[:, ours], 0.5 if args.counted else 1e-9)
                           / np.maximum(got[:, j], 0.5 if args.counted else 1e-9))
            shown.add_row(f"ours / {name}", *[_interval(r) for r in ratio.T])
            shown.add_row("  ours has more", *[f"{(r > 0).sum()} of {r.size}" for r in ratio.T])
    out.print(shown)


def _grid(rows: list[Bought], figure: str, names: list[str]) -> np.ndarray:
    return np.array([getattr(row, figure) for row in rows], dtype=float).reshape(len(names), -1)


def _interval(log_ratio: np.ndarray) -> str:
    mean, n = log_ratio.mean(), log_ratio.size
    half = t.ppf(0.975, n - 1) * log_ratio.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return f"{np.exp(mean):.3f} ({np.exp(mean - half):.3f}–{np.exp(mean + half):.3f})"


def timed(auctions: int) -> None:
    log = world(0, auctions).log
    shown = Table("strategy", "price", "seconds", title=f"{len(log):,} auctions, {len(BUDGETS)} budgets")
    for first_price in (False, True):
        for name in STRATEGIES:
            start = time.perf_counter()
            replay(log, log.instant(TRAIN_SHARE), [float(b) for b in BUDGETS], [name], first_price=first_price)
            shown.add_row(name, "first" if first_price else "second", f"{time.perf_counter() - start:.1f}")
    out.print(shown)
    out.print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def write(path: Path, auctions: int) -> None:
    made = table(world(0, auctions))
    (pyarrow.parquet.write_table if path.suffix == ".parquet" else pyarrow.csv.write_csv)(made, path)
    out.print(f"{made.num_rows:,} auctions in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--auctions", type=int, default=500_000, help="of a log")
    parser.add_argument("--conversions", action="store_true")
    parser.add_argument("--counted", action="store_true")
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--size", type=int, help="time a replay of so many auctions")
    parser.add_argument("--write", type=Path, help="write a log, CSV or Parquet")
    args = parser.parse_args()
    if args.write:
        write(args.write, args.auctions)
    elif args.size:
        timed(args.size)
    else:
        for first_price in (False, True):
            compare(args, first_price)


if __name__ == "__main__":
    main()
