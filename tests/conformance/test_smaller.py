"""A run that goes on with half the micro-batch, as when memory ran out, becomes what it would have become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelforge.jobs.microbatch import smaller
from modelforge.specfile import spec_of, write_spec
from tests.conformance.data import GENERATE, POINT, SUM_UP
from tests.conformance.test_matrix import request
from tests.live import LiveServer, until

CASES: dict[str, tuple[str, str, str]] = {
    "encoder-decoder": ("sft", SUM_UP, "t5"),
    "span": ("sft", POINT, "bert"),
    "dpo": ("dpo", GENERATE, "llama"),
    "rlhf": ("rlhf", GENERATE, "qwen2"),
}
STEPS = 24


def start(server: LiveServer, models: dict[str, Path], name: str, case: tuple[str, str, str], **fields: Any) -> str:
    strategy, task, family = case
    own = {"name": name, "max_steps": STEPS, "learning_rate": 1e-3, "logging_steps": 1, "eval_steps": STEPS, **fields}
    job_id: str = server.post("/api/start_training", {**request(strategy, task, models[family]), **own})["job_id"]
    return job_id


def losses(server: LiveServer, job_id: str) -> dict[int, float]:
    points = server.get(f"/api/jobs/{job_id}/metrics")["metrics"]
    return {point["step"]: point["loss"] for point in points if "loss" in point}


@pytest.mark.parametrize("name", CASES)
def test_the_curve_is_the_same(server: LiveServer, models: dict[str, Path], name: str) -> None:
    case = CASES[name]
    whole = server.wait(start(server, models, f"{name}-one", case))
    assert whole["status"] == "completed", (whole["error"], whole["log_tail"][-20:])
    at = whole["total_steps"] - STEPS + 4  # in the last stage
    broken = start(server, models, f"{name}-two", case)
    until(lambda: (server.get("/api/training_status")["current_step"] or 0) >= at, 120)
    server.post("/api/stop_training")
    run_dir = server.home / "runs" / broken
    spec = spec_of(run_dir)
    assert spec is not None
    less = smaller(spec)
    assert less is not None
    assert (less.config.per_device_train_batch_size, less.config.gradient_accumulation_steps) == (2, 2)
    write_spec(run_dir, less)
    server.post(f"/api/jobs/{broken}/resume")
    job = server.wait(broken)
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    assert job["total_steps"] == whole["total_steps"]
    expected, found = losses(server, whole["id"]), losses(server, broken)
    assert found.keys() == expected.keys()
    if name != "rlhf":  # whose answers are drawn, by probabilities that differ in their last digit
        assert found == {step: pytest.approx(loss, rel=1e-3, abs=1e-4) for step, loss in expected.items()}
