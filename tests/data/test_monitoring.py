"""The job `monitor` over nights of the simulator: calm ones ask for nothing, planted changes ask, time is honest."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.monitoring_calm import without_evidently
from benchmarks.monitoring_world import ADS, CORE, SCORES, Change, Nights, baseline_model, put
from moe import publish, runner, tables
from moe.contracts import ADDED
from moe.errors import MoeError
from moe.jobs import find
from moe.settings import settings
from monitoring import seen
from monitoring.model import Window
from monitoring.requests import Request, open_request

COLUMNS, OUTCOMES, REQUEST = "out.monitor__column", "out.monitor__outcome", "out.retrain_request__night"
TRAINED, SINCE, LAST = 21, 25, 38
"A night each: of the model, of the planted changes, and the last one."


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("home")))
        settings.cache_clear()
        yield settings().home
    settings.cache_clear()


def scored(name: str, change: Change | None = None, last: int = LAST) -> Nights:
    """Nights of a unit whose model says the 28-day shrunk rates."""
    nights = Nights(11, name, change or Change()).write(last)
    version = baseline_model(nights, TRAINED)
    for index in range(TRAINED, last + 1):
        ads = nights.features(index)
        put(SCORES, name, nights.night(index), {
            "line_id": ads["line_id"], "segment": ads["segment"], "click_rate": ads["click_rate_28d"],
            "conversion_rate": ads["conversion_rate_28d"], "value_per_conversion": ads["value_per_conversion_28d"],
            "model_version": [version] * len(ads)})
    return nights


def watch(nights: Nights, *indexes: int) -> list[runner.Record]:
    """Run the job, with Evidently's numbers computed by scipy: nights take a second less."""
    with without_evidently():
        return runner.run(find(["monitor"]), nights.unit, [nights.night(index) for index in indexes])


def rows(table: str, nights: Nights, index: int = LAST) -> list[dict[str, Any]]:
    return tables.read(table, nights.name, nights.night(index)).to_pylist()


@pytest.fixture(scope="module")
def calm() -> Nights:
    nights = scored("calm")
    watch(nights, *range(TRAINED, LAST + 1))
    return nights


def test_calm_nights_ask_for_nothing(calm: Nights) -> None:
    for index in range(TRAINED, LAST + 1):
        (row,) = rows(REQUEST, calm, index)
        assert (row["requested"], row["open_since"], row["reasons"]) == (False, None, ""), row
    assert open_request(calm.unit, calm.night(LAST)) is None
    judged = [r for r in rows(OUTCOMES, calm) if r["is_judged"]]
    assert {(r["target"], r["platform"]) for r in judged} == {
        (t, p) for t in ("click_rate", "conversion_rate") for p in ("all", "google_ads", "meta_ads")}
    for row in judged:
        assert row["dates"] >= 7 and row["ratio_low"] < row["predicted_over_observed"] < row["ratio_high"]
        assert 0.8 < row["predicted_over_observed"] < 1.25
        assert row["since"] > calm.night(TRAINED), "the model predicted from the day after its night on"
        assert row["decay"] == pytest.approx(0, abs=1e-9), "the model is the shrunk rate"


def test_the_real_report_gives_the_same_rows_and_pages(calm: Nights) -> None:
    quick = rows(COLUMNS, calm)
    runner.run(find(["monitor"]), calm.unit, [calm.night(LAST)])
    for old, new in zip(quick, rows(COLUMNS, calm), strict=True):
        assert new["statistic"] == pytest.approx(old["statistic"], abs=1e-9)
        assert {k: v for k, v in new.items() if k not in ("statistic", "p_value")} == {
            k: v for k, v in old.items() if k not in ("statistic", "p_value")}
        assert (new["p_value"] is not None) == (new["check_name"] == "ks")
    folder = settings().monitoring(calm.name, calm.night(LAST))
    assert "No new model is " in (folder / "index.html").read_text()
    report = (folder / "drift.html").read_text()
    assert "bounce_rate by tenths" in report and len(report) < 1_500_000
    script = next(settings().monitoring_library.iterdir())
    assert f'<script src="../../../evidently/{script.name}"></script>' in report


def test_a_night_run_again_gives_the_same_rows(calm: Nights) -> None:
    assert watch(calm, LAST)[0].digests == watch(calm, LAST)[0].digests


def test_what_is_delivered_later_does_not_change_a_night(calm: Nights) -> None:
    index = LAST - 2
    before = watch(calm, index)[0].digests
    later = tables.partition(CORE, calm.name, calm.night(index + 1))
    kept = later.read_bytes()
    table = tables.read_file(later)
    tripled = pa.compute.multiply(table["conversions"].cast(pa.float64()), 3).cast(pa.decimal128(18, 6))
    put(CORE, calm.name, calm.night(index + 1),
        {name: tripled if name == "conversions" else table[name] for name in table.column_names[2:]})
    assert watch(calm, index)[0].digests == before
    changed = watch(calm, index + 1)[0].digests
    later.write_bytes(kept)
    assert watch(calm, index + 1)[0].digests[OUTCOMES] != changed[OUTCOMES], "the delivery was not read in its night"


def test_only_outcomes_that_have_matured_are_judged(calm: Nights) -> None:
    ends = {(r["target"], r["platform"]): (calm.night(LAST) - r["until"]).days for r in rows(OUTCOMES, calm)
            if r["is_judged"]}
    assert ends["click_rate", "all"] == 2
    assert ends["conversion_rate", "google_ads"] >= 3 and ends["conversion_rate", "meta_ads"] >= 5
    assert ends["conversion_rate", "all"] == max(v for (t, _), v in ends.items() if t == "conversion_rate")


CHANGES = {
    "conversions": (Change(SINCE, conversions=0.5), LAST, "calibration: the conversion rate"),
    "price": (Change(SINCE, price=2.0), LAST, "cost_per_click_7d"),
    "value": (Change(SINCE, value=2.0), LAST, "value_per_conversion_28d"),
    "site": (Change(SINCE, traffic=False), SINCE + 4, "availability: more of it is missing than in training"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_planted_change_asks_for_a_model(name: str, calm: Nights) -> None:
    change, last, reason = CHANGES[name]
    nights = scored(name, change, last)
    watch(nights, *range(SINCE - 1, last + 1))
    found = {index: rows(REQUEST, nights, index)[0] for index in range(SINCE - 1, last + 1)}
    asked = [index for index, row in found.items() if row["requested"]]
    assert len(asked) == 1, "asked once, then open"
    assert asked[0] >= SINCE + 2, "an alert has to last"
    assert reason in found[asked[0]]["reasons"]
    filed = nights.night(asked[0])
    assert open_request(nights.unit, filed - timedelta(days=1)) is None
    wanted = Request(filed, found[asked[0]]["model_version"], found[asked[0]]["reasons"])
    assert open_request(nights.unit, nights.night(last)) == wanted
    version = found[last]["model_version"]
    publish.move("model", name, "new", expected=version, effective=nights.night(last), who="test", reason="test",
                 facts={})
    assert open_request(nights.unit, nights.night(last)) is None, "another model answers it"


def test_a_night_without_its_source_is_told_at_once(calm: Nights) -> None:
    """A feature table's partition is gone for two of the last nights."""
    gone = [tables.partition("features.traffic__line_day", calm.name, calm.night(LAST - n)) for n in (0, 1)]
    kept = [path.read_bytes() for path in gone]
    for path in gone:
        path.unlink()
    watch(calm, LAST)
    found = {(r["table_name"].partition(".")[2], r["column_name"], r["check_name"]): r for r in rows(COLUMNS, calm)}
    for path, data in zip(gone, kept, strict=True):
        path.write_bytes(data)
    absent = found["traffic__line_day", "*", "absent_nights"]
    assert (absent["statistic"], absent["status"]) == (2.0, "alert")
    missing = found["traffic__line_day", "sessions", "missing"]
    assert (missing["statistic"], missing["status"], missing["nights_alert"]) == (1.0, "alert", 1)


def test_a_source_that_delivers_nothing_new_is_late(calm: Nights) -> None:
    from moe.asof import COVERAGE

    gone = [tables.partition(COVERAGE, calm.name, calm.night(LAST - n)) for n in range(3)]
    kept = [path.read_bytes() for path in gone]
    for path in gone:
        path.unlink()
    watch(calm, LAST)
    (late,) = [r for r in rows(COLUMNS, calm) if r["check_name"] == "late_days"]
    for path, data in zip(gone, kept, strict=True):
        path.write_bytes(data)
    assert (late["column_name"], late["statistic"], late["status"]) == ("ads", 3.0, "alert")


def test_a_large_window_is_sampled_by_its_keys(calm: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "MOST_ROWS", 100)
    window = Window(calm.night(LAST - 6), calm.night(LAST))
    with tables.connect() as connection:
        seen.register(connection, calm.name, window)
        columns = f"select night, line_id, segment from seen where night between '{window.since}' and '{window.until}'"
        whole = connection.sql(columns).fetchall()
        chosen = seen.sample(connection, window).fetchall()
        again = seen.sample(connection, window).fetchall()
    keys = {row[1:] for row in whole}
    assert len(whole) == 7 * len(keys) and 0 < len(chosen) < 200 and len(chosen) % 7 == 0
    assert chosen == again


def test_a_model_whose_bundle_is_gone_is_named_with_a_remedy(calm: Nights, tmp_path: Path) -> None:
    bundle = next(settings().bundles.iterdir())
    shutil.move(bundle, tmp_path / "away")
    try:
        with pytest.raises(MoeError, match="bundle of model"):
            watch(calm, LAST)
    finally:
        shutil.move(tmp_path / "away", bundle)


def test_a_night_that_is_not_scored_is_refused(calm: Nights) -> None:
    with pytest.raises(MoeError, match=f"{SCORES} has no partition"):
        watch(calm, LAST + 1)
    assert tables.nights(ADS, calm.name)[-1] == calm.night(LAST)


def test_a_night_in_which_no_line_was_scored_is_skipped(calm: Nights) -> None:
    night = calm.night(LAST + 1)
    scored = tables.read(SCORES, calm.name, calm.night(LAST)).slice(0, 0)
    put(SCORES, calm.name, night, {name: scored[name] for name in scored.column_names if name not in ADDED})
    (record,) = watch(calm, LAST + 1)
    tables.partition(SCORES, calm.name, night).unlink()
    assert record.status == "skipped" and "no line was scored" in record.reason
    assert night not in tables.nights(REQUEST, calm.name) and open_request(calm.unit, night) is None


def test_the_nightly_page_links_to_monitoring(calm: Nights) -> None:
    from decisions.jobs.report import _monitoring
    from moe.jobs import Night

    night = Night(calm.unit, calm.night(LAST))
    there = _monitoring(night, settings().report(calm.name, night.date))
    assert there == {"Monitoring of the model": f"../monitoring/{night.date}/index.html"}
    tomorrow = Night(calm.unit, calm.night(LAST + 1))
    not_yet = _monitoring(tomorrow, settings().report(calm.name, tomorrow.date))
    assert not_yet == {
        "Monitoring of the model (opens once the step `monitor` of this night is done)":
            f"../monitoring/{tomorrow.date}/index.html",
        f"Monitoring of the night of {night.date}": f"../monitoring/{night.date}/index.html"}


@pytest.mark.all
@pytest.mark.parametrize("seed", range(201, 206))
def test_six_calm_weeks_of_a_trained_model_ask_for_nothing(seed: int) -> None:
    from benchmarks.monitoring_calm import LIFE, watched

    (rows,) = watched(seed, [Change()])
    assert [row["reasons"] for row in rows if row["requested"]] == [] and len(rows) == LIFE + 1
