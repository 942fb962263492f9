"""The Spark jobs: rows in, rows out; as-of reading, repetition and backfill through the runner."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moe import frames, runner, spark, tables
from moe.asof import COVERAGE
from moe.contracts import ADDED, contract
from moe.jobs import ADS, BY_NAME, Night
from moe.settings import settings
from moe.units import Bids, Budget, Source, Unit
from spark_jobs.ads import PRIOR_CLICKS, PRIOR_CONVERSIONS, PRIOR_IMPRESSIONS, PRIOR_PAID_CLICKS, ads
from spark_jobs.customers import customers
from spark_jobs.hours import hours
from spark_jobs.sessions import sessions
from spark_jobs.traffic import traffic

EVENTS, ORDERS = "core.web_event__event", "core.order__order"
SESSIONS, TRAFFIC = "features.session__session", "features.traffic__line_day"
HOURS = "features.hour_traffic__line_block"
CUSTOMERS, LINES = "features.customer__customer", "features.ads__line_segment"

D = date(2026, 3, 20)
UNIT = Unit(
    unit="shop", name="Shop", currency="EUR", first_night=D - timedelta(days=9), line=("campaign_id",),
    budget=Budget(total=Decimal(100)), bids=Bids(cap=Decimal(1)), folder=Path(),
    sources=(Source(name="google", mapping="google", path="exports"),),
)
NIGHT = Night(UNIT, D)

DEFAULTS: dict[str, dict[str, Any]] = {
    EVENTS: {"visitor_id": "v", "event_name": "page_view"},
    SESSIONS: {"visitor_id": "v", "business_date": D, "pages": 1, "forms": 0, "purchases": 0, "is_bounce": False},
    ORDERS: {"customer_id": "k", "status": "placed", "order_value": Decimal(10)},
    ADS: {
        "source": "google", "account_id": "1", "business_date": D, "platform": "google_ads", "campaign_id": "c",
        "ad_group_id": "", "ad_id": "", "placement": "", "region": "", "segment": "s", "campaign_name": "C",
        "line_id": "l", "line_name": "L", "impressions": 0, "clicks": 0, "spend": Decimal(0), "currency": "EUR",
    },
}


@pytest.fixture(scope="module", autouse=True)
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Spark session for the module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("spark")))
        settings.cache_clear()
        yield spark.session()
    settings.cache_clear()


def at(text: str) -> datetime:
    """`20 09:00` or `20 09:00:00.5`: day and time in March 2026, UTC."""
    return datetime.fromisoformat(f"2026-03-{text}+00:00")


def frame(table: str, rows: list[dict[str, Any]]) -> Any:
    empty = spark.read(table, [], contract(table))
    full = [DEFAULTS[table] | row for row in rows]
    return spark.session().createDataFrame([[r.get(n) for n in empty.columns] for r in full], empty.schema)


def rows(outputs: dict[str, Any], table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Rows of an output, sorted; timestamps as text in UTC."""
    assert set(outputs) == {table}
    out = outputs[table]
    assert set(out.columns) == {c.name for c in contract(table).columns}
    types = dict(out.dtypes)
    texts = [f"cast({c} as string)" if types[c] == "timestamp" else c for c in columns]
    return sorted((tuple(row) for row in out.selectExpr(*texts).collect()), key=str)


def event(id_: str, when: str, **more: Any) -> dict[str, Any]:
    return {"event_id": id_, "occurred_at": at(when)} | more


# Sessions


def sessions_of(*events: dict[str, Any]) -> list[tuple[Any, ...]]:
    out = sessions(NIGHT, frame(EVENTS, list(events)))
    return rows(out, SESSIONS, "visitor_id", "started_at", "pages", "session_seconds")


def test_a_gap_of_exactly_30_minutes_ends_a_session() -> None:
    assert sessions_of(
        event("a", "20 09:00:00"), event("b", "20 09:29:59.999999"), event("c", "20 09:59:59.999999"),
        event("d", "20 10:29:59", visitor_id="w"),
    ) == [
        ("v", "2026-03-20 09:00:00", 2, 1799.999999),
        ("v", "2026-03-20 09:59:59.999999", 1, 0.0),
        ("w", "2026-03-20 10:29:59", 1, 0.0),
    ]


def test_a_session_across_midnight_belongs_to_the_day_that_it_began() -> None:
    out = sessions(NIGHT, frame(EVENTS, [event("a", "18 23:50:00"), event("b", "19 00:10:00")]))
    assert rows(out, SESSIONS, "business_date", "pages", "ended_at") == [
        (date(2026, 3, 18), 2, "2026-03-19 00:10:00")
    ]


def test_a_session_that_began_before_the_window_is_neither_kept_nor_cut() -> None:
    assert sessions_of(event("a", "17 23:45:00"), event("b", "18 00:10:00"), event("c", "18 00:35:00")) == []
    assert sessions_of(event("a", "17 23:30:00"), event("b", "18 00:00:00")) == [("v", "2026-03-18 00:00:00", 1, 0.0)]


def test_events_after_the_cut_off_are_not_known_yet() -> None:
    assert sessions_of(event("a", "20 23:59:00"), event("b", "21 00:00:00")) == [("v", "2026-03-20 23:59:00", 1, 0.0)]


def test_bounce_is_one_page_view_and_nothing_else() -> None:
    out = sessions(NIGHT, frame(EVENTS, [
        event("a", "20 09:00", visitor_id="1 page"),
        event("b", "20 09:00", visitor_id="2 pages"), event("c", "20 09:00", visitor_id="2 pages"),
        event("d", "20 09:00", visitor_id="cart"), event("e", "20 09:01", visitor_id="cart", event_name="add_to_cart"),
        event("f", "20 09:00", visitor_id="form", event_name="form_submit"),
        event("g", "20 09:00", visitor_id="order", event_name="purchase"),
    ]))
    assert rows(out, SESSIONS, "visitor_id", "pages", "forms", "purchases", "is_bounce") == [
        ("1 page", 1, 0, 0, True), ("2 pages", 2, 0, 0, False), ("cart", 1, 0, 0, False),
        ("form", 0, 1, 0, False), ("order", 0, 0, 1, False),
    ]


def test_tags_are_those_of_the_first_tagged_event_together() -> None:
    out = sessions(NIGHT, frame(EVENTS, [
        event("a", "20 09:00", utm_source=""),
        event("b", "20 09:01", utm_source="google", utm_campaign="c1"),
        event("c", "20 09:02", utm_source="meta", utm_campaign="c2", utm_content="ad"),
    ]))
    assert rows(out, SESSIONS, "utm_source", "utm_medium", "utm_campaign", "utm_content") == [
        ("google", None, "c1", None)
    ]


def test_a_session_keeps_its_id_while_it_grows() -> None:
    first, second = (
        rows(sessions(Night(UNIT, D + timedelta(days=d)), frame(EVENTS, [
            event("a", "20 23:50"), event("b", "21 00:05"), event("z", "20 12:00", visitor_id=f"w{d}"),
        ])), SESSIONS, "visitor_id", "session_id", "pages")[0] for d in (0, 1)
    )
    assert first[1] == second[1] and len(first[1]) == 32
    assert (first[2], second[2]) == (1, 2)


SESSIONS_IN_SQL = """
with known as (
    select *, coalesce(date_diff('microsecond', lag(occurred_at) over v, occurred_at) >= 1800000000, true) as begins
    from events where occurred_at < timestamptz '2026-03-21 00:00:00+00'
    window v as (partition by visitor_id order by occurred_at, event_id)
), numbered as (
    select *, count(*) filter (begins) over (partition by visitor_id order by occurred_at, event_id) as n from known
)
select visitor_id, min(occurred_at)::varchar, max(occurred_at)::varchar, (min(occurred_at) at time zone 'UTC')::date,
    count(*) filter (event_name = 'page_view'), count(*) filter (event_name = 'form_submit'),
    count(*) filter (event_name = 'purchase'), count(*) = 1 and min(event_name) = 'page_view',
    arg_min(utm_source, (occurred_at, event_id)) filter (utm_source is not null)
from numbered group by visitor_id, n
having min(occurred_at) >= timestamptz '2026-03-18 00:00:00+00'
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sessions_equal_an_independent_computation(seed: int) -> None:
    dice = random.Random(seed)
    names = ["page_view", "page_view", "form_submit", "add_to_cart", "purchase"]
    events = [
        event(f"{i:04}", "17 00:00", visitor_id=f"v{dice.randrange(12)}", event_name=dice.choice(names),
              utm_source=dice.choice([None, None, "google", "meta"]))
        | {"occurred_at": at("17 00:00") + timedelta(minutes=10 * dice.randrange(4 * 144 + 12))}
        for i in range(900)
    ]
    out = sessions(NIGHT, frame(EVENTS, events))
    got = rows(out, SESSIONS, "visitor_id", "started_at", "ended_at", "business_date", "pages", "forms", "purchases",
               "is_bounce", "utm_source")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("events", pa.Table.from_pylist([DEFAULTS[EVENTS] | e for e in events]))
        truth = connection.execute(SESSIONS_IN_SQL).fetchall()
    stripped = [(r[0], r[1].removesuffix("+00"), r[2].removesuffix("+00"), *r[3:]) for r in truth]
    assert len(got) > 200
    assert got == sorted(stripped, key=str)


# Traffic


def test_traffic_by_line() -> None:
    tagged = {"utm_campaign": "one"}
    visits = [
        tagged | {"pages": 3, "forms": 1}, tagged | {"is_bounce": True}, tagged | {"business_date": date(2026, 3, 19)},
        {"utm_campaign": "many", "utm_content": "ad 1"},  # the ad decides
        {"utm_campaign": "many", "utm_content": "ad 2"},  # the ad has two lines
        {"utm_campaign": "many"}, {"utm_campaign": "many", "utm_content": ""},
        {"utm_campaign": "many", "utm_content": "x"}, {"utm_campaign": "unknown"}, {}, {"utm_campaign": "off grain"},
    ]
    reported = [
        {"campaign_id": "one", "line_id": "l1", "ad_id": "ad 1"}, {"campaign_id": "one", "line_id": "l1"},
        {"campaign_id": "many", "line_id": "l2", "ad_id": "ad 1"}, {"campaign_id": "many", "line_id": "l2"},
        {"campaign_id": "many", "line_id": "l2", "ad_id": "ad 2"},
        {"campaign_id": "many", "line_id": "l3", "ad_id": "ad 2"},
        {"campaign_id": "off grain", "line_id": "unplaced"},
    ]
    out = traffic(NIGHT, frame(SESSIONS, visits), frame(ADS, reported))
    assert rows(out, TRAFFIC, "line_id", "business_date", "sessions", "bounce_rate", "pages_per_session",
                "forms_per_session", "event_at", "known_at") == [
        ("l1", date(2026, 3, 19), 1, 0.0, 1.0, 0.0, "2026-03-20 00:00:00", "2026-03-21 00:00:00"),
        ("l1", date(2026, 3, 20), 2, 0.5, 2.0, 0.5, "2026-03-21 00:00:00", "2026-03-21 00:00:00"),
        ("l2", date(2026, 3, 20), 1, 0.0, 1.0, 0.0, "2026-03-21 00:00:00", "2026-03-21 00:00:00"),
    ]


# Hours

COUNTED = D - timedelta(days=9)


def visit(day: int, hour: str, visitor: str, campaign: str | None = None, **more: Any) -> dict[str, Any]:
    """A session `day` days after the date counted, in the snapshot in which it is final."""
    date_of = COUNTED + timedelta(days=day)
    started = datetime.fromisoformat(f"{date_of}T{hour}:00+00:00")
    return {"session_id": f"{visitor} {day} {hour}", "visitor_id": visitor, "started_at": started,
            "business_date": date_of, "night": date_of + timedelta(days=2), "utm_campaign": campaign} | more


def test_a_purchase_counts_in_the_block_of_the_newest_tagged_visit_within_seven_days() -> None:
    visits = [
        visit(0, "09:00", "at once", "c", purchases=2),  # two purchases, one session that converts
        visit(0, "03:59", "later", "c"), visit(7, "03:59", "later", purchases=1),
        visit(0, "12:00", "too late", "c"), visit(7, "12:01", "too late", purchases=1),
        visit(0, "12:00", "newer", "c"), visit(0, "20:00", "newer", "c"), visit(1, "08:00", "newer", purchases=1),
        visit(0, "12:00", "taken", "c"), visit(1, "08:00", "taken", "letter"), visit(2, "08:00", "taken", purchases=1),
        visit(0, "16:00", "before", purchases=1), visit(0, "17:00", "before", "c"),
        visit(0, "23:59", "other line", "d"),
        visit(0, "09:00", "unknown", "x"), visit(0, "09:00", "untagged"), visit(1, "09:00", "next day", "c"),
        visit(0, "10:00", "open still", "c", night=COUNTED),  # as an earlier snapshot saw it
    ]
    reported = [{"campaign_id": "c", "line_id": "l"}, {"campaign_id": "d", "line_id": "m"}]
    out = hours(NIGHT, frame(SESSIONS, visits), frame(ADS, reported))
    columns = ("line_id", "business_date", "hour_block", "sessions", "converting_sessions")
    assert rows(out, HOURS, *columns) == [
        ("l", COUNTED, "00-04", 1, 1), ("l", COUNTED, "08-12", 1, 1), ("l", COUNTED, "12-16", 3, 0),
        ("l", COUNTED, "16-20", 1, 0), ("l", COUNTED, "20-24", 1, 1), ("m", COUNTED, "20-24", 1, 0),
    ]
    abroad = Night(UNIT.model_copy(update={"time_zone": "America/New_York"}), D)  # four hours behind in March
    shifted = rows(hours(abroad, frame(SESSIONS, visits), frame(ADS, reported)), HOURS, "line_id", "hour_block")
    assert ("l", "04-08") in shifted and ("m", "16-20") in shifted and ("l", "20-24") in shifted


# Customers


def test_recency_frequency_and_value_of_kept_orders() -> None:
    def order(when: str, **more: Any) -> dict[str, Any]:
        return {"ordered_at": datetime.fromisoformat(f"{when}+00:00")} | more

    out = customers(NIGHT, frame(ORDERS, [
        order("2026-03-20T23:59:59", order_value=Decimal("0.1")),
        order("2026-03-10T00:00:00", order_value=Decimal("0.2")),
        order("2026-03-20T10:00:00", status="cancelled"), order("2026-03-19T10:00:00", status="returned"),
        order("2026-03-21T00:00:00"),  # after the cut-off
        order("2025-03-20T23:59:59"),  # 365 days and more ago
        order("2026-03-20T10:00:00", customer_id=None),
        order("2026-03-20T10:00:00", customer_id="gone", status="returned"),
        order("2025-03-21T00:00:00", customer_id="old"),
    ]))
    assert rows(out, CUSTOMERS, "customer_id", "recency_days", "frequency_orders", "monetary_value", "tenure_days",
                "event_at", "known_at") == [
        ("k", 0, 2, Decimal("0.300000"), 10, "2026-03-21 00:00:00", "2026-03-21 00:00:00"),
        ("old", 364, 1, Decimal("10.000000"), 364, "2026-03-21 00:00:00", "2026-03-21 00:00:00"),
    ]


# Ads


def test_ads_windows_and_shrinking() -> None:
    def day(ago: int, impressions: int, clicks: int, spend: str, conversions: int | None = None, **more: Any) -> Any:
        return {"business_date": D - timedelta(days=ago), "impressions": impressions, "clicks": clicks,
                "spend": Decimal(spend), "conversions": None if conversions is None else Decimal(conversions)} | more

    out = ads(NIGHT, frame(ADS, [
        day(-1, 9, 9, "9", 9),  # an account whose date is ahead of the cut-off
        day(0, 600, 30, "0.1", 3), day(0, 400, 20, "0.2", 2, ad_id="2"), day(6, 0, 0, "0", 0), day(7, 1000, 10, "7", 1),
        day(27, 1000, 10, "7", 1), day(28, 1000, 10, "7", 4), day(59, 1, 1, "7", 0),
        day(0, 1000, 0, "0", 0, segment="t"), day(59, 5, 5, "1", 0, segment="old"), day(60, 5, 5, "1", segment="older"),
        day(0, 10**6, 10**6, "9", 9, line_id="unplaced"),
    ]))
    columns = ("segment", "impressions_7d", "clicks_7d", "spend_7d", "click_rate_7d", "click_rate_28d",
               "conversion_rate_28d", "cost_per_click_7d", "days_active_28d")
    m, c, p = PRIOR_IMPRESSIONS, PRIOR_CLICKS, PRIOR_PAID_CLICKS
    rate7, rate28, converted, cost = 50 / 2000, 70 / 4000, 11 / 86, 0.3 / 50
    assert rows(out, LINES, *columns) == [
        ("old", 0, 0, Decimal(0), rate7, rate28, pytest.approx((0 + c * converted) / (5 + c)), pytest.approx(cost), 0),
        ("s", 1000, 50, Decimal("0.3"), (50 + m * rate7) / (1000 + m), (70 + m * rate28) / (3000 + m),
         pytest.approx((11 + c * converted) / (81 + c)), (0.3 + p * cost) / (50 + p), 3),
        ("t", 1000, 0, Decimal(0), m * rate7 / (1000 + m), m * rate28 / (1000 + m), pytest.approx(converted), cost, 1),
    ]


def test_conversions_count_over_the_newest_28_dates_that_their_source_reports() -> None:
    def days(source: str, line: str, since: int, until: int, conversions: int, from_: int) -> list[dict[str, Any]]:
        """One row a date from `since` to `until` days ago; conversions are known from `from_` days ago backward."""
        return [
            {"source": source, "line_id": line, "business_date": D - timedelta(days=ago), "impressions": 10,
             "clicks": 10, "conversions": Decimal(conversions) if ago >= from_ else None}
            for ago in range(since, until + 1)
        ]

    out = ads(NIGHT, frame(ADS, [
        *days("late", "late", 0, 59, 1, from_=30), *days("late", "paused", 57, 59, 9, from_=30),
        *({"ad_id": "not known"} | row for row in days("late", "paused", 57, 57, 9, from_=60)),  # its clicks count not
        *days("prompt", "prompt", 0, 59, 2, from_=0), *days("prompt", "resting", 28, 59, 9, from_=0),
    ]))
    late, prompt = 28 * 10, 28 * 10
    mean = (28 * 1 + 1 * 9 + 28 * 2) / (late + 10 + prompt)
    c = PRIOR_CLICKS
    assert rows(out, LINES, "line_id", "conversion_rate_28d") == [
        ("late", pytest.approx((28 * 1 + c * mean) / (late + c))),
        ("paused", pytest.approx((1 * 9 + c * mean) / (10 + c))),
        ("prompt", pytest.approx((28 * 2 + c * mean) / (prompt + c))),
        ("resting", pytest.approx(mean)),
    ]


def test_the_value_of_a_conversion_is_the_line_s_and_counts_where_conversions_are_known() -> None:
    def row(line: str, segment: str, conversions: int | None, value: int | None, ago: int = 0) -> dict[str, Any]:
        amounts = {"conversions": conversions, "conversion_value": value}
        return {"line_id": line, "segment": segment, "business_date": D - timedelta(days=ago), "clicks": 9,
                **{name: None if n is None else Decimal(n) for name, n in amounts.items()}}

    out = ads(NIGHT, frame(ADS, [
        row("rich", "s", 3, 300), row("rich", "t", 1, 140), row("rich", "t", None, 999),  # not known: no value yet
        row("poor", "s", 20, 200), row("poor", "s", 5, None, ago=1),  # a conversion without a value counts as one of 0
        row("none", "s", 0, 0),
    ]))
    mean, prior = 640 / 29, PRIOR_CONVERSIONS
    assert rows(out, LINES, "line_id", "segment", "value_per_conversion_28d") == [
        ("none", "s", pytest.approx(mean)),
        ("poor", "s", pytest.approx((200 + prior * mean) / (25 + prior))),
        *(("rich", segment, pytest.approx((440 + prior * mean) / (4 + prior))) for segment in "st"),
    ]


def test_a_unit_without_impressions_has_rates_of_zero() -> None:
    out = ads(NIGHT, frame(ADS, [{}]))
    names = ("click_rate_7d", "conversion_rate_28d", "value_per_conversion_28d", "cost_per_click_7d")
    assert rows(out, LINES, *names) == [(0.0, 0.0, 0.0, 0.0)]


# Through the runner


def put(table: str, night: date, *given: dict[str, Any]) -> None:
    """Deliver rows of a core table in a night."""
    full = [DEFAULTS.get(table, {}) | row for row in given]
    fields = [f for f in contract(table).schema if f.name not in ADDED]
    columns = {f.name: pa.array([r.get(f.name) for r in full], f.type) for f in fields}
    written = frames.write(pa.table(columns), contract(table), UNIT.unit, night)
    tables.put_in_place(written.temporary, written.target)


def covered(night: date, *days: date) -> None:
    put(COVERAGE, night, *({"source": "google", "account_id": "1", "business_date": day} for day in days))


def stored(table: str, night: date, *columns: str) -> list[tuple[Any, ...]]:
    read = pq.read_table(tables.partition(table, UNIT.unit, night), partitioning=None).select(list(columns))
    return [tuple(row.values()) for row in read.to_pylist()]


REST = {"spend_original": Decimal(0), "currency_original": "EUR"}
ORDER = {"currency": "EUR", "order_value_original": Decimal(10), "currency_original": "EUR"}


@pytest.fixture
def store(home: Path) -> Path:
    """Three nights: a late event, an event and an order delivered twice, restated and vanished ad rows."""
    before, day_before = D - timedelta(days=1), D - timedelta(days=2)
    put(EVENTS, day_before)
    put(ORDERS, day_before)
    put(ADS, day_before, {"ad_id": "1", "business_date": day_before, "impressions": 5} | REST,
        {"ad_id": "2", "business_date": day_before, "impressions": 7} | REST)
    covered(day_before, day_before)
    put(EVENTS, before, event("a", "19 09:00", utm_campaign="c"), event("c", "19 09:50"))
    put(ORDERS, before, {"order_id": "o", "ordered_at": at("19 10:00"), "updated_at": at("19 10:00")} | ORDER,
        {"order_id": "p", "ordered_at": at("19 11:00"), "updated_at": at("19 11:00")} | ORDER)
    put(ADS, before, {"ad_id": "1", "business_date": day_before, "impressions": 6} | REST)  # ad 2 vanished
    covered(before, before, day_before)
    put(EVENTS, D, event("b", "19 09:25"), event("a", "19 09:00", utm_campaign="changed"), event("d", "20 12:00"))
    put(ORDERS, D, {"order_id": "o", "ordered_at": at("19 10:00"), "updated_at": at("20 10:00")} | ORDER
        | {"status": "returned"})
    put(ADS, D, {"ad_id": "1", "impressions": 100} | REST)
    covered(D, D)
    return home


JOBS = [BY_NAME[name] for name in ("sessions", "traffic", "hours", "customers", "ads")]
NIGHTS = [D - timedelta(days=d) for d in (2, 1, 0)]


def test_nights_know_what_was_delivered_until_then(store: Path) -> None:
    runner.run(JOBS, UNIT, NIGHTS[1:])
    columns = ("started_at", "pages", "utm_campaign")
    assert sorted(stored(SESSIONS, NIGHTS[1], *columns)) == [
        (datetime(2026, 3, 19, 9, tzinfo=UTC), 1, "c"), (datetime(2026, 3, 19, 9, 50, tzinfo=UTC), 1, None)
    ]
    assert sorted(stored(SESSIONS, D, *columns)) == [  # the late event joins the two; event a stays as first delivered
        (datetime(2026, 3, 19, 9, tzinfo=UTC), 3, "c"), (datetime(2026, 3, 20, 12, tzinfo=UTC), 1, None)
    ]
    assert stored(TRAFFIC, D, "line_id", "business_date", "pages_per_session") == [("l", date(2026, 3, 19), 3.0)]
    assert [stored(CUSTOMERS, n, "frequency_orders")[0][0] for n in NIGHTS[1:]] == [2, 1]
    assert [stored(LINES, n, "impressions_7d", "days_active_28d") for n in NIGHTS[1:]] == [[(6.0, 1.0)], [(106.0, 2.0)]]


def test_a_step_without_rows_is_skipped_and_those_that_stand_on_it(store: Path) -> None:
    statuses = {r.job: r.status for r in runner.run(JOBS, UNIT, NIGHTS[:1])}
    assert statuses == dict.fromkeys(("sessions", "traffic", "hours", "customers"), "skipped") | {"ads": "done"}


def test_two_runs_and_nights_apart_give_equal_digests(store: Path) -> None:
    def digests(records: list[runner.Record]) -> dict[tuple[str, str], dict[str, str]]:
        assert {r.status for r in records} == {"done"}
        return {(r.date, r.job): r.digests for r in records}

    together = digests(runner.run(JOBS, UNIT, NIGHTS[1:]))
    again = digests(runner.run(JOBS, UNIT, NIGHTS[1:]))
    apart = {k: v for n in reversed(NIGHTS[1:]) for k, v in digests(runner.run(JOBS, UNIT, [n])).items()}
    assert together == again == apart


def test_reading_on_a_cluster_gives_the_same_rows(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = [r.digests for r in runner.run(JOBS, UNIT, [D])]
    monkeypatch.setattr(spark, "_is_local", lambda: False)
    assert [r.digests for r in runner.run(JOBS, UNIT, [D])] == here


def test_rows_do_not_depend_on_the_partitioning() -> None:
    dice = random.Random(4)
    given = frame(ADS, [
        {"line_id": f"l{i % 5}", "ad_id": str(i), "business_date": D - timedelta(days=dice.randrange(60)),
         "impressions": dice.randrange(10**6), "clicks": dice.randrange(999),
         "spend": Decimal(dice.randrange(10**9)) / 997, "conversions": Decimal(dice.randrange(99)),
         "conversion_value": Decimal(dice.randrange(10**6)) / 97} for i in range(400)
    ])
    names = contract(LINES).column_names[2:]
    one, many = (rows(ads(NIGHT, given.repartition(n)), LINES, *names) for n in (1, 7))
    assert one == many and len(one) == 5
