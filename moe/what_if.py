"""The command `moe what-if`: a night decided again with a change, and what that costs or gains.

The ground floor imports no room: the work is `decisions.what_if`, named by dotted path.
"""

import json
from dataclasses import asdict, fields
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from moe.commands.options import UnitOption
from moe.errors import MoeError
from moe.settings import settings
from moe.terminal import out, plain
from moe.units import load_unit

SHOWN = 10
"Lines on the terminal; --csv and --json have all."

HELP = """Decide a night again with a change, and say what that costs or gains. Writes nothing.

Changes, each with its own --set:

  total=12500             the unit's total of a day
  google_ads.total=+10%   what a platform or group spends; also .floor, .cap
  brand.lock=120          a line: its id, name or part of it; also .floor, .cap
  brand.cap=none          a limit taken away
  max_step=40%            also least_step, line_floor, line_cap of the unit

An amount sets; +500, -500, +10% and -10% change what is there. Where no limit is there they change what is planned.

Examples:

  moe what-if --set total=+10%
  moe what-if --date 2026-06-30 --set google.total=6000
  moe what-if --set meta.floor=4000 --set max_step=40% --csv lines.csv
"""


def what_if(
    sets: Annotated[list[str], typer.Option("--set", help="A change, such as google.total=+10%; several are allowed.")],
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"],
                                                 help="The night D; the newest where it is not given.")] = None,
    unit: UnitOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as JSON.")] = False,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write all lines to this file.")] = None,
) -> None:
    """Registered with `HELP` as its help."""
    found = load_unit(unit or settings().unit)
    answer = import_module("decisions.what_if").ask(found, day.date() if day else None, sets)
    if csv_file is not None and answer.conflict is None:
        _write(answer, csv_file)
    if as_json:
        print(json.dumps(asdict(answer) | {"gain": answer.gain if answer.conflict is None else None}, default=str))
    else:
        _say(answer, found.name)
    if answer.conflict is not None:
        raise typer.Exit(2)


def _say(answer: Any, name: str) -> None:
    plain.print(f"{name}, {answer.day} (decided in the night of {answer.night}), if", style="bold")
    for change in answer.changes:
        plain.print(f"  {change}")
    if answer.conflict is not None:
        _refuse(answer)
    else:
        out.print(_totals(answer))
        for sentence in _sentences(answer):
            plain.print(sentence)
        _lines(answer)
    for note in answer.notes:
        plain.print(f"Note: {note}")
    plain.print(f"Decided again in {answer.seconds:.1f} s. Nothing was written.")


def _refuse(answer: Any) -> None:
    plain.print("It cannot be done.", style="bold red")
    if not answer.conflict.limits:
        plain.print(answer.conflict.said)
    for title, lines in (("These cannot all hold:", answer.conflict.limits),
                         ("The cheapest way out:", answer.conflict.repair)):
        if lines:
            plain.print(title, style="bold")
        for line in lines:
            plain.print(f"  {line}")
    if answer.conflict.wider_step is not None:
        plain.print(f"With a largest step of {answer.conflict.wider_step:.0%} in one night it can be done: add "
              f"--set max_step={answer.conflict.wider_step:.0%}")


def _totals(answer: Any) -> Table:
    table = Table("", Column("as it is", justify="right"), Column("with the change", justify="right"),
                  Column("difference", justify="right"))
    spend, value = (answer.total_before, answer.total_after), (answer.value_before, answer.value_after)
    for label, (before, after), digits in (
        (f"total of the day, {answer.currency}", spend, 2),
        (f"expected {_outcome(answer)}", value, _digits(answer)),
        (f"the next {answer.currency} returns", (answer.price_before, answer.price_after), 3),
    ):  # fmt: skip
        table.add_row(label, f"{before:,.{digits}f}", f"{after:,.{digits}f}", f"{after - before:+,.{digits}f}")
    return table


def _sentences(answer: Any) -> list[str]:
    gain, more = answer.gain, float(answer.total_after - answer.total_before)
    digits = _digits(answer)
    unit = f"{answer.currency} of conversion value" if answer.objective == "conversion_value" else "conversions"
    said = [f"It {'gains' if gain >= 0 else 'costs'} {abs(gain):,.{digits}f} {unit} a day"]
    if abs(more) >= 0.005:
        said[0] += f" for {abs(more):,.2f} {answer.currency} {'more' if more > 0 else 'less'} spend: " \
                   f"{gain / more:,.3g} for each {answer.currency}"
    said[0] += "."
    if answer.total_after and abs(answer.price_after) < 0.0005:
        said.append(f"No line can take another {answer.currency}: each rests on a limit, most often its largest step "
                    "of one night (`held by`). --set max_step=… says what more would bring.")
    if answer.probability_better is None:
        return [*said, "How sure that is cannot be said: the night kept no draws of its curves."]
    better = answer.probability_better
    return [*said, f"Probability that the outcome is higher than without the change: {better:.0%}; 90 % of the "
                   f"possible differences lie from {answer.gain_low:+,.{digits}f} to {answer.gain_high:+,.{digits}f}."]


def _lines(answer: Any) -> None:
    moved = [line for line in answer.lines if line.change]
    if not moved:
        out.print("No line's budget changes.")
        return
    amounts = (Column(c, justify="right", no_wrap=True) for c in ("now", "change", "then", "outcome"))
    table = Table("line", *amounts, "held by",
                  title=f"lines that change most ({min(SHOWN, len(moved))} of {len(moved)})")
    for line in moved[:SHOWN]:
        table.add_row(line.line_name, f"{line.budget_before:,.2f}", f"{line.change:+,.2f}",
                      f"{line.budget_after:,.2f}", f"{line.value_after - line.value_before:+,.1f}", line.held_by)
    table.add_section()
    platforms = sorted({line.platform for line in answer.lines})
    for name in platforms if len(platforms) > 1 else []:
        own = [line for line in answer.lines if line.platform == name]
        before, after = (sum(getattr(line, side) for line in own) for side in ("budget_before", "budget_after"))
        gain = sum(line.value_after - line.value_before for line in own)
        table.add_row(f"all of {name}", f"{before:,.2f}", f"{after - before:+,.2f}", f"{after:,.2f}", f"{gain:+,.1f}")
    out.print(table)


def _digits(answer: Any) -> int:
    return 0 if abs(answer.value_before) > 99 else 2


def _outcome(answer: Any) -> str:
    return f"conversion value, {answer.currency}" if answer.objective == "conversion_value" else "conversions"


def _write(answer: Any, path: Path) -> None:
    """Raises MoeError where the file cannot be written."""
    import pyarrow as pa

    files = import_module("decisions.report.files")
    columns = [*(f.name for f in fields(answer.lines[0])), "change"]
    table = pa.table({name: [getattr(line, name) for line in answer.lines] for name in columns})
    try:
        files.write(path, files.csv_bytes(table))
    except OSError as error:
        raise MoeError(f"{path} cannot be written: {error.strerror}", "give --csv a folder that is there") from error
