"""Consoles that print a text as it is: names of campaigns may hold brackets, which Rich would read as its markup."""

import os
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED = 200
"Columns where the output is read by a program: Rich would take 80, and cut names."
out = Console(markup=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED)
plain = Console(markup=False, highlight=False, soft_wrap=True)
"For sentences: no colours of its own, and no line broken that a person copies."
err = Console(stderr=True, markup=False)
MARKS = {"done": Text("✓", "green"), "skipped": Text("–", "yellow"), "failed": Text("✗", "red")}
"By the state of a job or step."


def print_rows(names: list[str], rows: list[list[str]], title: str) -> None:
    """A table; with its rows one below the other where the words of its columns would not fit side by side."""
    longest = [max(len(word) for text in column for word in text.split() or [""])
               for column in zip(names, *rows, strict=True)]
    if sum(longest) + 3 * len(names) < out.width:  # Rich's lines and spaces
        wide = Table(title=title)
        for name, width in zip(names, longest, strict=True):
            wide.add_column(name, min_width=width)
        for row in rows:
            wide.add_row(*row)
        out.print(wide)
        return
    out.print(title)
    for row in rows:
        out.rule()
        one = Table.grid("", "", padding=(0, 2))
        one.columns[0].no_wrap = True
        for name, value in zip(names, row, strict=True):
            one.add_row(name, value)
        out.print(one)
