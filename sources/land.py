"""The job `land`: read a night's deliveries, gate them, and write landing, core and quarantine.

File faults raise before anything is replaced. Rows that break a rule go to `core.quarantine__row`; above
the contract's share of them the night stops.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from expectations import docs
from moe import frames, tables
from moe.asof import COVERAGE
from moe.contracts import Column, Contract, contract
from moe.errors import FileFault
from moe.jobs import Night
from moe.runner import Output
from sources.core import add_platform_columns, pseudonymise
from sources.delivery import deliver
from sources.gated import Gated, gate
from sources.mapping import Mapping, load

QUARANTINE, FINDINGS = "core.quarantine__row", "core.warning__finding"
CORE = ("core.ad_performance__ad_day", "core.web_event__event", "core.order__order", "core.override__override")


@dataclass
class _Landed:
    """What a night hands over, gathered over its sources."""

    core: dict[str, list[pa.Table]] = field(default_factory=lambda: {name: [] for name in CORE})
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
        except FileFault as fault:
            if source.late == "wait" or "is missing" not in fault.message:
                raise
            landed.findings.append(_finding(source.name, "", "late", "", 0,
                                            f"{source.late.replace('_', ' ')}: {fault.message}"))
            continue
        _land_source(source.name, mapping, delivered, night, landed)
    if landed.results:
        docs.save(night.unit.unit, night.date, landed.results)
    return _outputs(landed)


def _land_source(name: str, mapping: Mapping, delivered: Any, night: Night, landed: _Landed) -> None:
    for file in delivered.files.values():
        terms = _text_contract(name, file)
        output = Output(_landing_rows(file), terms)
        _refuse_second_delivery(output, night, file.path.name)
        landed.landing[terms.name] = output
    gated = gate(name, mapping, delivered, night)
    rows = add_platform_columns(gated.rows, mapping.target, name, night.unit)
    landed.core[mapping.fills].append(pseudonymise(rows, mapping.target, night.settings.secret_key))
    landed.quarantine.append(gated.quarantine)
    landed.findings += [_finding(name, *finding) for finding in gated.findings]
    landed.results |= gated.results
    if mapping.target.kind == "report":
        accounts = sorted(set(rows.column("account_id").to_pylist()))
        landed.coverage += [{"source": name, "account_id": account, "business_date": day}
                            for account in accounts for day in delivered.dates]
    _stop_above_share(name, mapping, gated, night)


def _stop_above_share(name: str, mapping: Mapping, gated: Gated, night: Night) -> None:
    for file, (bad, total) in gated.counts.items():
        share = mapping.landing(name, file).failure_share
        if total and bad / total > share and bad > 1:
            rules = Counter(
                f"{q['column']}: {q['rule']} (row {q['row']}: {q['value']!r}; {q['remedy']})"
                for q in gated.quarantine.to_pylist()[:500]
            )
            examples = "; ".join(text for text, _ in rules.most_common(3))
            raise FileFault(
                f"{name}, file {file} of {night.date}: {bad:,} of {total:,} rows break the contract "
                f"({bad / total:.1%}, allowed {share:.1%}). Examples: {examples}",
                "mend the delivery, or raise failure_share in its contract; nothing was replaced",
            )


def _text_contract(source: str, file: Any) -> Contract:
    columns = tuple(Column(name, "VARCHAR", "As delivered.") for name in file.columns)
    lineage = (Column("file", "VARCHAR", "Delivered file.", key=True, required=True),
               Column("row", "BIGINT", "Row in the file, the header being row 1.", key=True, required=True))
    return Contract(f"landing.{source}__{file.name}", "As delivered.", lineage + columns)


def _landing_rows(file: Any) -> pa.Table:
    names = {"_file": "file", "_row": "row"}
    rows = file.rows.rename_columns([names.get(n, n) for n in file.rows.column_names])
    return rows.select(["file", "row", *file.columns])


def _refuse_second_delivery(output: Output, night: Night, file: str) -> None:
    """A night's delivery is taken once: another one with other rows needs a person's word."""
    path = tables.partition(output.contract.name, night.unit.unit, night.date)
    if night.replace or not path.exists():
        return
    written = frames.write(output.frame, output.contract, night.unit.unit, night.date)
    written.temporary.unlink()
    if written.digest != frames.digest(path):
        raise FileFault(
            f"{file}: a different delivery of {night.date} was landed before ({output.contract.name})",
            f"if the new one is right: moe run land --unit {night.unit.unit} --date {night.date} --replace",
        )


def _finding(source: str, file: str, finding: str, column: str, rows: int, message: str) -> dict[str, Any]:
    return {"source": source, "file": file, "finding": finding, "column": column, "rows": rows, "message": message}


def _outputs(landed: _Landed) -> dict[str, Any]:
    outputs: dict[str, Any] = dict(landed.landing)
    for name, parts in landed.core.items():
        outputs[name] = pa.concat_tables(parts) if parts else _empty(name)
    outputs[QUARANTINE] = pa.concat_tables([_empty(QUARANTINE), *landed.quarantine])
    outputs[FINDINGS] = pa.Table.from_pylist(landed.findings, schema=_empty(FINDINGS).schema)
    outputs[COVERAGE] = pa.Table.from_pylist(landed.coverage, schema=_empty(COVERAGE).schema)
    return outputs


def _empty(name: str) -> pa.Table:
    return contract(name).schema.empty_table().drop_columns(["unit", "night"])

