"""What stands around every page: navigation, themes, errors in words, the key, a root path."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.live import LiveServer
from tests.studio.conftest import Open

PHONE = {"width": 390, "height": 844}


def test_pages_have_addresses_of_their_own_and_titles(server: LiveServer, visit: Open) -> None:
    page = visit(server)
    expect(page).to_have_title("Home · ModelForge")
    page.get_by_role("link", name="Datasets", exact=True).click()
    expect(page).to_have_url(f"{server.url}/datasets")
    page.get_by_role("link", name="rows.jsonl").click()
    page.get_by_role("link", name="Rows", exact=True).click()
    expect(page).to_have_title("rows.jsonl · ModelForge")
    expect(page.get_by_role("cell", name="what is 7?")).to_be_visible()
    page.reload()
    expect(page.get_by_role("cell", name="what is 7?")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")


def test_only_pages_that_exist_are_shown(server: LiveServer, visit: Open) -> None:
    page = visit(server)
    for link in page.get_by_role("navigation", name="Pages").get_by_role("link").all():
        page.goto(link.get_attribute("href") or "")
        expect(page.get_by_role("heading", level=1)).not_to_have_text("There is no such page")
    page.goto("/no/such/page")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")


def test_the_theme_is_chosen_and_kept(server: LiveServer, visit: Open) -> None:
    page = visit(server, color_scheme="light")
    shade = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(shade)
    page.get_by_label("Appearance").select_option("Dark")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    dark = page.evaluate(shade)
    assert light != dark
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.get_by_label("Appearance").select_option("As the system")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


def test_on_a_phone_the_pages_are_behind_a_button(server: LiveServer, visit: Open) -> None:
    page = visit(server, viewport=PHONE, has_touch=True)
    expect(page.get_by_role("link", name="Datasets", exact=True)).not_to_be_visible()
    page.get_by_role("button", name="Menu").tap()
    page.get_by_role("link", name="Datasets", exact=True).tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")
    expect(page.get_by_role("link", name="Datasets", exact=True)).not_to_be_visible()


def test_the_content_is_one_key_away(server: LiveServer, visit: Open) -> None:
    page = visit(server)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_what_the_server_refuses_is_told_in_its_words(server: LiveServer, visit: Open) -> None:
    page = visit(server, "/datasets/row.jsonl", expected=("Failed to load resource",))
    told = server.call("GET", "/api/datasets/row.jsonl", status=404)["detail"]
    assert "rows.jsonl" in told
    expect(page.get_by_role("alert").get_by_text(told)).to_be_visible()


def test_a_key_is_asked_for_once(alone: LiveServer, visit: Open) -> None:
    key = alone.make_key()
    alone.start()
    page = visit(alone, "/datasets", expected=("Failed to load resource", "WebSocket connection"))
    page.get_by_label("API key").fill("mf_wrong")
    page.get_by_role("button", name="Open the studio").click()
    expect(page.get_by_text("not known here")).to_be_visible()
    page.get_by_label("API key").fill(key)
    with page.expect_request(lambda request: request.headers.get("authorization") == f"Bearer {key}"):
        page.get_by_role("button", name="Open the studio").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")
    with page.expect_websocket() as opened:
        page.reload()
    expect(page.get_by_text("No data yet")).to_be_visible()
    assert key not in opened.value.url and key not in page.url


def test_a_page_that_loads_before_it_is_shown_comes_with_the_key(alone: LiveServer, visit: Open) -> None:
    key = alone.make_key()
    alone.start()
    page = visit(alone, "/new", expected=("Failed to load resource", "WebSocket connection", "asks for an API key"))
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Open the studio").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New run")


def test_it_works_under_the_path_of_a_proxy(alone: LiveServer, visit: Open) -> None:
    alone.environment["MODELFORGE_ROOT_PATH"] = "/forge"
    page = visit(alone.start(), "/forge/datasets")
    expect(page.get_by_text("No data yet")).to_be_visible()
    with page.expect_websocket(lambda socket: "/forge/ws/training" in socket.url):
        page.reload()
    page.get_by_role("link", name="Home").click()
    expect(page).to_have_url(re.compile("/forge/?$"))
    expect(page.get_by_text("Nothing is running")).to_be_visible()


def test_a_lost_server_is_told_and_found_again(alone: LiveServer, visit: Open) -> None:
    alone.start()
    port = int(alone.url.rpartition(":")[2])
    page = visit(alone, expected=("Failed to load resource", "WebSocket connection"))
    expect(page.get_by_text("Nothing is running")).to_be_visible()
    alone.kill()
    expect(page.get_by_text("connection to the server is lost")).to_be_visible()
    alone.start(port)
    expect(page.get_by_text("connection to the server is lost")).not_to_be_visible()


def test_a_page_that_failed_while_the_server_was_away_comes_with_it(alone: LiveServer, visit: Open) -> None:
    alone.start()
    port = int(alone.url.rpartition(":")[2])
    page = visit(alone, expected=("Failed to load resource", "WebSocket connection"))
    expect(page.get_by_text("Nothing is running")).to_be_visible()
    page.get_by_role("link", name="Datasets", exact=True).hover()  # its script is loaded while the server is there
    page.wait_for_timeout(300)
    alone.kill()
    expect(page.get_by_text("connection to the server is lost")).to_be_visible()
    page.get_by_role("link", name="Datasets", exact=True).click()
    refused = page.get_by_role("alert").filter(has_text="The server does not answer")
    expect(refused.first).to_be_visible()
    alone.start(port)
    expect(page.get_by_text("No data yet")).to_be_visible()
    expect(refused).to_have_count(0)
