"""The network: the specification's shapes, what it starts from and learns, its data, and its launches."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from model_world import Trained, World, unit
from torch import nn

from moe.errors import MoeError
from moe.settings import settings
from training import checkpoint, launch
from training.data import Data, write
from training.dataset import IDS, TARGETS, sample, training_set
from training.evaluate import choose
from training.models import Baseline, Rate
from training.network import CampaignPerformanceModel, Network, built
from training.reading import learn
from training.stream import Stream
from training.trainer import CHECKPOINT, Config, Place, Trainer

CLICKS, CONVERSIONS = TARGETS
ALONE = Place(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small batches on several threads mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def own_weeks(home: Any) -> pd.DataFrame:
    """A world where each line has a week of its own: neither the shrunk rates nor sums of effects know it."""
    world = World(name="own_weeks", own_weeks=0.3, seed=4).write()
    return training_set("own_weeks", world.last)


@pytest.fixture(scope="module")
def candidates_of_own_weeks(own_weeks: pd.DataFrame) -> dict[str, list[Rate]]:
    return launch.network_rates(own_weeks)


@pytest.fixture(scope="module")
def shop_data(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's training data, as `moe train` writes it."""
    made = tmp_path_factory.mktemp("network") / "data"
    rows = launch._rows(trained.frame)
    assert rows is not None
    late = rows.days >= np.unique(rows.days)[-4]
    early = ~late
    known = {name: values[early] for name, values in rows.columns.items()}
    write(made, launch._parts(rows, late), learn(known, rows.events[early], rows.exposure[early]))
    return made


def weights(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = checkpoint.load(path / CHECKPOINT)["model"]
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def fit(shop_data: Path, out: Path, say: Any = lambda line: None, **options: Any) -> dict[str, torch.Tensor]:
    config = Config(**{"batch_rows": 64, "epochs": 2, **options})
    Trainer(Data(shop_data), out, config, ALONE, say).run()
    return weights(out)


def test_its_shapes_are_the_specifications() -> None:
    model = CampaignPerformanceModel(24, [500, 3, 2, 7])
    linear = [(layer.in_features, layer.out_features) for layer in model.layers if isinstance(layer, nn.Linear)]
    assert linear == [(128, 256), (256, 128), (128, 64)]
    assert [type(layer) for layer in model.layers] == [nn.Linear, nn.ReLU, nn.Dropout] * 3
    assert {layer.p for layer in model.layers if isinstance(layer, nn.Dropout)} == {0.2}
    assert sum(e.embedding_dim for e in model.embeddings) == 128 - 24  # type: ignore[misc]
    rates = model(torch.randn(5, 24), torch.zeros(5, 4, dtype=torch.int64), torch.randn(5, 2))
    assert rates.shape == (5, 2) and ((rates > 0) & (rates < 1)).all()


def test_too_many_features_for_the_inputs_are_a_clear_error() -> None:
    with pytest.raises(MoeError, match="do not fit into 128"):
        CampaignPerformanceModel(126, [5, 5, 5])


def test_untrained_it_is_the_shrunk_rate(shop_data: Path, trained: Trained) -> None:
    reading = Data(shop_data).reading
    for target in TARGETS:
        columns = sample(trained.frame, target).columns
        fallback = reading.starts[target.name].fallback
        network = Rate(target, Network(built(reading), reading, target), fallback)
        assert network.predict(columns) == pytest.approx(Rate(target, Baseline(), fallback).predict(columns), rel=1e-9)


def test_it_learns_an_interaction_that_the_others_cannot_and_is_chosen(
    own_weeks: pd.DataFrame, candidates_of_own_weeks: dict[str, list[Rate]]
) -> None:
    outcome = choose(CLICKS, sample(own_weeks, CLICKS), others=candidates_of_own_weeks["click_rate"])
    assert outcome.winner == "network"
    measured = outcome.metrics
    others = [measured[f"deviance_report_{name}"] for name in ("baseline", "regression", "xgboost")]
    assert measured["deviance_report"] < 0.8 * min(others)
    # Its gain is the lines' own: without their ids it is gone.
    rows = sample(own_weeks, CLICKS)
    nameless = dict(rows.columns) | {name: np.full(len(rows.events), "new one", dtype=object) for name in IDS}
    error = np.abs(np.log(outcome.rate.predict(rows.columns) / outcome.rate.predict(nameless)))
    assert error.mean() > 0.1


def test_without_structure_it_stays_the_shrunk_rate(home: Any) -> None:
    world = World(name="flat_network", drift=0.0, structure=False, seed=8).write()
    frame = training_set("flat_network", world.last)
    measured = choose(CLICKS, sample(frame, CLICKS), others=launch.network_rates(frame)["click_rate"]).metrics
    assert measured["deviance_report_network"] < 1.05 * measured["deviance_report_baseline"]


def test_more_conversions_than_clicks_start_at_their_rate(home: Any) -> None:
    world = World(name="many_network", per_click=1.7).write()
    frame = training_set("many_network", world.last)
    [rate] = launch.network_rates(frame)["conversion_rate"]
    assert isinstance(rate.correction, Network)
    assert rate.correction.reading.starts["conversion_rate"].ceiling >= 4
    rows = sample(frame, CONVERSIONS)
    assert rows.exposure @ rate.predict(rows.columns) == pytest.approx(rows.events.sum(), rel=0.1)


def test_no_date_that_chooses_is_learnt_from(trained: Trained) -> None:
    chosen = min(sample(trained.frame, target).split()["choose"].dates.min() for target in TARGETS)
    rows = launch._rows(trained.frame)
    assert rows is not None and rows.days.max() < chosen


def test_few_rows_are_no_candidate_and_nothing_is_trained(trained: Trained) -> None:
    dates = trained.frame["business_date"].unique()[:14]
    few = trained.frame[trained.frame["business_date"].isin(dates)]
    assert launch.network_rates(few) == {}


def test_training_dates_without_events_are_no_candidate(trained: Trained) -> None:
    rows = launch._rows(trained.frame)
    assert rows is not None
    early = trained.frame["business_date"].to_numpy("datetime64[D]") < np.unique(rows.days)[-4]
    counts = {name: trained.frame[name].where(~early, 0.0) for name in ("clicks", "conversions")}
    assert launch.network_rates(trained.frame.assign(**counts)) == {}


def test_the_same_seed_gives_the_same_weights_and_another_others(shop_data: Path, tmp_path: Path) -> None:
    first = fit(shop_data, tmp_path / "a")
    assert same(first, fit(shop_data, tmp_path / "b"))
    assert not same(first, fit(shop_data, tmp_path / "c", seed=8))


def test_an_epoch_holds_every_row_once_over_processes_and_workers(shop_data: Path) -> None:
    wanted = Counter(_rows_of(pq.read_table(shop_data / "train")))
    for world, workers in ((1, 0), (3, 0), (2, 2)):
        for epoch in (0, 1):
            found: Counter[tuple[float, ...]] = Counter()
            for rank in range(world):
                stream = Stream(Data(shop_data), "train", 50, 7, rank, world, workers, buffer_rows=100)
                stream.epoch = epoch
                batches = list(_loader(stream, workers))
                assert len(batches) <= stream.steps()
                found += Counter(row for batch in batches for row in _labels(batch))
            assert found == wanted


def test_passing_over_batches_gives_the_ones_after(shop_data: Path) -> None:
    stream = Stream(Data(shop_data), "train", 50, 7, buffer_rows=100)
    whole = list(stream)
    stream.step = 7
    rest = list(stream)
    assert len(rest) == len(whole) - 7
    for one, other in zip(rest, whole[7:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    stream.step, stream.epoch = 0, 1
    assert not torch.equal(next(iter(stream))[0], whole[0][0])


def test_a_stream_holds_a_buffer_and_no_more(shop_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, read = Stream(Data(shop_data), "train", 50, 7, buffer_rows=100), []
    largest = max(group.rows for group in stream.groups)
    monkeypatch.setattr(stream, "_read", lambda buffer, real=stream._read: read.append(real(buffer)) or read[-1])
    sum(1 for _ in stream)
    sizes = [len(buffer[0]) for buffer in read]
    assert max(sizes) < 100 + largest and len(sizes) > 5
    assert sum(sizes) == pq.read_table(shop_data / "train").num_rows


def test_processes_of_uneven_rows_take_the_same_number_of_steps(shop_data: Path) -> None:
    streams = [Stream(Data(shop_data), "train", 7, 7, rank, 4) for rank in range(4)]
    counts = [sum(1 for _ in stream) for stream in streams]
    assert {stream.steps() for stream in streams} == {max(counts)}
    assert len(set(counts)) > 1  # or the case is not there
    empty = streams[0].empty()
    trainer = Trainer(Data(shop_data), shop_data / "unused", Config(), ALONE, print)
    assert trainer._loss(trainer.model, empty).item() == 0.0


def test_a_training_that_stopped_goes_on_to_the_same_end(shop_data: Path, tmp_path: Path) -> None:
    undisturbed = fit(shop_data, tmp_path / "calm", checkpoint_every=5)

    class Stopped(Exception):
        pass

    config = Config(batch_rows=64, epochs=2, checkpoint_every=5)
    trainer = Trainer(Data(shop_data), tmp_path / "cut", config, ALONE, print)
    real = trainer._loss

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        if trainer.state.epoch == 1 and trainer.state.step == 8:
            raise Stopped
        return real(model, batch)

    trainer._loss = loss  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        trainer.run()
    saved = checkpoint.load(tmp_path / "cut" / CHECKPOINT)["state"]
    assert (saved["epoch"], saved["step"]) == (1, 5)
    assert same(fit(shop_data, tmp_path / "cut", checkpoint_every=5), undisturbed)


def test_a_finished_training_is_not_begun_again(shop_data: Path, tmp_path: Path) -> None:
    first, said = fit(shop_data, tmp_path), []
    assert same(fit(shop_data, tmp_path, said.append), first) and not said


def test_a_checkpoint_of_other_options_or_data_is_refused(shop_data: Path, tmp_path: Path) -> None:
    fit(shop_data, tmp_path, epochs=1)
    with pytest.raises(MoeError, match="batch_rows 64, not 32"):
        fit(shop_data, tmp_path, epochs=1, batch_rows=32)
    found = checkpoint.load(tmp_path / CHECKPOINT)
    found["made_with"]["data"] = "another"
    torch.save(found, tmp_path / CHECKPOINT)
    with pytest.raises(MoeError, match="data 'another'"):
        fit(shop_data, tmp_path, epochs=1)
    fit(shop_data, tmp_path, epochs=1, resume=False)
    (tmp_path / CHECKPOINT).write_bytes(b"half")
    with pytest.raises(MoeError, match="--no-resume"):
        fit(shop_data, tmp_path, epochs=1)


def test_an_epoch_says_its_speed_and_its_waiting(shop_data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    fit(shop_data, tmp_path, said.append)
    lines = [json.loads(line) for line in said]
    assert [line["epoch"] for line in lines] == [1, 2]
    rows = pq.read_table(shop_data / "train").num_rows
    assert all(line["rows"] == rows and line["rows_per_second"] > 0 for line in lines)
    assert all(0 <= line["loading_share"] < 1 for line in lines)


@pytest.mark.parametrize(("change", "said"), [
    (lambda events, exposure: (events * 0, exposure), "none of the .* clicks: one class only"),
    (lambda events, exposure: (exposure, exposure), "all of the .* clicks: one class only"),
    (lambda events, exposure: (events, exposure * 0), "no row has impressions"),
    (lambda events, exposure: (events * np.nan, exposure), "labels that are missing"),
    (lambda events, exposure: (events - 1e9, exposure), "negative labels"),
])
def test_labels_that_teach_nothing_are_a_clear_error(trained: Trained, change: Any, said: str) -> None:
    rows = launch._rows(trained.frame)
    assert rows is not None
    with pytest.raises(MoeError, match=said):
        learn(rows.columns, *change(rows.events, rows.exposure))


def test_data_that_cannot_be_used_are_a_clear_error(shop_data: Path, tmp_path: Path) -> None:
    with pytest.raises(MoeError, match="holds no training data"):
        fit(tmp_path, tmp_path)
    reading, table = Data(shop_data).reading, pq.read_table(shop_data / "train")
    with pytest.raises(MoeError, match="no rows to train"):
        write(tmp_path / "none", [("valid", "1", table)], reading)
        fit(tmp_path / "none", tmp_path)
    write(tmp_path / "bad", [("train", "1", table), ("valid", "1", table)], reading)
    path = tmp_path / "bad" / "train" / "1.parquet"
    pq.write_table(table.set_column(table.column_names.index("clicks"), "clicks",
                                    pa.array([float("nan")] * len(table))), path)
    with pytest.raises(MoeError, match="labels that are missing or infinite"):
        fit(tmp_path / "bad", tmp_path)
    pq.write_table(table.set_column(0, table.column_names[0], pa.array(range(len(table)))), path)
    with pytest.raises(MoeError, match=f"column {table.column_names[0]} .* is int64, where string"):
        fit(tmp_path / "bad", tmp_path)
    path.unlink()
    with pytest.raises(MoeError, match="cannot be read"):
        fit(tmp_path / "bad", tmp_path)


def test_a_failed_launch_shows_the_end_of_its_log(shop_data: Path, tmp_path: Path) -> None:
    data = Data(tmp_path / "nothing")
    with pytest.raises(MoeError, match="holds no training data") as found:
        launch._torchrun(data, tmp_path / "out", Config(), processes=1, restarts=0)
    assert "the whole log" in found.value.remedy


def torchrun(shop_data: Path, out: Path, **environment: str) -> str:
    """Two gloo processes, as the script's head says. Returns what was printed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2",
               "-m", "training.train_network", "--data", str(shop_data), "--out", str(out), "--batch-rows", "32",
               "--epochs", "2", "--checkpoint-every", "4"]
    done = subprocess.run(command, cwd=settings().root, env=launch.environment() | environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert not done.returncode, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def undisturbed(shop_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("calm")
    torchrun(shop_data, out)
    return out


@pytest.mark.parametrize("point", [
    "network:first:1:6:1", pytest.param("network:first:0:3:0", marks=pytest.mark.all),
])
def test_a_worker_that_is_killed_in_an_epoch_leaves_the_end_as_it_is(
    shop_data: Path, undisturbed: Path, tmp_path: Path, point: str
) -> None:
    """Killed two steps after a checkpoint, or before there is one: torchrun starts both workers again."""
    printed = torchrun(shop_data, tmp_path, MOE_KILL_AT=point)
    assert "exitcode: -9" in printed
    assert same(weights(tmp_path), weights(undisturbed))
    assert checkpoint.load(tmp_path / CHECKPOINT)["state"]["finished"]


@pytest.mark.all
def test_moe_train_by_torchrun(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from moe.train import train

    monkeypatch.setenv("MOE_TRAINING_LAUNCH", "torchrun")
    settings.cache_clear()
    try:
        world = World(name="torchrun", own_weeks=0.3, seed=4).write()
        assert train(unit("torchrun"), world.last)["click_rate"]["winner"] == "network"
        assert not (settings().work / "network").exists()
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def _loader(stream: Stream, workers: int) -> Iterator[Any]:
    return iter(torch.utils.data.DataLoader(stream, batch_size=None, num_workers=workers))


def _labels(batch: Any) -> list[tuple[float, ...]]:
    return [tuple(row) for row in torch.cat([batch[3], batch[4]], dim=1).tolist()]


def _rows_of(table: pa.Table) -> list[tuple[float, ...]]:
    names = [*(t.events for t in TARGETS), *(t.exposure for t in TARGETS)]
    return [tuple(row) for row in table.select(names).to_pandas().to_numpy(np.float32).tolist()]
