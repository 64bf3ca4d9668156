"""The one place where an error becomes an HTTP answer."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from modelforge.contracts.info import ErrorReply
from modelforge.contracts.playground import GenerateRequest
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import (
    Fault,
    InvalidRequest,
    MethodNotAllowed,
    ModelForgeError,
    NotFound,
    did_you_mean,
)

log = logging.getLogger(__name__)

BODIES: dict[str, type[BaseModel]] = {
    "/api/start_training": TrainingConfig,
    "/api/playground/generate": GenerateRequest,
}
"""Bodies whose unknown fields are refused with the nearest known name."""


def replies(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's documentation says of its errors."""
    return {
        status: {"model": ErrorReply, "description": _SHORT[status]} for status in sorted({*statuses, 400, 403, 500})
    }


_SHORT = {
    400: "Invalid parameters, an invalid dataset, or a combination that cannot work",
    403: "A foreign origin or host, or a gated model",
    404: "No such model, dataset, job or path",
    409: "In progress already, nothing to stop, or a name that is taken",
    413: "Too large",
    415: "Not a kind of file or body that can be read",
    500: "Internal error",
}


def answer(error: ModelForgeError, headers: dict[str, str] | None = None) -> JSONResponse:
    """The error as every route tells it."""
    # Half a surrogate pair, which JSON lets through, cannot be sent back as it came.
    detail = error.detail.encode("utf-8", "backslashreplace").decode()
    body = ErrorReply(error=error.error, detail=detail, status_code=error.status_code)
    return JSONResponse(body.model_dump(), status_code=error.status_code, headers=headers)


def install(app: FastAPI) -> None:
    """Answer every error of every route in the contract's form."""
    app.add_exception_handler(ModelForgeError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ModelForgeError)
    if error.status_code >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.detail)
    return answer(error)


async def _internal(request: Request, error: Exception) -> Response:
    # The trace goes to the server's log (Starlette raises the error again for it), never to the client.
    detail = f"{type(error).__name__} in {request.method} {request.url.path}; the server's log has the details"
    return answer(Fault(detail))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        known = [getattr(route, "path", "") for route in request.app.routes]
        return answer(NotFound(f"there is no path {path}.{did_you_mean(path, known)} GET /docs lists them all"))
    if error.status_code == 405:
        # Starlette names the methods of the first route of the path alone.
        matching = [route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE]
        allowed = ", ".join(sorted({method for route in matching for method in getattr(route, "methods", None) or ()}))
        return answer(
            MethodNotAllowed(f"{path} does not take {request.method}; it takes {allowed}"), {"Allow": allowed}
        )
    if error.status_code < 500:
        return answer(InvalidRequest(str(error.detail)))
    return answer(Fault(str(error.detail)))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    model = BODIES.get(request.scope["route"].path if "route" in request.scope else request.url.path)
    known = list(model.model_fields) if model else []
    told = [_explain(one, known) for one in error.errors()]
    shown = "; ".join(told[:10]) + (f"; and {len(told) - 10} more problems" if len(told) > 10 else "")
    return answer(InvalidRequest(shown))


def _explain(problem: Any, known: list[str]) -> str:
    """One of pydantic's problems in words: which field, what is wrong, what it may be."""
    kind, place = problem["type"], [str(part) for part in problem["loc"] if part not in ("body", "query", "path")]
    field = ".".join(place)
    if kind == "json_invalid":
        return f"the body is not valid JSON: {problem.get('ctx', {}).get('error', problem['msg'])} at byte {field or 0}"
    if kind == "extra_forbidden":
        return f"there is no field '{field}'.{did_you_mean(field, known)}"
    if kind == "missing":
        return f"field '{field}' is missing" if field else "the body is missing: send a JSON object"
    if kind in ("model_attributes_type", "model_type", "dict_type"):
        return "the body must be a JSON object, sent with Content-Type: application/json"
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "value_error":
        return message
    given = problem.get("input")
    shown = "" if isinstance(given, (dict, list)) else f", not {_short(given)}"
    return f"{field}: must be {message}{shown}"


def _short(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
