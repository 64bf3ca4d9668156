"""A run survives what happens to its server and its worker, and is never shown as what it is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.harm import (
    Reference,
    begin,
    curve,
    curves,
    differences,
    see_to_its_end,
    start,
    step_of,
    undisturbed,
    weights,
    worker_of,
    workers,
)
from tests.faults.table import Table
from tests.live import LiveServer, jsonl, rows, until


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
    assert not differences(undisturbed(server, whole), curves(server, broken), weights(server, "broken"))
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


def test_a_worker_that_hangs_is_killed_in_the_end(
    tmp_path: Path, tiny_model: Path, reference: Reference, table: Table
) -> None:
    server = LiveServer(tmp_path / "home", MODELFORGE_STOP_TIMEOUT="2", MODELFORGE_STALL_TIMEOUT="8").start()
    try:
        server.upload("rows.jsonl", jsonl(rows(40)))
        with table.fault("hung worker") as fault:
            job_id = begin(server, tiny_model, "hung")
            until(lambda: step_of(server) >= 3, 90)
            worker = worker_of(job_id)
            worker.suspend()
            fault.injected += 1
            until(lambda: server.get("/api/training_status")["stalled"], 20)
            worker.resume()
            until(lambda: not server.get("/api/training_status")["stalled"], 20)
            worker.suspend()
            fault.injected += 1
            server.post("/api/stop_training")
            job = server.get(f"/api/jobs/{job_id}")
            assert (job["status"], job["cause"], job["stalled"]) == ("stopped", "user", False)
            assert workers(job_id) == []
            server.post(f"/api/jobs/{job_id}/resume")
            see_to_its_end(server, job_id, reference, fault)
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


def test_a_second_server_is_refused(
    home_server: LiveServer, tiny_model: Path, reference: Reference, table: Table
) -> None:
    server = home_server
    with table.fault("two servers on one home folder") as fault:
        job_id = begin(server, tiny_model, "run")
        for told in (True, False):
            if not told:
                (server.home / "server.json").unlink()  # the lock counts, not what is written of a pid
            second = subprocess.run(
                [sys.executable, "-m", "modelforge", "serve", "--port", "0", "--home", str(server.home)],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            fault.injected += 1
            assert second.returncode == 1
            assert "another ModelForge" in second.stderr and "Traceback" not in second.stderr
            assert (server.url in second.stderr) == told
            assert server.get("/api/health")["status"] == "healthy"
        assert see_to_its_end(server, job_id, reference, fault)["attempt"] == 1


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
