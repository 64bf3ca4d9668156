"""The best of a run that gets worse: which weights are kept, when it ends, and that a stop changes neither."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conformance.data import GENERATE
from tests.conformance.test_matrix import request
from tests.conformance.test_resume import curve, weights
from tests.live import LiveServer, jsonl, until

STEPS = 16
WORSE: dict[str, Any] = {
    "dataset": "digits.jsonl", "eval_split": 0.75, "max_steps": STEPS, "eval_steps": 2, "logging_steps": 1,
    "use_lora": False, "learning_rate": 0.3, "warmup_steps": STEPS, "max_grad_norm": 1000,
    "per_device_eval_batch_size": 1,
}  # fmt: skip
"""Steps that grow until they do harm; and evaluations that take longer than the steps between them, for a stop to
meet."""
PATIENCE = 2


@pytest.fixture(scope="module")
def rows(server: LiveServer) -> None:
    random = Random(0)
    digits = [{"input": f"What is {i}?", "output": str(random.randrange(10**8))} for i in range(60)]
    server.upload("digits.jsonl", jsonl(digits))


def start(server: LiveServer, models: dict[str, Path], name: str, **fields: Any) -> str:
    body = request("sft", GENERATE, models["llama"], **{**WORSE, "name": name, **fields})
    job_id: str = server.post("/api/start_training", body)["job_id"]
    return job_id


def completed(server: LiveServer, job_id: str) -> dict[str, Any]:
    job = server.wait(job_id)
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    return job


def losses(server: LiveServer, job_id: str) -> dict[int, float]:
    """Of the held-out rows, by step."""
    points = server.get(f"/api/jobs/{job_id}/metrics")["metrics"]
    return {point["step"]: point["eval_loss"] for point in points if "eval_loss" in point}


def measured(server: LiveServer, job: dict[str, Any]) -> dict[str, float]:
    metrics: dict[str, float] = server.get(f"/api/models/{job['model_id']}")["metrics"]
    return metrics


def stop(server: LiveServer, job_id: str) -> dict[str, Any]:
    server.post("/api/stop_training")
    job: dict[str, Any] = server.get(f"/api/jobs/{job_id}")
    assert job["status"] == "stopped", job["error"]
    return job


def same_weights(server: LiveServer, one: str, other: str) -> bool:
    first, second = weights(server, one), weights(server, other)
    assert first.keys() == second.keys()
    return all((first[key] == second[key]).all() for key in first)


@pytest.mark.usefixtures("rows")
def test_the_weights_with_the_lowest_loss_are_kept(server: LiveServer, models: dict[str, Path]) -> None:
    job = completed(server, start(server, models, "best", load_best_model_at_end=True))
    found = losses(server, job["id"])
    assert sorted(found) == list(range(2, STEPS + 1, 2))
    lowest = min(found, key=found.__getitem__)
    assert lowest <= STEPS - 8 and found[STEPS] > found[lowest] + 0.1, "the run was to get worse"
    metrics = measured(server, job)
    assert metrics["final_loss"] == metrics["eval_loss"] == pytest.approx(found[lowest], rel=1e-6)
    # Stopped behind its best evaluation, and gone on with.
    broken = start(server, models, "best-broken", load_best_model_at_end=True)
    until(lambda: len(losses(server, broken)) > lowest // 2 + 2, 60)
    assert lowest < stop(server, broken)["current_step"] < STEPS
    server.post(f"/api/jobs/{broken}/resume")
    job = completed(server, broken)
    assert losses(server, broken) == found
    assert same_weights(server, "best", "best-broken")
    assert measured(server, job)["final_loss"] == metrics["final_loss"]


@pytest.mark.usefixtures("rows")
def test_a_run_that_gets_no_better_ends_early(server: LiveServer, models: dict[str, Path]) -> None:
    whole = completed(server, start(server, models, "early", early_stopping_patience=PATIENCE))
    found = losses(server, whole["id"])
    last = max(found)
    lowest = min(found, key=found.__getitem__)
    assert last < STEPS and last == lowest + 2 * PATIENCE == whole["current_step"]
    # What is kept is the end, for the best was not asked for.
    assert measured(server, whole)["final_loss"] == pytest.approx(found[last], rel=1e-6)
    assert any("not fallen" in event["text"] for event in whole["events"])

    # Stopped after its first evaluation, and gone on with.
    broken = start(server, models, "early-broken", early_stopping_patience=PATIENCE)
    until(lambda: bool(losses(server, broken)), 60)
    assert stop(server, broken)["current_step"] < last
    server.post(f"/api/jobs/{broken}/resume")
    job = completed(server, broken)
    assert curve(server, broken) == curve(server, whole["id"])
    assert losses(server, broken) == found
    assert job["current_step"] == last
    assert same_weights(server, "early", "early-broken")


@pytest.mark.usefixtures("rows")
def test_a_run_that_is_stopped_at_its_end_learns_no_step_too_many(server: LiveServer, models: dict[str, Path]) -> None:
    # Three steps are not a whole number of epochs, and the last evaluation is at no multiple of eval_steps.
    # The engine would be through with the measuring before the stop comes.
    fields = {"max_steps": 3, "load_best_model_at_end": True, "learning_rate": 1e-3, "packing": False}
    whole = completed(server, start(server, models, "short", **fields))
    found = losses(server, whole["id"])
    assert sorted(found) == [2, 3] and found[3] < found[2]
    broken = start(server, models, "short-broken", **fields)
    until(lambda: (server.get("/api/training_status")["current_step"] or 0) == 3, 60)
    assert stop(server, broken)["current_step"] == 3
    server.post(f"/api/jobs/{broken}/resume")
    assert completed(server, broken)["current_step"] == 3
    assert losses(server, broken) == found
    assert curve(server, broken) == curve(server, whole["id"])
    assert same_weights(server, "short", "short-broken")
