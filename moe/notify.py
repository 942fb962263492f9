"""A link to the night's page, by e-mail and to webhooks, where people are told (`MOE_NOTIFY`).

Telling people comes last and decides nothing: what fails here is said in the step's log and stops no night.
"""

import json
import smtplib
import socket
import ssl
from collections.abc import Callable
from datetime import date
from email.message import EmailMessage
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from moe import publish, tables
from moe.settings import settings
from moe.units import Unit

SECONDS = 10
"How long one server may take."
TRUSTED = ssl.create_default_context


def notify(unit: Unit, night: date) -> str:
    """Tell everybody who is set; gives a sentence of who was told and what failed. Empty where nobody is set."""
    asked = settings().notify.get_secret_value().replace(",", " ").split()
    if not asked:
        return ""
    facts = message(unit, night)
    hooks = [address for address in asked if "://" in address]
    people = [address for address in asked if "://" not in address]
    sends: list[tuple[str, Callable[[], None]]] = [
        (f"the webhook at {urlsplit(hook).hostname}", partial(_post, hook, facts)) for hook in hooks]
    if people:
        sends.append((f"{len(people)} by e-mail", partial(_mail, people, facts)))
    told, failed = [], []
    for name, send in sends:
        try:
            send()
        except (OSError, HTTPException, smtplib.SMTPException, ValueError) as error:
            failed.append(f"{name} was NOT told: {_without_secrets(error)}")
        else:
            told.append(name)
    return "; ".join([*([f"told {', '.join(told)}"] if told else []), *failed])


def message(unit: Unit, night: date) -> dict[str, Any]:
    """What is told: the state of the night's release, its totals, and the link."""
    row = tables.read("out.release__night", unit.unit, night).to_pylist()[0]
    live = publish.live("release", unit.unit)
    is_live = live is not None and live.moved_to == night.isoformat()
    state = "live" if is_live else "held" if row["held"] else "candidate"
    words = {"live": "are live", "held": "are HELD and not live", "candidate": "are a proposal and not live"}[state]
    base = settings().reports_url or f"http://127.0.0.1:{settings().reports_port}"
    link = f"{base.rstrip('/')}/{unit.unit}/{night}/index.html"
    title = " ".join(f"{unit.name}: the budgets for {row['business_date']} {words}".split())
    gain = row["expected_value"] - row["status_quo_value"]
    what = row["currency"] if row["objective"] == "conversion_value" else "conversions"
    lines = [f"{title}.", row["hold_reason"] if row["held"] else "",
             f"{row['total']:,.2f} {row['currency']} a day; {row['lines_changed']:,} of {row['lines']:,} lines change; "
             f"expected gain {gain:+,.1f} {what} a day.", link]
    return {"unit": unit.unit, "night": night.isoformat(), "budgets_for": row["business_date"].isoformat(),
            "state": state, "hold_reason": row["hold_reason"], "total": str(row["total"]),
            "currency": row["currency"], "lines_changed": row["lines_changed"], "link": link, "title": title,
            "text": "\n".join(line for line in lines if line)}


def _post(hook: str, facts: dict[str, Any]) -> None:
    """One POST of JSON; chat tools show its `text`. A redirect is an error: it would lose the body."""
    where = urlsplit(hook)
    connection = (HTTPSConnection(where.hostname or "", where.port, timeout=SECONDS, context=TRUSTED())
                  if where.scheme == "https" else HTTPConnection(where.hostname or "", where.port, timeout=SECONDS))
    try:
        path = (where.path or "/") + (f"?{where.query}" if where.query else "")
        body = json.dumps(facts, ensure_ascii=False).encode()
        connection.request("POST", path, body, {"Content-Type": "application/json; charset=utf-8"})
        answer = connection.getresponse()
        if not 200 <= answer.status < 300:
            raise ValueError(f"it answered {answer.status}")
    finally:
        connection.close()


def _mail(people: list[str], facts: dict[str, Any]) -> None:
    """One message to all. A password goes over an encrypted connection or not at all."""
    address = settings().smtp_url.get_secret_value()
    if not address:
        raise ValueError("no mail server is set: MOE_SMTP_URL")
    where = urlsplit(address)
    mail = EmailMessage()
    mail["Subject"], mail["To"], mail["From"] = facts["title"], ", ".join(people), _sender(where)
    mail.set_content(facts["text"])
    with _connected(where) as server:
        refused = server.send_message(mail)
    if refused:
        raise ValueError(f"{len(refused)} of {len(people)} addresses were refused")


def _connected(where: SplitResult) -> smtplib.SMTP:
    if where.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(where.hostname or "", where.port or 465, timeout=SECONDS,
                                                context=TRUSTED())
        encrypted = True
    else:
        server = smtplib.SMTP(where.hostname or "", where.port or 587, timeout=SECONDS)
        server.ehlo()
        encrypted = server.has_extn("starttls")
        if encrypted:
            server.starttls(context=TRUSTED())
    if where.username:
        if not encrypted:
            server.close()
            raise ValueError("the mail server offers no encryption (STARTTLS), so the password was not sent")
        server.login(unquote(where.username), unquote(where.password or ""))
    return server


def _sender(where: SplitResult) -> str:
    user = unquote(where.username or "")
    return settings().notify_from or (user if "@" in user else f"moe@{socket.getfqdn()}")


def _without_secrets(error: Exception) -> str:
    """The error in a line, without what the settings keep secret: servers like to repeat what they were sent."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    address = urlsplit(settings().smtp_url.get_secret_value())
    for secret in (address.password, unquote(address.password or ""), address.username):
        text = text.replace(secret, "…") if secret else text
    return text[:300]
