"""Seconds and peak memory of whole nights, on a store of their own.

    python -m benchmarks.nightly            # all of it (minutes)
    python -m benchmarks.nightly --only parse

Measured: `moe nightly` on a fresh store of the shipped advertiser (history included), the next night, each
step's share; fifteen nights of the real company by `--from --to` (MOE_TEST_DATA); parse time of the DAG file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
MOE = str(Path(sys.executable).parent / "moe")
out = Console()


def measured(command: list[str], home: Path) -> tuple[float, float]:
    """Seconds and peak GiB (resident, summed over the process tree, sampled every 50 ms) of a command."""
    environment = os.environ | {"MOE_HOME": str(home), "MOE_PSEUDONYM_KEY": "benchmark"}
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            total = 0
            try:
                for one in (tree := psutil.Process(process.pid), *tree.children(recursive=True)):
                    total += one.memory_info().rss
            except psutil.Error:
                pass
            peak[0] = max(peak[0], total)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    if code:
        sys.exit(f"{' '.join(command)} failed with {code}")
    return time.perf_counter() - started, peak[0] / 2**30


def steps(home: Path, unit: str) -> dict[str, tuple[int, float]]:
    """Runs and seconds of each job in a store's ledger."""
    found: dict[str, list[float]] = defaultdict(list)
    for path in (home / "ledger" / unit).glob("*/*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        found[record["job"]].append(record["seconds"])
    return {job: (len(seconds), sum(seconds)) for job, seconds in found.items()}


def advertiser(home: Path) -> None:
    table = Table("the shipped advertiser", "seconds", "peak GiB")
    for what, day in (("fresh store, 30 days of history", "2026-06-30"), ("the next night", "2026-07-01")):
        before = steps(home, "advertiser")
        seconds, peak = measured([MOE, "nightly", "--date", day], home)
        table.add_row(what, f"{seconds:.1f}", f"{peak:.2f}")
        for job, (runs, spent) in sorted(steps(home, "advertiser").items(), key=lambda item: -item[1][1]):
            earlier = before.get(job, (0, 0.0))
            runs, spent = runs - earlier[0], spent - earlier[1]
            table.add_row(f"  {job} × {runs}", f"{spent:.1f}", "")
    out.print(table)


def company(home: Path) -> None:
    unit = ["--unit", "online_ads"]
    measured([MOE, "run", "land", "ads", *unit, "--date", "2020-05-31"], home)
    measured([MOE, "train", *unit, "--date", "2020-05-31"], home)
    seconds, peak = measured([MOE, "run", "night", *unit, "--from", "2020-06-01", "--to", "2020-06-15"], home)
    table = Table("the real company, one process", "seconds", "seconds a night", "peak GiB")
    table.add_row("2020-06-01 to 2020-06-15", f"{seconds:.1f}", f"{seconds / 15:.2f}", f"{peak:.2f}")
    out.print(table)


def parse(home: Path) -> None:
    code = ("import time, sys; import airflow.models; from airflow.dag_processing.dagbag import DagBag\n"
            "started = time.perf_counter(); bag = DagBag(sys.argv[1], include_examples=False)\n"
            "assert not bag.import_errors, bag.import_errors\n"
            "print(len(bag.dags), time.perf_counter() - started)")
    environment = os.environ | {"AIRFLOW_HOME": str(home / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    table = Table("DAG folder", "DAGs", "seconds to parse")
    for _ in range(3):
        printed = subprocess.run([sys.executable, "-c", code, str(ROOT / "dags")], env=environment, check=True,
                                 capture_output=True, text=True, cwd=ROOT).stdout.splitlines()[-1]
        dags, seconds = printed.split()
        table.add_row("dags/", dags, f"{float(seconds):.2f}")
    out.print(table)


PARTS: dict[str, Callable[[Path], None]] = {"parse": parse, "advertiser": advertiser, "company": company}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, help="one part")
    chosen = parser.parse_args().only
    for name, part in PARTS.items():
        if chosen in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                part(Path(folder))


if __name__ == "__main__":
    main()
