"""Whole nights of the real company at a desk: what goes live is in PostgreSQL and S3, and a roll-back too."""

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from services import PASSWORD, Postgres

from moe import nightly, tables
from moe.settings import settings

UNIT = "display_followed"
NIGHTS = [date(2020, 6, 1), date(2020, 6, 2)]


@pytest.fixture
def company(home: Path) -> Path:
    """The file of the real company's unit with a short history."""
    text = (settings().shipped_units / "online_ads" / "unit.yml").read_text(encoding="utf-8")
    for old, new in (("unit: online_ads", f"unit: {UNIT}"), ("2020-04-01\n", "2020-05-24\n")):
        assert old in text
        text = text.replace(old, new)
    path = home / UNIT / "unit.yml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.all
def test_two_nights_and_a_roll_back(company: Path, home: Path, bucket: Any, postgres: Postgres, database: str,
                                    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MOE_POSTGRES_URL", postgres.url(database))
    settings.cache_clear()

    def there() -> tuple[date, Decimal, str]:
        rows = postgres.execute("select night, sum(budget) from moe.live_budget__line group by night", database)
        shown = json.loads(bucket.Object(f"lake/live/{UNIT}.json").get()["Body"].read())
        ((night, total),) = rows
        assert f"reports/{UNIT}/{night}/index.html" in shown["files"], "S3 was followed before the page was there"
        return night, total, shown["night"]

    def wanted(night: date) -> tuple[date, Decimal, str]:
        return night, tables.read("out.release__night", UNIT, night)["total"][0].as_py(), night.isoformat()

    for night in NIGHTS:
        assert nightly.nightly(str(company), night) == 0, capsys.readouterr().out
        assert "✓ follow" in capsys.readouterr().out
        assert there() == wanted(night)
    back = subprocess.run(
        [sys.executable, "-m", "moe.cli", "release", "rollback", "--unit", str(company), "--who", "a person",
         "--reason", "a test", NIGHTS[0].isoformat()], check=True, capture_output=True, text=True)
    assert f"PostgreSQL: {NIGHTS[1]} → {NIGHTS[0]}" in back.stdout and f"S3: {NIGHTS[1]} → {NIGHTS[0]}" in back.stdout
    assert there() == wanted(NIGHTS[0])
    assert nightly.nightly(str(company), NIGHTS[1], publish=False) == 0
    assert "moves no follower" in capsys.readouterr().out
    assert there() == wanted(NIGHTS[0])
    for log in home.rglob("*.log"):
        assert PASSWORD not in log.read_text(encoding="utf-8", errors="replace")
