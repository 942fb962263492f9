"""Every job of a prepared night killed (SIGKILL) at every commit point, while a reader reads what it writes.

`land` and `marts` have tests of their own (tests/data/test_kill.py) with deliveries that changed meanwhile.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from moe import frames, ledger, publish, runner
from moe.jobs import BY_NAME, NIGHT, find
from moe.settings import settings
from moe.train import train
from moe.units import Unit, load_unit
from simulator.applied import deliver_settings
from simulator.deliveries import deliver
from simulator.world import World

pytestmark = pytest.mark.all
UNIT, FIRST, D = "advertiser_kill", date(2026, 6, 1), date(2026, 6, 14)
MOE = str(Path(sys.executable).parent / "moe")
JOBS = [job.name for job in NIGHT if job.writes and job.name not in ("land", "marts")]
READ = """
import sys
from datetime import date
from moe import tables
print("reading", flush=True)
while True:
    for name in sys.argv[2:]:  # each raises where a file is half, or gone
        tables.read(name, sys.argv[1], date(2026, 6, 14))
"""


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unit]:
    """A small simulated advertiser whose night D has run once undisturbed."""
    folder = tmp_path_factory.mktemp("jobs")
    shipped = settings().shipped_units / "advertiser"
    text = (shipped / "unit.yml").read_text(encoding="utf-8").replace("unit: advertiser", f"unit: {UNIT}")
    (folder / "unit.yml").write_text(text, encoding="utf-8")
    for kept_by_people in ("overrides.csv", "experiments.csv", "market_signals.csv", "criteria.csv"):
        shutil.copy(shipped / kept_by_people, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(folder / "home"))
        patch.setenv("MOE_PSEUDONYM_KEY", "tests")
        patch.setenv("MOE_SPARK_MASTER", "local[2]")
        settings.cache_clear()
        world = World(first_day=FIRST, events_per_day=400)
        deliver(world, D, settings().deliveries, settings().truth)
        made = load_unit(str(folder / "unit.yml"))
        before = D - timedelta(days=1)
        runner.with_history([job for job in NIGHT if job.history], made, before)
        train(made, before)
        runner.run(NIGHT, made, [before])
        publish.move("release", UNIT, before.isoformat(), expected=None, effective=before, who="test", reason="test",
                     facts={})
        deliver_settings(world, UNIT, D, settings().deliveries, settings().truth)  # of the release that was live
        records = runner.run(NIGHT, made, [D])
        assert {r.job for r in records if r.status == "done"} >= set(JOBS)
        yield made
    settings.cache_clear()


def points(job: str) -> list[str]:
    names = [table.partition(".")[2] for table in BY_NAME[job].writes]
    return [f"read:{job}", *(f"{when}:{n}" for n in names for when in ("written", "replaced")), f"record:{job}"]


def partitions() -> dict[str, str]:
    files = settings().store.glob(f"*/*/{UNIT}/*.parquet")
    return {str(path.relative_to(settings().store)): frames.digest(path) for path in files}


@pytest.mark.parametrize(("job", "point"), [(job, point) for job in JOBS for point in points(job)])
def test_a_killed_job_leaves_whole_partitions_and_runs_again_to_the_same_rows(
    unit: Unit, job: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, runs = partitions(), len(ledger.records(UNIT, D))
    reader = subprocess.Popen([sys.executable, "-c", READ, UNIT, *BY_NAME[job].writes], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert reader.stdout and reader.stdout.readline() == "reading\n"
    monkeypatch.setenv("MOE_KILL_AT", point)  # this process has read its settings already
    path = str(unit.folder / "unit.yml")
    process = subprocess.run([MOE, "run", job, "--unit", path, "--date", str(D), "--no-history"], check=False,
                             capture_output=True, timeout=200)
    monkeypatch.delenv("MOE_KILL_AT")
    assert process.returncode == -signal.SIGKILL, process.stderr
    reader.terminate()
    _, complaint = reader.communicate()
    assert reader.returncode == -signal.SIGTERM, complaint
    assert partitions() == before  # the inputs are the same, so a complete partition is the same
    assert len(ledger.records(UNIT, D)) == runs
    (record,) = runner.run(find([job]), unit, [D])
    assert record.status == "done"
    assert partitions() == before
    assert not list(settings().store.glob(f"*/*/{UNIT}/.*"))
