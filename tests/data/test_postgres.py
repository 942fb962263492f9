"""PostgreSQL follows what is live: exact, whole or not at all, and never another way round."""

import logging
import re
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from _releases import BUDGETS, D1, D2, D3, TABLES, UNIT, publish_night, put, shown, stored, write
from _stores import python
from services import PASSWORD, Postgres, free_port

from moe import contracts, follow, publish, release
from moe.errors import MoeError, Retriable
from moe.settings import settings

FOLLOW = "import sys; from moe import follow; print(follow.follow(sys.argv[1]))"
NAMES = [name.partition(".")[2] for name in TABLES]


@pytest.fixture(autouse=True)
def followed(home: Path, postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_url(monkeypatch, postgres.url(database))


@pytest.fixture
def connection(postgres: Postgres, database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres.url(database), autocommit=True) as found:
        yield found


def set_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MOE_POSTGRES_URL", url)
    settings.cache_clear()


def everything(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    return {name: shown(connection, name) for name in (*NAMES, *(f"live_{name}" for name in NAMES), "live_release")}


def night_shown(connection: psycopg.Connection[Any]) -> date:
    (row,) = connection.execute("select night from moe.live_release").fetchall()
    return date.fromisoformat(str(row[0]))


def test_rows_in_are_rows_out_to_the_cent(connection: psycopg.Connection[Any]) -> None:
    publish_night(D1)
    assert follow.follow(UNIT) == [f"PostgreSQL: nothing → {D1}, 3 lines, 6 bids"]
    for name in TABLES:
        table = name.partition(".")[2]
        assert shown(connection, table) == shown(connection, f"live_{table}") == stored(name, D1)
    (total,) = connection.execute("select sum(budget) from moe.live_budget__line").fetchall()
    assert total == (sum(BUDGETS.values()),)
    (row,) = shown(connection, "live_release")
    entry = publish.live("release", UNIT)
    assert entry and (row["night"], row["move"], row["moved_by"]) == (D1, 1, entry.who)


def test_again_gives_the_same_and_a_dry_run_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    publish_night(D1)
    assert follow.follow(UNIT, dry_run=True) == [f"PostgreSQL: would go nothing → {D1}, 3 lines, 6 bids"]
    assert connection.execute("select to_regnamespace('moe')").fetchone() == (None,)
    follow.follow(UNIT)
    first = everything(connection)
    assert follow.follow(UNIT) == [f"PostgreSQL: {D1} → {D1}, 3 lines, 6 bids"]
    assert everything(connection) == first


def test_a_roll_back_is_followed(connection: psycopg.Connection[Any]) -> None:
    publish_night(D1, {"brand": Decimal("1.00")})
    publish_night(D2, {"brand": Decimal("2.00"), "video": Decimal("3.00")})
    follow.follow(UNIT)
    assert night_shown(connection) == D2
    release.make_live(UNIT, D1, who="a person", reason="a mistake", back=True)
    follow.follow(UNIT)
    assert night_shown(connection) == D1
    assert shown(connection, "live_budget__line") == stored("out.budget__line", D1)
    assert len(shown(connection, "budget__line")) == 3, "the rows of the night that was live before stay"
    assert shown(connection, "live_release")[0]["move"] == 3


def test_another_store_is_refused_whatever_its_night(connection: psycopg.Connection[Any], tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    publish_night(D1)
    publish_night(D2)
    follow.follow(UNIT)
    first = everything(connection)
    for moves in ([D3], [D1, D2, D3]):  # fewer moves, and more
        monkeypatch.setenv("MOE_HOME", str(tmp_path / f"other {len(moves)}"))
        settings.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(publish, "datetime", _Later)
            for night in moves:
                publish_night(night)
        with pytest.raises(MoeError, match="follows another store") as refused:
            follow.follow(UNIT)
        assert "moe restore" in refused.value.remedy
        assert everything(connection) == first


class _Later:
    @staticmethod
    def now(zone: Any) -> Any:
        from datetime import datetime

        return datetime(2030, 1, 1, tzinfo=zone)


@pytest.mark.parametrize("point", ["copied:postgresql", "moved:postgresql"])
def test_killed_on_the_way_then_retried(connection: psycopg.Connection[Any], point: str) -> None:
    publish_night(D1)
    follow.follow(UNIT)
    publish_night(D2, {"video": Decimal("7.77")})
    process = python(FOLLOW, UNIT, MOE_KILL_AT=point)
    assert process.communicate() and process.returncode == -signal.SIGKILL
    whole = D1 if point == "copied:postgresql" else D2
    assert night_shown(connection) == whole
    assert shown(connection, "live_budget__line") == stored("out.budget__line", whole)
    follow.follow(UNIT)
    assert night_shown(connection) == D2
    assert shown(connection, "live_budget__line") == stored("out.budget__line", D2)
    assert len(shown(connection, "budget__line")) == 4


def test_many_at_once_are_one_after_the_other(connection: psycopg.Connection[Any]) -> None:
    publish_night(D1)
    failed: list[BaseException] = []

    def one() -> None:
        try:
            follow.follow(UNIT)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert shown(connection, "live_budget__line") == stored("out.budget__line", D1)


NASTY = ["'); drop schema moe cascade; --", '"quoted" \\ back\\slash', "tab\tand\nnew line", "\\.", "%s {} $1", "ü 🛒"]


def test_names_are_values_and_nothing_else(connection: psycopg.Connection[Any]) -> None:
    unit = "o'neil\"; drop table moe.live_release; --"
    write(D1, {name: Decimal("1.00") for name in NASTY}, unit)
    publish.move("release", unit, D1.isoformat(), expected=None, effective=D1, who="x'; --", reason="'); --", facts={})
    for _ in range(2):
        follow.follow(unit)
    assert shown(connection, "live_budget__line") == stored("out.budget__line", D1, unit)
    assert {row["line_name"] for row in shown(connection, "budget__line")} == set(NASTY)
    assert [row["unit"] for row in shown(connection, "live_release")] == [unit]


def test_what_text_cannot_hold_is_told(connection: psycopg.Connection[Any]) -> None:
    publish_night(D1)
    follow.follow(UNIT)
    publish_night(D2, {"nul \x00": Decimal("1.00")})
    with pytest.raises(MoeError, match="PostgreSQL is behind"):
        follow.follow(UNIT)
    assert night_shown(connection) == D1


@contextmanager
def no_password(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[list[MoeError]]:
    """An error is raised, and neither it, nor its traceback, nor anything printed or logged holds a password."""
    caught: list[MoeError] = []
    with caplog.at_level(logging.DEBUG):
        try:
            yield caught
        except MoeError as error:
            caught.append(error)
    (error,) = caught
    printed = capsys.readouterr()
    text = "".join(traceback.format_exception(error)) + caplog.text + printed.out + printed.err + repr(settings())
    for secret in (PASSWORD, "w0rd", "s3cret"):
        assert secret not in text


@pytest.mark.parametrize("fault", ["closed", "password", "database"])
def test_a_server_that_does_not_answer(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, fault: str, caplog: Any,
                                       capsys: Any) -> None:
    publish_night(D1)
    url = {"closed": Postgres(free_port()).url(), "password": postgres.url(password=f"wrong {PASSWORD}"),
           "database": postgres.url("nowhere")}[fault]
    set_url(monkeypatch, url)
    with no_password(caplog, capsys) as caught:
        follow.follow(UNIT)
    assert isinstance(caught[0], Retriable) and "PostgreSQL is behind: PostgreSQL at 127.0.0.1" in caught[0].message
    assert f"moe follow --unit {UNIT}" in caught[0].remedy and "stays live" in caught[0].remedy
    entry = publish.live("release", UNIT)
    assert entry and entry.moved_to == D1.isoformat()


@pytest.mark.parametrize("url", [
    f"postgresql://moe:{PASSWORD}@127.0.0.1/moe", "postgresql://moe:s3cret%w0rd@127.0.0.1/moe",
    "postgresql://moe:s3cret/w0rd@127.0.0.1/moe", "mysql://moe:s3cretw0rd@127.0.0.1/moe",
    "postgresql://moe:s3cret#w0rd@127.0.0.1/moe",
])
def test_an_address_that_is_none_is_not_repeated(monkeypatch: pytest.MonkeyPatch, url: str, caplog: Any,
                                                 capsys: Any) -> None:
    publish_night(D1)
    monkeypatch.setenv("MOE_POSTGRES_URL", url)
    settings.cache_clear()
    with pytest.raises(MoeError) as raised:
        follow.follow(UNIT)
    text = "".join(traceback.format_exception(raised.value))
    assert "s3cret" not in raised.value.message + str(raised.value) + text and "w0rd" not in text
    assert "%40" in raised.value.message or "percent-encoded" in raised.value.remedy


def test_a_secret_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres) -> None:
    (tmp_path / "moe_postgres_url").write_text(postgres.url() + "\n")
    monkeypatch.delenv("MOE_POSTGRES_URL")
    monkeypatch.setenv("MOE_SECRETS_DIR", str(tmp_path))
    settings.cache_clear()
    assert settings().postgres_url.get_secret_value() == postgres.url()


def test_tables_that_do_not_agree_are_not_shown(connection: psycopg.Connection[Any]) -> None:
    publish_night(D1)
    follow.follow(UNIT)
    first = everything(connection)
    rows = [{k: v for k, v in row.items() if k not in ("unit", "night")} for row in stored("out.budget__line", D1)]
    put("out.budget__line", UNIT, D1, [rows[0] | {"budget": Decimal("5.00")}, *rows[1:]])
    with pytest.raises(Retriable, match="do not agree"):
        follow.follow(UNIT)
    assert everything(connection) == first


def test_a_contract_may_grow_and_not_change(connection: psycopg.Connection[Any],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    publish_night(D1)
    follow.follow(UNIT)
    known = contracts.contracts()
    old = known["out.budget__line"]
    grown = replace(old, columns=(*old.columns, contracts.Column("new share", "DOUBLE", "It's new.")))
    monkeypatch.setitem(known, old.name, grown)
    publish_night(D2)
    follow.follow(UNIT)
    assert {row["new share"] for row in shown(connection, "live_budget__line")} == {None}
    other = replace(old, columns=(replace(old.columns[0], type="BIGINT"), *old.columns[1:]))
    monkeypatch.setitem(known, old.name, other)
    with pytest.raises(MoeError, match="line_id text, wanted bigint; new share double precision, wanted none"):
        follow.follow(UNIT)
    assert night_shown(connection) == D2


def test_comments_and_keys_are_those_of_the_contracts(connection: psycopg.Connection[Any]) -> None:
    publish_night(D1)
    follow.follow(UNIT)
    for name in TABLES:
        terms = contracts.contract(name)
        table = f"moe.{name.partition('.')[2]}"
        found = dict(connection.execute("select attname, col_description(attrelid, attnum) from pg_attribute "
                                        "where attrelid = %s::regclass and attnum > 2", [table]).fetchall())
        assert {c.name: found[c.name].partition(" [")[0] for c in terms.columns} == \
            {c.name: c.description for c in terms.columns}
        key = connection.execute("select pg_get_indexdef(indexrelid) from pg_index where indrelid = %s::regclass "
                                 "and indisprimary", [table]).fetchone()
        assert key and re.findall(r"\w+", key[0].partition("(")[2]) == ["unit", "night", *terms.key]


def test_the_documented_roles_suffice_and_the_reader_only_reads(postgres: Postgres, database: str,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    page = (settings().root / "docs/how-to/use-postgres-and-s3.md").read_text(encoding="utf-8")
    (roles,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    postgres.execute(roles.replace("<database>", database).replace("<password>", PASSWORD), database)
    try:
        set_url(monkeypatch, postgres.url(database, user="moe_writer"))
        for night in (D1, D2):
            publish_night(night)
            follow.follow(UNIT)
        as_reader = {"user": "moe_reader", "database": database}
        live = postgres.execute("select night, count(*) from moe.live_budget__line group by 1", **as_reader)
        assert live == [(D2, 3)]
        for forbidden in ("delete from moe.budget__line", "update moe.live_release set night = '2026-01-01'",
                          "create table moe.mine (x int)", "create table public.mine (x int)", "drop schema moe"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                postgres.execute(forbidden, **as_reader)
        set_url(monkeypatch, postgres.url(database, user="moe_reader"))
        with pytest.raises(MoeError, match="permission denied"):
            follow.follow(UNIT)
    finally:
        postgres.execute(f"drop database {database} with (force)")
        postgres.execute("drop role moe_writer; drop role moe_reader")
        postgres.execute(f"create database {database}")
