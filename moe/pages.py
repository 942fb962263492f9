"""One page a table, written from its contract: `moe pages` writes docs/tables/, and a test keeps them current."""

from pathlib import Path

from moe.contracts import Column, Contract, contracts
from moe.jobs import JOBS
from moe.settings import settings

KINDS = {
    "report": "each night restates some business dates; as of D the newest delivery of a date counts",
    "event": "append only; as of D each event once, as first delivered",
    "entity": "as of D the newest delivered state of each key",
    "snapshot": "the partition of D is the state as known in the night of D",
}


def folder() -> Path:
    return settings().root / "docs" / "tables"


def pages() -> dict[str, str]:
    """Markdown by file name, `index.md` included."""
    by_name = contracts()
    made = {f"{name}.md": page(contract) for name, contract in by_name.items()}
    rows = [f"| [{name}]({name}.md) | {c.description} |" for name, c in by_name.items()]
    head = ["# Tables", "", "Written by `moe pages` from the contracts.", "", "| table | what it holds |", "|---|---|"]
    made["index.md"] = "\n".join([*head, *rows]) + "\n"
    return made


def page(contract: Contract) -> str:
    """The page of one table."""
    writers = [job.name for job in JOBS if contract.name in job.writes]
    if not writers and contract.layer in ("landing", "core"):
        writers = ["land"]
    readers = [job.name for job in JOBS if contract.name in {read.table for read in job.reads.values()}]
    facts = [f"- Kind: {contract.kind} ({KINDS[contract.kind]})"]
    facts += [f"- Key: {', '.join(contract.key)}"] if contract.key else []
    facts += [f"- Owner: {contract.owner}"] if contract.owner else []
    facts += [f"- Written by: {', '.join(writers)}"] if writers else []
    facts += [f"- Read by: {', '.join(readers)}"] if readers else []
    facts += [f"- Rows that may fail the gate before the night stops: {contract.failure_share:.1%}"] \
        if contract.layer == "landing" else []
    facts += [f"- Known and not used: {', '.join(contract.ignored)}"] if contract.ignored else []
    head = ["| column | type | unit | | what it is |", "|---|---|---|---|---|"]
    rows = [
        f"| {c.name} | {c.type} | {c.measure or ''} | {_marks(c)} | {_cell(c.description)} |" for c in contract.columns
    ]
    return "\n".join([f"# {contract.name}", "", contract.description, "", *facts, "",
                      "Every table also has `unit` (business unit) and `night` (the night of the partition).", "",
                      *head, *rows]) + "\n"


def _marks(column: Column) -> str:
    """Key, required, personal, and the range or the allowed values."""
    marks = ["key"] if column.key else ["required"] if column.required else []
    marks += ["personal"] if column.personal else []
    marks += [f"≥ {column.minimum:g}"] if column.minimum is not None else []
    marks += [f"≤ {column.maximum:g}"] if column.maximum is not None else []
    marks += ["one of: " + ", ".join(column.allowed)] if column.allowed else []
    return "; ".join(marks)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write() -> int:
    """Write all pages, remove those of tables that are gone, and give their number."""
    folder().mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder().glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder() / name).write_text(text, encoding="utf-8")
    return len(made)
