"""The OpenAPI 3.1 document of the live service, made from its types."""

from typing import Any

import msgspec

from serving.answers import Answer, BatchAnswer, Ready
from serving.model import Live
from serving.problems import KINDS, ProblemDetails
from serving.settings import Settings

VERSION = "1.0.0"
_PREDICT_PROBLEMS = (400, 401, 413, 415, 422, 500, 503)


def document(live: Live, settings: Settings) -> dict[str, Any]:
    """The features in it are those of the model that answers now."""
    types = [live.schema.row, live.schema.batch, Answer, BatchAnswer, Ready, ProblemDetails]
    (row, batch, answer, batch_answer, ready, problem), schemas = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}")
    if settings.keys is None:
        schemes: dict[str, Any] = {}
    else:
        schemes = {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                   "Bearer": {"type": "http", "scheme": "bearer"}}
    needed: list[dict[str, Any]] = [{name: []} for name in schemes]
    predict = {
        "operationId": "predict", "summary": "Rates of one row or of a batch", "security": needed,
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": [row, batch]}}}},
        "responses": {"200": _json("Rates, of the model or historical.", {"oneOf": [answer, batch_answer]})}
        | {str(status): _problem(status, problem) for status in _PREDICT_PROBLEMS},
    }
    text = {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    alive = _json("The process runs.", {"type": "object", "required": ["alive"],
                                        "properties": {"alive": {"const": True}}})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Line performance", "version": VERSION,
                 "description": "Predicts click and conversion rates of budget lines and segments."},
        "paths": {
            "/api/v1/predict": {"post": predict},
            "/livez": {"get": _get("livez", "Whether the process runs", {"200": alive})},
            "/readyz": {"get": _get("readyz", "Whether requests are answered, and by what",
                                    {"200": _json("Answers.", ready), "503": _json("Cannot answer.", ready)})},
            "/metrics": {"get": _get("metrics", "What Prometheus reads", {"200": text})},
        },
        "components": {"schemas": schemas, "securitySchemes": schemes},
    }


def _get(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": responses}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    titles = "; ".join(title for of, title, _ in KINDS.values() if of == status)
    return {"description": titles, "content": {"application/problem+json": {"schema": schema}}}
