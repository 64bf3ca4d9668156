"""The machine, what its providers miss, what takes room and can go, and API keys."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.live import LiveServer
from tests.studio.conftest import Open, in_full


@in_full
def test_the_machine_is_told_as_it_is(server: LiveServer, visit: Open) -> None:
    told = server.get("/api/system")
    page = visit(server, "/system")
    now = page.get_by_role("region", name="Now")
    expect(now.get_by_text(told["hardware"]["system"])).to_be_visible()
    expect(now.get_by_role("progressbar", name="Processors")).to_be_visible()
    with page.expect_response("**/api/system/use"):
        pass  # it looks again by itself
    libraries = page.get_by_role("region", name="Libraries that train").first
    for provider in told["providers"]:
        if provider["reason"]:
            expect(libraries.get_by_text(provider["reason"])).to_be_visible()
    versions = page.get_by_role("region", name="Versions").first
    for package in told["packages"]:
        expect(versions.get_by_role("row", name=package["name"])).to_contain_text(package["version"] or "not installed")


@in_full
def test_cleaning_asks_and_says_what_goes(server: LiveServer, visit: Open) -> None:
    body = {"task": "text-generation", "model_name": "modelforge-starter", "dataset": "rows.jsonl", "max_steps": 1}
    assert server.wait(server.post("/api/jobs", body)["job_id"])["status"] == "completed"
    (before,) = (each for each in server.get("/api/system")["storage"] if each["kind"] == "checkpoints")
    assert before["freeable_mb"] > 0
    page = visit(server, "/system")
    action = page.get_by_role("button", name="Clean up: Checkpoints of completed runs")
    action.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(before["about"])).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).not_to_be_visible()
    assert before in server.get("/api/system")["storage"]
    action.click()
    dialog.get_by_role("button", name="Clean up").click()
    expect(page.get_by_text("are free again")).to_be_visible()
    expect(action).not_to_be_visible()
    (after,) = (each for each in server.get("/api/system")["storage"] if each["kind"] == "checkpoints")
    assert after["freeable_mb"] == 0


@in_full
def test_a_key_is_shown_once_and_does_not_lock_its_maker_out(tmp_path: Path, visit: Open) -> None:
    live = LiveServer(tmp_path / "home").start()
    try:
        page = visit(live, "/system", permissions=["clipboard-read", "clipboard-write"])
        page.get_by_label("Name of a new key").fill("laptop")
        page.get_by_role("button", name="Create key").click()
        made = page.get_by_role("dialog", name="The new key")
        expect(made.get_by_text("From now on the server asks every client")).to_be_visible()
        made.get_by_role("button", name="Copy").click()
        expect(made.get_by_text("Copied")).to_be_visible()
        key = page.evaluate("navigator.clipboard.readText()")
        made.get_by_role("button", name="I have kept it").click()

        # The server wants it of everybody now, and this page goes on.
        live.call("GET", "/api/jobs", status=401)
        live.call("GET", "/api/jobs", headers={"Authorization": f"Bearer {key}"})
        page.reload()
        row = page.get_by_role("row", name="laptop")
        expect(row.get_by_text("valid")).to_be_visible()
        assert key not in page.content()

        row.get_by_role("button", name="Revoke laptop").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(row.get_by_text("revoked")).to_be_visible()
        live.get("/api/jobs")

        # The key that this page holds is worth nothing now; the next one takes its place.
        page.get_by_label("Name of a new key").fill("phone")
        page.get_by_role("button", name="Create key").click()
        page.keyboard.press("Escape")
        expect(made.get_by_text("From now on the server asks every client")).to_be_visible()
        made.get_by_role("button", name="I have kept it").click()
        expect(page.get_by_role("row", name="phone").get_by_text("valid")).to_be_visible()
    finally:
        live.close()
