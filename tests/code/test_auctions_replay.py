"""The replay: exact money, no look into the future, known answers, and ours beside linear on generated logs."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from benchmarks.auction_world import table, world
from decisions.auctions.calibration import calibrate
from decisions.auctions.log import MICRO, AuctionLog, Seen
from decisions.auctions.replay import STRATEGIES, replay, settle
from decisions.auctions.strategies import Static, constant, linear, ortb, priced, spent

BUDGETS = [1 / 64, 1 / 8, 1 / 2]


def made_log(seed: int, n: int = 300) -> AuctionLog:
    random = np.random.default_rng(seed)
    seen = Seen(np.sort(random.integers(0, 86_400 * MICRO, n)), random.uniform(0.001, 0.2, n),
                random.choice([0, 30], n), random.integers(0, 3, n))
    return AuctionLog(seen, random.integers(0, 100, n), random.random(n) < 0.1, random.integers(0, 2, n),
                      random.integers(0, 2, n))


def by_hand(log: AuctionLog, bid: np.ndarray, budget: int, first_price: bool) -> tuple[int, int, int]:
    """The rules, auction by auction: impressions, clicks, spend."""
    impressions = clicks = spend = 0
    for i in range(len(log)):
        if log.censored[i] or bid[i] <= log.market_price[i] or bid[i] < log.seen.bid_floor[i]:
            continue
        price = int(bid[i]) if first_price else max(int(log.market_price[i]), int(log.seen.bid_floor[i]))
        if spend + price > budget:
            break
        impressions, clicks, spend = impressions + 1, clicks + int(log.click[i]), spend + price
    return impressions, clicks, spend


@given(st.integers(0, 2**32 - 1), st.integers(0, 20_000), st.booleans())
@settings(max_examples=100)
def test_the_count_is_that_of_an_auctioneer_who_goes_one_by_one(seed: int, budget: int, first_price: bool) -> None:
    log = made_log(seed)
    bid = np.random.default_rng(seed + 1).integers(0, 120, len(log))
    bought = settle("x", log, bid, budget, first_price=first_price)
    assert (bought.impressions, bought.clicks, bought.spend_nanos) == by_hand(log, bid, budget, first_price)
    assert bought.spend_nanos <= budget


def test_bids_above_a_censored_price_are_counted_as_unknown() -> None:
    log = made_log(5)
    bid = np.full(len(log), 1_000)
    bought = settle("x", log, bid, 10**9, first_price=False)
    assert bought.unknown == log.censored.sum() > 0
    assert bought.impressions == (~log.censored).sum()


@pytest.mark.parametrize("strategy", [constant(), linear(0.05), ortb(40.0)], ids=lambda s: s.name)
def test_an_auction_is_won_above_its_critical_scale_and_not_below(strategy: Static) -> None:
    random = np.random.default_rng(2)
    price, rate = random.uniform(1, 100, 200), random.uniform(0.001, 0.2, 200)
    critical = strategy.critical(price, rate)
    for i in range(200):
        assert strategy.bid(rate[i:i + 1], critical[i] * 1.001)[0] > price[i]
        assert strategy.bid(rate[i:i + 1], critical[i] * 0.999)[0] < price[i]


def test_ortb_is_the_paper_s() -> None:
    """Zhang, Yuan & Wang 2014, equation 13, with c = 50 and λ = 5.2e-7, the figures of its section 4."""
    bid = ortb(50.0).bid(np.array([1e-4, 1e-3]), 1 / 5.2e-7)
    assert bid == pytest.approx([np.sqrt(50 / 5.2e-7 * r + 2_500) - 50 for r in (1e-4, 1e-3)])


@pytest.fixture(scope="module")
def small() -> AuctionLog:
    return world(11, 60_000).log


@pytest.mark.parametrize("first_price", [False, True])
def test_budgets_hold_and_more_money_buys_more(small: AuctionLog, first_price: bool) -> None:
    rows = replay(small, small.instant(0.6), BUDGETS, first_price=first_price)
    assert [r.strategy for r in rows] == [s for s in STRATEGIES for _ in BUDGETS]
    total = int(small.split(small.instant(0.6))[1].cost.sum())
    for row, share in zip(rows, BUDGETS * len(STRATEGIES), strict=True):
        assert row.spend_nanos <= row.budget_nanos == int(total * share)
        assert row.ecpc is None or row.ecpc == pytest.approx(row.spend / row.clicks)
    for name in ("linear", "ortb", "ours"):
        clicks = [r.clicks for r in rows if r.strategy == name]
        assert clicks == sorted(clicks)
    assert all(r.spend_nanos > 0.98 * r.budget_nanos for r in rows if r.strategy == "ours")
    again = replay(small, small.instant(0.6), BUDGETS, first_price=first_price)
    assert rows == again


@pytest.mark.parametrize("first_price", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_strategy_sees_the_future(small: AuctionLog, strategy: str, first_price: bool) -> None:
    """Prices and clicks of the last tenth change; what was bought before it does not."""
    judged_from, change = small.instant(0.6), small.instant(0.9)
    late = small.seen.time >= change
    other = replace(small, market_price=np.where(late, small.market_price * 3, small.market_price),
                    click=np.where(late, 1 - small.click, small.click))
    # The budget is a share of the judged part's cost, so that it is stated in money for both.
    total, dearer = (float(log.split(judged_from)[1].cost.sum()) for log in (small, other))

    def before_the_change(log: AuctionLog, share: float) -> tuple[int, int]:
        ghost = replace(log, click=np.where(late, 0, log.click), conversion=np.where(late, 0, 1))  # counts both
        row = replay(ghost, judged_from, [share], [strategy], first_price=first_price)[0]
        return row.clicks, row.conversions

    kept = before_the_change(small, 0.125)
    assert kept == before_the_change(other, 0.125 * total / dearer)


def test_bids_answer_only_to_outcomes_of_earlier_ticks(small: AuctionLog) -> None:
    train, judged = small.split(small.instant(0.6))
    strategy = priced(train, train.click, first_price=False)
    asked: list[slice] = []

    def outcome(tick: slice, bids: np.ndarray) -> int:
        asked.append(tick)
        return int(spent(judged.rows(tick), bids, first_price=False).sum())

    budget = int(judged.cost.sum()) // 8
    bids = strategy.play(judged.seen, budget, int(judged.seen.time[-1]) + 1, outcome)
    half = len(asked) // 2

    def differs_later(tick: slice, bid: np.ndarray) -> int:
        return outcome(tick, bid) // 3 if tick.start >= asked[half].start else outcome(tick, bid)

    other = strategy.play(judged.seen, budget, int(judged.seen.time[-1]) + 1, differs_later)
    same_until = asked[half].stop
    assert_array_equal(bids[:same_until], other[:same_until])
    assert (bids[same_until:] != other[same_until:]).any()


def test_linear_finds_the_best_base_bid_of_a_market_without_drift() -> None:
    """Against every scale on the judged part itself: what tuning on the training part loses is noise."""
    calm = world(7, 120_000, calm=True)
    log, at = calm.log, calm.log.instant(0.5)
    judged = log.split(at)[1]
    later = log.seen.time >= at
    row = replay(replace(log, click=np.where(later, np.rint(calm.click_rate * 1e9).astype(np.int64), log.click)), at,
                 [1 / 8], ["linear"])[0]
    rate, truth = judged.seen.rate, calm.click_rate[later]
    best = 0.0
    for scale in np.geomspace(1e5, 1e8, 200):
        won = (rate * scale / rate.mean()).astype(np.int64) > np.maximum(judged.market_price, judged.seen.bid_floor)
        cost = np.cumsum(np.where(won, judged.cost, 0))
        best = max(best, float(truth[won & (cost <= row.budget_nanos)].sum()))
    assert row.clicks / 1e9 == pytest.approx(best, rel=0.03)


@pytest.mark.parametrize("first_price", [False, True])
def test_ours_is_not_below_linear_beyond_noise(first_price: bool) -> None:
    """Three seeds of the market with drift and three without; `benchmarks.auctions` has twenty."""
    for calm, least in ((False, 1.0), (True, 0.99)):
        ratios = []
        for seed in range(3):
            made = world(500 + seed, 80_000, calm=calm)
            at = made.log.instant(0.6)
            expected = np.rint(made.click_rate * 1e9).astype(np.int64)
            log = replace(made.log, click=np.where(made.log.seen.time >= at, expected, made.log.click))
            rows = replay(log, at, BUDGETS, ["linear", "ours"], first_price=first_price)
            ratios.append([ours.clicks / line.clicks for line, ours in zip(rows[:3], rows[3:], strict=True)])
        assert np.exp(np.log(ratios).mean(axis=0)).min() > least


def test_a_line_that_is_too_sure_is_put_right() -> None:
    random = np.random.default_rng(4)
    segment = random.integers(0, 3, 200_000)
    truth = 1 / (1 + np.exp(-(random.normal(-4, 1, segment.size) + np.array([0.3, -0.3, 0.0])[segment])))
    told = 1 / (1 + np.exp(-(1.4 * np.log(truth / (1 - truth)) + 1 - np.array([0.3, -0.3, 0.0])[segment])))
    click = (random.random(segment.size) < truth).astype(np.int64)
    right = calibrate(told, segment, click)(told, segment)
    assert np.abs(np.log(told / truth)).mean() > 0.3
    assert np.abs(np.log(right / truth)).mean() < 0.12
    unseen = calibrate(told, segment, click)(told[:5], np.full(5, 9))
    assert np.isfinite(unseen).all()


def test_few_events_leave_a_prediction_nearly_as_it_was() -> None:
    rate = np.array([0.01] * 50 + [0.02] * 50)
    kept = calibrate(rate, np.zeros(100, dtype=np.int64), np.eye(1, 100, dtype=np.int64)[0])
    assert kept.slope == pytest.approx(1, abs=0.05)
    assert kept.intercept == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("first_price", [False, True])
def test_short_logs_of_few_auctions_and_free_ones_are_replayed(first_price: bool) -> None:
    """Two hours, 400 auctions of which some cost nothing and some were lost, one click in each part."""
    random = np.random.default_rng(8)
    n = 400
    zeros = np.zeros(n, dtype=np.int64)
    lost = random.random(n) < 0.3
    price = random.integers(0, 5, n) * 10**5
    click = zeros.copy()
    click[np.flatnonzero(~lost)[[5, -5]]] = 1
    seen = Seen(np.sort(random.integers(0, 7_200 * MICRO, n)), random.uniform(0.001, 0.1, n), zeros, zeros)
    log = AuctionLog(seen, price, lost, click, zeros)
    rows = replay(log, log.instant(0.6), BUDGETS, first_price=first_price)
    assert all(0 <= r.spend_nanos <= r.budget_nanos for r in rows)
    assert all(r.impressions > 0 for r in rows if r.strategy == "ours")
    with pytest.raises(ValueError, match="known prices above 0"):
        replay(replace(log, market_price=zeros), log.instant(0.6), BUDGETS)


@pytest.mark.parametrize(("change", "message"), [
    ({"budgets": [0.0]}, "above 0, at most 1"),
    ({"budgets": []}, "above 0, at most 1"),
    ({"strategies": ["best"]}, "unknown strategies: best; choose from constant"),
    ({"judged_from": 0}, "no click to learn from"),
    ({"judged_from": 2**62}, "needs auctions over some time"),
])
def test_bad_arguments_are_told(small: AuctionLog, change: dict, message: str) -> None:
    good = {"judged_from": small.instant(0.6), "budgets": [0.5], "strategies": ["linear"]}
    with pytest.raises(ValueError, match=message):
        replay(small, **(good | change))


def moe(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "moe.cli", "replay", *words], capture_output=True, text=True,
                          env=os.environ | {"COLUMNS": "120"})


def test_the_command_prints_a_table_and_writes_the_figures(tmp_path: Path) -> None:
    made = table(world(1, 20_000)).rename_columns({"market_price": "payprice", "click_rate": "pctr"})
    pyarrow.parquet.write_table(made, tmp_path / "log.parquet")
    names = ["--map", "market_price=payprice,click_rate=pctr"]
    done = moe(str(tmp_path / "log.parquet"), *names, "--budgets", "1/16 1/4", "--first-price", "--csv",
               str(tmp_path / "figures.csv"))
    assert done.returncode == 0, done.stderr
    assert "first price" in done.stdout and "ortb" in done.stdout
    rows = list(csv.DictReader((tmp_path / "figures.csv").open()))
    assert [(r["strategy"], r["budget_share"]) for r in rows] == [(s, b) for s in STRATEGIES for b in ("1/16", "1/4")]
    assert all(float(r["spend"]) <= float(r["budget"]) for r in rows)
    wrong = moe(str(tmp_path / "log.parquet"), *names, "--budgets", "a tenth")
    assert wrong.returncode == 1 and "What to do" in wrong.stderr and "1/64,0.25" in wrong.stderr
