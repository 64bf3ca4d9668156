"""A run survives what happens to its server and its worker, and is never shown as what it is not."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file

from tests.live import LiveServer, jsonl, rows, until

SLOW: dict[str, Any] = {
    "task": "text-generation", "dataset": "rows.jsonl", "num_train_epochs": 60, "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2, "learning_rate": 0.005, "save_steps": 5, "logging_steps": 1, "eval_steps": 40,
}  # fmt: skip


@pytest.fixture
def home_server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server of this test's own."""
    live = LiveServer(tmp_path / "home").start()
    live.upload("rows.jsonl", jsonl(rows(40)))
    yield live
    try:
        if live.process is not None and live.process.poll() is None:
            live.call("POST", "/api/stop_training", params={"force": True})
    except AssertionError:
        pass  # nothing ran any more
    live.close()


def start(server: LiveServer, model: Path, **fields: Any) -> str:
    job_id: str = server.post("/api/start_training", {**SLOW, "model_name": str(model), **fields})["job_id"]
    return job_id


def step_of(server: LiveServer) -> int:
    return server.get("/api/training_status")["current_step"] or 0


def workers(job_id: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if job_id in line and line[1:3] == ["-m", "modelforge.worker"]:
            found.append(process)
    return found


def curve(server: LiveServer, job_id: str, name: str = "loss") -> dict[int, float]:
    points = server.get(f"/api/jobs/{job_id}/metrics")["metrics"]
    assert len({point["step"] for point in points}) == len(points)
    return {point["step"]: point[name] for point in points if name in point}


def adapter(server: LiveServer, name: str) -> dict[str, Any]:
    return load_file(server.home / "models" / name / "adapter_model.safetensors")


def test_stop_saves_and_a_resume_ends_as_if_nothing_had_been(home_server: LiveServer, tiny_model: Path) -> None:
    server = home_server
    # An evaluation is due at every step, so the stop comes before one: it is made up for after the resume.
    fields = {"num_train_epochs": 6, "save_steps": 100, "lora_dropout": 0.1, "eval_steps": 1}
    whole = start(server, tiny_model, name="whole", **fields)
    assert server.wait(whole)["status"] == "completed"
    broken = start(server, tiny_model, name="broken", **fields)
    until(lambda: step_of(server) >= 10, 90)
    reply = server.post("/api/stop_training")
    assert (reply["status"], reply["message"]) == ("stopped", "Training stopped successfully")
    assert workers(broken) == []
    job = server.get(f"/api/jobs/{broken}")
    assert (job["status"], job["cause"], job["model_id"], job["error"]) == ("stopped", "user", None, None)
    stopped_at = job["current_step"]
    assert 10 <= stopped_at < job["total_steps"]
    assert len(server.get("/api/models")["models"]) == 1
    resumed = server.post(f"/api/jobs/{broken}/resume")
    assert resumed["status"] == "started" and f"step {stopped_at}" in resumed["message"]
    job = server.wait(broken)
    assert (job["status"], job["attempt"], job["progress"]) == ("completed", 2, 100)
    assert curve(server, broken) == curve(server, whole)
    assert curve(server, broken, "eval_loss") == curve(server, whole, "eval_loss")
    first, second = adapter(server, "whole"), adapter(server, "broken")
    assert all((first[name] == second[name]).all() for name in first)
    server.post(f"/api/jobs/{broken}/resume", status=409)


def test_the_server_is_killed_and_the_run_goes_on(home_server: LiveServer, tiny_model: Path) -> None:
    server = home_server
    job_id = start(server, tiny_model)
    until(lambda: step_of(server) >= 5, 90)
    (worker,) = workers(job_id)
    server.kill()
    log = server.home / "runs" / job_id / "events.jsonl"
    size = log.stat().st_size
    until(lambda: log.stat().st_size > size, 20)
    server.start()
    status = server.get("/api/training_status")
    assert status["job_id"] == job_id and status["status"] == "training"
    assert [process.pid for process in workers(job_id)] == [worker.pid] == [server.get(f"/api/jobs/{job_id}")["pid"]]
    # A worker of an earlier server is nobody's child here; still its end is known.
    worker.kill()
    job = server.wait(job_id, seconds=10)
    assert (job["status"], job["cause"], job["signal"], job["exit_code"]) == ("failed", "killed", "SIGKILL", None)
    steps = sorted(curve(server, job_id))
    assert steps == list(range(1, len(steps) + 1))
    server.post(f"/api/jobs/{job_id}/resume")
    until(lambda: server.get("/api/training_status")["status"] == "training", 60)
    assert server.get(f"/api/jobs/{job_id}")["attempt"] == 2


def test_the_machine_goes_down_and_comes_back(home_server: LiveServer, tiny_model: Path) -> None:
    server = home_server
    job_id = start(server, tiny_model)
    until(lambda: step_of(server) >= 8, 90)
    (worker,) = workers(job_id)
    server.kill()
    for process in (worker.parent(), worker):
        assert process is not None
        process.kill()
    server.start()
    until(lambda: server.get(f"/api/jobs/{job_id}")["attempt"] == 2, 20)
    until(lambda: server.get("/api/training_status")["status"] == "training", 60)
    texts = [event["text"] for event in server.get(f"/api/jobs/{job_id}")["events"]]
    assert any("Interrupted" in text or "interrupted" in text for text in texts)
    assert any("Going on from the checkpoint at step" in text for text in texts)


def test_a_killed_worker_is_reported_with_its_signal(home_server: LiveServer, tiny_model: Path) -> None:
    server = home_server
    job_id = start(server, tiny_model)
    until(lambda: step_of(server) >= 6, 90)
    (worker,) = workers(job_id)
    os.killpg(os.getpgid(worker.pid), signal.SIGKILL)  # its attendant, too
    job = server.wait(job_id, seconds=5)
    assert (job["status"], job["cause"], job["signal"]) == ("failed", "killed", "SIGKILL")
    assert "SIGKILL" in job["error"] and job["log_tail"] and job["progress"] < 100 and job["model_id"] is None
    assert server.get("/api/models")["models"] == []
    # A torn line and a damaged checkpoint are what such an end leaves behind.
    run = server.home / "runs" / job_id
    with (run / "events.jsonl").open("ab") as file:
        file.write(b'{"v":1,"line":77,"kin')
    sealed = [manifest.parent for manifest in (run / "checkpoints").glob("checkpoint-*/manifest.json")]
    newest = max(sealed, key=lambda path: int(path.name.split("-")[1]))
    (newest / "trainer_state.json").write_text("{")
    server.post(f"/api/jobs/{job_id}/resume")
    until(lambda: server.get("/api/training_status")["status"] == "training", 60)
    texts = " ".join(event["text"] for event in server.get(f"/api/jobs/{job_id}")["events"])
    assert f"{newest.name} is damaged" in texts
    assert "could not be read" in texts


def test_a_worker_that_hangs_is_killed_in_the_end(tmp_path: Path, tiny_model: Path) -> None:
    server = LiveServer(tmp_path / "home", MODELFORGE_STOP_TIMEOUT="2").start()
    try:
        server.upload("rows.jsonl", jsonl(rows(40)))
        job_id = start(server, tiny_model)
        until(lambda: step_of(server) >= 3, 90)
        (worker,) = workers(job_id)
        worker.suspend()
        server.post("/api/stop_training")
        job = server.get(f"/api/jobs/{job_id}")
        assert (job["status"], job["cause"]) == ("stopped", "user")
        assert workers(job_id) == []
    finally:
        server.close()


def test_a_stop_during_start_up_is_heard(home_server: LiveServer, tiny_model: Path) -> None:
    server = home_server
    job_id = start(server, tiny_model)
    server.post("/api/stop_training")
    job = server.get(f"/api/jobs/{job_id}")
    assert (job["status"], job["current_step"]) == ("stopped", None)
    server.post(f"/api/jobs/{job_id}/resume")
    until(lambda: step_of(server) >= 2, 90)


def test_a_worker_that_fails_says_why(home_server: LiveServer, tiny_model: Path, tmp_path: Path) -> None:
    server = home_server
    broken = tmp_path / "broken-model"
    broken.mkdir()
    for file in tiny_model.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"rubbish")
    job = server.wait(start(server, broken))
    assert (job["status"], job["cause"]) == ("failed", "error")
    until(lambda: server.get(f"/api/jobs/{job['id']}")["exit_code"] == 1, 10)
    assert "broken-model" in job["error"] and any(
        "Traceback" in line for line in server.get(f"/api/jobs/{job['id']}/log")["lines"]
    )
    job = server.wait(start(server, tiny_model, target_modules=["no_such_layer"]))
    assert job["status"] == "failed" and "no_such_layer" in job["error"]


def test_a_second_server_is_refused(home_server: LiveServer) -> None:
    import subprocess
    import sys

    second = subprocess.run(
        [sys.executable, "-m", "modelforge", "serve", "--port", "0", "--home", str(home_server.home)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert home_server.url in second.stderr and "Traceback" not in second.stderr
    assert home_server.get("/api/health")["status"] == "healthy"


def test_the_run_has_data_of_its_own(home_server: LiveServer, tiny_model: Path, tmp_path: Path) -> None:
    server = home_server
    path = tmp_path / "own.jsonl"
    path.write_bytes(jsonl(rows(30)))
    job_id = start(server, tiny_model, dataset=str(path), max_steps=3)
    path.unlink()
    server.call("DELETE", "/api/datasets/rows.jsonl")
    assert server.wait(job_id)["status"] == "completed"
    spec = json.loads((server.home / "runs" / job_id / "spec.json").read_text())
    assert spec["dataset"]["name"] == str(path)
