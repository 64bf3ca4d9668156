"""What runs, what was, and three ways to begin."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from modelforge.catalogue import STARTER
from modelforge.cli.demo import SETTINGS
from tests.live import LiveServer
from tests.studio.conftest import Open, in_full


@in_full
def test_the_demo_is_trained_stopped_and_continued(alone: LiveServer, visit: Open) -> None:
    page = visit(alone.start())
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/api/jobs")) as sent:
        page.get_by_role("button", name="Start the demo").click()
    # One button, one command: the same training.
    assert json.loads(sent.value.post_data or "") == {
        **SETTINGS,
        "model_name": STARTER,
        "dataset": "demo.jsonl",
    }
    now = page.get_by_role("region", name="Running now")
    expect(now.get_by_text("Training", exact=True)).to_be_visible(timeout=60_000)
    expect(now.get_by_text(re.compile(r"Step \d+ of"))).to_be_visible(timeout=60_000)
    now.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("It can be resumed")).to_be_visible(timeout=60_000)
    expect(now.get_by_text("Nothing is running")).to_be_visible()
    results = page.get_by_role("region", name="Latest results")
    expect(results.get_by_text("Stopped")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    expect(now.get_by_text("Training", exact=True)).to_be_visible(timeout=60_000)
    (job,) = alone.get("/api/jobs")["jobs"]
    assert job["attempt"] == 2
    alone.post("/api/stop_training?force=true")


@in_full
def test_what_runs_is_told_by_the_websocket(server: LiveServer, tiny_model: Path, visit: Open) -> None:
    page = visit(server)
    expect(page.get_by_text("Nothing is running")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    body = {"task": "text-generation", "model_name": str(tiny_model), "dataset": "rows.jsonl", "name": "told"}
    job = server.wait(server.post("/api/start_training", {**body, "num_train_epochs": 3})["job_id"])
    assert job["status"] == "completed", job
    results = page.get_by_role("region", name="Latest results")
    expect(results.get_by_role("row", name="told").get_by_text("Completed")).to_be_visible()
    assert not [url for url in asked if "training_status" in url]
