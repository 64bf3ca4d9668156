"""The one place where an error becomes an HTTP answer."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, WebSocketRoute
from starlette.types import Receive, Scope, Send

from modelforge.api.headers import HEADERS
from modelforge.contracts.base import Misfit
from modelforge.contracts.examination import ExaminationRequest
from modelforge.contracts.imports import ImportRequest
from modelforge.contracts.info import ErrorReply, FieldProblem
from modelforge.contracts.key import ApiKeyRequest
from modelforge.contracts.model import ModelRename
from modelforge.contracts.playground import GenerateRequest
from modelforge.contracts.preview import PreviewRequest
from modelforge.contracts.system import CleanRequest
from modelforge.contracts.training import TrainingConfig
from modelforge.contracts.version import EditRequest, FixRequest, MappingRequest
from modelforge.errors import (
    DiskFull,
    Fault,
    InvalidRequest,
    MethodNotAllowed,
    ModelForgeError,
    NotFound,
    Unauthorized,
    did_you_mean,
)
from modelforge.files import is_disk_full

log = logging.getLogger(__name__)

BODIES: dict[str, type[BaseModel]] = {
    "/api/start_training": TrainingConfig,
    "/api/jobs": TrainingConfig,
    "/api/preflight": TrainingConfig,
    "/api/playground/generate": GenerateRequest,
    "/api/playground/stream": GenerateRequest,
    "/api/datasets/{filename}/preview": PreviewRequest,
    "/api/datasets/{filename}/check": ExaminationRequest,
    "/api/datasets/{filename}/edits": EditRequest,
    "/api/datasets/{filename}/fixes": FixRequest,
    "/api/datasets/{filename}/mapping": MappingRequest,
    "/api/datasets/import": ImportRequest,
    "/api/models/{model_id}": ModelRename,
    "/api/keys": ApiKeyRequest,
    "/api/system/clean": CleanRequest,
}
"""Bodies whose unknown fields are refused with the nearest known name."""
BY_FIELD = "/api/preflight"
"""The route whose errors say by field what is wrong. The contract fixes what the errors of its own routes have."""


def replies(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route's documentation says of its errors."""
    every = sorted({*statuses, 400, 401, 403, 500})
    return {status: {"model": ErrorReply, "description": _SHORT[status]} for status in every}


_SHORT = {
    400: "Invalid parameters, an invalid dataset, or a combination that cannot work",
    401: "A key is needed, or the one that came is not known",
    403: "A foreign origin or host, or a gated model",
    404: "No such model, dataset, job or path",
    409: "In progress already, nothing to stop, or a name that is taken",
    412: "A version of the upload's protocol that is not spoken here",
    413: "Too large",
    415: "Not a kind of file or body that can be read",
    460: "A piece of an upload was changed on its way",
    500: "Internal error",
}


def reply_of(error: ModelForgeError) -> ErrorReply:
    """What is told of an error."""
    return ErrorReply(error=error.error, detail=_sendable(error.detail), status_code=error.status_code)


def _sendable(words: str) -> str:
    """Half a surrogate pair, which JSON lets through, cannot be sent back as it came."""
    return words.encode("utf-8", "backslashreplace").decode()


def answer(error: ModelForgeError, headers: dict[str, str] | None = None) -> JSONResponse:
    """The error as every route tells it."""
    if isinstance(error, Unauthorized):
        headers = {**(headers or {}), "WWW-Authenticate": "Bearer"}
    return JSONResponse(reply_of(error).model_dump(), status_code=error.status_code, headers=headers)


def told_late(error: BaseException, request: Request) -> ErrorReply:
    """What is told of an error that came when the answer had begun, as part of it; the log has what it would have."""
    if not isinstance(error, ModelForgeError):
        log.error("%s %s", request.method, request.url.path, exc_info=error)
        return reply_of(_unforeseen(error, request))
    if error.status_code >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.detail)
    return reply_of(error)


async def refuse(error: ModelForgeError, scope: Scope, receive: Receive, send: Send) -> None:
    """The error as the answer to a request, or to a WebSocket's handshake, where the server can answer one."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await answer(error)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.detail[:120]})


async def no_socket(socket: WebSocket) -> None:
    """The end of every WebSocket's handshake on a path where none is spoken."""
    known = [route.path for route in _routes(socket.app) if isinstance(route, WebSocketRoute)]
    there = ", ".join(path for path in known if "{" not in path)
    refusal = NotFound(f"there is no WebSocket at {_path(socket)}; there is one at {there}")
    await refuse(refusal, socket.scope, socket.receive, socket.send)


def install(app: FastAPI) -> None:
    """Answer every error of every route in the contract's form."""
    app.add_exception_handler(ModelForgeError, _ours)
    app.add_exception_handler(OSError, _disk)
    app.add_exception_handler(WebSocketRequestValidationError, _invalid_socket)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ModelForgeError)
    if error.status_code >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.detail)
    return answer(error)


async def _disk(request: Request, error: Exception) -> Response:
    if not is_disk_full(error):
        raise error
    where = getattr(error, "filename", None) or "the home folder"
    return await _ours(request, DiskFull(f"the disk of {where} is full: make room and try again"))


async def _internal(request: Request, error: Exception) -> Response:
    # The trace goes to the server's log (Starlette raises the error again for it), never to the client.
    # Made outside of all middleware.
    return answer(_unforeseen(error, request), HEADERS)


def _unforeseen(error: BaseException, request: Request) -> Fault:
    return Fault(f"{type(error).__name__} in {request.method} {_path(request)}; the server's log has the details")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, routes = _path(request), list(_routes(request.app))
    if error.status_code == 404:
        if any(isinstance(route, WebSocketRoute) and path.endswith(route.path) for route in routes):
            return answer(NotFound(f"{path} speaks WebSocket, not HTTP: connect to it with ws:// or wss://"))
        known = [getattr(route, "path", "") for route in routes]
        return answer(NotFound(f"there is no path {path}.{did_you_mean(path, known)} GET /docs lists them all"))
    if error.status_code == 405:
        # Starlette names the methods of the first route of the path alone.
        matching = [route for route in routes if route.matches(request.scope)[0] != Match.NONE]
        allowed = ", ".join(sorted({method for route in matching for method in getattr(route, "methods", None) or ()}))
        return answer(
            MethodNotAllowed(f"{path} does not take {request.method}; it takes {allowed}"), {"Allow": allowed}
        )
    if error.status_code < 500:
        # FastAPI says of a body that it could not read nothing but that; why is in the error that it caught.
        return answer(InvalidRequest(_unreadable(error.__cause__) if error.__cause__ else str(error.detail)))
    return answer(Fault(str(error.detail)))


def _routes(app: FastAPI) -> Iterator[BaseRoute]:
    """Every route, also of included routers, which newer versions of FastAPI keep as one entry each."""
    for route in app.routes:
        router = getattr(route, "original_router", None)
        yield from [route] if router is None else router.routes


def _path(connection: Request | WebSocket) -> str:
    path = connection.url.path
    return path if len(path) <= 200 else f"{path[:199]}…"


def _unreadable(cause: BaseException) -> str:
    """Why a body is no JSON, where the decoder did not come as far as to name a place."""
    if isinstance(cause, UnicodeDecodeError):
        return f"the body is not UTF-8 text: {cause.reason} at byte {cause.start}"
    if isinstance(cause, ValueError):  # int() refuses more digits than sys.get_int_max_str_digits()
        return "the body is not valid JSON: a number has too many digits"
    return "the body could not be read"


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    path = request.scope["route"].path if "route" in request.scope else request.url.path
    model = BODIES.get(path)
    known = list(model.model_fields) if model else []
    reply = reply_of(InvalidRequest(_explain_all(error.errors(), known)))
    if path == BY_FIELD:
        reply.problems = [
            FieldProblem(field=field, detail=_sendable(_explain(one, known).removeprefix(f"{field}: ")))
            for one in _fitting_best(error.errors())
            if (field := _field(one)) in known
        ]
    return JSONResponse(reply.model_dump(), status_code=reply.status_code)


async def _invalid_socket(socket: WebSocket, error: WebSocketRequestValidationError) -> None:
    refusal = InvalidRequest(_explain_all(error.errors(), []))
    await refuse(refusal, socket.scope, socket.receive, socket.send)


def _explain_all(problems: Any, known: list[str]) -> str:
    told = [_explain(one, known) for one in _fitting_best(problems)]
    return "; ".join(told[:10]) + (f"; and {len(told) - 10} more problems" if len(told) > 10 else "")


def _fitting_best(problems: Any) -> list[Any]:
    """Of a field that may be one thing or another, pydantic tells of each why it does not fit; here the one is left
    that fits best, or all in one."""
    fields: dict[Any, list[Any]] = {}
    for problem in problems:
        fields.setdefault(problem["loc"][:2], []).append(problem)
    left: dict[Any, Any] = {}
    for field, told in fields.items():
        deepest = max(len(problem["loc"]) for problem in told)
        for problem in told:
            if len(problem["loc"]) < deepest:
                continue
            place = (*field, *_within(problem["loc"][2:]))
            before = left.get(place)
            message = _SHOULD.sub("", problem["msg"])
            left[place] = {**before, "msg": f"{before['msg']} or {message}"} if before else {**problem, "loc": place}
    return list(left.values())


def _within(loc: Any) -> list[Any]:
    """The way on from a field, into lists and the objects in them, without the names of types that it may have."""
    fields = [part for part, before in zip(loc[1:], loc, strict=False) if isinstance(before, int)]
    return [part for part in loc if isinstance(part, int) or (part in fields and part not in _TYPES)]


def _field(problem: Any) -> str | None:
    """The field of the body that one of pydantic's problems is about; where it is about several, the one to change."""
    fault = problem.get("ctx", {}).get("error")
    if isinstance(fault, Misfit):
        return fault.field
    place = [part for part in problem["loc"] if part not in _PLACES]
    return str(place[0]) if place else None


def _explain(problem: Any, known: list[str]) -> str:
    """One of pydantic's problems in words: which field, what is wrong, what it may be."""
    kind, place = problem["type"], [str(part) for part in problem["loc"] if part not in _PLACES]
    field = ".".join(place)
    if kind == "json_invalid":
        return f"the body is not valid JSON: {problem.get('ctx', {}).get('error', problem['msg'])} at byte {field or 0}"
    if kind == "extra_forbidden":
        return f"there is no field '{field}'.{did_you_mean(field, known)}"
    if kind == "missing":
        return f"field '{field}' is missing" if field else "the body is missing: send a JSON object"
    if kind in ("model_attributes_type", "model_type", "dict_type"):
        if field:
            return f"{field}: must be a JSON object"
        return "the body must be a JSON object, sent with Content-Type: application/json"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if kind == "value_error":
        return f"{field}: {message}" if field else message
    given = problem.get("input")
    shown = "" if isinstance(given, (dict, list)) else f", not {_short(given)}"
    # "Input should be greater than …", "String should have at least …"
    return f"{field or 'a field name'}: {_SHOULD.sub('must ', message)}{shown}"


_TYPES = ("str", "int", "float", "bool")
_PLACES = ("body", "query", "path", "header")
_SHOULD = re.compile(r"^\w+ should ")


def _short(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
