"""A small advertiser of one's own: unit, mapping and deliveries written by the tests, landed by the real runner."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import yaml

from moe import runner, tables
from moe.contracts import contract
from moe.jobs import find
from moe.settings import settings
from moe.units import Unit, load_unit

ADS, QUARANTINE, FINDINGS = "core.ad_performance__ad_day", "core.quarantine__row", "core.warning__finding"
D1 = date(2026, 3, 1)
D2, D3, D4 = (D1 + timedelta(days=n) for n in (1, 2, 3))
MEASURES = ("impressions", "clicks", "spend", "conversions", "conversion_value")
LAND = find(["land"])

UNIT: dict[str, Any] = {
    "unit": "shop", "name": "Test shop", "currency": "EUR", "first_night": D1, "line": ["campaign_id"],
    "rates": [{"currency": "USD", "since": D1, "rate": "0.9"}, {"currency": "USD", "since": D3, "rate": "0.8"}],
    "budget": {"total": "100"}, "bids": {"cap": "1"},
    "sources": [{"name": "ads", "mapping": "ads.yml", "path": "deliveries/{night}"}],
}
MAPPING: dict[str, Any] = {
    "description": "A flat report.", "fills": ADS, "window_days": 3, "files": {"report": {"path": "report.csv"}},
    "columns": {
        "business_date": "day", "platform": {"constant": "display"}, "account_id": "account",
        "campaign_id": "campaign", "campaign_name": "campaign", "segment": "device", "impressions": "impressions",
        "clicks": "clicks", "spend": "cost", "currency": "currency", "conversions": "conversions",
        "conversion_value": "value",
    },
}
COLUMNS = ("day", "account", "campaign", "device", "impressions", "clicks", "cost", "currency", "conversions", "value")


def shop(folder: Path, unit: dict[str, Any] | None = None, mapping: dict[str, Any] | None = None) -> Unit:
    """Write a unit and its mapping, changed as given, and load it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ads.yml").write_text(yaml.safe_dump({**MAPPING, **(mapping or {})}, sort_keys=False))
    (folder / "unit.yml").write_text(yaml.safe_dump({**UNIT, **(unit or {})}, sort_keys=False))
    return load_unit(str(folder / "unit.yml"))


def row(day: date, campaign: str = "brand", **changes: Any) -> dict[str, Any]:
    """One delivered row, as text."""
    whole = {"day": day, "account": "a1", "campaign": campaign, "device": "mobile", "impressions": 100, "clicks": 10,
             "cost": "1.25", "currency": "EUR", "conversions": "0.5", "value": "12.5"}
    return {name: str(value) for name, value in (whole | changes).items()}


def rows(day: date, count: int = 200) -> list[dict[str, Any]]:
    return [row(day, f"c{n}", impressions=1000 + n, clicks=n, cost=f"{n}.01") for n in range(count)]


def deliver(unit: Unit, night: date, delivered: list[dict[str, Any]], name: str = "report.csv",
            columns: tuple[str, ...] = COLUMNS) -> Path:
    """Hand over rows for a night as CSV, gzipped CSV or Parquet, by the file's name."""
    path = unit.folder / "deliveries" / night.isoformat() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(delivered, columns=list(columns))
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pandas(frame.astype(str), preserve_index=False), path)
        return path
    text = frame.to_csv(index=False).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if name.endswith(".gz") else text)
    return path


def land(unit: Unit, *nights: date, replace: bool = False) -> list[runner.Record]:
    return runner.run(LAND, unit, nights, replace=replace)


def read(table: str, unit: Unit, night: date) -> list[dict[str, Any]]:
    return tables.read(table, unit.unit, night).to_pylist()


def known(unit: Unit, night: date, table: str = ADS) -> list[dict[str, Any]]:
    """A core table as of a night."""
    return runner.as_of(contract(table), unit.unit, night, unit.first_night).to_pylist()


def totals(found: list[dict[str, Any]], names: tuple[str, ...] = MEASURES) -> dict[str, Decimal]:
    return {name: sum((Decimal(r[name]) for r in found if r[name] is not None), Decimal(0)) for name in names}


def store_bytes() -> dict[str, str]:
    """A hash of every file of the store, temporaries too."""
    return {str(p.relative_to(settings().store)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(settings().store.rglob("*")) if p.is_file()}


def ledger_of(unit: Unit, night: date) -> list[dict[str, Any]]:
    return [json.loads(p.read_text()) for p in sorted((settings().ledger / unit.unit / str(night)).iterdir())]


def python(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A process of its own with this test's settings."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], text=True, cwd=settings().root,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | environment | {"PYTHONPATH": str(settings().root)})


def changed(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a delivered file's bytes; a gzipped one's content."""
    data = path.read_bytes()
    path.write_bytes(gzip.compress(change(gzip.decompress(data)), mtime=0) if path.suffix == ".gz" else change(data))
