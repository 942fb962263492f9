"""Consoles that print a text as it is: names of campaigns may hold brackets, which Rich would read as its markup."""

from rich.console import Console
from rich.text import Text

out = Console(markup=False)
plain = Console(markup=False, highlight=False, soft_wrap=True)
"For sentences: no colours of its own, and no line broken that a person copies."
err = Console(stderr=True, markup=False)
MARKS = {"done": Text("✓", "green"), "skipped": Text("–", "yellow"), "failed": Text("✗", "red")}
"By the state of a job or step."
