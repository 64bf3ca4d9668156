"""The OpenAPI schema, made true: no 422, which this API never answers, and the key that a server may ask for."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from modelforge.api.access import OPEN
from modelforge.contracts.base import Contract
from modelforge.contracts.dataset import DatasetUploaded
from modelforge.contracts.examination import Examination
from modelforge.contracts.playground import GenerationEvent
from modelforge.contracts.version import DatasetRevised

_RESULTS: tuple[type[Contract], ...] = (DatasetRevised, DatasetUploaded, Examination)
"""What operations come to: the type of ``Operation.result`` is that of the route that began it."""
SENT: tuple[type[Contract], ...] = (GenerationEvent,)
"""What is sent as Server-Sent Events, which FastAPI knows no types of."""
_REFERENCE = "#/components/schemas/{model}"
_NEVER = ("HTTPValidationError", "ValidationError")
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `modelforge keys create`, where the server asks for one.",
}


def install(app: FastAPI) -> None:
    """Replace the app's schema by ``build``; it is made once."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app)
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign]


def build(app: FastAPI) -> dict[str, Any]:
    """The schema of all routes."""
    schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    for path, item in schema["paths"].items():
        for operation in item.values():
            operation["responses"].pop("422", None)
            if path in OPEN:
                operation["responses"].pop("401", None)
                operation["security"] = []
    for name in _NEVER:
        schema["components"]["schemas"].pop(name, None)
    _tell_types(schema["components"]["schemas"])
    schema["components"]["securitySchemes"] = {"key": _KEY}
    # Without a key, or with one: the server says which.
    schema["security"] = [{}, {"key": []}]
    return schema


def _tell_types(schemas: dict[str, Any]) -> None:
    # What is sent as events has its data as text that holds JSON, which only the schema of what is read says.
    _, made = models_json_schema(
        [*((kind, "serialization") for kind in _RESULTS), *((kind, "validation") for kind in SENT)],
        ref_template=_REFERENCE,
    )
    for name, each in made["$defs"].items():
        schemas.setdefault(name, each)
    result = schemas["Operation"]["properties"]["result"]
    result["anyOf"] = [{"$ref": _REFERENCE.format(model=kind.__name__)} for kind in _RESULTS] + [{"type": "null"}]
