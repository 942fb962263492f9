"""Response curves on the real company's export: error of held-out outcome, beside the simplest fit and the mean return.

    python -m benchmarks.fit_company

91 days of campaign × placement lines of one advertiser; spend is what the company paid. After each cut the next 14 days
are predicted at the spend that came true: sum over lines of |predicted - true|, in % of the true outcome.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.fit import forecasts
from decisions.fitting import History, history
from moe.settings import settings

CUTS, AHEAD = (50, 57, 64, 71, 77), 14
YEAR = "2020"


def company(outcome: str) -> History:
    """The export's lines that have a placement."""
    rows = pd.read_csv(settings().test_data / "online_ads_performance" / "online_advertising_performance_data.csv")
    rows = rows[rows.placement.notna()]
    rows["date"] = pd.to_datetime(rows.month + " " + rows.day.astype(str) + " " + YEAR, format="%B %d %Y").dt.date
    rows["line"] = rows.campaign_number + " " + rows.placement
    days = rows.groupby(["line", "date"], as_index=False).agg(
        campaign=("campaign_number", "first"), spend=("revenue", "sum"), outcome=(outcome, "sum"),
        clicks=("clicks", "sum"))
    lines = [(line, campaign, "ads") for line, campaign in days.groupby("line").campaign.first().items()]
    return history(lines, list(days.line), list(days.date), days.spend, days.outcome, clicks=days.clicks)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for outcome in ("post_click_sales_amount", "post_click_conversions"):
        known = company(outcome)
        table = Table(title=f"{outcome}, {len(known.line_ids)} lines: error of the {AHEAD} days after each cut, in %")
        table.add_column("method")
        for cut in CUTS:
            table.add_column(str(cut), justify="right")
        table.add_column("mean", justify="right")
        errors: dict[str, list[float]] = {}
        for cut in CUTS:
            ahead = slice(cut, cut + AHEAD)
            seen = np.isfinite(known.outcome[ahead])
            true = np.where(seen, known.outcome[ahead], 0.0).sum(axis=0)
            for name, daily in forecasts(known.until(cut), known.spend[ahead]).items():
                told = np.where(seen, daily, 0.0).sum(axis=0)
                errors.setdefault(name, []).append(float(np.abs(told - true).sum() / true.sum()))
        for name, found in errors.items():
            table.add_row(name, *(f"{100 * x:.0f}" for x in [*found, np.mean(found)]))
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
