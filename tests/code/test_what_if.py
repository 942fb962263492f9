"""`moe what-if`: the night is decided again with a change, in memory, by the night's own job."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from decisions.names import names_it
from decisions.what_if import Answer, ask
from decisions.what_if.asked import asked
from decisions.what_if.scenario import World
from decisions.what_if.scenario import find as find_subject
from decisions.what_if.tree import lines_of, with_group
from moe import frames, runner, tables
from moe.cli import app
from moe.contracts import contract
from moe.errors import MoeError
from moe.jobs import Night, find
from moe.settings import settings
from moe.units import Group, Unit
from moe.what_if import _write
from tests.code import test_decision_jobs as world

D = world.D
SEARCH = {"alpha", "gamma"}
"Lines of google_ads; beta is of meta_ads."


def stored(table: str, rows: pa.Table) -> None:
    bare = rows.drop_columns([c for c in ("unit", "night") if c in rows.column_names])
    written = frames.write(bare, contract(table), "advertiser", D)
    tables.put_in_place(written.temporary, written.target)


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with one decided night of three lines on two platforms, and a lock and a month's total of Ana."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOE_HOME", str(tmp_path_factory.mktemp("home")))
        settings.cache_clear()
        rows = [r | {"platform": "google_ads" if r["line_id"] in SEARCH else "meta_ads"}
                for r in world.history(unplaced=False).to_pylist()]
        past = pa.Table.from_pylist(rows, schema=contract(HISTORY).schema)
        night = Night(world.unit(), D)
        stored(HISTORY, past)
        for table, found in world.fitted_curves(night, past).items():
            stored(table, found)
        runner.run(find(["allocate"]), night.unit, [D])
        yield settings().home
    settings.cache_clear()


HISTORY = "marts.ad_performance__line_day"


@pytest.fixture
def people(decided: Path) -> Iterator[None]:
    """Ana locks beta and sets the month's total."""
    rows = [world.override(override_id="o1", line_id="beta", amount=Decimal("280.00")),
            world.override(override_id="o2", kind="monthly_total", line_id=None, amount=Decimal("28210.00"),
                           until=D + timedelta(days=31))]
    table = "core.override__override"
    stored(table, pa.Table.from_pylist([{"unit": "advertiser", "night": D} | r for r in rows],
                                       schema=contract(table).schema))
    yield
    tables.partition(table, "advertiser", D).unlink()


def after(answer: Answer) -> dict[str, Decimal]:
    assert answer.conflict is None, answer.conflict
    return {line.line_id: line.budget_after for line in answer.lines}


def before(answer: Answer) -> dict[str, Decimal]:
    return {line.line_id: line.budget_before for line in answer.lines}


def spent(budgets: dict[str, Decimal], lines: set[str]) -> Decimal:
    return sum((budgets[line] for line in lines), Decimal(0))


def test_more_money_gains_what_the_draws_say_and_less_costs(decided: Path) -> None:
    more, less = (ask(world.unit(), D, [f"total={sign}10%"]) for sign in "+-")
    assert (more.total_before, more.total_after, less.total_after) == (Decimal(900), Decimal(990), Decimal(810))
    assert sum(after(more).values()) == 990 and sum(before(more).values()) == 900
    assert more.gain > 0 > less.gain
    assert more.gain < -less.gain  # returns diminish
    assert more.probability_better is not None and more.probability_better > 0.9 > 0.1 > (less.probability_better or 0)
    assert more.gain_low is not None and more.gain_high is not None and more.gain_low <= more.gain <= more.gain_high
    assert less.price_after > less.price_before > more.price_after
    moved = [abs(line.change) for line in more.lines]
    assert moved == sorted(moved, reverse=True)


def test_what_lines_bring_to_each_other_counts_in_the_range_of_the_gain(decided: Path) -> None:
    halo = [{"givers": ["alpha"], "receivers": ["gamma"], "share": 0.9}]
    answer = ask(world.unit(interactions=halo), D, ["alpha.cap=300"])
    assert answer.gain_low is not None and answer.gain_high is not None
    assert answer.gain_low <= answer.gain <= answer.gain_high < 0
    plain = ask(world.unit(), D, ["alpha.cap=300"])
    assert answer.gain_high < (plain.gain_low or 0), "less of the giver costs what it brought to the other"


def test_an_answer_is_what_the_night_would_say_with_the_setting_in_the_units_file(decided: Path) -> None:
    answer = ask(world.unit(), D, ["total=950", "max_step=30%", "gamma.cap=210"])
    changed = Night(world.unit(total="950.00", max_step=0.3), D)
    inputs = runner.inputs(find(["allocate"])[0], changed)
    cap = world.override(kind="cap", line_id="gamma", amount=Decimal("210.00"))
    said = pa.Table.from_pylist([{"unit": "advertiser", "night": D} | cap],
                                schema=contract("core.override__override").schema)
    assert after(answer) == world.budgets(world.allocate(changed, **(inputs | {"overrides": said})))


@pytest.mark.parametrize(("name", "lines", "more"), [
    ("google_ads", SEARCH, -20), ("google", SEARCH, -20), ("META", {"beta"}, 20),
])
def test_a_platform_spends_what_is_asked_and_the_rest_of_the_total_goes_elsewhere(
    decided: Path, name: str, lines: set[str], more: int
) -> None:
    planned = spent(before(ask(world.unit(), D, ["max_step=100%"])), lines)
    answer = ask(world.unit(), D, [f"{name}.total={more:+d}"])
    assert spent(after(answer), lines) == planned + more
    assert sum(after(answer).values()) == 900
    assert answer.gain <= 1e-9  # a limit never helps


def test_floors_and_caps_of_a_group_hold_beside_each_other_and_those_of_lines(decided: Path) -> None:
    answer = ask(world.unit(), D, ["google.floor=600", "google.cap=605", "alpha.lock=390", "max_step=50%"])
    got = after(answer)
    assert 600 <= spent(got, SEARCH) <= 605 and got["alpha"] == 390
    assert len(answer.changes) == 4


def test_a_group_of_the_units_own_is_changed_in_place(decided: Path) -> None:
    unit = world.unit(max_step=0.5, groups=[{"name": "core", "lines": ["alpha", "beta"], "cap": "650.00"}])
    answer = ask(unit, D, ["core.cap=-50"])
    assert spent(before(answer), {"alpha", "beta"}) <= 650 and spent(after(answer), {"alpha", "beta"}) <= 600
    assert "650.00 → 600.00" in answer.changes[0]


def test_what_people_said_holds_and_can_be_left_aside(decided: Path, people: None) -> None:
    held = ask(world.unit(), D, ["max_step=30%"])
    assert held.total_before == 910 and before(held)["beta"] == after(held)["beta"] == 280  # 28,210 over 31 days
    free = ask(world.unit(), D, ["beta.lock=none"])
    assert after(free)["beta"] != 280 and free.gain >= 0
    other = ask(world.unit(), D, ["beta.cap=270", "total=900"])
    assert after(other)["beta"] <= 270 and sum(after(other).values()) == 900
    assert "the lock of Ana is left aside" in other.changes[0]
    assert "the month's total of 28,210.00 (Ana) is left aside" in other.changes[1]


def test_what_cannot_be_done_names_the_limits_in_conflict_and_the_cheapest_repair(decided: Path) -> None:
    answer = ask(world.unit(), D, ["google.total=800"])  # the largest step allows 720
    assert answer.conflict is not None and not answer.lines
    assert any("google_ads" in text for text in answer.conflict.limits)
    assert answer.conflict.repair and answer.conflict.wider_step == 0.75
    assert spent(after(ask(world.unit(), D, ["google.total=800", "max_step=75%"])), SEARCH) == 800
    assert ask(world.unit(), D, ["google.total=800", "max_step=50%"]).conflict is not None
    over = ask(world.unit(), D, ["alpha.floor=700", "gamma.floor=400"])
    assert over.conflict is not None and "900.00" in over.conflict.said and over.conflict.wider_step is None


def test_nothing_is_written(decided: Path) -> None:
    def all_files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(decided.rglob("*")) if path.is_file()}

    there = all_files()
    ask(world.unit(), None, ["total=+5%", "google.cap=500"])
    ask(world.unit(), None, ["google.total=800"])
    assert all_files() == there


def test_a_campaign_s_own_name_goes_before_longer_ones_that_hold_it() -> None:
    names = {"g / 1": "google_ads · Brand | West", "g / 2": "google_ads · Non-Brand | West"}
    known = World(D, Decimal(100), names, {"google_ads": set(names)}, {})
    assert find_subject("brand | west", "cap", (), known) == ("line", "g / 1")
    assert find_subject("google_ads", "cap", (), known) == ("platform", "google_ads")
    with pytest.raises(MoeError, match="can mean 2 lines"):
        find_subject("rand", "cap", (), known)


def test_the_same_question_has_the_same_answer(decided: Path) -> None:
    first, second = (ask(world.unit(), D, ["total=+5%"]) for _ in range(2))
    assert first.lines == second.lines and first.probability_better == second.probability_better


@pytest.mark.parametrize(("text", "said"), [
    ("total", "not a change"), ("totl=5", "did you mean total"), ("alpha.lok=5", "did you mean lock"),
    ("total=5.001", "two decimals"), ("total=1.500", "two decimals"), ("total=10%", "of what"),
    ("total=a lot", "not an amount"),
    ("alhpa.lock=5", "Alpha (alpha)"), ("gogle.cap=5", "platform google_ads"), ("a.lock=5", "can mean 3 lines"),
    ("google.lock=5", "no single line"), ("alpha.total=5", "one line"), ("total=-5000", "0 or more"),
    ("total=none", "needs its total"), ("alpha.cap=none", "nobody set a cap"), ("zzz.cap=1", "meta_ads"),
    ("max_step=0", "max_step"),
])
def test_a_change_that_makes_no_sense_says_what_to_write(decided: Path, text: str, said: str) -> None:
    with pytest.raises(MoeError) as error:
        ask(world.unit(), D, [text])
    assert said in str(error.value)


def test_one_limit_is_changed_once_and_a_night_must_be_there(decided: Path) -> None:
    with pytest.raises(MoeError, match="another --set"):
        asked(["a.cap=5", "b.cap=5", "a.cap=6"])
    with pytest.raises(MoeError, match=f"newest, {D}"):
        ask(world.unit(), D + timedelta(days=1), ["total=5"])


NAMES = {line: line.upper() for line in "abcdef"}


def test_a_platform_finds_its_place_in_the_tree_of_groups() -> None:
    groups = (Group(name="all", lines=("e",)), Group(name="north", lines=("a", "b"), parent="all"),
              Group(name="brand", lines=("A",), parent="north", floor=Decimal(5)))
    groups = (*groups[:1], groups[1].model_copy(update={"lines": ("b",)}), groups[2])
    tree = with_group(groups, "p", {"a", "b", "e"}, NAMES)  # around north, as large as `all`
    under = lines_of(tree, NAMES)
    assert under["p"] == {"a", "b", "e"} and under["north"] == {"a", "b"} and under["brand"] == {"a"}
    small = lines_of(with_group(groups, "p", {"b"}, NAMES), NAMES)  # within north, beside brand
    assert small["p"] == {"b"} and small["north"] == {"a", "b"} and small["all"] == {"a", "b", "e"}
    assert lines_of(with_group(groups, "p", {"c", "d"}, NAMES), NAMES)["p"] == {"c", "d"}
    with pytest.raises(MoeError, match="are no tree"):
        with_group(groups, "p", {"a", "c"}, NAMES)


def test_a_line_whose_id_looks_like_a_pattern_stays_itself() -> None:
    names = {"x [1]": "one", "x 1": "two"}
    assert lines_of(with_group((), "p", {"x [1]"}, names), names)["p"] == {"x [1]"}


def test_all_but_a_star_stands_for_itself() -> None:
    assert names_it(["Brand [exact]"], "1", "Brand [exact]") and names_it(["why? *"], "why? now", "")
    assert not names_it(["Brand [exact]"], "1", "Brand e") and not names_it(["why?"], "whys", "")


def test_a_share_grows_by_a_share_to_the_end() -> None:
    assert "25 % → 27.5 %" in " ".join(ask(world.unit(max_step=0.25), D, ["max_step=+10%"]).changes)


def test_a_name_that_a_spreadsheet_would_run_is_text_in_the_file(decided: Path, tmp_path: Path) -> None:
    answer = ask(world.unit(), D, ["total=+10%"])
    lines = (replace(answer.lines[0], line_name='=HYPERLINK("http://x","y")'), *answer.lines[1:])
    _write(replace(answer, lines=lines), tmp_path / "lines.csv")
    rows = list(csv.DictReader((tmp_path / "lines.csv").open(encoding="utf-8-sig")))
    assert rows[0]["line_name"] == '\'=HYPERLINK("http://x","y")'


def said(*words: str) -> Any:
    return CliRunner().invoke(app, ["what-if", *words])


def test_the_command_prints_files_and_its_own_exit_code_for_what_cannot_be_done(
    decided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unit(_: str) -> Unit:
        return world.unit()

    monkeypatch.setattr("moe.what_if.load_unit", unit)
    text = said("--set", "total=+10%", "--csv", str(tmp_path / "lines.csv"))
    assert text.exit_code == 0 and "900.00 → 990.00" in text.output and "Probability" in text.output
    rows = list(csv.DictReader((tmp_path / "lines.csv").open(encoding="utf-8-sig")))
    assert list(rows[0])[:5] == ["line_id", "line_name", "platform", "budget_before", "budget_after"]
    assert sum(Decimal(row["budget_after"]) for row in rows) == 990 and len(rows) == 3
    with pytest.raises(MoeError, match=r"lines\.csv cannot be written: No such file"):
        raise said("--set", "total=+10%", "--csv", str(tmp_path / "none" / "lines.csv")).exception
    data = json.loads(said("--set", "total=+10%", "--json").output)
    assert data["total_after"] == "990.00" and data["gain"] > 0
    refused = said("--set", "google.total=800")
    assert refused.exit_code == 2 and "The cheapest way out" in refused.output


def test_where_steps_are_used_up_it_says_why_the_next_unit_returns_nothing(
    decided: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moe.what_if.load_unit", lambda _: world.unit())
    for total, stuck in (("+15%", False), ("+20%", True)):
        told = said("--set", f"total={total}")
        assert told.exit_code == 0
        assert ("No line can take another USD: each rests on a limit" in " ".join(told.output.split())) == stuck
