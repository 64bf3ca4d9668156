"""A worker that hangs says where, and is ended where that is wanted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from modelforge import processes
from tests.faults.harm import start, step_of, workers
from tests.live import LiveServer, jsonl, rows, until

STALL = 15.0
"""Longer than a worker takes to load its libraries, which it does without a word."""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., LiveServer]]:
    """Starts a server with rows to learn from."""
    servers: list[LiveServer] = []

    def begin(**environment: str) -> LiveServer:
        servers.append(LiveServer(tmp_path / "home", MODELFORGE_STALL_TIMEOUT=str(STALL), **environment).start())
        servers[-1].upload("rows.jsonl", jsonl(rows(40)))
        return servers[-1]

    yield begin
    for server in servers:
        with suppress(AssertionError):  # nothing runs any more
            server.post("/api/stop_training?force=true")
        server.close()


def stacks(server: LiveServer, job_id: str) -> int:
    """How often the worker has written where its main thread is."""
    lines = server.get(f"/api/jobs/{job_id}/log")["lines"]
    return sum(re.search(r'worker/__main__\.py", line \d+ in main$', line) is not None for line in lines)


def texts(server: LiveServer, job_id: str) -> list[str]:
    return [event["text"] for event in server.get(f"/api/jobs/{job_id}")["events"]]


@pytest.mark.fault("hung worker")
def test_where_it_hangs_is_in_its_log(serve: Callable[..., LiveServer], tiny_model: Path) -> None:
    server = serve()
    job_id = start(server, tiny_model)
    until(lambda: step_of(server) >= 3, 90)
    before, silences = stacks(server, job_id), sum("silent for" in text for text in texts(server, job_id))
    (worker,) = workers(job_id)
    worker.suspend()
    until(lambda: server.get("/api/training_status")["stalled"], STALL + 10)
    time.sleep(1)  # several looks at it: it is asked once
    worker.resume()
    until(lambda: not server.get("/api/training_status")["stalled"], 20)
    until(lambda: stacks(server, job_id) > before, 60)
    said = texts(server, job_id)
    assert sum("silent for" in text for text in said) == silences + 1 and any("speaks again" in text for text in said)
    assert stacks(server, job_id) == before + 1
    step = step_of(server)
    until(lambda: step_of(server) > step, 20)


@pytest.mark.fault("hung worker")
def test_it_is_ended_where_that_is_set(serve: Callable[..., LiveServer], tiny_model: Path) -> None:
    server = serve(MODELFORGE_STOP_STALLED="true")
    job_id = start(server, tiny_model)
    until(lambda: step_of(server) >= 6, 90)
    (worker,) = workers(job_id)
    worker.suspend()
    job = server.wait(job_id, seconds=STALL + 15)
    assert (job["status"], job["cause"], job["attempt"]) == ("failed", "killed", 1)
    assert f"said nothing for {STALL:g} s and was ended" in job["error"]
    assert workers(job_id) == []
    server.post(f"/api/jobs/{job_id}/resume")
    until(lambda: step_of(server) > job["current_step"], 90)


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
