"""Errors: what stops the service from starting, and what a caller is told (RFC 9457, problem details)."""

from collections.abc import Sequence
from typing import Any

import msgspec

MAKE_KEY = "`python -m serving keys add --id NAME --days 90` makes one"
SCHEMA = "/openapi.json names every feature with its type and bounds"

KINDS: dict[str, tuple[int, str, str]] = {
    "malformed-json": (400, "The body is no JSON",
                       "send one JSON object in UTF-8; for a number that is not known send null, not NaN"),
    "no-key": (401, "An API key is needed",
               f"send it as `X-API-Key: …` or `Authorization: Bearer …`; {MAKE_KEY}"),
    "unknown-key": (401, "The API key is not known", f"look for a typing error, or ask for a new key: {MAKE_KEY}"),
    "expired-key": (401, "The API key has expired", f"ask for a new key: {MAKE_KEY}"),
    "not-found": (404, "There is nothing here", "the paths stand in /openapi.json"),
    "method-not-allowed": (405, "The path has no such method", "use the method in the Allow header"),
    "body-too-large": (413, "The body is too large", "send fewer rows a request"),
    "media-type": (415, "The body is not announced as JSON", "send `Content-Type: application/json`, uncompressed"),
    "invalid-input": (422, "The input cannot be predicted", f"mend what `errors` names; {SCHEMA}"),
    "no-answer": (503, "Neither a model nor historical rates are known",
                  "train and publish a model (`moe train`), then look at /readyz"),
    "internal": (500, "The service failed", "send it again; the log of the service says why, under the request id"),
}
"Problems by the last part of their `type`: status, title, and what to do."


class ServingError(Exception):
    """Something that stops the service or its command. `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}\n  What to do: {remedy}")
        self.message = message
        self.remedy = remedy


class Fault(msgspec.Struct):
    """One fault of a body. `pointer` is a JSON Pointer (RFC 6901) to the value at fault."""

    pointer: str
    detail: str


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """The body of an answer of type application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    errors: list[Fault] = []


class Problem(Exception):
    """An answer that is an error; `kind` is one of KINDS."""

    def __init__(self, kind: str, detail: str, errors: Sequence[Fault] = (), headers: dict[str, str] | None = None):
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail, self.errors = kind, detail, list(errors)
        self.headers = headers or {}

    @property
    def status(self) -> int:
        return KINDS[self.kind][0]

    def body(self) -> bytes:
        status, title, remedy = KINDS[self.kind]
        return msgspec.json.encode(ProblemDetails(f"/problems/{self.kind}", title, status, self.detail, remedy,
                                                  self.errors))


def described(kind: str) -> dict[str, Any] | None:
    """What stands at `/problems/<kind>`, the address that a problem's type gives; None where it is none."""
    if kind not in KINDS:
        return None
    status, title, remedy = KINDS[kind]
    return {"type": f"/problems/{kind}", "title": title, "status": status, "remedy": remedy}
