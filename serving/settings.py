"""The settings of the service, read once from `SERVING_…` variables."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from serving.problems import ServingError

PREFIX = "SERVING_"


@dataclass(frozen=True)
class Settings:
    """Every setting; the variable of `poll_seconds` is SERVING_POLL_SECONDS."""

    pointer: Path
    "The publication pointer of the unit's model, `<published>/model/<unit>.json`."
    bundles: Path
    "The folder of the bundles by version."
    keys: Path | None = None
    "The file of API keys (`python -m serving keys add`)."
    open: bool = False
    "1: answer without a key. Only said explicitly."
    online: str = ""
    "The online store, `sqlite:///path?project=…` or `redis://host:port/0?project=…`; none: no look-up."
    online_seconds: float = 0.25
    "How long a look-up may take before historical rates answer instead."
    decisions: Path | None = None
    "The folder of the decision log; none: no log."
    log_rows: int = 50_000
    log_seconds: float = 60.0
    "A file of the decision log is closed at so many rows or seconds; a kill -9 loses what is not closed."
    queue_rows: int = 200_000
    "Rows that wait for the decision log at most; more are dropped and counted."
    host: str = "127.0.0.1"
    port: int = 8080
    body_bytes: int = 4 * 2**20
    batch_rows: int = 10_000
    poll_seconds: float = 1.0
    "How often the pointer and the keys are looked at."
    stop_seconds: float = 30.0
    "How long requests in flight may take once the service is told to stop."

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises ServingError that names the variable which is missing, unknown or cannot be read."""
        known = {PREFIX + field.name.upper(): field for field in fields(cls)}
        if unknown := sorted(n for n in environment if n.startswith(PREFIX) and n not in known):
            raise ServingError(f"unknown settings: {', '.join(unknown)}", f"the settings are {', '.join(known)}")
        for name, field in known.items():
            if field.default is MISSING and not environment.get(name):
                raise ServingError(f"{name} is not set", f"set it: see {__name__.replace('.', '/')}.py")
        made: dict[str, Any] = {}
        for name, text in environment.items():
            if name in known and text:
                try:
                    made[known[name].name] = _typed(known[name].type, text)
                except ValueError as error:
                    raise ServingError(f"{name}={text} cannot be read: {error}", "mend it or leave it out") from error
        return cls(**made)


def _typed(kind: Any, text: str) -> Any:
    if kind is bool:
        if text not in ("0", "1"):
            raise ValueError("give 1 or 0")
        return text == "1"
    if kind in (int, float):
        if not (value := kind(text)) > 0:
            raise ValueError("give a number above 0")
        return value
    return text if kind is str else Path(text).expanduser().resolve()
