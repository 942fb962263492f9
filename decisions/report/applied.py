"""The section on what is set on the platforms: one sentence, the lines that differ, and what to do about each."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from decisions.report import formats
from decisions.report.data import ReportData
from decisions.report.gain import worth
from decisions.report.limits import SMALL
from decisions.report.views import MOST_ROWS, Action, Cell, Column, Row, TableView, amount, left_out, share

FILE = "applied.csv"
ZERO = Decimal("0.00")
STATES = {
    "as_released": "as released",
    "not_applied": "not applied",
    "applied_late": "applied late",
    "changed_by_hand": "changed by hand",
    "partly_applied": "partly applied",
    "unknown_to_platform": "unknown to the platform",
    "not_read": "not read",
}
REMEDIES = {
    "as_released": "",
    "not_applied": "Import the newest upload file and post its changes.",
    "applied_late": "Import the upload file on the morning that its page comes.",
    "changed_by_hand": "Ask who set it. Where it is meant, enter an override; else import the newest upload file.",
    "partly_applied": "Import the newest files of budgets and of bids, and post every change.",
    "unknown_to_platform": "Look whether the campaign was removed or renamed; then export its settings again.",
    "not_read": "Export the settings of its account.",
}
NOBODY_TOLD = ("No delivery has told what is set on the platforms, so nothing is compared with what was released. "
               "docs/how-to/apply-to-platforms.md says how to read it back.")  # fmt: skip


def views(data: ReportData) -> dict[str, Any]:
    """What the template needs."""
    return {"words": words(data), "differences": differences(data)}


def words(data: ReportData) -> list[str]:
    """The section in sentences."""
    if data.applied is None:
        return [NOBODY_TOLD]
    rows = data.applied.to_pylist()
    if not rows:
        return [f"Nothing was released for {formats.long_day(data.night)}, so there is nothing to compare."]
    first, read = rows[0], [r for r in rows if r["state"] != "not_read"]
    day = formats.long_day(first["business_date"])
    what = "the release" if first["basis"] == "live" else "a candidate that never went live, the one"
    said = []
    if read:
        equal = sum(r["difference"] == 0 for r in read)
        verb = "was" if equal == 1 else "were"
        said.append(f"{equal:,} of {formats.count(len(read), 'line')} {verb} set at the end of {day} as released"
                    f"{_rest(read, data)} That is {what} of the night of {formats.long_day(first['release_night'])}.")
    if len(read) < len(rows):
        money = sum((r["released_budget"] for r in rows if r["state"] == "not_read"), ZERO)
        many = len(rows) - len(read)
        said.append(f"Of {formats.count(many, 'line')} with {formats.money(money, data.currency)} no settings were "
                    "delivered.")
    hidden = [r["released_budget"] for r in read if r["difference"] is None]
    if hidden:
        said.append(f"{formats.count(len(hidden), 'line')} with {formats.money(sum(hidden, ZERO), data.currency)} "
                    "spent money and cannot be found among the settings.")
    partly = [r for r in read if r["bids_differ"]]
    if partly:
        many = sum(r["bids_differ"] for r in partly)
        said.append(f"{formats.count(many, 'bid cap')} of {sum(r['bids_compared'] for r in read):,} "
                    f"{'is' if many == 1 else 'are'} not the released bid.")
    return said


def _rest(read: list[dict[str, Any]], data: ReportData) -> str:
    off = [abs(r["difference"]) for r in read if r["difference"]]
    if not off:
        return "."
    verb = "differs" if len(off) == 1 else "differ"
    return f"; {len(off):,} {verb} by {formats.money(sum(off, ZERO), data.currency)} a day."


def differences(data: ReportData) -> TableView | None:
    """The lines whose settings are not the release's, the largest difference first; None where there are none."""
    if data.applied is None:
        return None
    rows = [r for r in data.applied.to_pylist() if r["state"] != "as_released"]
    rows.sort(key=lambda r: (-abs(_at_stake(r)), r["line_id"]))
    if not rows:
        return None
    shown, known = rows[:MOST_ROWS], [r for r in rows if r["set_budget"] is not None]
    of_known = [sum((r[name] for r in known), ZERO) for name in ("released_budget", "set_budget", "difference")]
    return TableView(
        id="settings-table",
        caption=f"Lines that are not, or not wholly, as released, in {data.currency} a day, largest difference first",
        columns=[
            Column("line", "Line"),
            Column("state", "State", choose=True),
            Column("since", "Set so since"),
            Column("released", "Released", numeric=True),
            Column("set", "Set", numeric=True),
            Column("difference", "Difference", numeric=True),
            Column("share", "in %", numeric=True),
            Column("todo", "What to do"),
        ],
        rows=[_row(r) for r in shown],
        foot=[Row([Cell("Sum of what is known"), Cell(""), Cell(""), *(amount(v) for v in of_known[:2]),
                   amount(of_known[2], signed=True), Cell(""), Cell("")])],
        fold=12,
        note=left_out(len(shown), len(rows), "lines", FILE),
        cards=True,
    )  # fmt: skip


def _at_stake(r: dict[str, Any]) -> Decimal:
    known: Decimal = r["released_budget"] if r["difference"] is None else r["difference"]
    return known


def _row(r: dict[str, Any]) -> Row:
    since = r["since"]
    return Row([
        Cell(r["line_name"], sub=r["platform"]),
        Cell(STATES[r["state"]]),
        Cell(formats.short_day(since) if since else formats.NOTHING, since.isoformat() if since else None),
        amount(r["released_budget"]),
        amount(r["set_budget"]),
        amount(r["difference"], signed=True),
        share(r["difference_share"], signed=True),
        Cell(REMEDIES[r["state"]], sub=r["note"]),
    ], {"state": r["state"]})  # fmt: skip


def actions(data: ReportData) -> Iterator[Action]:
    """One action for all lines that have other money than released; none where it is little."""
    rows = [] if data.applied is None else [r for r in data.applied.to_pylist() if r["difference"]]
    money = sum((abs(r["difference"]) for r in rows), ZERO)
    if not rows or float(money) < SMALL * float(data.release["total"]) or rows[0]["basis"] == "candidate":
        return
    worst = max(rows, key=lambda r: (abs(r["difference"]), r["line_id"]))
    title = f"{formats.count(len(rows), 'line')} {'is' if len(rows) == 1 else 'are'} not set as released"
    detail = (f"The platforms differ by {formats.money(money, data.currency)} a day. Most of it: {worst['line_name']} "
              f"has {formats.money(worst['set_budget'], data.currency)} instead of "
              f"{formats.money(worst['released_budget'], data.currency)} ({STATES[worst['state']]}). "
              f"{REMEDIES[worst['state']]}")
    yield Action("settings", "Fix", title, detail, worth(float(money), data), "settings",
                 "None, if the release is still what you want.",
                 "The platforms go on with other money than was decided.", at_most=True)


def because(line_id: str, day: date | None, data: ReportData) -> str:
    """Why a line spent off its plan, where its setting tells; else empty."""
    rows = [] if data.applied is None else data.applied.to_pylist()
    r = next((r for r in rows if r["line_id"] == line_id and r["business_date"] == day), None)
    if r is None or r["spend"] is None:
        return ""
    if r["spend_follows_setting"]:
        return (f"the platform had {formats.money(r['set_budget'], data.currency)} set, not the "
                f"{formats.money(r['released_budget'], data.currency)} released ({STATES[r['state']]})")
    if r["difference"] == 0 and r["spend"] > r["released_budget"]:
        return "the released budget was set at the end of the day, so look at the platform’s delivery"
    return ""
