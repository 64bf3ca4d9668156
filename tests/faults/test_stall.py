"""A worker that hangs says where, and is ended where that is wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from modelforge import processes
from tests.faults.test_life import start, step_of, workers
from tests.live import LiveServer, jsonl, rows, until

STALL = 8.0
"""Longer than a worker takes to load its libraries, which it does without a word."""


def serve(home: Path, **environment: str) -> LiveServer:
    server = LiveServer(home, MODELFORGE_STALL_TIMEOUT=str(STALL), **environment).start()
    server.upload("rows.jsonl", jsonl(rows(40)))
    return server


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"


def stacks(server: LiveServer, job_id: str) -> int:
    lines = server.get(f"/api/jobs/{job_id}/log")["lines"]
    return sum("most recent call first" in line for line in lines)


def test_where_it_hangs_is_in_its_log(home: Path, tiny_model: Path) -> None:
    server = serve(home)
    try:
        job_id = start(server, tiny_model)
        until(lambda: step_of(server) >= 3, 90)
        (worker,) = workers(job_id)
        worker.suspend()
        until(lambda: server.get("/api/training_status")["stalled"], STALL + 10)
        time.sleep(1)  # several looks at it: it is asked once
        worker.resume()
        until(lambda: not server.get("/api/training_status")["stalled"], 20)
        until(lambda: stacks(server, job_id) > 0, 10)
        log = "\n".join(server.get(f"/api/jobs/{job_id}/log")["lines"])
        assert log.count("Current thread") + log.count("most recent call first") >= 2
        assert log.count("modelforge/worker/__main__.py") == 1, log  # one stack of the main thread
        texts = [event["text"] for event in server.get(f"/api/jobs/{job_id}")["events"]]
        assert any("silent for longer" in text for text in texts) and any("speaks again" in text for text in texts)
        step = step_of(server)
        until(lambda: step_of(server) > step, 20)
        server.post("/api/stop_training")
    finally:
        server.close()


def test_it_is_ended_where_that_is_set(home: Path, tiny_model: Path) -> None:
    server = serve(home, MODELFORGE_STOP_STALLED="true")
    try:
        job_id = start(server, tiny_model)
        until(lambda: step_of(server) >= 6, 90)
        (worker,) = workers(job_id)
        worker.suspend()
        job = server.wait(job_id, seconds=STALL + 15)
        assert (job["status"], job["cause"], job["attempt"]) == ("failed", "killed", 1)
        assert "said nothing for 8 s and was ended" in job["error"]
        assert workers(job_id) == []
        server.post(f"/api/jobs/{job_id}/resume")
        until(lambda: step_of(server) > job["current_step"], 90)
        server.post("/api/stop_training?force=true")
    finally:
        server.close()


def test_a_stranger_is_not_asked() -> None:
    # It does not listen for the signal, which would end it.
    child = psutil.Popen(["sleep", "60"])
    try:
        identity = processes.start_identity(child.pid)
        processes.ask_for_stack(child.pid, identity)
        processes.ask_for_stack(child.pid, "somebody else")
        processes.ask_for_stack(2**22, identity)
        time.sleep(0.2)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
