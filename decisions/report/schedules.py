"""Hour percentages as ad schedules for Google Ads Editor: its help page "Ad scheduling" (answer 57751).

`(Monday@80%[08:00-12:00])` bids 80 % of the bid on Mondays from 8 to 12. A campaign shows its ads in the hours of its
schedule alone, so each row names the whole week, and an import replaces what the campaign had.
"""

from typing import Any

HEADER = ("Account", "Campaign", "Ad schedule")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BLOCK_HOURS = 4
BLOCKS = [f"{hour:02d}-{hour + BLOCK_HOURS:02d}" for hour in range(0, 24, BLOCK_HOURS)]


def by_line(rows: list[dict[str, Any]]) -> dict[str, str]:
    """The schedule of each line that has percentages by hour, or had them the night before."""
    percent: dict[str, dict[str, int]] = {}
    for r in rows:
        if r["dimension"] == "hour_block":
            percent.setdefault(r["line_id"], {})[r["level"]] = r["multiplier_percent"]
    return {line: _schedule(of) for line, of in percent.items()}


def _schedule(percent: dict[str, int]) -> str:
    """The week; a block without clicks bids the bid itself."""
    return ";".join(
        f"({day}@{100 + percent.get(block, 0)}%[{block[:2]}:00-{block[3:]}:00])" for day in DAYS for block in BLOCKS
    )
