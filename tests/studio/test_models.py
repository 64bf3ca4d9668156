"""Models: what a card says, renaming, deleting and bringing back, taking one elsewhere."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.live import LiveServer
from tests.studio.conftest import Open, in_full

pytestmark = in_full


def named(live: LiveServer, name: str) -> dict[str, Any]:
    (found,) = [each for each in live.get("/api/models")["models"] if each["name"] == name]
    detail: dict[str, Any] = live.get(f"/api/models/{found['id']}")
    return detail


def row(page: Page, name: str, table: str = "Trained models") -> Locator:
    rows = page.get_by_role("region", name=table).get_by_role("row")
    return rows.filter(has=page.get_by_role("rowheader", name=name, exact=True))


def test_a_card_says_where_a_model_comes_from_and_what_came_of_it(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "polite")
    page = visit(trained, "/models", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="polite", exact=True).click()
    expect(page).to_have_title("polite · ModelForge")
    lineage = page.get_by_role("region", name="Where it comes from").get_by_role("listitem")
    assert [each.split("\n")[:2] for each in lineage.all_inner_texts()] == [
        ["not trained here", "modelforge-starter"],
        ["sft", "first"],
        ["dpo", "polite"],
    ]
    loss = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Final loss", exact=True))
    before, after = (float(loss.get_by_role("cell").nth(at).inner_text()) for at in (0, 1))
    assert abs(before - model["metrics"]["base_final_loss"]) < 1e-3
    assert abs(after - model["metrics"]["final_loss"]) < 1e-3

    page.get_by_text("curl", exact=True).click()
    page.get_by_role("region", name="Use it").get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == trained.get(f"/api/models/{model['id']}/usage")["curl"]
    expect(page.get_by_role("region", name="Where it is stored")).to_contain_text(model["path"])
    settings = page.get_by_role("region", name="Settings", exact=True)
    settings.locator("summary").click()
    expect(settings.get_by_text("weight_decay")).to_be_visible()


def test_a_model_is_renamed(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "short")
    page = visit(trained, f"/models/{model['id']}", expected=("Failed to load resource",))
    page.get_by_role("button", name="Rename").click()
    name = page.get_by_label("New name")
    expect(name).to_be_focused()
    name.fill("first")
    page.keyboard.press("Enter")
    refused = trained.call("PATCH", f"/api/models/{model['id']}", status=409, json={"name": "first"})
    expect(page.get_by_text(refused["detail"])).to_be_visible()
    name.fill("brief")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("brief")
    assert trained.get(f"/api/models/{model['id']}")["name"] == "brief"
    page.get_by_role("link", name="All models").click()
    expect(row(page, "brief")).to_be_visible()
    expect(row(page, "short")).not_to_be_visible()
    trained.call("PATCH", f"/api/models/{model['id']}", json={"name": "short"})


def test_a_deleted_model_comes_back_by_the_keyboard(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "short")
    page = visit(trained, f"/models/{model['id']}")
    page.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("“short” was deleted.")).to_be_visible()
    expect(row(page, "short")).not_to_be_visible()
    trained.call("GET", f"/api/models/{model['id']}", status=404)
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    page.reload()
    expect(undo).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(page, "short")).to_be_visible()
    expect(undo).not_to_be_visible()
    assert trained.get(f"/api/models/{model['id']}") == model
    assert Path(model["path"]).is_dir()


def test_the_trash_gives_back_and_asks_before_it_takes(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "short")
    page = visit(trained, "/models")
    page.get_by_role("button", name="Delete short").click()
    page.get_by_role("button", name="Delete short for good").click()
    asked = page.get_by_role("dialog", name="Delete short for good")
    asked.get_by_role("button", name="Cancel").click()
    assert [each["name"] for each in trained.get("/api/trash")["models"]] == ["short"]
    page.get_by_role("button", name="Restore short").click()
    expect(row(page, "short")).to_be_visible()
    expect(page.get_by_role("region", name="Deleted models")).not_to_be_visible()
    assert trained.get(f"/api/models/{model['id']}") == model


def test_a_model_is_downloaded(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "first")
    page = visit(trained, f"/models/{model['id']}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert_is_whole(download.value.path(), Path(model["path"]))
    assert download.value.suggested_filename == "first.zip"


def test_a_model_is_downloaded_with_a_key(trained: LiveServer, alone: LiveServer, visit: Open) -> None:
    shutil.copytree(trained.home, alone.home, ignore=shutil.ignore_patterns("*.lock", "server.json"))
    key = alone.make_key()
    alone.start()
    page = visit(alone, "/models", expected=("Failed to load resource", "WebSocket connection"))
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="first", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert_is_whole(download.value.path(), Path(named(trained, "first")["path"]))
    assert download.value.suggested_filename == "first.zip"


def assert_is_whole(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        assert zipped.testzip() is None
        files = {
            Path(*Path(each.filename).parts[1:]): each.file_size for each in zipped.infolist() if not each.is_dir()
        }
    assert files == {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
