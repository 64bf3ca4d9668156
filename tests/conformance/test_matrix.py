"""Every strategy, task and family of models together: what is allowed trains and answers, what is not is refused with
the reason."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS
from tests.conformance.data import GENERATE, POINT, SUM_UP, dataset_for, question_for
from tests.conformance.families import FAMILIES
from tests.live import LiveServer

ALL = [(strategy, task, family) for strategy in STRATEGIES.names() for task in TASKS.names() for family in FAMILIES]


def allowed(case: tuple[str, str, Any]) -> bool:
    strategy, task, family = case
    return task in family.tasks and (strategy in ("sft", "qlora") or task == GENERATE)


def names(cases: list[tuple[str, str, Any]]) -> list[str]:
    return ["-".join((strategy, task, family.name)) for strategy, task, family in cases]


def shortened(cases: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    """Each family once, and each strategy with each of its tasks."""
    seen: set[object] = set()
    kept = []
    for case in cases:
        strategy, task, family = case
        shown = {(strategy, task), family.name}
        if not shown <= seen:
            kept.append(case)
            seen |= shown
    return kept


ALLOWED = [case for case in ALL if allowed(case)]
if os.environ.get("CONFORMANCE") == "short":
    ALLOWED = shortened(ALLOWED)
REFUSED = [case for case in ALL if not allowed(case)]

OWN_METRICS = {
    GENERATE: {"perplexity"},
    SUM_UP: {"rouge1", "rouge2", "rougeL", "exact_match"},
    POINT: {"exact_match", "f1"},
}
STRATEGY_METRICS = {
    "dpo": {"preference_accuracy", "reward_accuracy", "reward_margin"},
    "rlhf": {"preference_accuracy", "reward", "kl", "completion_length", "reward_model_accuracy"},
}


def request(strategy: str, task: str, model: Path, **fields: Any) -> dict[str, Any]:
    settings = {"num_generations": 2, "reward_num_train_epochs": 1} if strategy == "rlhf" else {}
    return {
        "strategy": strategy,
        "task": task,
        "model_name": str(model),
        "dataset": dataset_for(strategy, task),
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "learning_rate": 1e-2,
        "lora_r": 4,
        "max_eval_samples": 4,
        **settings,
        **fields,
    }


@pytest.mark.parametrize(("strategy", "task", "family"), ALLOWED, ids=names(ALLOWED))
def test_it_trains_and_answers(
    server: LiveServer, models: dict[str, Path], strategy: str, task: str, family: Any
) -> None:
    job_id = server.post("/api/start_training", request(strategy, task, models[family.name]))["job_id"]
    job = server.wait(job_id)
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    model = server.get(f"/api/models/{job['model_id']}")
    metrics = model["metrics"]
    wanted = {"final_loss", "perplexity", "train_loss", "eval_loss", "train_tokens"} | OWN_METRICS[task]
    wanted |= STRATEGY_METRICS.get(strategy, set())
    assert wanted <= set(metrics)
    assert {f"base_{name}" for name in OWN_METRICS[task] | {"final_loss"}} <= set(metrics)
    assert all(math.isfinite(value) for value in metrics.values())
    # Something was learnt: what was trained is another model than what it started from.
    assert metrics["final_loss"] != metrics["base_final_loss"]
    folder = Path(model["path"])
    adapter = load_file(folder / "adapter_model.safetensors")
    assert any((tensor != 0).any() for name, tensor in adapter.items() if "lora_B" in name)
    assert json.loads((folder / "spec.json").read_text())["config"]["strategy"] == strategy
    assert (folder / "tokenizer_config.json").is_file() and (folder / "README.md").is_file()
    asked = {"model_id": job["model_id"], "temperature": 0, "max_new_tokens": 8, **question_for(task)}
    reply = server.post("/api/playground/generate", asked)
    if task == POINT:
        start, text = reply["answer_start"], reply["generated_text"]
        assert text and asked["context"][start : start + len(text)] == text
        assert 0 < reply["score"] <= 1
    else:
        assert 0 <= reply["tokens_generated"] <= 8 and reply["answer_start"] is None


@pytest.mark.parametrize(("strategy", "task", "family"), REFUSED, ids=names(REFUSED))
def test_it_is_refused_with_the_reason(
    server: LiveServer, models: dict[str, Path], strategy: str, task: str, family: Any
) -> None:
    before = server.get("/api/jobs")["total"]
    reply = server.post("/api/start_training", request(strategy, task, models[family.name]), status=400)
    if strategy in ("dpo", "rlhf") and task != GENERATE:
        assert "needs the task 'text-generation'" in reply["detail"]
    else:
        assert family.name in reply["detail"] and task in reply["detail"]
    assert server.get("/api/jobs")["total"] == before


@pytest.mark.parametrize("task", TASKS.names())
def test_all_weights_can_be_tuned(server: LiveServer, models: dict[str, Path], task: str) -> None:
    family = {GENERATE: "llama", SUM_UP: "t5", POINT: "bert"}[task]
    fields = request("sft", task, models[family], use_lora=False, learning_rate=1e-3)
    job = server.wait(server.post("/api/start_training", fields)["job_id"])
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    metrics = server.get(f"/api/models/{job['model_id']}")["metrics"]
    assert metrics["final_loss"] < metrics["base_final_loss"]
    server.post("/api/playground/generate", {"model_id": job["model_id"], **question_for(task)})


@pytest.mark.parametrize("strategy", ["dpo", "rlhf"])
def test_all_weights_can_be_tuned_by_preferences(server: LiveServer, models: dict[str, Path], strategy: str) -> None:
    fields = request(strategy, GENERATE, models["llama"], use_lora=False, learning_rate=1e-3)
    job = server.wait(server.post("/api/start_training", fields)["job_id"])
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    metrics = server.get(f"/api/models/{job['model_id']}")["metrics"]
    assert metrics["final_loss"] != metrics["base_final_loss"]
