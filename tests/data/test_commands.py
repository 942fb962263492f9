"""What the commands of `moe` print: names as they are, and for what is not there the way on."""

from datetime import date
from pathlib import Path

import pytest
from _stores import D1, D2, deliver, land, row, shop
from typer.testing import CliRunner

from moe import cli, release, terminal
from moe.errors import MoeError, PublishError

pytestmark = pytest.mark.usefixtures("home")


def test_names_with_brackets_are_printed_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal.out, "_width", 400)
    unit = shop(tmp_path / "shop")
    deliver(unit, D1, [row(D1, "Brand [exact]"), row(D1, "Sale [/red]")])
    land(unit, D1)
    words = ["show", "core.ad_performance__ad_day", "--unit", str(unit.folder / "unit.yml")]
    done = CliRunner().invoke(cli.app, words)
    assert "Brand [exact]" in done.output and "Sale [/red]" in done.output

    def fails() -> None:
        raise MoeError("no line 'Sale [/red]'", "one of: Brand [exact], " + "a long command " * 20)

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().err
    assert "no line 'Sale [/red]'" in said and "Brand [exact]" in said
    assert len(said.splitlines()) == 2, "a command in a remedy is not cut into lines"


@pytest.mark.parametrize(("table", "remedy"), [
    ("core.ad_performance__day", "core.ad_performance__ad_day"), ("x", "`moe tables` lists all of them"),
])
def test_a_table_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path, table: str, remedy: str) -> None:
    unit = shop(tmp_path / "shop")
    done = CliRunner().invoke(cli.app, ["show", table, "--unit", str(unit.folder / "unit.yml")])
    assert isinstance(done.exception, MoeError)
    assert table in done.exception.message and remedy in done.exception.remedy


def test_a_release_that_is_not_there_is_answered_with_what_to_do(tmp_path: Path) -> None:
    shop(tmp_path / "shop")
    for ask in (release.diff, lambda unit, night: release.make_live(unit, night, who="ann", reason="test")):
        with pytest.raises(PublishError, match="2026-03-02 has no release for shop") as caught:
            ask("shop", D2)
        assert "moe nightly --no-publish" in caught.value.remedy
    with pytest.raises(PublishError, match="was never live"):
        release.make_live("shop", date(2020, 1, 1), who="ann", reason="test", back=True)
