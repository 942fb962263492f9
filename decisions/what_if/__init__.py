"""What a change of the plan would do: the night is decided again with it, in memory, beside what was decided.

    from decisions.what_if import ask
    answer = ask(unit, night, ["google.total=+10%"])

Nothing is written. The job `allocate` is asked itself, with the inputs that it declares, so that an answer is what the
night would have said.
"""

from decisions.what_if.answer import Answer, Conflict, Line, ask

__all__ = ["Answer", "Conflict", "Line", "ask"]
