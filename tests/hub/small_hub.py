"""A hub of our own: speaks the part of the Hugging Face hub's HTTP that loading a model and fetching a dataset take."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secret_of_the_test"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: dict[str, Path]
    datasets: dict[str, Path]
    private: set[str]
    broken: set[str]
    slow: set[str]
    gated: set[str]
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = urlsplit(self.path).path
        self.asked.append(path)
        if path.startswith(("/api/datasets/", "/datasets/")):
            self._dataset(path, body=body)
            return
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

    def _dataset(self, path: str, *, body: bool) -> None:
        name, _, rest = (
            unquote(path)
            .removeprefix("/api")
            .removeprefix("/datasets/")
            .partition("/revision/" if path.startswith("/api/") else "/resolve/")
        )
        revision, _, file = rest.partition("/") if "/resolve/" in path else (rest, "", "")
        known = self.headers.get("authorization") == f"Bearer {TOKEN}"
        if name in self.slow:
            time.sleep(60)
        if name in self.broken:
            self._send(503, b"{}")
        elif name not in self.datasets or (name in self.private and not known):
            self._send(404 if known else 401, b"{}", code="RepoNotFound")
        elif revision not in ("", "main", COMMIT, "v1", "refs/convert/parquet"):
            self._send(404, b"{}", code="RevisionNotFound")
        elif path.startswith("/api/"):
            folder = self.datasets[name]
            files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
            listed = [{"rfilename": str(each.relative_to(folder)), "size": each.stat().st_size} for each in files]
            self._send(200, json.dumps({"id": name, "sha": COMMIT, "siblings": listed}).encode())
        elif name in self.gated and not known:
            self._send(403, b"{}", code="GatedRepo")
        elif (self.datasets[name] / file).is_file():
            self._send(200, (self.datasets[name] / file).read_bytes(), body=body)
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
def small_hub(
    models: dict[str, Path] | None = None,
    gated: Set[str] = frozenset(),
    *,
    datasets: dict[str, Path] | None = None,
    private: Set[str] = frozenset(),
    broken: Set[str] = frozenset(),
    slow: Set[str] = frozenset(),
) -> Iterator[tuple[str, list[str]]]:
    """A hub with these models and datasets by id; yields its address and the list of paths that it was asked for."""
    asked: list[str] = []
    has = {"models": models or {}, "datasets": datasets or {}, "asked": asked}
    kept = {"gated": set(gated), "private": set(private), "broken": set(broken), "slow": set(slow)}
    handler = type("Handler", (_Handler,), {**has, **kept})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
