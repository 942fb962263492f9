"""What every page of the report is made with: the templates, the assets inside the page, and its script policy."""

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from decisions.report import formats

HERE = Path(__file__).parent


def embedded(value: Any) -> Markup:
    """JSON that may stand inside a <script> element, whatever names it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark, safe in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028")):
        text = text.replace(mark, safe)
    return Markup(text)  # noqa: S704 - no character is left that could end the element


def policy(scripts: list[str], also: str = "") -> str:
    """Nothing is loaded from anywhere, and no script runs but the page's own (and what `also` allows)."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(filter(None, (also, *(f"'sha256-{h}'" for h in hashes))))
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@lru_cache
def asset(name: str) -> str:
    return (HERE / "assets" / name).read_text(encoding="utf-8").strip()


@lru_cache
def environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["f"] = formats
    return found
