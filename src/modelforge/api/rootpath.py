"""A reverse proxy shows the server under a root path; some take that off before they pass a request on, some don't."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """ASGI middleware: the same scope for both kinds.

    Uvicorn puts the root path before every path, as if it had been taken off. No route of ours begins with it, so
    one that stands there twice came with the request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        if root and f"{scope.get('path', '')}/".startswith(f"{root}{root}/"):
            once = {"path": scope["path"].removeprefix(root) or "/"}
            if isinstance(scope.get("raw_path"), bytes):
                once["raw_path"] = scope["raw_path"].removeprefix(root.encode())
            scope = {**scope, **once}
        await self._app(scope, receive, send)
