"""A run's page while a real training goes on, and what is done to it; the table of runs, the queue, comparison."""

from __future__ import annotations

import csv
import math
import os
import re
import signal
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.live import LiveServer, jsonl, rows, until
from tests.studio.conftest import Open, in_full

STEPS = 40
BODY = {
    "task": "text-generation",
    "model_name": "modelforge-starter",
    "dataset": "rows.jsonl",
    "logging_steps": 1,
    "eval_steps": 10,
    "save_steps": 5,
}
SLOW = 300_000
"""Milliseconds in which a worker starts, on a machine that tests share."""
BROKEN = ("WebSocket connection to", "Failed to load resource: net::ERR_CONNECTION_REFUSED")
"""What Chromium writes down while the server is away."""


@pytest.fixture
def own(alone: LiveServer) -> LiveServer:
    """A server of this test's own, which may be killed."""
    alone.start().upload("rows.jsonl", jsonl(rows(40)))
    return alone


def start(live: LiveServer, name: str, **config: Any) -> str:
    job_id: str = live.post("/api/jobs", {**BODY, "name": name, "max_steps": STEPS, **config})["job_id"]
    return job_id


def trained_to(page: Page, step: int) -> None:
    """Until the page has come so far."""
    expect(page.get_by_text(re.compile(rf"^Step {step}\d* of"))).to_be_visible(timeout=SLOW)


def state(page: Page, word: str) -> None:
    expect(page.get_by_role("paragraph").get_by_text(word, exact=True)).to_be_visible(timeout=SLOW)


def curve(page: Page) -> dict[int, list[float]]:
    """The training loss and the loss on held-out rows at every step, as the arrow keys read them from the chart."""
    chart = page.get_by_role("figure", name="Loss", exact=True)
    chart.focus()
    read: dict[int, list[float]] = {}
    page.keyboard.press("Home")
    while True:
        expect(chart.get_by_role("status")).to_have_text(re.compile("Step"))
        said = chart.get_by_role("status").text_content() or ""
        found = re.fullmatch(r"Step ([\d,]+): Training loss (\S+), Held-out loss (\S+)", said)
        assert found, said
        step = int(found[1].replace(",", ""))
        if step in read:
            return read
        read[step] = [math.nan if value == "–" else float(value) for value in found.groups()[1:]]
        page.keyboard.press("ArrowRight")


def assert_whole(page: Page, live: LiveServer, job_id: str) -> None:
    """The page shows what was measured: every step, with its values."""
    expect(page.get_by_text("Drag across a chart")).to_be_visible()
    points = live.get(f"/api/jobs/{job_id}/metrics")["metrics"]
    read = curve(page)
    assert sorted(read) == [point["step"] for point in points] == list(range(1, STEPS + 1))
    held_out = math.nan
    for point in points:
        held_out = point.get("eval_loss", held_out)
        assert read[point["step"]] == pytest.approx([point["loss"], held_out], rel=1e-3, nan_ok=True), point


@in_full
def test_a_run_is_seen_from_its_start_to_its_end_without_asking(server: LiveServer, visit: Open) -> None:
    job_id = start(server, "whole")
    page = visit(server, f"/runs/{job_id}")
    other = page.context.new_page()
    other.goto(f"/runs/{job_id}")
    trained_to(page, 1)
    expect(page.get_by_text("Drag across a chart")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    expect(page.get_by_text(re.compile("about .* left"))).to_be_visible(timeout=SLOW)
    for measure in ("Learning rate", "Gradient norm", "Tokens per second", "Memory (MB)"):
        expect(page.get_by_role("figure", name=measure).locator("strong")).to_have_text(re.compile(r"\d"))
    state(page, "Completed")
    assert_whole(page, server, job_id)
    state(other, "Completed")
    assert_whole(other, server, job_id)
    assert not [path for path in asked if path.endswith(("/metrics", "/training_status"))]
    page.get_by_role("tab", name="Results").click()
    final = server.get(f"/api/jobs/{job_id}")["metrics"]["final_loss"]
    row = page.get_by_role("row", name="Final loss")
    after = row.get_by_role("cell").nth(1)  # between what it started from and the change
    assert float(after.inner_text()) == pytest.approx(final, rel=1e-3)
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_role("region", name="Log")).to_contain_text("grad_norm")
    page.reload()
    expect(page.get_by_role("tab", name="Log")).to_have_attribute("aria-selected", "true")
    page.go_back()


def test_a_server_that_is_killed_and_comes_back_leaves_no_gap(own: LiveServer, visit: Open) -> None:
    job_id = start(own, "survives")
    page = visit(own, f"/runs/{job_id}", expected=BROKEN)
    trained_to(page, 1)
    port = urlsplit(own.url).port
    assert port is not None
    own.kill()
    expect(page.get_by_text("The connection to the server is lost")).to_be_visible()
    own.start(port)
    expect(page.get_by_text("The connection to the server is lost")).not_to_be_visible(timeout=SLOW)
    state(page, "Completed")
    assert_whole(page, own, job_id)


@in_full
def test_what_is_lost_by_a_stop_at_once_is_said_before(server: LiveServer, visit: Open) -> None:
    job_id = start(server, "at-once", max_steps=2000, save_steps=3, eval_steps=500)
    page = visit(server, f"/runs/{job_id}")
    trained_to(page, 1)
    until(lambda: server.get(f"/api/jobs/{job_id}/checkpoints")["total"] > 0, 60)
    page.get_by_role("button", name="Stop at once").click()
    dialog = page.get_by_role("dialog", name="Stop without saving?")
    expect(dialog.get_by_text(re.compile("since step [0-9]+ is lost"))).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).not_to_be_visible()
    assert server.get(f"/api/jobs/{job_id}")["status"] == "training"
    page.get_by_role("button", name="Stop at once").click()
    dialog.get_by_role("button", name="Stop at once").click()
    state(page, "Stopped")
    expect(page.get_by_role("button", name=re.compile("Resume from step [0-9]+"))).to_be_visible()


@in_full
def test_a_killed_worker_is_explained_and_resumed_by_a_button(own: LiveServer, visit: Open) -> None:
    job_id = start(own, "killed")
    page = visit(own, f"/runs/{job_id}")
    trained_to(page, 1)
    os.kill(own.get(f"/api/jobs/{job_id}")["pid"], signal.SIGKILL)
    outcome = page.get_by_role("region", name=re.compile("The run (failed|was interrupted)"))
    expect(outcome.get_by_text("Something outside ModelForge ended it.")).to_be_visible(timeout=SLOW)
    expect(outcome.get_by_text("SIGKILL").first).to_be_attached()
    outcome.get_by_role("button", name=re.compile("^Resume from (step [1-9]|the beginning)")).click()
    expect(page.get_by_text("attempt 2")).to_be_visible(timeout=SLOW)
    expect(outcome).not_to_be_visible()
    state(page, "Completed")
    assert_whole(page, own, job_id)


@in_full
def test_a_lost_websocket_catches_up_by_its_number(server: LiveServer, visit: Open) -> None:
    job_id = start(server, "cut")
    page = visit(server, f"/runs/{job_id}", expected=BROKEN)
    sockets: list[WebSocketRoute] = []

    def between(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/training"), between)
    page.reload()
    trained_to(page, 1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    for _ in range(3):
        before = len(sockets)
        sockets[-1].close(code=1011)
        until(lambda: page.wait_for_timeout(20) is None and len(sockets) > before, 30)  # noqa: B023
        assert re.search(r"\?after=\d+$", sockets[-1].url), sockets[-1].url
    state(page, "Completed")
    assert_whole(page, server, job_id)
    assert not [path for path in asked if path.endswith("/metrics")]


@in_full
def test_it_is_stopped_and_started_again_with_other_settings(server: LiveServer, visit: Open) -> None:
    job_id = start(server, "stopped", max_steps=100_000)
    page = visit(server, f"/runs/{job_id}")
    trained_to(page, 1)
    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "Stopped")
    expect(page.get_by_role("region", name="The run was stopped").get_by_text("asked for it")).to_be_visible()
    outcome = page.get_by_role("region", name="The run was stopped")
    step = max(each["step"] for each in server.get(f"/api/jobs/{job_id}/checkpoints")["checkpoints"])
    expect(outcome.get_by_role("button")).to_have_text(f"Resume from step {step:,}")
    page.get_by_role("button", name="Clone").click()
    request = page.get_by_role("region", name="JSON").inner_text()
    assert '"learning_rate"' in request and '"name"' not in request
    page.get_by_role("tab", name="curl").click()
    expect(page.get_by_role("region", name="curl")).to_contain_text(f"curl {server.url}/api/jobs")


@in_full
def test_the_queue_is_moved_and_left(server: LiveServer, visit: Open) -> None:
    first = start(server, "runs-first", max_steps=100_000)
    for name in ("second", "third"):
        start(server, name)
    page = visit(server, "/runs")
    queue = page.get_by_role("region", name="Queue").first
    expect(queue.get_by_role("row").nth(1)).to_contain_text("second")
    queue.get_by_role("button", name="Move third up").click()
    expect(queue.get_by_role("row").nth(1)).to_contain_text("third")
    for name in ("second", "third"):
        queue.get_by_role("button", name=f"Cancel {name}").click()
        expect(queue.get_by_text(name, exact=True)).to_have_count(0)
    server.wait(first, ("training",))
    server.call("POST", f"/api/jobs/{first}/stop", params={"force": True})
    expect(page.get_by_role("row", name="runs-first").get_by_text("Stopped")).to_be_visible(timeout=SLOW)


def test_a_queue_that_others_change_is_seen_while_a_run_goes_on(alone: LiveServer, visit: Open) -> None:
    """On Runs and on Home, where more jobs wait than are newest."""
    alone.start().upload("rows.jsonl", jsonl(rows(40)))
    first = start(alone, "runs-first", max_steps=100_000)
    alone.wait(first, ("training",), seconds=SLOW / 1000)
    page = visit(alone, "/runs")
    home = page.context.new_page()
    home.goto("/")
    now = home.get_by_role("region", name="Running now")
    expect(now.get_by_role("link", name="runs-first")).to_be_visible()
    queue = page.get_by_role("region", name="Queue").first
    expect(page.get_by_role("row", name="runs-first")).to_be_visible()
    expect(queue).not_to_be_visible()
    others = [start(alone, f"other-{number}") for number in range(22)]
    expect(queue.get_by_role("row").nth(22)).to_contain_text("other-21")
    expect(now.get_by_text("22 more runs wait")).to_be_visible()
    alone.call("POST", f"/api/jobs/{others[-1]}/move", params={"position": 1})
    expect(queue.get_by_role("row").nth(1)).to_contain_text("other-21")
    alone.call("POST", f"/api/jobs/{others[0]}/stop")
    expect(queue.get_by_text("other-0", exact=True)).to_have_count(0)
    expect(now.get_by_text("21 more runs wait")).to_be_visible()
    home.reload()
    expect(now.get_by_role("link", name="runs-first")).to_be_visible()
    expect(home.get_by_role("region", name="Latest results").get_by_role("row", name="other-0")).to_be_visible()


@in_full
def test_a_log_is_read_while_more_is_written(own: LiveServer, visit: Open) -> None:
    job_id = start(own, "writes", max_steps=2)
    own.wait(job_id)
    log = own.home / "runs" / job_id / "worker.log"
    log.write_text("".join(f"line {number}\n" for number in range(2500)))
    asked: list[str] = []
    page = visit(own, f"/runs/{job_id}")
    page.on("request", lambda request: asked.append(request.url) if "/log?" in request.url else None)
    page.get_by_role("tab", name="Log").click()
    box = page.get_by_role("region", name="Log")
    expect(box).to_contain_text("line 2499")
    assert [urlsplit(url).query for url in asked] == ["tail=1000"]
    follow = page.get_by_role("checkbox", name="Follow new lines")
    expect(follow).to_be_checked()
    below = "element => element.scrollHeight - element.clientHeight - element.scrollTop"
    assert box.evaluate(below) < 2
    page.get_by_role("button", name="Show 1,000 earlier lines").click()
    expect(box).to_contain_text("line 500\n")
    expect(follow).not_to_be_checked()
    # The line that was the first to be seen still is.
    assert box.evaluate("element => element.scrollTop / element.scrollHeight") == pytest.approx(0.5, abs=0.01)
    box.evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(follow).to_be_checked()
    expect(box).not_to_contain_text("line 500\n")
    box.focus()
    page.keyboard.press("PageUp")
    expect(follow).not_to_be_checked()
    page.get_by_role("searchbox", name="Find lines").fill("LINE 177")
    expect(page.get_by_text("10 of 1,000 lines")).to_be_visible()
    assert box.inner_text().split("\n") == [f"line {number}" for number in range(1770, 1780)]
    expect(page).to_have_url(re.compile("find=LINE"))
    page.reload()
    expect(page.get_by_role("searchbox", name="Find lines")).to_have_value("LINE 177")
    expect(box).to_contain_text("line 1775")


@in_full
def test_what_was_measured_is_kept_as_a_table_and_explained(own: LiveServer, visit: Open) -> None:
    job_id = start(own, "kept")
    own.wait(job_id)
    page = visit(own, f"/runs/{job_id}")
    with page.expect_download() as kept:
        page.get_by_role("button", name="Download as CSV").click()
    assert kept.value.suggested_filename == "kept.csv"
    lines = list(csv.DictReader(kept.value.path().read_text().splitlines()))
    points = own.get(f"/api/jobs/{job_id}/metrics")["metrics"]
    assert [int(line["step"]) for line in lines] == [point["step"] for point in points]
    for line, point in zip(lines, points, strict=True):
        for name in ("loss", "eval_loss", "learning_rate"):
            assert float(line[name] or "nan") == pytest.approx(point.get(name, math.nan), nan_ok=True)
    about = page.get_by_role("button", name="About Learning rate")
    tab_to(page, about)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("says nothing about success")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).not_to_be_visible()
    expect(about).to_be_focused()


@in_full
def test_what_the_model_said_stands_at_its_steps(own: LiveServer, visit: Open) -> None:
    job_id = start(own, "says")
    own.wait(job_id)
    page = visit(own, f"/runs/{job_id}?view=samples")
    samples = own.get(f"/api/jobs/{job_id}/samples")["samples"]
    shown = page.get_by_role("tabpanel").locator("dl")
    prompts = list(dict.fromkeys(sample["prompt"] for sample in samples))
    expect(shown).to_have_count(len(prompts))
    for prompt, said in zip(prompts, shown.all(), strict=True):
        own_samples = {sample["step"]: sample for sample in samples if sample["prompt"] == prompt}
        steps = sorted(own_samples, reverse=True)
        assert steps[0] == STEPS and steps[-1] == 0
        terms = ["Before" if step == 0 else f"Step {step}" for step in steps]
        assert said.get_by_role("term").all_inner_texts() == [*terms, "Your data says"]
        answers = [own_samples[step]["completion"].strip() or "(nothing)" for step in steps]
        found = [text.strip() for text in said.get_by_role("definition").all_text_contents()]
        assert found == [*answers, own_samples[0]["expected"]]
    page.get_by_role("tab", name="History").click()
    texts = [event["text"] for event in own.get(f"/api/jobs/{job_id}")["events"]]
    rows_shown = page.get_by_role("table", name="").get_by_role("row")
    expect(rows_shown).to_have_count(len(texts) + 1)
    assert not [text for text in texts if text.startswith("Asked at step")]


@in_full
def test_a_refused_second_question_leaves_what_is_shown(own: LiveServer, visit: Open) -> None:
    job_id = start(own, "stays", max_steps=2)
    own.wait(job_id)
    page = visit(own, "/runs", expected=("Failed to load resource",))
    expect(page.get_by_role("row", name="stays")).to_be_visible()
    page.route(re.compile(r"/api/jobs(\?|$)"), lambda route: route.fulfill(status=500, body="no"))
    with page.expect_response(lambda answer: answer.status == 500):
        own.post("/api/jobs", {**BODY, "name": "new", "max_steps": 100_000})
    page.wait_for_timeout(300)
    expect(page.get_by_role("row", name="stays")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


@in_full
def test_runs_are_found_and_compared_by_the_keyboard_alone(server: LiveServer, tiny_model: Path, visit: Open) -> None:
    config = {"model_name": str(tiny_model), "max_steps": 12}
    for name, r in (("rank-4", 4), ("rank-8", 8)):
        job = server.wait(start(server, name, lora_r=r, **config))
        assert job["status"] == "completed", job
    page = visit(server, "/runs")
    tab_to(page, page.get_by_role("searchbox", name="Filter"))
    page.keyboard.type("rank-")
    expect(page.get_by_role("main").get_by_text(re.compile("^2 (of|runs)"))).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Run", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("row").nth(1)).to_contain_text("rank-4")
    expect(page).to_have_url(re.compile("(?=.*search=rank-)(?=.*sort=name)"))
    page.reload()
    expect(page.get_by_role("row").nth(1)).to_contain_text("rank-4")
    for name in ("rank-4", "rank-8"):
        tab_to(page, page.get_by_role("checkbox", name=f"Select {name}"))
        page.keyboard.press("Space")
    tab_to(page, page.get_by_role("link", name="Compare 2 runs"))
    page.keyboard.press("Enter")
    differ = page.get_by_role("region", name="Settings that differ").first
    expect(differ.get_by_role("row")).to_have_count(2)
    expect(differ.get_by_role("row", name="lora_r")).to_contain_text("4")
    expect(page.get_by_role("row", name="Final loss")).to_contain_text("→")
    chart = page.get_by_role("figure", name="Training loss")
    tab_to(page, chart)
    page.keyboard.press("End")
    expect(chart.get_by_role("status")).to_have_text(re.compile(r"Step 12: rank-4 [\d.]+, rank-8 [\d.]+"))
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")


def tab_to(page: Page, target: Locator) -> None:
    expect(target).to_be_visible()
    for _ in range(80):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {target}")


@in_full
def test_a_hundred_thousand_points_stay_smooth_while_more_come(own: LiveServer, visit: Open) -> None:
    job_id = start(own, "long", max_steps=100_000, save_steps=100_000, eval_steps=100_000)
    own.wait(job_id, ("training",), seconds=120)
    measured = '{"loss": %f, "learning_rate": 0.0001, "grad_norm": %f, "token_accuracy": 0.5}'
    columns = 'job_id, step, attempt, seq, epoch, "values"'
    many = ((job_id, step, 1, 0, 0.0, measured % (5 / step**0.2, step % 7)) for step in range(1_001, 101_001))
    with sqlite3.connect(own.home / "modelforge.db", timeout=30) as database:
        database.executemany(f"INSERT INTO metrics ({columns}) VALUES (?, ?, ?, ?, ?, ?)", many)
    page = visit(own, f"/runs/{job_id}")
    expect(page.get_by_text("Drag across a chart")).to_be_visible(timeout=60_000)
    step = page.get_by_text(re.compile(r"^Step \d"))
    before = step.first.inner_text()
    frames = page.evaluate(
        "() => new Promise(done => { let frames = 0; const end = performance.now() + 5000;"
        "const next = now => { frames += 1; now < end ? requestAnimationFrame(next) : done(frames / 5) };"
        "requestAnimationFrame(next) })"
    )
    assert step.first.inner_text() != before, "no points came meanwhile"
    own.call("POST", f"/api/jobs/{job_id}/stop", params={"force": True})
    assert frames >= 50, f"{frames} frames a second"
