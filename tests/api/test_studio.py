"""Who gets the studio's page, and how. A small page stands for the built one."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from modelforge.api import studio
from modelforge.api.app import create_app
from modelforge.settings import Settings

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGE = '<meta name="root" content="./"><style nonce="__NONCE__"></style><script src="./assets/a-1.js"></script>'
SCRIPT = b"console.log(1);" * 100


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "studio"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "assets" / "a-1.js").write_bytes(SCRIPT)
    (folder / "assets" / "a-1.js.gz").write_bytes(gzip.compress(SCRIPT))
    monkeypatch.setattr(studio.Studio.__init__, "__defaults__", (folder,))
    return folder


@pytest.fixture
def page(built: Path, settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings, supervise=False), base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/datasets/a.csv/rows?search=b", "/no/such/page"])
def test_a_browser_gets_the_page_for_every_path_that_is_not_the_apis(page: TestClient, path: str) -> None:
    reply = page.get(path, headers=BROWSER)
    assert reply.status_code == 200 and 'src="/assets/a-1.js"' in reply.text and 'content="/"' in reply.text
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/api", "/api/nothing", "/ws/nothing", "/openapi.json/x", "/docs/x"])
def test_the_apis_paths_stay_the_apis(page: TestClient, path: str) -> None:
    reply = page.get(path, headers=BROWSER)
    assert (reply.status_code, reply.json()["status_code"]) == (404, 404)


def test_other_clients_are_told_that_there_is_no_such_path(page: TestClient) -> None:
    assert page.get("/datasets").json()["status_code"] == 404
    assert page.post("/", headers=BROWSER).json()["status_code"] in (404, 405)


def test_the_page_runs_what_belongs_to_it_alone(page: TestClient) -> None:
    first, second = (page.get("/", headers=BROWSER) for _ in range(2))
    policy = first.headers["content-security-policy"]
    (nonce,) = set(re.findall(r"'nonce-([\w-]+)'", policy))
    assert f'nonce="{nonce}"' in first.text and nonce not in second.text
    assert "unsafe" not in policy and "default-src 'self'" in policy and "frame-ancestors 'none'" in policy


def test_what_it_loads_is_kept_for_ever_and_sent_compressed(page: TestClient) -> None:
    whole = page.get("/assets/a-1.js", headers={"Accept-Encoding": "identity"})
    small = page.get("/assets/a-1.js", headers={"Accept-Encoding": "gzip, deflate"})
    assert whole.content == small.content == SCRIPT
    assert "content-encoding" not in whole.headers and small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(SCRIPT) / 5
    for reply in (whole, small):
        assert "immutable" in reply.headers["cache-control"] and reply.headers["vary"] == "Accept-Encoding"
        assert "javascript" in reply.headers["content-type"]


def test_a_file_that_was_built_anew_is_no_fault_of_the_server(page: TestClient, built: Path) -> None:
    (built / "assets" / "a-1.js").unlink()
    reply = page.get("/assets/a-1.js", headers={"Accept-Encoding": "identity"})
    assert reply.status_code == 404 and "replaced" in reply.text


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/../index.html", "/assets/%2e%2e/%2e%2e/settings.py"])
def test_nothing_else_of_the_disk_is_shown(page: TestClient, path: str) -> None:
    assert page.get(path).status_code == 404


def test_it_is_shown_under_a_root_path(built: Path, settings: Settings) -> None:
    app = create_app(settings, supervise=False)
    with TestClient(app, base_url="http://localhost", root_path="/forge") as client:
        for path in ("/forge/", "/forge/datasets"):
            reply = client.get(path, headers=BROWSER)
            assert 'src="/forge/assets/a-1.js"' in reply.text and 'content="/forge/"' in reply.text
        assert client.get("/forge/assets/a-1.js").content == SCRIPT


def test_without_a_built_page_it_says_what_to_do(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio.Studio.__init__, "__defaults__", (tmp_path / "none",))
    with TestClient(create_app(settings, supervise=False), base_url="http://localhost") as client:
        reply = client.get("/", headers=BROWSER)
        assert reply.status_code == 200 and "make studio" in reply.text and 'href="/docs"' in reply.text
        assert "swagger" in client.get("/docs").text
