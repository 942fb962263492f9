"""Followers: PostgreSQL and S3 are made equal to what the pointer of the table store says is live.

The pointer is the authority. A follower never moves it, is never ahead of it, and can be retried at any time; a
roll-back is one more move to follow. Moves are counted by the publication log: of two writers the one that has seen
more moves is right, whichever nights they show.
"""

from collections.abc import Callable

from moe.errors import MoeError, Retriable
from moe.settings import settings


def followers() -> dict[str, Callable[[str, bool], str]]:
    """What is set to follow, by name."""
    found: dict[str, Callable[[str, bool], str]] = {}
    if settings().postgres_url:
        from moe.follow import postgresql

        found["PostgreSQL"] = postgresql.follow
    if settings().s3_url:
        from moe.follow import s3

        found["S3"] = s3.follow
    return found


def follow(unit: str, dry_run: bool = False) -> list[str]:
    """Make every follower equal to what is live; a sentence for each.

    One that fails does not keep the others. When all were tried, raises what the failed ones say: Retriable where
    another try may mend it. The release stays live in any case.
    """
    done: list[str] = []
    failed: dict[str, MoeError] = {}
    for name, step in followers().items():
        try:
            done.append(f"{name}: {step(unit, dry_run)}")
        except MoeError as error:
            failed[name] = error
    if failed:
        kind = Retriable if any(isinstance(error, Retriable) for error in failed.values()) else MoeError
        behind = [f"{name} is behind: {error.message}" for name, error in failed.items()]
        remedy = "; ".join(dict.fromkeys(error.remedy for error in failed.values()))
        raise kind("; ".join([*done, *behind]),
                   f"{remedy}. Then `moe follow --unit {unit}`; the release stays live in the table store")
    return done
