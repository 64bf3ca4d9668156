"""Presets fit the model and the data: what they set is what a start gets, and little data is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.preflight import RunLength
from modelforge.contracts.training import TrainingConfig
from modelforge.presets import ENOUGH, PRESETS
from tests.live import LiveServer, jsonl

LLAMA = {"model_type": "llama", "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
THINGS = "loaf scone tart pie bun roll cake bagel muffin cookie wafer strudel brownie pretzel biscuit"
FACTS = [
    {"input": f"What does the {thing} cost?", "output": f"The {thing} costs {price} pounds."}
    for price, thing in enumerate(THINGS.split(), start=11)
]


def described(hidden: int) -> dict[str, Any]:
    return {**LLAMA, "hidden_size": hidden, "vocab_size": 1000}


def length(examples: int, held_out: int = 10) -> RunLength:
    return RunLength(optimizer_steps=1, examples_per_step=4, examples_per_epoch=examples, held_out=held_out)


def settings(name: str, examples: int, hidden: int = 1000, **kind: bool) -> dict[str, Any]:
    of = {"supervised": True, "adapter": True, "new": True, **kind}
    return PRESETS.get(name).settings(length(examples), described(hidden), **of)


@pytest.mark.parametrize(
    ("name", "examples", "passes"),
    [("quick", 40, 10), ("quick", 10_000, 1), ("balanced", 60, 17), ("balanced", 12, 20), ("best", 10_000, 5)],
)
def test_little_data_is_gone_through_often(name: str, examples: int, passes: int) -> None:
    assert settings(name, examples)["num_train_epochs"] == passes


def test_narrow_models_learn_in_larger_steps() -> None:
    rates = [settings("balanced", 100, hidden)["learning_rate"] for hidden in (64, 256, 1024, 4096, 16384)]
    assert rates == [3e-3, 2.5e-3, 8.4e-4, 2.9e-4, 2e-4]
    assert "learning_rate" not in PRESETS.get("balanced").settings(
        length(100), {}, supervised=True, adapter=True, new=True
    )
    assert not {"learning_rate", "lora_r"} & settings("balanced", 100, adapter=False).keys()
    assert "learning_rate" not in settings("balanced", 100, supervised=False)
    # An adapter that is trained on keeps its size, and learns as fast as a new one.
    further = settings("balanced", 100, 256, new=False)
    assert further["learning_rate"] == 2.5e-3 and "lora_r" not in further


def test_held_out_rows_end_a_run_where_there_are_enough_of_them() -> None:
    few, many = settings("best", ENOUGH - 1), settings("best", ENOUGH)
    assert (few["load_best_model_at_end"], few["early_stopping_patience"], few["eval_split"]) == (False, None, 0.1)
    assert (many["load_best_model_at_end"], many["early_stopping_patience"]) == (True, 3) and "eval_split" not in many


def test_what_a_request_sets_itself_stays(server: LiveServer, tiny_model: Path) -> None:
    asked = {"task": "text-generation", "model_name": str(tiny_model), "dataset": "rows.jsonl", "preset": "best"}
    found = server.post("/api/preflight", asked)["config"]
    assert (found["lora_r"], found["lora_alpha"], found["eval_split"], found["learning_rate"]) == (32, 64, 0.1, 3e-3)
    own = {"num_train_epochs": 1, "lora_r": 16, "learning_rate": 1e-4, "eval_split": 0.2}
    found = server.post("/api/preflight", {**asked, **own})["config"]
    assert {name: found[name] for name in own} == own
    own = {"eval_dataset": "rows.jsonl"}
    assert server.post("/api/preflight", {**asked, **own})["config"]["eval_split"] == 0
    without = server.post("/api/preflight", {**asked, "preset": None})["config"]
    assert (without["num_train_epochs"], without["learning_rate"]) == (1, 2e-4)


def test_a_learning_rate_that_ruins_the_model_is_told_of(server: LiveServer, tiny_model: Path) -> None:
    asked = {"task": "text-generation", "model_name": str(tiny_model), "dataset": "rows.jsonl"}
    told = [server.post("/api/preflight", {**asked, "learning_rate": rate})["warnings"] for rate in (2e-4, 3e-2, 4e-2)]
    assert [[each for each in warnings if each.startswith("learning_rate:")] != [] for warnings in told] == [
        False, False, True,
    ]  # fmt: skip


def test_every_preset_is_one_that_a_request_can_name() -> None:
    for name in PRESETS.names():
        TrainingConfig.model_validate({"task": "text-generation", "model_name": "m", "dataset": "d", "preset": name})


@pytest.fixture(scope="module")
def facts(server: LiveServer) -> Iterator[LiveServer]:
    server.upload("facts.jsonl", jsonl(FACTS))
    yield server


def test_a_handful_of_answers_is_known_afterwards(facts: LiveServer) -> None:
    asked = {"task": "text-generation", "model_name": "modelforge-starter", "dataset": "facts.jsonl"}
    job = facts.wait(facts.post("/api/jobs", {**asked, "preset": "balanced"})["job_id"])
    assert job["status"] == "completed", job["error"]

    def answer(question: str) -> str:
        body = {"model_id": job["model_id"], "prompt": question, "temperature": 0}
        said: str = facts.post("/api/playground/generate", body)["generated_text"]
        return said

    known = [answer(fact["input"]) == fact["output"] for fact in FACTS]
    assert sum(known) >= 0.8 * len(FACTS), known
