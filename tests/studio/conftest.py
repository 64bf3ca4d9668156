"""The studio in Chromium, against a real server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from modelforge.api.studio import BUILT
from tests.live import LiveServer
from tests.studio.trained import train

SHORT = os.environ.get("STUDIO") == "short"
"""Each page once, and the ways that most people go."""
in_full = pytest.mark.skipif(SHORT, reason="STUDIO=short")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

expect.set_options(timeout=60_000)  # probes load a tokenizer, on a machine that tests share


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("this machine has no Chromium")
    assert (BUILT / "index.html").is_file(), "the studio is not built: run `make studio`"
    with sync_playwright() as playwright:
        # Root, as in containers, has no sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[LiveServer]:
    """A server for one test, to be started."""
    live = LiveServer(tmp_path / "home")
    yield live
    live.close()


@pytest.fixture
def visit(browser: Browser, alone: LiveServer) -> Iterator[Open]:
    """Opens an address of a server in a window of its own; what the page did wrong meanwhile fails the test. Windows
    close before the server that a test has alone: a page notices that it goes."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def visit(live: LiveServer, path: str = "/", *, expected: tuple[str, ...] = (), **window: object) -> Page:
        """``expected`` are words that the console may say: browsers write down every refused request."""
        context = browser.new_context(base_url=live.url, **window)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on(
            "console",
            lambda said: (
                wrong.append(said.text)
                if said.type in ("error", "warning") and not any(words in said.text for words in expected)
                else None
            ),
        )
        own = urlsplit(live.url).netloc
        page.on(
            "request",
            lambda request: (
                wrong.append(f"asks elsewhere: {request.url}")
                if urlsplit(request.url).netloc not in (own, "")
                else None
            ),
        )
        page.goto(path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the models of ``train``. Tests leave it as it was."""
    live = LiveServer(tmp_path_factory.mktemp("trained")).start()
    train(live)
    yield live
    live.close()
