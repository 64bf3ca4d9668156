"""The studio's page and what it loads, as `make studio` built them."""

from __future__ import annotations

import html
import secrets
from collections.abc import Iterator
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from modelforge.api.headers import policy

BUILT = Path(__file__).parents[1] / "studio"
ELSEWHERE = ("/api", "/ws", "/docs", "/openapi.json", "/static-offline-docs")
"""Paths that are the API's, with all below them."""
NONCE = "__NONCE__"
"""What stands in the built page for the number that its own style sheets and script are known by."""
_HERE = '="./'
"""How the built page begins the addresses of what it loads: on a page of any depth they begin at the root path."""
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""Made when the studio is built; the first is the smallest."""
_FOR_EVER = "public, max-age=31536000, immutable"

NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ModelForge</title>
<h1>ModelForge runs; its page is not built</h1>
<p>The API, the command line and <a href="{root}/docs">the API's own page</a> work as they are.</p>
<p>This server runs from source code, in which the studio is not built yet. Run <code>make studio</code> in that folder,
then start the server again. It needs the network once, and no Node of yours.</p>
</html>
"""


class Studio:
    """ASGI middleware: answers for the page, before anybody is asked for a key. All else goes on to the API.

    A browser gets the page for every path that is not the API's, and the page says itself where it has none; other
    clients get the API's answer.
    """

    def __init__(self, app: ASGIApp, built: Path = BUILT) -> None:
        self._app = app
        # Only what was there at the start is shown: a path never reaches the file system.
        self._files = {f"/{path.relative_to(built)}": path for path in _loaded(built)}
        page = built / "index.html"
        self._page = page.read_text() if page.is_file() else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._answer(scope) if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") else None
        await (response or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        root = scope.get("root_path", "")
        path: str = scope["path"].removeprefix(root)
        headers = Headers(scope=scope)
        if path in self._files:
            try:
                return self._file(path, headers)
            except FileNotFoundError:
                # Built anew since this server started: who reloads the page gets the new files.
                return PlainTextResponse("This file was replaced. Restart the server.", 404)
        if path != "/" and (
            "text/html" not in headers.get("accept", "") or any(f"{path}/".startswith(f"{each}/") for each in ELSEWHERE)
        ):
            return None
        return self._shown(root)

    def _file(self, path: str, headers: Headers) -> Response:
        accepted = {each.partition(";")[0].strip() for each in headers.get("accept-encoding", "").split(",")}
        told = {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
        for encoding, ending in _ENCODINGS.items():
            if encoding in accepted and f"{path}{ending}" in self._files:
                kind = FileResponse(self._files[path]).media_type
                file = self._files[f"{path}{ending}"]
                told["Content-Encoding"] = encoding
                return FileResponse(file, media_type=kind, headers=told, stat_result=file.stat())
        file = self._files[path]
        return FileResponse(file, headers=told, stat_result=file.stat())

    def _shown(self, root: str) -> Response:
        """The page, under the root path, for this one answer."""
        shown = html.escape(root)
        if self._page is None:
            return HTMLResponse(NOT_BUILT.replace("{root}", shown), headers={"Cache-Control": "no-store"})
        nonce = secrets.token_urlsafe(16)
        own = f"'self' 'nonce-{nonce}'"
        return HTMLResponse(
            self._page.replace(NONCE, nonce).replace(_HERE, f'="{shown}/'),
            headers={"Cache-Control": "no-store", "Content-Security-Policy": policy(script_src=own, style_src=own)},
        )


def _loaded(built: Path) -> Iterator[Path]:
    """Everything that pages load: their names change with what stands in them."""
    return (path for path in built.glob("assets/**/*") if path.is_file())
