"""The errors that a person reads: each says what is wrong and what to do."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails


class MoeError(Exception):
    """Something a person can put right. `remedy` says how."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}\n  What to do: {remedy}")
        self.message = message
        self.remedy = remedy


class FileFault(MoeError):
    """A delivery that cannot be taken in: nothing was replaced."""


class MissingFile(FileFault):
    """The delivery is not there: the source's `late` says what a night does."""


class MissingInput(MoeError):
    """A job's input partition is not there."""


class PublishError(MoeError):
    """A release or model that may not go live."""


class Retriable(MoeError):
    """What another try may mend: a service that does not answer, a race that was lost."""


def key_faults(error: ValidationError) -> str:
    """Each key at fault in a configuration file, with what is wrong with it."""
    return "; ".join(": ".join(filter(None, (".".join(map(str, e["loc"])), _in_words(e))))
                     for e in error.errors(include_url=False))


def _in_words(fault: ErrorDetails) -> str:
    """What Pydantic found, for people who write the file; its own words where it says it well."""
    given = repr(fault["input"])
    match fault["type"]:
        case "extra_forbidden":
            return "there is no such key here: look for a typing error"
        case "missing":
            return "it is missing"
        case "decimal_parsing" | "float_parsing" | "int_parsing":
            return f"{given} is no number: write plain digits, such as 1250.00"
        case "string_pattern_mismatch":
            return f"{given} does not have the form {fault['ctx']['pattern']}"
        case _:
            return fault["msg"].removeprefix("Value error, ")
