"""The errors that a person reads: each says what is wrong and what to do."""

from pydantic import ValidationError


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
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
