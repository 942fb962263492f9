"""Writes the nights' deliveries, each folder beside and then moved into place: a kill leaves no half."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path

from simulator.files import write_parquet
from simulator.google_ads import write_google_histories, write_google_report
from simulator.meta_ads import write_meta_histories, write_meta_reports
from simulator.orders import write_orders
from simulator.truth import truth_of_day
from simulator.web import write_events
from simulator.world import World, date_of

Writer = Callable[[World, int, Path], None]  # world, night (counted from the first day), folder

SOURCES: dict[str, tuple[Writer, ...]] = {
    "google_ads": (write_google_report, write_google_histories),
    "meta_ads": (write_meta_reports, write_meta_histories),
    "web": (write_events,),
    "shop": (write_orders,),
}


def deliver(
    world: World,
    through: date,
    deliveries: Path,
    truth: Path,
    report: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write the nights from the world's first day to `through` that are not there; return the new folders.

    A night's bytes depend on the world and the night alone. Each day's truth goes to `truth/<date>.parquet`.
    Raises ValueError if the folder holds another world's deliveries.
    """
    _claim(world, truth)
    new = []
    for night in range((through - world.first_day).days + 1):
        day = date_of(world, night).isoformat()
        missing = [source for source in SOURCES if not (deliveries / source / day).exists()]
        for source in missing:
            new.append(_write_night(world, night, deliveries, source))
        if not (truth / f"{day}.parquet").exists():
            beside = truth / f".{day}.parquet"
            write_parquet(beside, truth_of_day(world, night))
            beside.replace(truth / f"{day}.parquet")
        if missing:
            report(f"{day}: delivered {', '.join(missing)}")
    return new


def _write_night(world: World, night: int, deliveries: Path, source: str) -> Path:
    place = deliveries / source / date_of(world, night).isoformat()
    # outside the source's folder, so that no reader of nights ever meets it
    beside = deliveries / ".beside" / f"{source}-{place.name}"
    if beside.exists():
        shutil.rmtree(beside)
    beside.mkdir(parents=True)
    for write in SOURCES[source]:
        write(world, night, beside)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside.rename(place)
    if not any(beside.parent.iterdir()):
        beside.parent.rmdir()
    return place


def _claim(world: World, truth: Path) -> None:
    """Nights of two worlds in one folder would contradict each other."""
    truth.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(world), default=str, indent=2) + "\n"
    path = truth / "world.json"
    if path.exists() and path.read_text() != text:
        raise ValueError(f"{path} holds another world: choose other folders, or its settings")
    if not path.exists():
        path.with_suffix(".part").write_text(text)
        path.with_suffix(".part").replace(path)
