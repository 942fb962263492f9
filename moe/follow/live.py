"""What a follower follows: the pointer, and the moves that led there."""

import hashlib
import json
from dataclasses import asdict, dataclass
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

    def history(self, moves: int | None = None) -> str:
        """Hash of the first moves, of all where no number is given: what two stores do not have in common."""
        text = json.dumps([asdict(entry) for entry in self.moves[:moves]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def knows(self, move: int, history: str) -> bool:
        """Whether something was written by this store, at a move that it has made."""
        return 0 < move <= len(self.moves) and history == self.history(move)


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
