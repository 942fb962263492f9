"""The link to the night's page: over a real mail server and a real web server; what fails is said and stops nothing."""

import email
import email.policy
import importlib
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from moe import publish, tables
from moe.contracts import contract
from moe.errors import MoeError
from moe.notify import notify
from moe.settings import settings
from moe.units import Unit, load_unit
from tests.code.report_example import DAY, NIGHT, example

RELEASE = "out.release__night"


@dataclass
class Heard:
    """What a server was sent."""

    address: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answer: int = 204
    refuse: str = ""


@pytest.fixture
def mail_server() -> Iterator[Heard]:
    """Enough of RFC 5321 to take a message, over real sockets; it offers no encryption."""
    heard = Heard()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self) -> None:
            self.say("220 here")
            for line in self.rfile:
                command = line.decode().strip()
                heard.commands.append(command)
                verb = command.partition(" ")[0].upper()
                if verb == "DATA":
                    self.say("354 go on")
                    body = b"".join(iter(lambda: self.rfile.readline(), b".\r\n"))
                    heard.mails.append(email.message_from_bytes(body, policy=email.policy.default))  # type: ignore[arg-type]
                    self.say("250 taken")
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                elif verb == "RCPT" and heard.refuse and heard.refuse in command:
                    self.say("550 nobody of that name")
                else:
                    self.say("250 well")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        heard.address = f"127.0.0.1:{server.server_address[1]}"
        yield from _served(server, heard)


@pytest.fixture
def web_server() -> Iterator[Heard]:
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.posts.append((self.path, json.loads(body)))
            self.send_response(heard.answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        heard.address = f"127.0.0.1:{server.server_address[1]}"
        yield from _served(server, heard)


def _served(server: socketserver.BaseServer, heard: Heard) -> Iterator[Heard]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield heard
    server.shutdown()
    thread.join()


@pytest.fixture
def unit(home: Path) -> Unit:
    """A unit whose night is live."""
    stored()
    publish.move("release", "shop", NIGHT.isoformat(), expected=None, effective=NIGHT, who="w", reason="r", facts={})
    return load_unit("advertiser").model_copy(update={"unit": "shop", "name": "Nordlicht\nOutdoor"})


def stored(night: date = NIGHT, **changes: Any) -> None:
    row = {**example(3, days=5).release, "unit": "shop", "night": night, **changes}
    path = tables.partition(RELEASE, "shop", night)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([row], schema=contract(RELEASE).schema), path)


def tell(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"MOE_{name.upper()}", value)
    settings.cache_clear()


def test_people_get_a_mail_and_a_webhook_gets_json(
    unit: Unit, mail_server: Heard, web_server: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, smtp_url=f"smtp://{mail_server.address}", reports_url="https://reports.example/",
         notify_from="moe@x.example",
         notify=f"ana@x.example, ben@x.example http://{web_server.address}/hook/secret?a=1")
    assert notify(unit, NIGHT) == "told the webhook at 127.0.0.1, 2 by e-mail"
    link = f"https://reports.example/shop/{NIGHT}/index.html"
    (mail,) = mail_server.mails
    assert mail["Subject"] == f"Nordlicht Outdoor: the budgets for {DAY} are live"
    assert (mail["To"], mail["From"]) == ("ana@x.example, ben@x.example", "moe@x.example")
    assert link in mail.get_content().splitlines()
    assert {c for c in mail_server.commands if c.startswith("rcpt")} == {
        "rcpt TO:<ana@x.example>", "rcpt TO:<ben@x.example>"}
    ((path, told),) = web_server.posts
    assert path == "/hook/secret?a=1" and told["link"] == link and told["state"] == "live"
    assert told["total"] == str(example(3, days=5).release["total"]) and link in told["text"]


def test_a_held_night_says_so_first(unit: Unit, web_server: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    night = NIGHT + timedelta(days=1)
    stored(night, held=True, hold_reason="Spend is missing.", business_date=night + timedelta(days=1))
    tell(monkeypatch, notify=f"http://{web_server.address}")
    notify(unit, night)
    ((_, told),) = web_server.posts
    assert told["state"] == "held" and "are HELD and not live.\nSpend is missing.\n" in told["text"]
    assert told["link"] == f"http://127.0.0.1:{settings().reports_port}/shop/{night}/index.html"


def test_one_that_fails_is_said_and_keeps_no_other(
    unit: Unit, mail_server: Heard, web_server: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    web_server.answer, mail_server.refuse = 302, "ben"
    tell(monkeypatch, smtp_url=f"smtp://{mail_server.address}",
         notify=f"http://{web_server.address}/token-1,http://127.0.0.1:1/token-2,ana@x.example,ben@x.example")
    said = notify(unit, NIGHT)
    assert "the webhook at 127.0.0.1 was NOT told: ValueError: it answered 302" in said
    assert "ConnectionRefusedError" in said and "1 of 2 addresses were refused" in said
    assert "token" not in said and len(mail_server.mails) == 1


def test_a_password_is_not_sent_in_the_clear_nor_shown(
    unit: Unit, mail_server: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(monkeypatch, smtp_url=f"smtp://ana:s3cret@{mail_server.address}", notify="ana@x.example")
    said = notify(unit, NIGHT)
    assert "offers no encryption (STARTTLS), so the password was not sent" in said and "s3cret" not in said
    assert not any("AUTH" in c.upper() for c in mail_server.commands) and mail_server.mails == []
    assert "s3cret" not in repr(settings())


def test_nobody_is_told_where_nobody_is_set(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify(unit, NIGHT) == ""
    tell(monkeypatch, notify="ana@x.example")
    assert "no mail server is set: MOE_SMTP_URL" in notify(unit, NIGHT)


@pytest.mark.parametrize(("name", "value", "message"), [
    ("notify", "ana@x.example ftp://token", "entry 2 is neither a mail address nor http"),
    ("notify", "token", "entry 1 is neither"),
    ("smtp_url", "mail.example:25 token", "it must be smtp://"),
    ("smtp_url", "smtp://ana@x:token@mail.example", "it must be smtp://"),
])
def test_a_wrong_setting_is_told_without_its_value(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    tell(monkeypatch, **{name: value})
    with pytest.raises(MoeError) as error:
        settings()
    assert message in str(error.value) and "token" not in str(error.value)


@pytest.mark.parametrize(("run_type", "asked", "told"), [
    ("scheduled", False, 1), ("manual", True, 1), ("manual", False, 0), ("backfill", True, 0),
])
def test_the_report_step_tells_of_nights_that_publish_and_never_fails_by_it(
    unit: Unit, web_server: Heard, monkeypatch: pytest.MonkeyPatch, run_type: str, asked: bool, told: int
) -> None:
    monkeypatch.syspath_prepend(str(settings().dags))
    steps = importlib.import_module("_steps")
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(steps, "jobs", lambda *names: lambda *_: ran.append(names) or "docs skipped: none" * (
        "docs" in names))
    night = SimpleNamespace(unit=unit, date=NIGHT)
    tell(monkeypatch, notify=f"http://{web_server.address}")
    said = steps.STEPS["report"](night, steps.Asked(run_type, publish=asked))
    assert ran == [("reconcile", "applied", "criteria"), ("docs", "report")] and len(web_server.posts) == told
    assert said == "docs skipped: none" + "; told the webhook at 127.0.0.1" * told
    tell(monkeypatch, notify="http://127.0.0.1:1")
    said = steps.STEPS["report"](night, steps.Asked(run_type, publish=asked))
    assert ("was NOT told" in said) == bool(told)


def test_a_look_back_that_fails_still_leaves_a_page_and_fails_the_step(
    unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(settings().dags))
    steps = importlib.import_module("_steps")
    ran: list[tuple[str, ...]] = []

    def jobs(*names: str) -> Any:
        def run(*_: Any) -> str:
            ran.append(names)
            if "applied" in names:
                raise MoeError("the settings cannot be read", "export them again")
            return ""
        return run

    monkeypatch.setattr(steps, "jobs", jobs)
    with pytest.raises(MoeError, match="the settings cannot be read"):
        steps.STEPS["report"](SimpleNamespace(unit=unit, date=NIGHT), steps.Asked("manual"))
    assert ran[-1] == ("docs", "report")
