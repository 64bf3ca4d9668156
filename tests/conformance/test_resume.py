"""A run that is stopped in any stage of any strategy goes on from its checkpoint as if nothing had been.

The tolerance is zero: on a CPU with the same threads the losses and the finished weights are the same bit for bit, for
everything random is drawn from generators whose state is in the checkpoint, or from the seed and the epoch alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from tests.conformance.data import GENERATE, POINT, SUM_UP
from tests.conformance.test_matrix import request
from tests.live import LiveServer, until

CASES: dict[str, dict[str, Any]] = {
    "sft-seq2seq": {"strategy": "sft", "task": SUM_UP, "family": "t5", "lora_dropout": 0.1},
    "sft-span": {"strategy": "sft", "task": POINT, "family": "bert", "lora_dropout": 0.1},
    "sft-span-all-weights": {"strategy": "sft", "task": POINT, "family": "roberta", "use_lora": False},
    "qlora": {"strategy": "qlora", "task": GENERATE, "family": "qwen2", "use_nested_quant": True},
    "dora-loraplus": {"strategy": "sft", "task": GENERATE, "family": "llama", "use_dora": True, "loraplus_lr_ratio": 4},
    "pissa": {"strategy": "sft", "task": GENERATE, "family": "llama", "init_lora_weights": "pissa"},
    "mix": {
        "strategy": "sft", "task": GENERATE, "family": "llama", "mix": [{"dataset": "articles.jsonl", "weight": 0.3}],
    },
    "rlhf-mix": {
        "strategy": "rlhf", "task": GENERATE, "family": "qwen2",
        "mix": [{"dataset": "more-pairs.jsonl", "weight": 0.6}],
    },
    "dpo": {"strategy": "dpo", "task": GENERATE, "family": "llama"},
    "rlhf-reward": {"strategy": "rlhf", "task": GENERATE, "family": "llama", "reward_num_train_epochs": 4},
    "rlhf-policy": {"strategy": "rlhf", "task": GENERATE, "family": "qwen2"},
}  # fmt: skip
STEPS = {"sft": 64, "qlora": 64, "dpo": 32, "rlhf": 16}
"""So many that a stop comes in time: tiny models take few of them in the time that it takes to ask for one."""


def start(server: LiveServer, models: dict[str, Path], name: str, case: dict[str, Any]) -> str:
    fields = {key: value for key, value in case.items() if key not in ("strategy", "task", "family")}
    body = request(case["strategy"], case["task"], models[case["family"]], **fields)
    own = {
        "name": name,
        "max_steps": STEPS[case["strategy"]],
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "eval_steps": 4,
    }
    job_id: str = server.post("/api/start_training", {**body, **own})["job_id"]
    return job_id


def curve(server: LiveServer, job_id: str) -> dict[int, tuple[Any, ...]]:
    points = server.get(f"/api/jobs/{job_id}/metrics")["metrics"]
    return {point["step"]: tuple(point.get(name) for name in ("loss", "grad_norm", "reward", "kl")) for point in points}


def weights(server: LiveServer, name: str) -> dict[str, Any]:
    folder = server.home / "models" / name
    return {file.name + key: value for file in folder.glob("*.safetensors") for key, value in load_file(file).items()}


@pytest.mark.parametrize("name", CASES)
def test_a_stopped_run_ends_as_an_undisturbed_one(server: LiveServer, models: dict[str, Path], name: str) -> None:
    case = CASES[name]
    whole = start(server, models, f"{name}-whole", case)
    job = server.wait(whole)
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    # Of the two stages of rlhf the second has the last steps.
    before = job["total_steps"] - STEPS[case["strategy"]]
    at = 5 if name == "rlhf-reward" else before + 5
    broken = start(server, models, f"{name}-broken", case)
    until(lambda: (server.get("/api/training_status")["current_step"] or 0) >= at, 120)
    server.post("/api/stop_training")
    stopped = server.get(f"/api/jobs/{broken}")
    assert (stopped["status"], stopped["cause"]) == ("stopped", "user")
    assert at <= stopped["current_step"] < job["total_steps"]
    assert (stopped["current_step"] < before) == (name == "rlhf-reward")
    server.post(f"/api/jobs/{broken}/resume")
    resumed = server.wait(broken)
    assert resumed["status"] == "completed", (resumed["error"], resumed["log_tail"][-20:])
    assert curve(server, broken) == curve(server, whole)
    first, second = weights(server, f"{name}-whole"), weights(server, f"{name}-broken")
    assert first.keys() == second.keys()
    assert all((first[key] == second[key]).all() for key in first)
