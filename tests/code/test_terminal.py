"""The terminal shows names and errors as they are: `[shoes]` is how an exact keyword is written, not a style."""

import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from moe import ledger, nightly, publish
from moe.cli import app
from moe.settings import settings
from moe.terminal import out, plain, print_rows

NIGHT = date(2026, 6, 30)
NAME = "[shoes] and [/x]"


def moe(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_error_is_printed_whole() -> None:
    done = subprocess.run([sys.executable, "-m", "moe.cli", "tables", "--unit", f"{NAME}.yml"], capture_output=True,
                          text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{NAME}.yml" in done.stderr.replace("\n", "") and "What to do: give the path" in done.stderr


def test_a_table_shows_names_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", 200)
    ledger.append({"job": "land", "unit": "advertiser", "date": str(NIGHT), "status": "failed", "rows_out": {},
                   "seconds": 1.0, "code": "c", "reason": f"no campaign {NAME}"})
    said = moe("ledger")
    assert f"no campaign {NAME}" in said and re.search(r" \d{8}T\d{6}Z ", said), "an instant, in UTC"
    publish.move("release", "advertiser", str(NIGHT), expected=None, effective=NIGHT, who="ann", reason=NAME, facts={})
    assert NAME in moe("release", "show")


def test_rows_whose_words_do_not_fit_beside_each_other_stand_below_each_other(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    names, why = ["line_name", "multiplier_percent", "reason"], "because better ones are raised"
    for width, beside in ((60, True), (40, False)):
        monkeypatch.setattr(out, "_width", width)
        print_rows(names, [[NAME, "7", why], [NAME, "8", why]], "two rows")
        said = capsys.readouterr().out
        assert bool(re.search(r"line_name .*multiplier_percent .*reason", said)) == beside
        assert "…" not in said and "two rows" in said
        assert bool(re.search(r"^multiplier_percent +8 *$", said, re.MULTILINE)) != beside
    print_rows(names, [], "no rows")
    said = capsys.readouterr().out
    assert "no rows" in said


@pytest.mark.parametrize("status", ["done", "skipped"])
def test_a_night_shows_what_its_jobs_say(status: str, capsys: pytest.CaptureFixture[str]) -> None:
    show = nightly._Show(plain)
    record = {"job": "land", "date": str(NIGHT), "status": status, "seconds": 1.0, "reason": NAME,
              "rows_out": {f"landing.{NAME}": 3}}
    for line in ({"step": "land", "status": "started"}, record, {"step": "land", "status": status, "says": ""}):
        show.take(line)
    said = capsys.readouterr().out
    assert f"{3 if status == 'done' else ''} {NAME}" in said


def test_what_failed_is_told_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = {"step": "land", "says": f"no file {NAME}", "remedy": f"deliver {NAME}"}
    nightly._print_failure(plain, failed, f"{NAME}.yml", NIGHT, tmp_path)
    said = capsys.readouterr().out
    for part in (f"no file {NAME}", f"What to do: deliver {NAME}", f"moe nightly --unit {NAME}.yml"):
        assert part in said


def test_an_address_is_shown_without_its_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moe.online.bring", lambda unit, day: "brought")
    assert f"Address: sqlite:///{home}" in moe("online", "--date", str(NIGHT)).replace("\n", "")
    for secret in ("plain", "a:b@c/d"):
        monkeypatch.setenv("MOE_ONLINE_STORE", f"redis://app:{secret}@cache.example:6379/2")
        settings.cache_clear()
        said = moe("online", "--date", str(NIGHT))
        assert "Address: redis://app:…@cache.example:6379/2?project=advertiser" in said and secret not in said
