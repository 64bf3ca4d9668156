"""What holds for every page: everybody can use it, it fits a phone, it is quick, and there is a picture of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from modelforge.api.studio import BUILT
from tests.live import LiveServer
from tests.studio.conftest import SHORT, Open, in_full
from tests.studio.pages import PAGES, address, furnish

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
SIZES: dict[str, Any] = {
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
}
FIRST_LOAD_BYTES = 250_000
"""Of compressed script, before a page can be used."""
PICTURES = os.environ.get("PICTURES")
"""The folder that `make pictures` writes to."""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path_factory.mktemp("home")).start()
    furnish(live)
    yield live
    live.close()


def settled(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.get_by_label("Loading…")).to_have_count(0)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


WAYS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]
SEEN = [
    (name, *way)
    for page, name in enumerate(PAGES)
    for number, way in enumerate(WAYS)
    if not SHORT or number == page % len(WAYS)
]


@pytest.mark.parametrize(("name", "size", "scheme"), SEEN)
def test_everybody_can_use_it(
    furnished: LiveServer, visit: Open, tmp_path: Path, name: str, size: str, scheme: str
) -> None:
    page = visit(furnished, address(furnished, name), color_scheme=scheme, reduced_motion="reduce", **SIZES[size])
    settled(page)
    folder = Path(PICTURES) if PICTURES and name != "not-found" else tmp_path
    page.screenshot(path=folder / f"studio-{name}-{size}-{scheme}.png")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    told = [
        f"{each['impact']} {each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found
    ]
    assert told == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than its window"


@in_full
@pytest.mark.parametrize("name", list(PAGES))
def test_it_loads_little(furnished: LiveServer, visit: Open, name: str) -> None:
    page = visit(furnished, address(furnished, name))
    settled(page)
    scripts = page.evaluate(
        "performance.getEntriesByType('resource').map(each => new URL(each.name).pathname)"
        ".filter(path => path.endsWith('.js'))"
    )
    assert scripts
    assert sum((BUILT / f"{script[1:]}.gz").stat().st_size for script in scripts) <= FIRST_LOAD_BYTES
