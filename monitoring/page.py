"""The pages of a night: what the maintenance check says, and Evidently's report of the distributions behind it.

Evidently's script (3.5 MB) stands once in the reports folder, and the nights' pages refer to it.
"""

import os
import shutil
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from moe import tables
from moe.jobs import Night
from monitoring.maintenance import Row
from monitoring.model import Model, Window

HERE = Path(__file__).parent
ORDER = {"alert": 0, "warn": 1, "ok": 2, "waiting": 3}
CHECKS = {"psi": "PSI", "ks": "KS distance", "missing": "missing share", "absent_nights": "absent nights",
          "late_days": "days late"}


def write_pages(night: Night, model: Model, current: Window, columns: list[Row], outcomes: list[Row], request: Row,
                snapshot: Any) -> None:
    """Write `index.html` and, where anything could be compared, `drift.html`; the page for people goes last."""
    folder = night.settings.monitoring(night.unit.unit, night.date)
    folder.mkdir(parents=True, exist_ok=True)
    if snapshot is None:
        (folder / "drift.html").unlink(missing_ok=True)
    else:
        library = os.path.relpath(_library(night.settings.monitoring_library), folder)
        tables.replace_text(folder / "drift.html", _small(snapshot.get_html_str(as_iframe=False), library))
    tables.replace_text(folder / "index.html", _page(
        night=night, model=model, current=current, request=request, checks=CHECKS, has_drift=snapshot is not None,
        columns=sorted(columns, key=lambda r: (ORDER[r["status"]], -_excess(r))), weeks=_weeks(outcomes),
        judged=[r for r in outcomes if r["is_judged"]]))


def _page(**values: Any) -> str:
    return _environment().get_template("page.html.j2").render(**values)


def _excess(row: Row) -> float:
    return float(row["statistic"]) / max(float(row["alert_above"]), 1e-9)


def _weeks(outcomes: list[Row]) -> list[tuple[str, list[Row]]]:
    """Whole weeks of all platforms together (or the only one) by target, oldest first."""
    found = []
    for target, rows in groupby(outcomes, key=lambda r: r["target"]):
        part = list(rows)
        shown = "all" if any(r["platform"] == "all" for r in part) else part[0]["platform"]
        weeks = [r for r in part if r["platform"] == shown and not r["is_judged"] and r["dates"] == 7]
        found.append((str(target), weeks[::-1]))
    return found


def _library(folder: Path) -> Path:
    """Evidently's script by its release, put there by the first page that needs it."""
    import evidently
    from evidently.legacy.utils.dashboard import STATIC_PATH

    path = folder / f"evidently-{evidently.__version__}.js"
    if not path.exists():
        temporary = tables.beside(path)
        shutil.copy(Path(STATIC_PATH) / "index.js", temporary)
        temporary.replace(path)
    return path


def _small(html: str, library: str) -> str:
    """Evidently's page with its script by reference; as it is where the script does not stand in it."""
    from evidently.legacy.utils.dashboard import STATIC_PATH

    script = (Path(STATIC_PATH) / "index.js").read_text(encoding="utf-8")
    return html.replace(f"<script>{script}</script>", f'<script src="{library}"></script>', 1)


@lru_cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True,
                              undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
