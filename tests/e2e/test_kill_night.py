"""A whole night killed by its process group, Spark's Java included: what lies there is whole, the next run equal."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from moe import frames, ledger, runner
from moe.jobs import find
from moe.settings import settings
from moe.train import train
from moe.units import load_unit

UNIT, D = "display_kill", date(2020, 6, 1)
MOE = str(Path(sys.executable).parent / "moe")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real company with a short history, its model trained, and night D run once undisturbed."""
    folder = tmp_path_factory.mktemp("kill")
    text = (settings().shipped_units / "online_ads" / "unit.yml").read_text(encoding="utf-8")
    path = folder / "unit.yml"
    path.write_text(text.replace("unit: online_ads", f"unit: {UNIT}").replace("2020-04-01\n", "2020-05-22\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(folder / "home"))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        settings.cache_clear()
        unit, night = load_unit(str(path)), D - timedelta(days=1)
        runner.with_history(find(["land", "ads"]), unit, night)
        train(unit, night)
        runner.with_history(find(["night"]), unit, D)
        yield str(path)
    settings.cache_clear()


def partitions() -> dict[str, str]:
    """Digest of every partition of the unit in the store."""
    files = settings().store.glob(f"*/*/{UNIT}/*.parquet")
    return {str(path.relative_to(settings().store)): frames.digest(path) for path in files}


@pytest.mark.parametrize("job", ["land", pytest.param("ads", marks=pytest.mark.all),
                                 pytest.param("marts", marks=pytest.mark.all),
                                 pytest.param("allocate", marks=pytest.mark.all)])
def test_a_killed_night_leaves_whole_partitions_and_runs_again_to_the_same_rows(company: str, job: str) -> None:
    undisturbed = partitions()
    runs = len(ledger.records(UNIT, D))
    process = subprocess.Popen([MOE, "run", "night", "--unit", company, "--date", str(D)], start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 200
    while job not in {record["job"] for record in ledger.records(UNIT, D)[runs:]}:
        assert process.poll() is None, "the night ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert partitions() == undisturbed  # every file can be read whole; the rows are those of the same inputs

    shutil.rmtree(settings().store / "out" / "budget__line" / UNIT)  # what a first run would not have yet
    subprocess.run([MOE, "run", "night", "--unit", company, "--date", str(D)], check=True, capture_output=True,
                   timeout=400)
    assert partitions() == undisturbed
