"""Data docs: a night's validations as pages that a browser opens, rendered by Great Expectations."""

import html
import json
from datetime import date
from typing import Any

from moe import tables
from moe.jobs import Night
from moe.settings import settings

RESULTS = "results.json"


def save(unit: str, night: date, results: dict[str, Any]) -> None:
    """Keep a night's validation results, by file or table, until the job `docs` makes pages of them."""
    folder = settings().data_docs / unit / night.isoformat()
    tables.replace_text(folder / RESULTS, json.dumps({name: result.to_json_dict() for name, result in results.items()}))


def docs(night: Night) -> dict[str, Any]:
    """The job `docs`: one page a validation of the night, and an index.

    Apart from the gate, because rendering takes as long as validating and history nights need no pages.
    """
    from great_expectations.core import expectationSuiteValidationResultSchema as schema
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    folder = settings().data_docs / night.unit.unit / night.date.isoformat()
    if not (folder / RESULTS).exists():
        return {}
    lines = []
    for name, saved in sorted(json.loads((folder / RESULTS).read_text(encoding="utf-8")).items()):
        result = schema.load(saved)
        page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
        tables.replace_text(folder / f"{name}.html", page)
        state = "passed" if result.success else "rules broken"
        checks = result.statistics
        lines.append(f'<tr><td><a href="{html.escape(name)}.html">{html.escape(name)}</a><td>{state}'
                     f"<td>{checks['successful_expectations']} of {checks['evaluated_expectations']}")
    tables.replace_text(
        folder / "index.html",
        "<!doctype html><meta charset=utf-8><title>Data checks</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:16px system-ui;margin:2rem}td,th{padding:.3rem 1rem;text-align:left}</style>"
        f"<h1>Data checks of {html.escape(night.unit.name)}, night {night.date}</h1>"
        f"<table><tr><th>file or table<th>state<th>rules kept{''.join(lines)}</table>\n")
    return {}
