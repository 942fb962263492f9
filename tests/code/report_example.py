"""Believable inputs for the report's tests: an advertiser of any size, with the same bytes every time."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from decisions.draws import Draws
from decisions.reconciliation import CLASSES
from decisions.report import ReportData

NIGHT = date(2026, 6, 11)
DAY = NIGHT + timedelta(days=1)
PLATFORMS = ("Google Ads", "Meta", "Amazon Ads", "TikTok")
CAMPAIGNS = ("Brand search", "Generic search", "Prospecting", "Retargeting", "Shopping", "Video reach")
REGIONS = ("Germany", "France", "Nordics", "Iberia", "Benelux", "Italy", "Poland")
AREAS = ("Centre", "South", "North", "South", "North", "South", "")  # of the regions; Poland is in no group
SEGMENTS = ("new visitors", "returning", "basket left")
UNKNOWN_DAYS = 3
CODES = {"cap": "step_up", "floor": "floor", "lock": "locked"}
TESTED = 1  # this line's curve was checked by an experiment
LOCKED = 5  # this line's budget is a person's
CENT = Decimal("0.01")
MICRO = pa.decimal128(38, 6)
CENTS = pa.decimal128(18, 2)


def cents(value: float) -> Decimal:
    return Decimal(str(round(value, 2))).quantize(CENT)


def allocate(ceiling: np.ndarray, half: np.ndarray, before: list[Decimal]) -> tuple[list[Decimal], float]:
    """The best split of the same total within a quarter up or down, to the cent, and its shadow price."""
    old = np.array([float(b) for b in before])
    move = np.where(np.arange(len(old)) == LOCKED, 0, 0.25)
    low, high = 1e-9, float(ceiling.max() / half.min())
    for _ in range(100):
        price = (low + high) / 2
        split = np.clip(np.sqrt(ceiling * half / price) - half, old * (1 - move), old * (1 + move))
        low, high = (price, high) if split.sum() > old.sum() else (low, price)
    after = [b if m == 0 else cents(s) for b, m, s in zip(before, move, split, strict=True)]
    after[0] += sum(before, Decimal(0)) - sum(after, Decimal(0))
    return after, price


def table(rows: list[dict[str, Any]], **types: pa.DataType) -> pa.Table:
    """Rows as a table with exact types where they matter; column names come from `types` when empty."""
    if not rows:
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    return pa.table({name: pa.array([row[name] for row in rows], types.get(name)) for name in rows[0]})


def example(lines: int = 18, days: int = 90, objective: str = "conversion_value") -> ReportData:
    """A live night with every table filled."""
    rng = np.random.default_rng(20260611)
    unit = 1.0 if objective == "conversion_value" else 1 / 40  # an average conversion is worth 40
    typical = np.sort(rng.lognormal(5.6, 0.7, lines))[::-1]
    half = typical * rng.uniform(0.8, 2.5, lines)
    ceiling = 1.9 * rng.lognormal(0, 0.13, lines) * (typical + half) ** 2 / half * unit
    before = [cents(v) for v in typical]
    after, shadow = allocate(ceiling, half, before)
    names = [
        f"{CAMPAIGNS[i % 6]} · {REGIONS[i % 7]}" + (f" {i // 42 + 1}" if i >= 42 else "")
        for i in range(lines)
    ]
    total = sum(after, Decimal(0))
    budgets, curves, history, plans, bids = [], [], [], [], []
    for i in range(lines):
        who = {"line_id": f"line-{i:04d}", "line_name": names[i]}
        a, k, new, old = ceiling[i], half[i], float(after[i]), float(before[i])
        value, slope = a * new / (new + k), a * k / (new + k) ** 2
        binding = "cap" if slope > 1.02 * shadow else "floor" if slope < 0.98 * shadow else "none"
        binding = "lock" if i == LOCKED else binding
        change = after[i] - before[i]
        reason = {
            "cap": "More would pay, but the largest daily change is reached",
            "floor": "Less would pay, but the least budget agreed for the line is reached",
            "lock": "Locked by Ana Ruiz until 20 June: trade fair",
            "none": f"Its next dollar returned {'more' if change > 0 else 'less'} than elsewhere",
        }[binding]
        budgets.append({
            **who, "platform": PLATFORMS[i % 4], "business_date": DAY, "budget": after[i], "currency": "USD",
            "previous_budget": before[i], "status_quo_budget": before[i], "floor": cents(old * 0.75),
            "cap": cents(old * 1.25), "expected_value": value, "expected_value_se": value * 0.12,
            "status_quo_value": a * old / (old + k), "marginal_value": slope, "money_price": shadow, "binding": binding,
            "reason_code": CODES.get(binding, "raised" if change > 0 else "lowered"), "reason": reason,
            "override_id": "o-17" if binding == "lock" else None,
        })  # fmt: skip
        curves.append({
            **who, "objective": objective, "ceiling": a, "half_saturation": k, "typical_spend": typical[i],
            "spend_low": typical[i] * 0.5, "spend_high": typical[i] * 1.5,
            "days_observed": max(days - UNKNOWN_DAYS, 0),
            "log_ceiling_variance": 0.04, "log_half_saturation_variance": 0.06, "log_covariance": 0.04,
            **({"evidence": "observational", "ceiling_before": None, "half_saturation_before": None} if i != TESTED else
               {"evidence": "calibrated", "ceiling_before": a * 1.3, "half_saturation_before": k * 1.1}),
        })  # fmt: skip
        weekly = 1 + 0.2 * np.sin(np.arange(days) / 7 * 2 * np.pi)
        spend = typical[i] * np.clip(weekly + rng.normal(0, 0.13, days), 0.3, None)
        outcome = a * spend / (spend + k) * rng.lognormal(0, 0.18, days) / unit
        for j in range(days):
            known = j < days - UNKNOWN_DAYS
            paid, clicks = cents(spend[j]), int(spend[j] / 0.6)
            count, worth = cents(outcome[j] / 40), cents(outcome[j])
            history.append({
                "unit": "advertiser", "night": NIGHT, **who, "platform": PLATFORMS[i % 4],
                "business_date": NIGHT - timedelta(days=days - 1 - j), "impressions": clicks * 40,
                "clicks": clicks, "spend": paid, "currency": "USD", "conversions": count if known else None,
                "conversion_value": worth if known else None, "outcome_known": known,
                "click_through_rate": 0.025, "cost_per_click": 0.6,
                "conversion_rate": float(count) / clicks if known and clicks else None,
                "cost_per_acquisition": float(paid / count) if known and count else None,
                "return_on_ad_spend": float(worth / paid) if known else None,
            })  # fmt: skip
        for day in (NIGHT - timedelta(days=1), NIGHT):
            short = 0.58 if (i, day) == (2, NIGHT) else float(rng.normal(0.99, 0.04))
            paid = cents(old * short)
            plans.append({
                **who, "business_date": day, "planned_budget": before[i], "spend": paid,
                "difference": paid - before[i], "currency": "USD",
                "conversions": None, "conversion_value": None,
            })  # fmt: skip
        for s, segment in enumerate(SEGMENTS):
            bid = 0.4 + 0.35 * s + i % 5 * 0.07
            bids.append({
                **who, "segment": segment, "business_date": DAY, "bid": Decimal(f"{min(bid, 1.25):.4f}"),
                "bid_cap": Decimal("1.2500"), "currency": "USD", "click_rate": 0.018 + 0.004 * s,
                "conversion_rate": 0.012 + 0.009 * s, "value_per_conversion": 41.5 + 3 * s,
                "expected_clicks": new / 3 / bid, "expected_spend": cents(new / 3),
                "binding": "cap" if bid >= 1.25 else "budget" if s == 0 else "none",
                "reason": ("Worth 1.31 a click; the cap of the unit holds it." if bid >= 1.25
                           else f"A click is worth {bid * 1.3:.2f} and the line keeps a margin."),
            })  # fmt: skip
    expected, quo = (sum(r[c] for r in budgets) for c in ("expected_value", "status_quo_value"))
    release = {
        "unit": "advertiser", "night": NIGHT, "business_date": DAY, "lines": lines,
        "lines_changed": sum(r["budget"] != r["previous_budget"] for r in budgets), "bids": len(bids),
        "total": total, "total_configured": total, "currency": "USD", "objective": objective,
        "expected_value": expected, "status_quo_value": quo, "upper_bound": expected * 1.0002,
        "optimality_gap": 0.0002, "shadow_price": shadow, "beats_status_quo": 0.94, "beats_low": 0.9,
        "beats_high": 0.97, "expected_regret": 0.001 * quo, "expected_regret_se": 0.0002 * quo,
        "gain_low": 0.2 * (expected - quo), "gain_high": 1.9 * (expected - quo), "held": False, "hold_reason": "",
        "notes": "Meta restated 4 and 5 June: 212 conversions were added.", "model_version": "5f2c9a17",
    }  # fmt: skip
    orders = [{
        "business_date": NIGHT - timedelta(days=j), "orders": 420 + 60 * (j % 7 == 4) - j, "cancelled": 9,
        "returned": 21, "order_value": cents(21_000 - 40.5 * j), "currency": "USD",
    } for j in range(days)]  # fmt: skip
    money = ("budget", "previous_budget", "status_quo_budget", "floor", "cap")
    live = {"night": NIGHT, "who": "scheduler", "when": "2026-06-12T04:12:40+00:00", "reason": ""}
    return ReportData(
        unit="advertiser", unit_name="Nordlicht Outdoor", night=NIGHT, currency="USD", objective=objective,
        release=release, live=live,
        budgets=table(budgets, **dict.fromkeys(money, CENTS), override_id=pa.string()),
        bids=table(bids, bid=pa.decimal128(18, 4), bid_cap=pa.decimal128(18, 4), expected_spend=CENTS),
        curves=table(curves, ceiling_before=pa.float64(), half_saturation_before=pa.float64()),
        history=table(history, spend=MICRO, conversions=MICRO, conversion_value=MICRO),
        plan_vs_actual=table(plans, planned_budget=CENTS, spend=MICRO, difference=MICRO, conversions=MICRO,
                             conversion_value=MICRO),
        orders=table(orders, order_value=MICRO), quarantine=quarantine(), warnings=warnings(), steps=steps(),
        experiments=experiments(), applied=applied(budgets), draws=draws(ceiling, half),
        changes=changes(budgets), limit_costs=limit_costs(unit),
        limits=limit_prices(shadow), forecast=forecast(1000.0 * lines), forecast_scores=scores(),
        multipliers=multipliers(names[0]), criteria=criteria(names[0]), kpis=kpis(names),
        counts=counts(history[-min(days, 28):]), front=front(unit), ahead=ahead(budgets),
        groups={f"line-{i:04d}": AREAS[i % 7] for i in range(lines) if AREAS[i % 7]},
        links={"Data docs": "../docs/index.html", "How the budgets are decided": "https://example.org/budgets"},
    )  # fmt: skip


def applied(budgets: list[dict[str, Any]]) -> pa.Table:
    """Yesterday's release, set to the cent on every line; one line's bids are not."""
    return table([{
        **{name: r[name] for name in ("line_id", "line_name", "platform", "currency")}, "business_date": NIGHT,
        "release_night": NIGHT - timedelta(days=1), "basis": "live", "released_budget": r["previous_budget"],
        "set_budget": r["previous_budget"], "difference": Decimal("0.00"), "difference_share": 0.0,
        "state": "partly_applied" if i == 1 else "as_released", "since": NIGHT, "settings": 1, "bids_compared": 2,
        "bids_differ": int(i == 1), "spend": None, "spend_follows_setting": None, "read_at": None,
        "note": "1 of 2 bid caps is not the released bid." if i == 1 else "",
    } for i, r in enumerate(budgets)], **dict.fromkeys(("released_budget", "set_budget", "difference"), CENTS),
        spend=MICRO, spend_follows_setting=pa.bool_(), read_at=pa.timestamp("us", "UTC"))  # fmt: skip


def ahead(budgets: list[dict[str, Any]], days: int = 7) -> pa.Table:
    """Tomorrow's budgets; every day after it a fiftieth of each line of the first platform goes to the next line."""
    rows, now = [], [r["budget"] for r in budgets]
    for t in range(days):
        for r, budget in zip(budgets, now, strict=True):
            rows.append({**{name: r[name] for name in ("line_id", "line_name", "platform", "currency")},
                         "business_date": DAY + timedelta(days=t), "budget": budget,
                         "expected_value": r["expected_value"], "money_price": r["money_price"], "limit": "none",
                         "most_delivered": 2 * budget})
        for i in range(0, len(now) - 1, len(PLATFORMS)):
            moved = (now[i] / 50).quantize(CENT)
            now[i], now[i + 1] = now[i] - moved, now[i + 1] + moved
    return table(rows, budget=CENTS, most_delivered=CENTS)


def front(unit: float, names: tuple[str, ...] = ("Equipment", "Travel")) -> pa.Table:
    """Nine plans on a quarter of a circle between two product lines, the fourth taken; others stand still."""
    rows = []
    for at in range(9):
        angle = np.pi / 2 * at / 8
        values = (4200 + 600 * np.cos(angle), 2500 + 900 * np.sin(angle), *(1000.0 + 10 * at for _ in names[2:]))
        for name, value, weight in zip(names, values, (1 - at / 10, at / 10, *(0.1 for _ in names[2:])), strict=True):
            rows.append({"point": at, "product_line": name, "business_date": DAY, "objective": "conversion_value",
                         "value": float(value * unit), "weight": weight, "chosen": at == 3, "dominated": False,
                         "distance": 0.004 if len(names) == 2 else None})
    return table(rows, distance=pa.float64())


def draws(ceiling: np.ndarray, half: np.ndarray, count: int = 40) -> Draws:
    """Curves around the given ones."""
    rng = np.random.default_rng(11)
    shape = (count, len(ceiling))
    return Draws(tuple(f"line-{i:04d}" for i in range(len(ceiling))), ceiling * rng.lognormal(0, 0.1, shape),
                 half * rng.lognormal(0, 0.1, shape))


def changes(budgets: list[dict[str, Any]]) -> pa.Table:
    """Twice the change was on its way, new data took a tenth of it back, and the step the rest."""
    rows = []
    for r in budgets:
        change = r["budget"] - r["previous_budget"]
        data = -(change / 10).quantize(CENT)
        amounts = {"on_its_way": 2 * change, "new_data": data, "step": -change - data}
        rows += [{"line_id": r["line_id"], "cause": cause, "position": at, "business_date": DAY, "amount": amount,
                  "currency": "USD"} for at, (cause, amount) in enumerate(amounts.items()) if amount]
    return table(rows, line_id=pa.string(), cause=pa.string(), position=pa.int64(), business_date=pa.date32(),
                 amount=CENTS, currency=pa.string())


def limit_prices(shadow: float) -> pa.Table:
    return table([{"subject_kind": "group", "subject": "North", "limit": "floor of North", "price": shadow * 2 / 3},
                  {"subject_kind": "group", "subject": "South", "limit": "cap of South", "price": shadow * 1e-9}])


def limit_costs(unit: float) -> pa.Table:
    rows = [("group", "North", "floor of North", 140.0), ("line", "line-0003", "cap", 31.0), ("group", "South",
            "cap of South", 0.0), ("steps", "the largest step", "the largest step", 310.0),
            ("total", "the total", "the total", 131.0)]
    return table([{"subject_kind": kind, "subject": subject, "limit": limit, "cost": cost * unit}
                  for kind, subject, limit, cost in rows])


def forecast(level: float) -> pa.Table:
    """Four weeks of three metrics in two scenarios, as the job writes them."""
    quantiles = {"quantile_05": 0.8, "quantile_25": 0.93, "quantile_50": 1.0, "quantile_75": 1.08, "quantile_95": 1.25}
    rows = []
    for scenario, title, factor in (("expected", "As expected", 1.0), ("price_rise", "Clicks cost 15 % more", 0.9),
                                    ("so_far", "So far", 1.0), ("naive", "The last seven days' mean", 3.0)):
        for metric, size in (("spend", 0.4), ("conversions", 0.02), ("conversion_value", 1.0)):
            for days, ahead in [(1, n) for n in range(28)] + [(14, 13), (28, 27)]:
                if scenario == "so_far" and days > 1:
                    continue
                mean = level * size * factor * days
                day = NIGHT - timedelta(days=ahead) if scenario == "so_far" else DAY + timedelta(days=ahead)
                rows.append({"scenario": scenario, "scope": "all", "metric": metric, "days": days,
                             "business_date": day, "title": title, "mean": mean,
                             **{q: mean * share for q, share in quantiles.items()}})
    return table(rows)


def scores(skill: float = 0.25, days: int = 14) -> pa.Table:
    """Scores of the days up to two weeks ago; `skill` is that over both peers."""
    return table([{
        "scope": "all", "metric": metric, "span": "days 1-7", "business_date": NIGHT - timedelta(days=14 + n),
        "observed": 100.0, "forecasts": 7, "covered_50": 3 / 7, "covered_90": 6 / 7, "crps": 10.0 * (1 - skill),
        "crps_naive": 10.0, "crps_seasonal_naive": 12.0,
    } for metric in ("spend", "conversions", "conversion_value") for n in range(days)])  # fmt: skip


def multipliers(name: str) -> pa.Table:
    """One line's percentages by hour."""
    levels = zip(("00-04", "04-08", "08-12", "12-16", "16-20", "20-24"), (-45, -21, 2, 9, 18, -6),
                 (0.05, 0.1, 0.2, 0.25, 0.25, 0.15), strict=True)  # fmt: skip
    return table([
        {"line_id": "line-0000", "dimension": "hour_block", "level": level, "line_name": name, "business_date": DAY,
         "multiplier_percent": percent, "conversion_rate": 0.03 * (1 + percent / 100), "clicks": round(9000 * share),
         "conversions": 270 * share * (1 + percent / 100), "click_share": share, "evidence": "line",
         "held_out_gain": 7.5, "reason": "A click here converts more or less often than the line's mean"}
        for level, percent, share in levels
    ])  # fmt: skip


def counts(history: list[dict[str, Any]]) -> pa.Table:
    """Platform and shop of some days side by side; an order in ten was cancelled, and 3 nobody can explain."""
    rows = []
    for day in history:
        row: dict[str, Any] = {name: day[name] for name in ("line_id", "line_name", "platform", "business_date",
                                                            "currency", "spend")}
        row |= {"objective": "conversion_value", "expected": 100.0, "expected_so_far": 90.0, "share_known": 0.9,
                "demand_factor": None, "platform_conversions": day["conversions"],
                "platform_value": day["conversion_value"]}
        for measure, platform in (("orders", day["conversions"]), ("value", day["conversion_value"])):
            told = {name: Decimal(0) for name in CLASSES}
            if platform is not None:
                told |= {"cancelled": cents(float(platform) / 10), "not_told_apart": Decimal(3)}
            difference = sum(told.values(), Decimal(0))
            row |= {f"shop_{measure}": (platform or Decimal(0)) - difference, f"difference_{measure}": difference}
            row |= {f"{name}_{measure}": value for name, value in told.items()}
            row |= {f"{name}_at_most_{measure}": Decimal(1) for name in ("view_through", "duplicate", "missing_tag")}
        rows.append(row)
    exact = {name: MICRO for name in rows[0] if name.endswith(("_orders", "_value", "_conversions")) or name == "spend"}
    return table(rows, demand_factor=pa.float64(), **exact)


def experiments() -> pa.Table:
    """A geo test in a curve, and one that is too old."""
    days = {"start_date": NIGHT - timedelta(days=40), "end_date": NIGHT - timedelta(days=27)}
    return table([
        {"experiment_id": "spring-geo", "line_id": "line-0000", **days, "used": False, "note": "Its days are too old."},
        {"experiment_id": "summer-geo", "line_id": f"line-{TESTED:04d}", **days, "used": True, "note": ""},
    ])  # fmt: skip


def criteria(name: str) -> pa.Table:
    """A contract of the first line that runs and keeps its target, and one of nobody."""
    days = {"start_date": NIGHT - timedelta(days=20), "end_date": NIGHT + timedelta(days=10)}
    said = {"kpi": "conversions", "minimum_effect": 0.1, "owner": "Ana Ruiz", "linked_objective": "Grow", **days}
    told = {"value": 52.5, "value_low": 50.75, "value_high": 54.25, "clear": True, "days_known": 18, "days_needed": 9,
            "told_on": NIGHT - timedelta(days=9)}
    return table([
        {"criterion_id": "spring", "campaign": "line-0000", "campaign_name": name, **said, "target": 50.0, "lines": 1,
         "status": "on_the_way", "note": "", **told},
        {"criterion_id": "typo", "campaign": "line-", "campaign_name": "line-", **said, "target": 50.0, "lines": 0,
         "status": "not_judged", "note": "There is no campaign 'line-'.", **dict.fromkeys(told), "clear": False,
         "days_known": 0},
    ], value=pa.float64(), value_low=pa.float64(), value_high=pa.float64(), days_needed=pa.int64(), told_on=pa.date32())


def kpis(names: list[str]) -> pa.Table:
    """What two KPIs of every line can tell."""
    return table([
        {"line_id": f"line-{i:04d}", "kpi": kpi, "line_name": name, "value": 40.0, "days_known": 84,
         "delay_days": delay, "noise": noise, "correlation": 0.25, "detectable_effect": noise,
         "detectable_change": 1.25 * noise, "days_needed": None if noise > 0.5 else 12,
         "suitability": "good" if noise < 0.1 else "poor"}
        for i, name in enumerate(names) for kpi, delay, noise in (("conversions", 6, 0.75), ("clicks", 0, 0.0625))
    ], days_needed=pa.int64())


def quarantine(rows: int = 41) -> pa.Table:
    """Rows of one file with a broken number, and one without an identifier."""
    read: dict[str, Any] = dict.fromkeys(
        ("impressions", "clicks", "spend", "conversions", "conversion_value")
    )
    found = [{
        "source": "amazon_ads", "file": "sp_2026-06-11.csv", "row": 12 + i, "column": "clicks",
        "rule": "not a number", "value": f"{i}O",
        "remedy": "Export the file again with numbers as plain digits.", **read, "spend": Decimal("31.5"),
    } for i in range(rows)]  # fmt: skip
    found.append({
        "source": "shop", "file": "orders_2026-06-11.parquet", "row": 900, "column": "order_id",
        "rule": "required", "value": None, **read,
        "remedy": "Ask the shop team for the missing order number.",
    })  # fmt: skip
    types = dict.fromkeys(("source", "file", "column", "rule", "value", "remedy"), pa.string())
    amounts = dict.fromkeys(("spend", "conversions", "conversion_value"), pa.decimal128(18, 6))
    return table(found, **types, row=pa.int64(), impressions=pa.int64(), clicks=pa.int64(), **amounts)


def warnings() -> pa.Table:
    """A late file and a column nobody asked for."""
    return table([
        {"source": "tiktok", "file": "report_2026-06-11.json", "finding": "late", "column": "", "rows": 0,
         "message": "The delivery of 11 June came after the night; 10 June was used."},
        {"source": "google_ads", "file": "campaign_2026-06-11.csv", "finding": "extra_column",
         "column": "ad_strength", "rows": 1260,
         "message": "The column is not in the contract and was ignored."},
    ])  # fmt: skip


def steps() -> list[dict[str, Any]]:
    """The ledger of a night with one step skipped."""
    names = ("land", "gate", "sessions", "attribution", "marts", "score", "curves", "bids", "release")
    night: list[dict[str, Any]] = [
        {"job": name, "status": "done", "seconds": 0.7 + 1.9 * i, "reason": ""}
        for i, name in enumerate(names)
    ]
    night[3] |= {"status": "skipped", "seconds": 0.0, "reason": "The unit has no web events."}
    return night


def first_night(lines: int = 3) -> ReportData:
    """A store's first night: nothing live, nothing planned, nothing known, nothing wrong."""
    data = example(lines, days=2)
    return replace(
        data,
        live=None,
        applied=None,
        plan_vs_actual=None,
        orders=None,
        curves=data.curves.slice(0, 0),
        bids=data.bids.slice(0, 0),
        quarantine=data.quarantine.slice(0, 0),
        warnings=data.warnings.slice(0, 0),
        release={**data.release, "notes": ""},
    )


def held(reason: str = "Spend of Google Ads for 11 June is missing.", lines: int = 18) -> ReportData:
    """A held night: the one before stays live."""
    data = example(lines)
    live = {"night": NIGHT - timedelta(days=1), "who": "scheduler", "when": "2026-06-11T04:09:02+00:00"}
    return replace(
        data, live={**live, "reason": ""}, release={**data.release, "held": True, "hold_reason": reason}
    )
