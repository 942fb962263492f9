"""Auction logs from files: what is read, and what each bad row is told."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from benchmarks.auction_world import table, world
from decisions.auctions.files import read
from decisions.auctions.log import AuctionLog, Seen
from moe.errors import FileFault

GOOD = """when,paid,clk,p,least,where
2026-05-01 10:00:01,0.5,0,0.01,0.1,a
2026-05-01 10:00:00,1.25,1,0.02,0,b
2026-05-01 10:00:03,0,0,0.03,,a
"""
NAMES = {"time": "when", "market_price": "paid", "click": "clk", "click_rate": "p", "segment": "where"}
NOON = int(datetime(2026, 5, 1, 10, tzinfo=UTC).timestamp() * 1e6)


def written(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_rows_come_in_order_of_time_in_nanos_an_impression(tmp_path: Path) -> None:
    log, judged_from = read(written(tmp_path, GOOD), NAMES, train_share=0.5)
    assert (log.seen.time - NOON).tolist() == [0, 1_000_000, 3_000_000]
    assert judged_from == NOON + 1_500_000
    assert log.market_price.tolist() == [1_250_000, 500_000, 0]
    assert log.click.tolist() == [1, 0, 0]
    assert log.seen.segment.tolist() == [1, 0, 0]
    assert not log.censored.any()
    one, _ = read(written(tmp_path, GOOD), NAMES, price_per=1)
    assert (one.market_price == log.market_price * 1000).all()


@pytest.mark.parametrize("form", ["20260501100001500", "1777629601500", "1777629601.5", "2026-05-01T10:00:01.500Z",
                                  "2026-05-01 12:00:01.5+02:00"])
def test_every_form_of_an_instant(tmp_path: Path, form: str) -> None:
    log, _ = read(written(tmp_path, f"time,market_price,click,click_rate\n{form},1,0,0.1\n"))
    assert log.seen.time.tolist() == [NOON + 1_500_000]


def test_csv_tabs_gzip_and_parquet_say_the_same(tmp_path: Path) -> None:
    made = table(world(3, 2_000))
    pyarrow.csv.write_csv(made, tmp_path / "log.csv")
    text = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.tsv").write_text(text.replace(",", "\t"))
    with gzip.open(tmp_path / "log.csv.gz", "wt") as file:
        file.write(text)
    pyarrow.parquet.write_table(made, tmp_path / "log.parquet")
    logs = [read(tmp_path / f"log.{ending}")[0] for ending in ("csv", "tsv", "csv.gz", "parquet")]
    for other in logs[1:]:
        assert (other.market_price == logs[0].market_price).all()
        assert (other.seen.time == logs[0].seen.time).all() and (other.seen.rate == logs[0].seen.rate).all()
        assert (other.click == logs[0].click).all()


def test_a_lost_auction_says_only_that_its_price_was_not_below_the_bid(tmp_path: Path) -> None:
    log, _ = read(written(tmp_path, "time,market_price,click,click_rate,bid\n1,2,1,0.1,3\n2,,0,0.1,4\n3,,,0.1,5\n"))
    assert log.censored.tolist() == [False, True, True]
    assert (log.market_price / 1e6).tolist() == [2, 4, 5]
    assert log.cost.tolist() == [2_000_000, 0, 0]


def test_a_rate_is_learnt_from_features_on_rows_that_the_replay_leaves_out(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    n = 40_000
    place = random.integers(0, 4, n)
    click = random.random(n) < np.array([0.01, 0.02, 0.05, 0.1])[place]
    made = pa.table({"time": np.arange(n), "market_price": np.ones(n), "click": click, "place": place})
    pyarrow.parquet.write_table(made, tmp_path / "log.parquet")
    log, judged_from = read(tmp_path / "log.parquet", features=["place"], train_share=0.5)
    assert (log.seen.time[0], judged_from) == (10_000 * 1_000_000, pytest.approx(20_000 * 1e6, abs=1e6))
    kept = place[10_000:]
    learnt = [float(log.seen.rate[kept == p].mean()) for p in range(4)]
    assert learnt == pytest.approx([0.01, 0.02, 0.05, 0.1], rel=0.25)


@pytest.mark.parametrize(("text", "names", "message", "remedy"), [
    (GOOD.replace("1.25", "cheap"), NAMES, "log.csv, row 2, column 'paid': 'cheap' is not a number", "correct the row"),
    (GOOD.replace("1.25", "-1"), NAMES, "row 2, column 'paid': '-1' is negative", "correct the row"),
    (GOOD.replace("0.02", "2"), NAMES, "row 2, column 'p': '2' is not a rate above 0 and at most 1", "not percent"),
    (GOOD.replace("0.02", "0"), NAMES, "row 2, column 'p': '0' is not a rate", "as shares"),
    (GOOD.replace("1.25,1", "1.25,"), NAMES, "row 2, column 'clk': '' is empty", "give 0 or 1"),
    (GOOD.replace("1.25,1", "1.25,0.5"), NAMES, "row 2, column 'clk': '0.5' is not a whole number", "give 0 or 1"),
    (GOOD.replace("1.25", ""), NAMES, "row 2, column 'paid': '' is empty, so that the auction was lost", "--map bid="),
    (GOOD.replace("10:00:00", "25:00:00"), NAMES, "row 2, column 'when': '2026-05-01 25:00:00' is not an inst", "ISO"),
    (GOOD.replace("10:00:00", "10:00:00Z"), NAMES, "row 1, column 'when'.*has no zone", "all with a zone"),
    (GOOD, {k: v for k, v in NAMES.items() if k != "click_rate"}, "a bid needs a predicted click rate", "--features"),
    (GOOD, NAMES | {"click": "clicks"}, "no column 'clicks'; it has when, paid", "--map click=…"),
    (GOOD, NAMES | {"clik": "clk"}, "--map names clik", "map any of time"),
    (GOOD, NAMES | {"bid_floor": "least"}, "row 3, column 'least': '' is not a number", "correct the row"),
    (GOOD.splitlines()[0] + "\n", NAMES, "has no rows", "with auctions"),
    (GOOD + "1,2\n", NAMES, "cannot be read", "as many columns as the header"),
    (GOOD.replace("1.25", "1e12"), NAMES, "row 2, column 'paid': '1e12' is too large", "--price-per"),
])
def test_a_bad_row_is_named_with_what_to_do(
    tmp_path: Path, text: str, names: dict[str, str], message: str, remedy: str
) -> None:
    with pytest.raises(FileFault, match=message) as caught:
        read(written(tmp_path, text), names)
    assert remedy in caught.value.remedy


def test_the_row_at_fault_is_the_file_s_own_where_a_campaign_is_picked(tmp_path: Path) -> None:
    text = "time,market_price,click,click_rate,campaign\n1,1,0,0.1,a\n2,1,0,0.1,b\n3,x,0,0.1,b\n"
    with pytest.raises(FileFault, match="row 3, column 'market_price'"):
        read(written(tmp_path, text), campaign="b")
    assert len(read(written(tmp_path, text), campaign="a")[0]) == 1
    with pytest.raises(FileFault, match="no row with campaign 'c'"):
        read(written(tmp_path, text), campaign="c")


def test_a_log_in_ipinyou_s_form(tmp_path: Path) -> None:
    """Tab separated, 17 digits an instant, floors and prices a thousand, an open quotation mark in the user agent."""
    head = "click\tweekday\thour\ttimestamp\tuseragent\tslotprice\tpayprice\tadvertiser\n"
    rows = "".join(f"{int(i % 9 == 0)}\t6\t{i % 2}\t201306060001{i:05}\tMozilla \"5.0 {i}\t5\t{20 + i}\t1458\n"
                   for i in range(100, 160))
    names = {"time": "timestamp", "market_price": "payprice", "bid_floor": "slotprice", "campaign": "advertiser"}
    path = written(tmp_path, head + rows + rows.replace("1458", "3386"), "train.log.txt")
    log, _ = read(path, names, campaign="1458", features=["weekday", "hour"])
    assert 35 < len(log) < 60
    assert log.market_price[-1] == 179 * 10**6 and (log.seen.bid_floor == 5 * 10**6).all()


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="there is no file"):
        read(tmp_path / "none.csv")


def test_a_log_that_does_not_fit_together_is_refused() -> None:
    two, one = np.zeros(2, dtype=np.int64), np.zeros(1, dtype=np.int64)
    seen = Seen(np.array([1, 2]), np.array([0.1, 0.2]), two, two)
    with pytest.raises(ValueError, match="2 rows"):
        AuctionLog(seen, one, two == 1, two, two)
    with pytest.raises(ValueError, match="order of time"):
        AuctionLog(Seen(np.array([2, 1]), seen.rate, two, two), two, two == 1, two, two)
    with pytest.raises(ValueError, match="above 0"):
        AuctionLog(Seen(seen.time, np.array([0.1, 0.0]), two, two), two, two == 1, two, two)
