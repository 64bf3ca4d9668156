"""The queue under real kills: a server that is killed at any moment loses no job and starts none twice."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.faults.harm import SLOW, start, workers
from tests.live import LiveServer, jsonl, rows, until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path / "home").start()
    live.upload("rows.jsonl", jsonl(rows(40)))
    yield live
    for job in live.get("/api/jobs")["jobs"]:
        httpx.post(f"{live.url}/api/jobs/{job['id']}/stop?force=true", timeout=60)
    live.close()


def enqueue(server: LiveServer, model: Path, key: str | None = None, status: int = 200, **fields: Any) -> Any:
    body = {**SLOW, "model_name": str(model), **fields}
    headers = {"Idempotency-Key": key} if key is not None else {}
    return server.call("POST", "/api/jobs", status=status, json=body, headers=headers)


def places(server: LiveServer) -> dict[str, int]:
    return {job["name"]: job["position"] for job in server.get("/api/jobs")["jobs"] if job["position"] is not None}


@pytest.mark.fault("server kill -9")
def test_the_queue_over_http_and_over_a_kill(server: LiveServer, tiny_model: Path) -> None:
    running = start(server, tiny_model, name="running")
    second = enqueue(server, tiny_model, key="second", name="second", max_steps=2)
    assert (second["status"], second["position"]) == ("queued", 1) and second["message"]
    third = enqueue(server, tiny_model, name="third", max_steps=2)
    enqueue(server, tiny_model, status=409, name="third")
    assert "fp17" in enqueue(server, tiny_model, status=400, fp17=True)["detail"]
    assert places(server) == {"second": 1, "third": 2}
    assert server.get(f"/api/jobs/{third['job_id']}")["position"] == 2
    assert server.post(f"/api/jobs/{third['job_id']}/move?position=1")["position"] == 1
    assert server.get("/api/training_status")["job_id"] == running
    server.kill()
    server.start()
    assert server.get("/api/training_status")["job_id"] == running
    assert places(server) == {"third": 1, "second": 2}
    assert enqueue(server, tiny_model, key="second", name="second", max_steps=2) == second
    assert "another request" in enqueue(server, tiny_model, key="second", status=409, name="x")["detail"]
    cancelled = server.post(f"/api/jobs/{third['job_id']}/stop")
    assert (cancelled["status"], cancelled["job_id"]) == ("stopped", third["job_id"])
    server.post(f"/api/jobs/{running}/stop")
    assert server.wait(second["job_id"])["status"] == "completed"
    assert workers(running) == [] and not (server.home / "runs" / third["job_id"] / "worker.log").exists()
    assert [model["name"] for model in server.get("/api/models")["models"]] == ["second"]


@pytest.mark.fault("server kill -9", times=8)
def test_a_server_that_is_killed_again_and_again_loses_no_job(server: LiveServer, tiny_model: Path) -> None:
    jobs = [enqueue(server, tiny_model, key=str(n), name=f"job-{n}", max_steps=2)["job_id"] for n in range(3)]
    moments = random.Random(5)
    for _ in range(8):
        time.sleep(moments.uniform(0.0, 1.5))
        server.kill()
        server.start()
        assert sum(len(workers(job)) for job in jobs) <= 1
    assert [enqueue(server, tiny_model, key=str(n), name=f"job-{n}", max_steps=2)["job_id"] for n in range(3)] == jobs
    ended = [server.wait(job) for job in jobs]
    assert [job["status"] for job in ended] == ["completed"] * 3
    assert [model["name"] for model in server.get("/api/models")["models"]] == ["job-0", "job-1", "job-2"]
    for job in ended:
        log = (server.home / "runs" / job["id"] / "events.jsonl").read_text()
        assert log.count('"completed"') == 1


def test_the_playground_makes_way_and_comes_back(server: LiveServer, taught_model: Path) -> None:
    def ask() -> str:
        asked = {"model_name": str(taught_model), "prompt": "Say hello.", "temperature": 0}
        text: str = server.post("/api/playground/generate", asked)["generated_text"]
        return text

    def pids() -> list[int]:
        assert server.process is not None
        children = psutil.Process(server.process.pid).children()
        return [child.pid for child in children if "modelforge.inference" in child.cmdline()]

    said = ask()
    [before] = pids()
    job_id = start(server, taught_model)
    assert before not in pids() and not psutil.pid_exists(before)
    assert ask() == said and len(pids()) == 1
    assert server.get(f"/api/jobs/{job_id}")["status"] in ("starting", "training")
    until(lambda: server.get("/api/training_status")["status"] == "training", 60)
    server.post("/api/stop_training")
