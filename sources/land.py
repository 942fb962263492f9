"""The job `land`: read a night's deliveries, gate them, and write landing, core and quarantine.

File faults raise before anything is replaced. Rows that break a rule go to `core.quarantine__row`; above
the contract's share of them the night stops.
"""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from expectations import docs
from moe import frames, tables
from moe.asof import COVERAGE
from moe.contracts import ADDED, Column, Contract, contract
from moe.errors import FileFault, MissingFile
from moe.jobs import Night
from moe.runner import Output
from moe.units import Source, option
from sources.applied import is_early
from sources.core import add_platform_columns, pseudonymise
from sources.delivery import Delivery, deliver
from sources.files import FILE, ROW, Delivered
from sources.gated import Gated, gate
from sources.mapping import ROWS, Mapping, load
from sources.quarantine import QUARANTINE

FINDINGS = "core.warning__finding"
_LINEAGE = (Column("file", "VARCHAR", "Delivered file.", key=True, required=True),
            Column("row", "BIGINT", "Row in the file, the header being row 1.", key=True, required=True))


@dataclass
class _Landed:
    """What a night hands over, gathered over its sources."""

    core: dict[str, list[pa.Table]] = field(default_factory=lambda: {name: [] for name in ROWS})
    landing: dict[str, Output] = field(default_factory=dict)
    coverage: list[dict[str, Any]] = field(default_factory=list)
    quarantine: list[pa.Table] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)


def land(night: Night) -> dict[str, Any]:
    """Land every source of the unit for the night. Gives the tables that it fills, all of them, also empty."""
    landed = _Landed()
    for source in night.unit.sources:
        mapping = load(source, night.unit)
        try:
            delivered = deliver(source, mapping, night)
        except MissingFile as fault:
            _go_on_without(source, mapping, fault, night, landed)
        else:
            _land_source(source.name, mapping, delivered, night, landed)
    docs.save(night.unit.unit, night.date, landed.results)
    return _outputs(landed)


def _go_on_without(source: Source, mapping: Mapping, fault: MissingFile, night: Night, landed: _Landed) -> None:
    """Note a late source that a night need not wait for. Raises where it must, or where it had landed before."""
    before = [f"landing.{source.name}__{file}" for file in mapping.files]
    if source.late == "wait" or any(night.date in tables.nights(table, night.unit.unit) for table in before):
        raise fault
    if is_early(mapping, night):
        return
    message = f"{source.late.replace('_', ' ')}: {fault.message}"
    landed.findings.append(_finding(source.name, ("", "late", ""), 0, message))


def _land_source(name: str, mapping: Mapping, delivered: Delivery, night: Night, landed: _Landed) -> None:
    for file in delivered.files.values():
        output = _as_delivered(name, file, mapping)
        _refuse_second_delivery(output, night, file)
        landed.landing[output.contract.name] = output
    gated = gate(name, mapping, delivered, night)
    _stop_above_share(name, mapping, delivered, gated, night)
    rows = add_platform_columns(gated.rows, mapping.target, name, night.unit)
    landed.core[mapping.fills].append(pseudonymise(rows, mapping.target, night.settings.secret_key))
    landed.quarantine.append(gated.quarantine)
    landed.findings += [_finding(name, where, *what) for where, what in gated.findings.items()]
    landed.results |= gated.results
    landed.coverage += [{"source": name, "account_id": account, "business_date": day}
                        for account in gated.accounts for day in delivered.dates]


def _stop_above_share(name: str, mapping: Mapping, delivered: Delivery, gated: Gated, night: Night) -> None:
    """A single bad row among others never stops a night: in a small file it would always be above the share."""
    for file, (bad, total) in gated.counts.items():
        share = mapping.landing(name, file).failure_share
        if bad > share * total and (bad > 1 or bad == total):
            label = delivered.files[file].label
            first = [q for q in gated.quarantine.slice(0, 1000).to_pylist() if q["file"] == label][:3]
            examples = "; ".join(f"row {q['row']}, column {q['column']}: {q['rule']}: {q['value']!r}; {q['remedy']}"
                                 for q in first)
            raise FileFault(
                f"{name}, {delivered.files[file].path} of {night.date}: {bad:,} of {total:,} rows break the contract "
                f"({bad / total:.1%}, allowed {share:.1%}). Examples: {examples}",
                "mend the rows named and run again; where so many faulty rows are normal, raise failure_share in the "
                "contract; nothing was replaced",
            )


def _as_delivered(source: str, file: Delivered, mapping: Mapping) -> Output:
    """The landing table of a file: its texts. A delivered name that the platform uses gets a `_` behind it.

    An optional column without a value is left out, so that a file that grew one hands over its old nights unchanged.
    """
    empty = [name for name in mapping.optional if not any(file.rows.column(name).to_pylist())]
    taken = {*ADDED, *(c.name for c in _LINEAGE)}
    given = [name for name in file.columns if name not in empty]
    names = [f"{name}_" if name.casefold() in taken else name for name in given]
    terms = Contract(f"landing.{source}__{file.name}", "As delivered.",
                     (*_LINEAGE, *(Column(name, "VARCHAR", "As delivered.") for name in names)))
    rows = file.rows.select([FILE, ROW, *given]).rename_columns(["file", "row", *names])
    return Output(rows, terms)


def _refuse_second_delivery(output: Output, night: Night, file: Delivered) -> None:
    """A night's delivery is taken once: another one with other rows needs a person's word."""
    path = tables.partition(output.contract.name, night.unit.unit, night.date)
    if night.replace or not path.exists():
        return
    written = frames.write(output.frame, output.contract, night.unit.unit, night.date)
    written.temporary.unlink()
    if written.digest != frames.digest(path):
        raise FileFault(
            f"{file.path}: a different delivery of {night.date} was landed before ({output.contract.name})",
            f"if the new one is right: moe run land --unit {option(night.unit.unit)} --date {night.date} --replace",
        )


def _finding(source: str, where: tuple[str, str, str], rows: int, message: str) -> dict[str, Any]:
    file, finding, column = where
    return {"source": source, "file": file, "finding": finding, "column": column, "rows": rows, "message": message}


def _outputs(landed: _Landed) -> dict[str, Any]:
    """Coverage last: it is the sign that the night is landed."""
    outputs: dict[str, Any] = dict(landed.landing)
    for name, parts in landed.core.items():
        outputs[name] = pa.concat_tables([*parts, _empty(name)][:len(parts) or 1])
    outputs[QUARANTINE] = pa.concat_tables([_empty(QUARANTINE), *landed.quarantine])
    outputs[FINDINGS] = pa.Table.from_pylist(landed.findings, schema=_empty(FINDINGS).schema)
    outputs[COVERAGE] = pa.Table.from_pylist(landed.coverage, schema=_empty(COVERAGE).schema)
    return outputs


def _empty(name: str) -> pa.Table:
    return contract(name).schema.empty_table().drop_columns(["unit", "night"])
