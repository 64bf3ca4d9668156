"""A hub of our own: speaks the part of the Hugging Face hub's HTTP that loading a model takes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Set
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secret_of_the_test"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: dict[str, Path]
    gated: set[str]
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = urlsplit(self.path).path
        self.asked.append(path)
        owner, _, rest = path.lstrip("/").partition("/resolve/")
        if path.startswith("/api/models/"):
            name = "/".join(path.split("/")[3:5])
            self._send(
                404 if name not in self.models or "/tree/" in path else 200,
                json.dumps({"id": name, "sha": COMMIT}).encode(),
            )
        elif owner not in self.models:
            self._send(404, b"{}", code="RepoNotFound")
        elif owner in self.gated and self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._send(403, b"{}", code="GatedRepo")
        else:
            file = self.models[owner] / rest.partition("/")[2]
            if file.is_file():
                self._send(200, file.read_bytes(), body=body)
            else:
                self._send(404, b"{}", code="EntryNotFound", body=body)

    def _send(self, status: int, content: bytes, *, code: str = "", body: bool = True) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None: ...


@contextmanager
def small_hub(models: dict[str, Path], gated: Set[str] = frozenset()) -> Iterator[tuple[str, list[str]]]:
    """A hub with these models by id; yields its address and the list of paths that it was asked for."""
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"models": models, "gated": set(gated), "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
