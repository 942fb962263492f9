"""The daily maintenance check: whether the model should be trained again, by rules that say why in words."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from monitoring.model import Model
from monitoring.thresholds import Thresholds

Row = dict[str, Any]

AGAIN_AFTER = timedelta(days=14)
"An open request is filed anew after two weeks, in which nobody answered it."
MOST_NAMED = 4
WORDS = {
    "missing": "more of it is missing than in training", "absent_nights": "nights of it are missing",
    "late_days": "its newest date is late",
}


def maintenance_check(night: date, model: Model, columns: list[Row], outcomes: list[Row], before: Row | None,
                      limits: Thresholds) -> Row:
    """The row of `out.retrain_request__night`.

    `before` is the row of the night before. A request of the same model that is open stays open, and is not
    filed a second time before two weeks are over.
    """
    reasons = [*_performance(outcomes), *_drift(columns, limits), *_age(night, model, limits)]
    open_since = before["open_since"] if before and before["model_version"] == model.version else None
    requested = bool(reasons) and (open_since is None or night - open_since >= AGAIN_AFTER)
    return {
        "model_version": model.version, "trained_night": model.trained, "requested": requested,
        "open_since": night if requested else open_since, "reasons": "\n".join(reasons),
        "columns_alert": sum(r["status"] == "alert" for r in columns),
        "columns_warn": sum(r["status"] == "warn" for r in columns),
    }


def _performance(outcomes: list[Row]) -> Iterator[str]:
    """Calibration asks for each platform, decay for all together: of one alone, over two weeks, it may be chance."""
    several = any(row["platform"] == "all" for row in outcomes)
    for row in outcomes:
        if not row["is_judged"]:
            continue
        where = "" if row["platform"] == "all" else f" on {row['platform']}"
        what = f"{row['target'].replace('_', ' ')}{where} over the {row['dates']} dates to {row['until']}"
        if row["calibration_status"] == "alert":
            ratio = row["predicted_over_observed"]
            yield (f"calibration: the {what} was predicted at {ratio:.2f} times what happened "
                   f"(95 % interval {row['ratio_low']:.2f} to {row['ratio_high']:.2f})")
        if row["decay_status"] == "alert" and (row["platform"] == "all" or not several):
            yield f"decay: the model's deviance of the {what} is {row['decay']:.1%} above the 28-day shrunk rate's"


def _drift(columns: list[Row], limits: Thresholds) -> Iterator[str]:
    """Alerts that lasted. A distribution counts where PSI and KS distance both say so: each alone errs now and then.
    Those furthest beyond their thresholds are named."""
    lasting = [row for row in columns if row["nights_alert"] >= limits.nights_in_a_row]
    by_psi = {(row["table_name"], row["column_name"]) for row in lasting if row["check_name"] == "psi"}
    moved = [row for row in lasting
             if row["check_name"] == "ks" and (row["table_name"], row["column_name"]) in by_psi]
    if moved:
        yield f"drift: values moved by PSI and KS distance alike: {_list(moved)}"
    for check, words in WORDS.items():
        rows = [row for row in lasting if row["check_name"] == check]
        if rows:
            yield f"availability: {words}: {_list(rows)}"


def _list(rows: list[Row]) -> str:
    ordered = sorted(rows, key=lambda r: (-r["statistic"] / r["alert_above"], r["table_name"], r["column_name"]))
    named = ", ".join(_named(row) for row in ordered[:MOST_NAMED])
    return named + (f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else "")


def _named(row: Row) -> str:
    name = row["table_name"] if row["column_name"] == "*" else f"{row['table_name']}.{row['column_name']}"
    return f"{name} {row['statistic']:.3g} above {row['alert_above']:.3g} for {row['nights_alert']} nights"


def _age(night: date, model: Model, limits: Thresholds) -> Iterator[str]:
    days = (night - model.trained).days
    if days > limits.oldest_model_days:
        yield f"age: the model was trained {days} days ago, more than {limits.oldest_model_days}"
