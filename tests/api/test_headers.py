"""What answers tell browsers."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from modelforge.api.app import create_app
from modelforge.api.headers import HEADERS
from modelforge.settings import load_settings
from tests.live import LiveServer

ORIGIN = "https://page.example"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    app: Any = create_app(load_settings(home=tmp_path / "home", allowed_origins=[ORIGIN]), supervise=False)

    async def fault() -> None:
        raise ZeroDivisionError

    app.router.add_api_route("/fault", fault)
    app.router.routes.insert(0, app.router.routes.pop())
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/models", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/static-offline-docs/swagger-ui.css", {}, 200),
        ("GET", "/none", {}, 404),
        ("PUT", "/api/models", {}, 405),
        ("GET", "/api/models", {"host": "evil.example"}, 403),
        ("OPTIONS", "/api/models", {"origin": ORIGIN, "access-control-request-method": "GET"}, 200),
        ("POST", "/api/start_training", {"content-length": "999999999"}, 413),
        ("GET", "/fault", {}, 500),
    ],
)
def test_every_answer_has_them(
    client: TestClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    reply = client.request(method, path, headers=headers)
    assert reply.status_code == status
    assert {name: reply.headers.get(name) for name in HEADERS} == HEADERS
    assert [len(reply.headers.get_list(name)) for name in HEADERS] == [1] * len(HEADERS)


def test_no_page_runs_a_script_that_it_was_not_made_with(client: TestClient) -> None:
    reply = client.get("/docs")
    policy = dict(each.split(" ", 1) for each in reply.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'" and policy["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"'self' 'sha256-[A-Za-z0-9+/]{43}='", policy["script-src"])
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert {name: reply.headers.get(name) for name in HEADERS} == {
        **HEADERS,
        "Content-Security-Policy": reply.headers["content-security-policy"],
    }


@pytest.mark.skipif(shutil.which("chromium") is None, reason="this machine has no Chromium")
def test_a_browser_shows_the_docs_and_finds_nothing_to_block(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "home", MODELFORGE_ROOT_PATH="/studio").start()
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
    words += [
        "--enable-logging=stderr",
        "--v=0",
        "--virtual-time-budget=15000",
        "--dump-dom",
        f"{server.url}/studio/docs",
    ]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    server.close()
    assert "/api/start_training" in shown.stdout
    assert "Content Security Policy" not in shown.stderr
