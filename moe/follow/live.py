"""What a follower follows: the pointer, and the moves that led there."""

from dataclasses import dataclass
from datetime import date

from moe import publish
from moe.errors import MissingInput, MoeError


@dataclass(frozen=True)
class Live:
    """What is live in a unit, with every move that led there, oldest first."""

    unit: str
    moves: tuple[publish.Entry, ...]

    @property
    def entry(self) -> publish.Entry:
        return self.moves[-1]

    @property
    def night(self) -> date:
        return date.fromisoformat(self.entry.moved_to)


def live(unit: str) -> Live:
    """What the pointer says now. Raises MissingInput where nothing is live."""
    moves = publish.log("release", unit)
    if not moves:
        raise MissingInput(f"nothing is live for {unit}, so there is nothing to follow",
                           "run a night (`moe nightly`), or make a candidate live: `moe release publish`")
    return Live(unit, tuple(moves))


def other_store(where: str, now: Live, moves: int) -> MoeError:
    """The error where a follower has seen moves that are not in this store's log."""
    return MoeError(
        f"{where} follows another store: it stands at move {moves} of {now.unit}, which is not in this store's log of "
        f"{len(now.moves)}; nothing was written",
        "give this store a database or an S3 prefix of its own, or take that store over: moe restore "
        f"--unit {now.unit}, with MOE_HOME at an empty folder")
