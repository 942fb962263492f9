"""The page: what the template needs, gathered, and the one HTML text with everything inside it."""

from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from decisions.report import (
    ahead,
    applied,
    apply,
    budgets,
    criteria,
    evidence,
    forecast,
    formats,
    front,
    limits,
    multipliers,
    pacing,
    people,
    playbook,
    problems,
    reconciliation,
    sections,
)
from decisions.report.actions import SHOWN, actions
from decisions.report.changes import changes
from decisions.report.curves import AT_FIRST, curve_views
from decisions.report.data import ReportData
from decisions.report.gain import expected_gain
from decisions.report.series import series
from decisions.report.templating import asset, embedded, environment, policy
from decisions.report.uploads import Uploads

STYLES = ("uPlot.min.css", "report.css")
SCRIPTS = ("uPlot.iife.min.js", "tables.js", "waterfall.js", "playbook.js", "days.js", "charts.js", "forecast.js")
SAFE_SCHEMES = ("", "http", "https", "file")


def html(data: ReportData, csv_files: list[str], uploads: Uploads) -> str:
    """The whole page as text. `csv_files` and the files of `uploads` will stand beside it."""
    scripts = [asset(name) for name in SCRIPTS]
    todo, changed = actions(data), changes(data)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            data=data,
            header=header(data),
            actions=todo[:SHOWN],
            more_actions=todo[SHOWN:],
            changes=changed,
            waterfall_json=embedded(None if changed is None else changed.lines),
            pace=pacing.pace(data),
            ahead=ahead.ahead(data),
            limit_words=limits.sentences(data),
            front=front.view(data),
            playbook=playbook.entries(),
            budgets=budgets.budgets(data),
            plan=sections.plan(data),
            plan_words=plan_words(data),
            curves=curve_views(data),
            curves_at_first=AT_FIRST,
            curve_lines=data.curves.num_rows,
            evidence_words=evidence.words(data),
            experiments=evidence.experiments(data),
            series_json=embedded(days := series(data)),
            series=days,
            forecast=forecast.view(data),
            bids=sections.bids(data),
            multiplier_words=multipliers.words(data),
            by_hour=multipliers.by_hour(data),
            by_place=multipliers.by_place(data),
            people=people.views(data),
            criteria=criteria.criteria(data),
            criteria_words=criteria.words(data),
            suitability=criteria.suitability(data),
            three_counts=reconciliation.view(data),
            quarantine=problems.quarantine(data),
            quarantined=len(
                {(r["file"], r["row"]) for r in data.quarantine.select(["file", "row"]).to_pylist()}
            ),
            warnings=problems.warnings(data),
            steps=problems.steps(data),
            steps_words=problems.steps_words(data),
            links=[(label, href, _opens(href)) for label, href in data.links.items()],
            csv_files=csv_files,
            uploads=uploads,
            gaps=apply.gaps(uploads, data),
            apply_words=apply.words(uploads, data),
            settings=applied.views(data),
            styles=Markup("\n".join(asset(name) for name in STYLES)),  # noqa: S704 - our own files
            scripts=[Markup(text) for text in scripts],  # noqa: S704 - our own files
            policy=policy(scripts),
        )
    )


def header(data: ReportData) -> dict[str, Any]:
    """The words and numbers at the top of the page."""
    release, gain = data.release, expected_gain(data)
    widest = max(abs(gain.low), abs(gain.high))
    rows = data.budgets.select(["budget", "previous_budget"]).to_pylist()
    changes = [r["budget"] - r["previous_budget"] for r in rows]
    total = sum((r["budget"] for r in rows), budgets.ZERO)
    live = None
    if data.live is not None and data.live_night is not None:
        when = formats.instant(data.live["when"])
        live = {**data.live, "day": formats.long_day(data.live_night), "when": when}
    return {
        "day": formats.long_day(release["business_date"]),
        "night": formats.long_day(data.night),
        "live": live,
        "total": formats.money(release["total"], data.currency),
        "total_number": formats.number(release["total"], 2),
        "total_value": str(release["total"]),
        "short_of": release["total"] != release["total_configured"],
        "configured": formats.money(release["total_configured"], data.currency),
        "mismatch": formats.money(total, data.currency) if total != release["total"] else "",
        "up": formats.number(sum((c for c in changes if c > 0), budgets.ZERO), 2, signed=True),
        "down": formats.money(sum((c for c in changes if c < 0), budgets.ZERO), data.currency, signed=True),
        "expected": formats.estimate(release["expected_value"]),
        "status_quo": formats.outcome(release["status_quo_value"], data.worth_unit),
        "gain": formats.estimate(gain.value, signed=True, beside=widest),
        "unit": data.worth_unit,
        "gain_share": formats.percent(gain.share, 1, signed=True),
        "low": formats.estimate(gain.low, signed=True, beside=widest),
        "high": formats.outcome(gain.high, data.worth_unit, signed=True, beside=widest),
        "sure": gain.words,
        "known": gain.chance is not None,
        "gap": formats.percent(release["optimality_gap"], 2),
        "notes": [note for note in (release["notes"] or "").splitlines() if note.strip()],
    }


def plan_words(data: ReportData) -> str:
    """One sentence: what was spent of what was planned on the newest day of the comparison."""
    view = sections.plan(data)
    if view is None:
        return ""
    _, planned, spent, miss, off, *_ = view.foot[0].cells
    unit = data.currency
    return f"Spent {spent.text} of {planned.text} {unit} planned: {miss.text} {unit} ({off.text})."


def _opens(href: str) -> bool:
    """Whether a link may be followed: not `javascript:` and its kind."""
    return urlsplit(href.strip()).scheme.lower() in SAFE_SCHEMES
