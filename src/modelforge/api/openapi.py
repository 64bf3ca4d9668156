"""The OpenAPI schema, made true: no 422, which this API never answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_NEVER = ("HTTPValidationError", "ValidationError")


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
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for name in _NEVER:
        schema["components"]["schemas"].pop(name, None)
    return schema
