"""The simulated advertiser: equal bytes for equal worlds, restated as platforms do, true to its curves."""

import csv
import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from simulator import deliveries as deliveries_module
from simulator.catalog import line_list
from simulator.deliveries import SOURCES, deliver
from simulator.truth import expected_value
from simulator.world import World

REPOSITORY = Path(__file__).parents[2]
SMALL = World(events_per_day=500)
LAST = SMALL.first_day + timedelta(days=5)
PLATFORM_FILES = {
    "google_ads": ("ad_stats", "account_history", "campaign_history", "ad_group_history", "ad_history"),
    "meta_ads": (
        *("basic_ad", "basic_ad_actions", "basic_ad_action_values"),
        *("account_history", "campaign_history", "ad_set_history", "ad_history"),
    ),
}
PREFIX = {"google_ads": "google_ads", "meta_ads": "facebook_ads"}


@pytest.fixture(scope="module")
def six_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six nights of a small world, delivered in one call."""
    folder = tmp_path_factory.mktemp("six_nights")
    new = deliver(SMALL, LAST, folder / "deliveries", folder / "truth")
    assert len(new) == 6 * len(SOURCES)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def exported_header(name: str) -> list[str]:
    """The header of a real export; its folder must be there."""
    data = Path(os.environ.get("MOE_TEST_DATA", REPOSITORY / "../shared/data"))
    with (data / "ad_platform_exports" / f"{name}_data.csv").open(encoding="utf-8-sig") as lines:
        return next(csv.reader(lines))


def test_two_calls_give_the_bytes_of_one(six_nights: Path, tmp_path: Path) -> None:
    for through in (SMALL.first_day + timedelta(days=1), SMALL.first_day + timedelta(days=4)):
        deliver(SMALL, through, tmp_path / "deliveries", tmp_path / "truth")
    kept = {name: text for name, text in contents(six_nights).items() if LAST.isoformat() not in name}
    assert len(kept) > 5 * 14
    assert contents(tmp_path) == kept


def test_another_process_gives_the_same_bytes(six_nights: Path, tmp_path: Path) -> None:
    arguments = ["--through", LAST.isoformat(), "--events-per-day", "500"]
    folders = ["--deliveries", str(tmp_path / "deliveries"), "--truth", str(tmp_path / "truth")]
    command = [sys.executable, "-m", "simulator", *arguments, *folders]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    assert contents(tmp_path) == contents(six_nights)


def test_a_delivered_night_is_left_alone_and_another_seed_differs(six_nights: Path, tmp_path: Path) -> None:
    assert deliver(SMALL, LAST, six_nights / "deliveries", six_nights / "truth") == []
    with pytest.raises(ValueError, match="another world"):
        deliver(World(seed=8), LAST, six_nights / "deliveries", six_nights / "truth")
    deliver(World(seed=8, events_per_day=500), SMALL.first_day, tmp_path / "deliveries", tmp_path / "truth")
    first = f"google_ads/{SMALL.first_day}/ad_stats.csv"
    assert contents(tmp_path / "deliveries")[first] != contents(six_nights / "deliveries")[first]


@pytest.mark.parametrize(
    ("source", "file"), [(source, file) for source in PLATFORM_FILES for file in PLATFORM_FILES[source]]
)
def test_columns_are_those_of_the_exports(six_nights: Path, source: str, file: str) -> None:
    with (six_nights / "deliveries" / source / LAST.isoformat() / f"{file}.csv").open() as lines:
        rows = list(csv.reader(lines))
    assert rows[0] == exported_header(f"{PREFIX[source]}_{file}")
    assert len(rows) > 1


def test_conversions_grow_clicks_shrink_and_rows_vanish(six_nights: Path) -> None:
    database = duckdb.connect()
    database.execute(
        f"""
        create table cells as
        select date, ad_id, device, clicks, conversions, split_part(filename, '/', -2)::date - date as age
        from read_csv('{six_nights}/deliveries/google_ads/*/ad_stats.csv', filename = true)
        """
    )
    by_age = database.execute(
        "select age, sum(conversions), sum(clicks) from cells where date = ? group by age order by age",
        [SMALL.first_day],
    ).fetchall()
    assert [age for age, *_ in by_age] == [0, 1, 2, 3, 4, 5]
    conversions, clicks = [row[1] for row in by_age], [row[2] for row in by_age]
    assert conversions[0] < 0.85 * conversions[5]
    assert clicks[0] > clicks[1] > clicks[2]
    vanished = database.execute(
        """
        select count(*) from cells as early
        anti join cells as late
            on (late.date, late.ad_id, late.device) = (early.date, early.ad_id, early.device)
            and late.date + late.age::int = ?
        where early.age = 0
        """,
        [LAST],
    ).fetchall()
    assert vanished[0][0] > 0


def test_purchases_stand_under_several_names_and_the_newest_name_counts(six_nights: Path) -> None:
    night = six_nights / "deliveries/meta_ads" / LAST.isoformat()
    counted = dict(
        duckdb.sql(
            f"select action_type, sum(value) from read_csv('{night}/basic_ad_actions.csv') group by 1"
        ).fetchall()
    )
    assert (
        counted["offsite_conversion.fb_pixel_purchase"] == counted["purchase"] == counted["omni_purchase"] > 0
    )
    history = six_nights / "deliveries/google_ads" / LAST.isoformat() / "campaign_history.csv"
    names = duckdb.sql(f"select name from read_csv('{history}') where id = {line_list(SMALL)[1].campaign_id} "
                       "order by updated_at").fetchall()  # fmt: skip
    assert (names[0][0], names[-1][0]) == ("Generic Search | US-West", "Non-Brand Search | US-West")


def test_reported_and_true_totals_agree_when_all_has_arrived(tmp_path: Path) -> None:
    world = World(events_per_day=500, restatement_days=4)
    deliver(world, world.first_day + timedelta(days=3), tmp_path / "deliveries", tmp_path / "truth")
    report = tmp_path / f"deliveries/google_ads/{world.first_day + timedelta(days=3)}/ad_stats.csv"
    truth = tmp_path / f"truth/{world.first_day}.parquet"
    spend, conversions = duckdb.sql(
        f"""
        select sum(cost_micros) / 1e6, sum(conversions)
        from read_csv('{report}') where date = '{world.first_day}'
        """
    ).fetchall()[0]
    true = duckdb.sql(
        f"select sum(spend), sum(conversions) from '{truth}' where platform = 'google_ads'"
    ).fetchall()[0]
    # rows removed as invalid traffic are small
    assert (spend, conversions) == pytest.approx(true, rel=0.03)


def test_events_and_orders(six_nights: Path) -> None:
    database = duckdb.connect()
    database.execute(
        f"""
        create view events as
        select *, split_part(filename, '/', -2)::date as night, (occurred_at at time zone 'UTC')::date as day
        from read_parquet('{six_nights}/deliveries/web/*/*.parquet', filename = true);
        create view orders as from read_csv('{six_nights}/deliveries/shop/*/orders.csv.gz');
        """
    )
    total, distinct, late, unpaid, mailed = database.execute(
        """
        select count(*), count(distinct event_id), count(*) filter (day = night - 1),
            avg((utm_campaign is null)::int), avg((customer_email is not null)::int)
        from events where day in (night, night - 1)
        """
    ).fetchall()[0]
    assert total == database.execute("select count(*) from events").fetchall()[0][0]
    assert total / 6 == pytest.approx(SMALL.events_per_day, rel=0.25)
    assert 0 < total - distinct < 0.01 * total
    assert 0 < late < 0.02 * total
    assert 0.1 < unpaid < 0.5
    assert 0.02 < mailed < 0.3
    orphans = "select count(*) from events anti join orders using (order_id) where event_name = 'purchase'"
    assert database.execute(orphans).fetchall() == [(0,)]
    changed = "select order_id from orders group by order_id having count(distinct status) > 1"
    assert database.execute(changed).fetchall()
    statuses = database.execute("select distinct status from orders").fetchall()
    assert {status for (status,) in statuses} == {"placed", "cancelled", "returned"}


def test_events_are_microseconds_in_utc(six_nights: Path) -> None:
    path = six_nights / "deliveries/web" / LAST.isoformat() / "web_events.parquet"
    assert str(pq.read_schema(path).field("occurred_at").type) == "timestamp[us, tz=UTC]"


@pytest.mark.parametrize("steady", [False, True])
def test_more_spend_brings_more_but_ever_less_of_it(steady: bool) -> None:
    spend = np.linspace(0, 5_000, 200)
    for line in line_list(SMALL):
        expected = expected_value(SMALL, line.campaign_id, spend, date(2026, 6, 20), steady=steady)
        gain = np.diff(expected.conversions)
        assert expected.conversions[0] == 0
        assert (gain > 0).all()
        assert (np.diff(gain) < 0).all()
        assert expected.value[-1] > expected.conversions[-1]


def test_expectation_at_the_true_spend_is_the_truth(six_nights: Path) -> None:
    rows = pq.read_table(six_nights / "truth" / f"{LAST}.parquet").to_pylist()
    for row in rows:
        expected = expected_value(SMALL, row["campaign_id"], np.array([row["spend"]]), LAST)
        assert expected.conversions[0] == pytest.approx(row["expected_conversions"])
        assert expected.value[0] == pytest.approx(row["expected_value"])


def test_drawn_days_scatter_around_their_expectation(six_nights: Path) -> None:
    drawn, expected = duckdb.sql(
        f"select sum(conversions), sum(expected_conversions) from '{six_nights}/truth/*.parquet'"
    ).fetchall()[0]
    assert abs(drawn - expected) < 4 * np.sqrt(expected)


def test_a_failure_leaves_no_partial_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(world: World, night: int, folder: Path) -> None:
        raise OSError("disk full")

    whole = SOURCES["meta_ads"]
    monkeypatch.setitem(deliveries_module.SOURCES, "meta_ads", (whole[0], fail))
    with pytest.raises(OSError, match="disk full"):
        deliver(SMALL, SMALL.first_day, tmp_path / "deliveries", tmp_path / "truth")
    assert not (tmp_path / "deliveries/meta_ads").exists()
    monkeypatch.setitem(deliveries_module.SOURCES, "meta_ads", whole)
    new = deliver(SMALL, SMALL.first_day, tmp_path / "deliveries", tmp_path / "truth")
    assert [path.parent.name for path in new] == ["meta_ads", "web", "shop"]
    assert not list((tmp_path / "deliveries").rglob(".beside"))


def test_a_kill_leaves_only_whole_nights(six_nights: Path, tmp_path: Path) -> None:
    folders = ["--deliveries", str(tmp_path / "deliveries"), "--truth", str(tmp_path / "truth")]
    command = [
        sys.executable,
        "-m",
        "simulator",
        "--through",
        "2027-06-01",
        "--events-per-day",
        "500",
        *folders,
    ]
    running = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (tmp_path / "deliveries/web" / str(SMALL.first_day)).exists() and time.monotonic() < until:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL

    whole = {path.parent.name: {file.name for file in path.iterdir()}
             for path in (six_nights / "deliveries").glob(f"*/{LAST}")}  # fmt: skip
    nights = [path for path in (tmp_path / "deliveries").glob("*/*") if path.parent.name != ".beside"]
    assert nights
    for path in nights:
        assert {file.name for file in path.iterdir()} == whole[path.parent.name]
    deliver(SMALL, LAST, tmp_path / "deliveries", tmp_path / "truth")
    expected, found = contents(six_nights), contents(tmp_path)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("counts", [(0, 2), (3, 0), (12, 9)])
def test_other_numbers_of_campaigns(counts: tuple[int, int], tmp_path: Path) -> None:
    world = World(events_per_day=500, google_campaigns=counts[0], meta_campaigns=counts[1])
    deliver(world, world.first_day, tmp_path / "deliveries", tmp_path / "truth")
    truth = pq.read_table(tmp_path / "truth" / f"{world.first_day}.parquet")
    assert truth.num_rows == sum(counts)
    assert sum(truth["spend"].to_pylist()) == pytest.approx(world.daily_budget, rel=0.5)
