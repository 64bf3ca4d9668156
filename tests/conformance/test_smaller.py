"""A run that goes on with half the micro-batch, as when memory ran out, becomes what it would have become."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

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


@pytest.fixture(scope="module")
def steady(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The models without dropout: it is drawn for each micro-batch, so that it falls otherwise on other ones."""
    home = tmp_path_factory.mktemp("steady")
    for family in {family for _, _, family in CASES.values()}:
        shutil.copytree(models[family], home / family)
        config = json.loads((home / family / "config.json").read_text())
        off = dict.fromkeys(("dropout_rate", "hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
        (home / family / "config.json").write_text(json.dumps({**config, **off}))
    return {family.name: family for family in home.iterdir()}


def start(server: LiveServer, models: dict[str, Path], name: str, case: tuple[str, str, str]) -> str:
    strategy, task, family = case
    own = {"name": name, "max_steps": STEPS, "learning_rate": 1e-3, "logging_steps": 1, "eval_steps": STEPS}
    body = {**request(strategy, task, models[family]), **own, "lora_dropout": 0.0}
    job_id: str = server.post("/api/start_training", body)["job_id"]
    return job_id


def losses(server: LiveServer, job_id: str) -> dict[int, float]:
    points = server.get(f"/api/jobs/{job_id}/metrics")["metrics"]
    return {point["step"]: point["loss"] for point in points if "loss" in point}


@pytest.mark.parametrize("name", CASES)
def test_the_curve_is_the_same(server: LiveServer, steady: dict[str, Path], name: str) -> None:
    case = CASES[name]
    whole = server.wait(start(server, steady, f"{name}-one", case))
    assert whole["status"] == "completed", (whole["error"], whole["log_tail"][-20:])
    at = whole["total_steps"] - STEPS + 4  # in the last stage
    broken = start(server, steady, f"{name}-two", case)
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
