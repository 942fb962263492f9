"""The playbook: for each kind of advice what it means, what to check, how to do it, and when to leave it.

One source, `assets/playbook.yml`, of the page and of docs/how-to/playbook.md (`document`), which is written by
`python -c "from decisions.report.playbook import document; print(document(), end='')" > docs/how-to/playbook.md`.
"""

import textwrap
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import get_args

import yaml

from decisions.report.templating import asset
from decisions.report.views import Kind

SOURCE = "playbook.yml"
WHERE = {"google": "Google Ads", "meta": "Meta", "elsewhere": "Elsewhere"}
WIDTH = 118
INTRO = (
    "The nightly page gives advice of these kinds, and links here. Each entry says what the advice means, why it is "
    "given, what to check first, how to do it, and when to leave it. *Written from "
    "`decisions/report/assets/playbook.yml`; change it there.*"
)


@dataclass(frozen=True)
class Entry:
    kind: str
    title: str
    means: str
    why: str
    before: list[str]
    how: dict[str, str]  # by `WHERE`
    ignore: str

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The place and what to do there."""
        return [(label, self.how[place]) for place, label in WHERE.items()]


@lru_cache
def entries() -> tuple[Entry, ...]:
    """All entries in the order of the source. Raises ValueError where one is missing, orphaned or incomplete."""
    return read(asset(SOURCE))


def read(text: str) -> tuple[Entry, ...]:
    found, kinds = yaml.safe_load(text), set(get_args(Kind))
    if missing := sorted(kinds - set(found)):
        raise ValueError(f"the playbook has no entry for {', '.join(missing)}")
    if orphans := sorted(set(found) - kinds):
        raise ValueError(f"no advice leads to the playbook's entry for {', '.join(orphans)}")
    wanted = {field.name for field in fields(Entry)} - {"kind"}
    for kind, parts in found.items():
        if set(parts) != wanted or set(parts["how"]) != set(WHERE) or not all(parts.values()):
            raise ValueError(f"the playbook's entry for {kind} needs exactly {', '.join(sorted(wanted))}")
    return tuple(Entry(kind, **parts) for kind, parts in found.items())


def document() -> str:
    """The playbook as Markdown."""
    parts = ["# Playbook: what to do with each kind of advice", _wrapped(INTRO)]
    for entry in entries():
        parts += [
            f"## {entry.title}",
            _wrapped(f"**What it means.** {entry.means}"),
            _wrapped(f"**Why it is advised.** {entry.why}"),
            "**Check before.**\n\n" + "\n".join(_wrapped(check, "- ") for check in entry.before),
            "**How to do it.**\n\n" + "\n".join(_wrapped(f"**{place}**: {text}", "- ") for place, text in entry.steps),
            _wrapped(f"**When to ignore it.** {entry.ignore}"),
        ]
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str, mark: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark), break_long_words=False,
                         break_on_hyphens=False)  # fmt: skip
