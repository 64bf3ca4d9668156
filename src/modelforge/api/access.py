"""Lets in who has a key, where keys are asked for, and writes down who that is."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from modelforge.api.caller import KEY_SUBPROTOCOL, Caller, is_forwarded, is_from_here, key_of
from modelforge.api.deps import State
from modelforge.api.errors import refuse
from modelforge.errors import ModelForgeError, Unauthorized

OPEN = ("/docs", "/openapi.json", "/api/health")
"""Whether the server is up, and what a page needs before it can ask for a key: the same for everybody, and no
secret."""
OPEN_FOLDER = "/static-offline-docs/"
"""Where FastAPIOffline shows Swagger UI's files."""


class Access:
    """ASGI middleware for HTTP and WebSocket alike. Everything that is not named here is closed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not _is_open(scope):
            try:
                scope.setdefault("state", {})["caller"] = await caller_of(scope)
            except ModelForgeError as error:
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


async def caller_of(scope: Scope) -> Caller:
    """Whose request it is, as keys are at present. Raises Unauthorized."""
    state: State = scope["app"].state.modelforge
    key = key_of(scope)
    if key is not None and state.keys.is_own(key):
        # Commands ask straight; what comes through a proxy was let in by the proxy, whatever it holds.
        return Caller.OTHER if is_forwarded(scope) else Caller.OWNER
    if state.settings.on_loopback and await state.keys.is_empty():
        return Caller.LOCAL if is_from_here(scope) else Caller.OTHER
    if key is None:
        raise Unauthorized(
            "this server asks for an API key: send it as 'Authorization: Bearer <key>', or from a page as a "
            f"WebSocket's subprotocol '{KEY_SUBPROTOCOL}<key>'. Who runs the server makes one with "
            "'modelforge keys create'"
        )
    if not await state.keys.opens(key):
        raise Unauthorized(
            "the API key that came along is not known here, or was revoked: use another one. Who runs the server "
            "makes one with 'modelforge keys create'"
        )
    return Caller.OTHER


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return scope["type"] == "http" and (path in OPEN or path.startswith(OPEN_FOLDER))
