"""A world whose every difference of platform and shop is known, out of the simulator's people, clicks and orders.

The shipped simulator's platforms count the order that an ad really led to. Here each platform counts as platforms do:
its own last click within its window, whatever another one counts, and orders that it says were seen. The shop tags an
order by the last click on the same device within a longer time, and loses some tags. So orders are counted twice,
late, without a tag and without a click, as people happen to act; what is planted beside that is stated in `Plan`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from simulator import world as w
from simulator.catalog import cells
from simulator.clicks import click_day
from simulator.orders import NEVER, orders_of_day
from simulator.sessions import sessions_of_day, tagged_share
from simulator.world import World

DAY = 86_400_000_000  # microseconds
MINUTES_BEFORE = 5 * 60_000_000  # from the click to the order of the same visit
NO_LINE = "no_line"
CLASSES = ("other_day", "cancelled", "late_click", "view_through", "duplicate", "missing_tag", "other_origin",
           "not_told_apart")


@dataclass(frozen=True)
class Plan:
    """What is planted; shares of orders."""

    window_days: int = 14  # in which a platform counts an order as a click's
    cookie_days: int = 30  # in which the shop tags an order by a click
    tags_lost: float = 0.03
    viewed: float = 0.50  # of the orders without any click: counted by Meta, and labelled as a view
    unreported: float = 0.01  # claims that never reach the platform: nobody can tell why


@dataclass(frozen=True)
class Planted:
    """Days 0..D of a world as core rows, and the truth of every class by line and day, in orders and value."""

    ads: pd.DataFrame
    orders: pd.DataFrame
    events: pd.DataFrame
    truth: pd.DataFrame  # line_id, business_date, class, orders, value


def planted(world: World, days: int, reconciled: int, plan: Plan = Plan(), seed: int = 1) -> Planted:
    """Deal out the orders of the last `reconciled` of `days` by the plan; orders before are only clicks' history."""
    rng = np.random.default_rng(seed)
    clicks, purchases, logins = _seen(world, days)
    orders = _orders(world, days)
    orders = orders[orders.day >= days - reconciled].reset_index(drop=True)
    at_cookie = _last_click(orders, clicks, plan.cookie_days)
    tagged = (at_cookie.clicked_at.notna() & ~orders.second_device & (rng.random(len(orders)) >= plan.tags_lost))
    orders["campaign"] = at_cookie.campaign.where(tagged)
    claims = [_last_click(orders, clicks[clicks.platform == p], plan.window_days).assign(order=orders.index)
              for p in sorted(clicks.platform.unique())]
    claim = pd.concat(claims).dropna(subset="clicked_at")
    claim["reported"] = rng.random(len(claim)) >= plan.unreported
    alone = ~orders.index.isin(claim.order) & orders.campaign.isna()
    viewed = orders[alone & (rng.random(len(orders)) < plan.viewed)]
    lines = _lines(world)
    by_view = viewed.assign(campaign=rng.choice(lines[lines.platform == "meta_ads"].campaign, len(viewed)))
    return Planted(
        ads=_ads(world, claim, by_view, orders, lines, days - reconciled, days),
        orders=_shop(orders),
        events=_events(clicks[clicks.visible], purchases, logins),
        truth=_truth(world, orders, at_cookie, claim, by_view, plan, days - reconciled),
    )


def _lines(world: World) -> pd.DataFrame:
    c = cells(world)
    return pd.DataFrame({"campaign": c.campaign_id.astype(str), "platform": c.platform}).drop_duplicates()


def _orders(world: World, days: int) -> pd.DataFrame:
    parts = []
    for day in range(days):
        found = orders_of_day(world, day)
        parts.append(pd.DataFrame({
            "order_id": found.order_id, "at": found.ordered_at, "day": day, "customer": found.customer,
            "value": np.round(found.value * 100).astype(int), "second_device": found.second_device,
            "gone": found.changed_at < w.utc_midnight(world, days), "changed_to": found.changed_to,
            "changed_at": np.where(found.changed_at == NEVER, found.ordered_at, found.changed_at),
        }))  # fmt: skip
    orders = pd.concat(parts, ignore_index=True)
    return orders[orders["at"] < w.utc_midnight(world, days)]  # what the shop delivered by the night


def _seen(world: World, days: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Clicks of known people (those that the site's tag missed are not `visible`), purchases, and log-ins."""
    c, share, clicks, purchases, logins = cells(world), tagged_share(world), [], [], []
    for day in range(days):
        s, orders, drawn = sessions_of_day(world, day), orders_of_day(world, day), click_day(world, day)
        paid, visit = (s.cell >= 0) & (s.customer >= 0), s.order < 0
        frame = pd.DataFrame({"at": s.at, "cell": s.cell, "customer": s.customer, "visitor": s.visitor})
        known = pd.Series(np.where(s.logged_in, s.customer, -1))
        clicks.append(frame[paid & visit].assign(visible=True, login=known[paid & visit]))
        missed = (drawn.seen >= share) & (drawn.lag > 0)
        clicks.append(pd.DataFrame({"at": w.account_midnight(world, day) + DAY // 2, "cell": drawn.cell[missed],
                                    "customer": drawn.customer[missed]}).assign(visitor=0, visible=False, login=-1))
        own = (orders.cell >= 0) & (orders.lag == 0)
        visitor = np.zeros(len(own), dtype=np.int64)
        visitor[s.order[~visit]] = s.visitor[~visit]
        clicks.append(pd.DataFrame({"at": orders.ordered_at[own] - MINUTES_BEFORE, "cell": orders.cell[own],
                                    "customer": orders.customer[own], "visitor": visitor[own],
                                    "visible": orders.seen[own] < share}).assign(login=-1))
        purchases.append(pd.DataFrame({"at": s.at[~visit], "visitor": s.visitor[~visit], "login": s.customer[~visit],
                                       "order_id": orders.order_id[s.order[~visit]]}))
        logins.append(frame[s.logged_in & ~paid].assign(login=s.customer[s.logged_in & ~paid]))
    found = pd.concat(clicks, ignore_index=True)
    cell = found.cell.to_numpy()
    found["campaign"], found["platform"], found["ad"] = (
        c.campaign_id[cell].astype(str), c.platform[cell], c.ad_id[cell].astype(str))
    return found, pd.concat(purchases, ignore_index=True), pd.concat(logins, ignore_index=True)


def _last_click(orders: pd.DataFrame, clicks: pd.DataFrame, within_days: int) -> pd.DataFrame:
    """Each order's last click before it: campaign and instant, empty where there is none."""
    left = orders.reset_index()[["index", "at", "customer"]].sort_values("at")
    right = clicks[["at", "customer", "campaign"]].sort_values("at").assign(clicked_at=lambda f: f["at"])
    found = pd.merge_asof(left, right, on="at", by="customer", tolerance=within_days * DAY)
    return found.set_index("index").loc[orders.index, ["campaign", "clicked_at"]]


def _date(world: World, at: pd.Series) -> pd.Series:
    local = pd.to_datetime(at.astype("int64"), unit="us", utc=True).dt.tz_convert(w.TIME_ZONE)
    return local.dt.date


def _ads(world: World, claim: pd.DataFrame, by_view: pd.DataFrame, orders: pd.DataFrame, lines: pd.DataFrame,
         first: int, days: int) -> pd.DataFrame:
    """What the platforms report: each line and day once, views labelled."""
    claim = claim[claim.reported]
    clicked = pd.DataFrame({"campaign": claim.campaign, "day": _date(world, claim.clicked_at), "conversions": 1,
                            "value": orders.value.loc[claim.order].to_numpy(), "view_conversions": 0, "view_value": 0})
    views = pd.DataFrame({"campaign": by_view.campaign, "day": _date(world, by_view["at"]), "conversions": 1,
                          "value": by_view.value, "view_conversions": 1, "view_value": by_view.value})
    calendar = pd.DataFrame({"day": [w.date_of(world, n) for n in range(first, days)]})
    grid = lines[["campaign"]].merge(calendar, how="cross")
    rows = pd.concat([grid, clicked, views]).fillna(0)
    rows = rows[rows.day >= w.date_of(world, first)]
    found = rows.groupby(["campaign", "day"], as_index=False).sum(numeric_only=True)
    return found.merge(lines, on="campaign")


def _shop(orders: pd.DataFrame) -> pd.DataFrame:
    status = np.where(orders.gone, orders.changed_to, "placed")
    return orders.assign(status=status)[["order_id", "at", "changed_at", "customer", "status", "value", "campaign"]]


def _events(clicks: pd.DataFrame, purchases: pd.DataFrame, logins: pd.DataFrame) -> pd.DataFrame:
    wanted = ["at", "visitor", "login"]
    found = pd.concat([clicks[[*wanted, "campaign", "ad"]], purchases, logins[wanted]], ignore_index=True)
    return found.assign(event_id=[f"e{n}" for n in range(len(found))])


def _truth(world: World, orders: pd.DataFrame, cookie: pd.DataFrame, claim: pd.DataFrame, by_view: pd.DataFrame,
           plan: Plan, first: int) -> pd.DataFrame:
    """Every order's part in every class."""
    ordered, parts = _date(world, orders["at"]), []
    tagged = orders.campaign.notna()
    own = orders.campaign.fillna(NO_LINE)
    late = tagged & (orders["at"] - cookie.clicked_at > plan.window_days * DAY)
    counted = tagged & ~late
    clicked = _date(world, cookie.clicked_at.fillna(orders["at"]))

    def add(name: str, line: pd.Series, day: pd.Series, sign: int) -> None:
        parts.append(pd.DataFrame({"line": line, "day": day, "class": name, "orders": sign,
                                   "value": sign * orders.value.loc[line.index]}))

    add("cancelled", own[orders.gone], ordered[orders.gone], 1)
    add("late_click", own[late], ordered[late], -1)
    add("other_day", own[counted], clicked[counted], 1)
    add("other_day", own[counted], ordered[counted], -1)
    add("missing_tag", own[~tagged], ordered[~tagged], -1)
    add("view_through", by_view.campaign, _date(world, by_view["at"]), 1)
    claim = claim.sort_values("clicked_at").set_index("order")
    for name, mine, sign in (
        ("not_told_apart", ~claim.reported & (claim.campaign == own.loc[claim.index]) & counted.loc[claim.index], -1),
        ("duplicate", claim.reported & ~_first(claim, own, counted), 1),
        ("missing_tag", claim.reported & _first(claim, own, counted) & ~tagged.loc[claim.index], 1),
    ):
        found = claim[mine]
        add(name, found.campaign, _date(world, found.clicked_at), sign)
    truth = pd.concat(parts)
    truth = truth[(truth.day >= w.date_of(world, first)) & (truth.orders != 0)]
    return truth.groupby(["line", "day", "class"], as_index=False).sum()


def _first(claim: pd.DataFrame, own: pd.Series, counted: pd.Series) -> pd.Series:
    """Whether a claim is the order's own: that of its tag's line, or the last one where it has no tag."""
    of_tag = (claim.campaign == own.loc[claim.index]) & counted.loc[claim.index]
    last = ~claim.index.duplicated(keep="last")
    return of_tag | (last & (own.loc[claim.index] == NO_LINE))


def instant(microseconds: int) -> datetime:
    """An instant of the world as core keeps it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))
