"""What can be chosen is what a training takes: each choice is held against the check of a start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from modelforge.api.app import create_app
from modelforge.catalogue import ASSETS, BUNDLED_MODELS
from modelforge.contracts.titles import TITLES
from modelforge.datasets.formats import SHAPES
from modelforge.hardware import Gpu, Hardware, detect
from modelforge.memory import Shape
from modelforge.presets import PRESETS
from modelforge.providers import PROVIDERS
from modelforge.settings import load_settings
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS
from tests.live import LiveServer

HUB: list[dict[str, Any]] = json.loads((ASSETS / "models.json").read_text())["hub"]


def named(choices: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(each for each in choices if each["name"] == name)


def named_fit(model: dict[str, Any], strategy: str) -> dict[str, Any]:
    return next(fit for fit in model["fits"] if fit["strategy"] == strategy)


def test_it_has_all_that_is_registered(client: TestClient) -> None:
    found = client.get("/api/catalogue").json()
    for kind, registry in (("tasks", TASKS), ("strategies", STRATEGIES), ("providers", PROVIDERS)):
        assert [each["name"] for each in found[kind]] == registry.names()
        for each in found[kind]:
            assert 30 < len(each["about"]) < 160 and each["about"].endswith(".")
    assert named(found["tasks"], "summarization")["strategies"] == ["sft", "qlora"]
    assert named(found["tasks"], "text-generation")["strategies"] == STRATEGIES.names()
    assert named(found["tasks"], "extractive-question-answering")["providers"] == ["huggingface"]
    assert named(found["tasks"], "extractive-question-answering")["fields"] == [["context", "question", "answer"]]
    assert named(found["strategies"], "dpo")["fields"] == [["prompt", "chosen", "rejected"]]
    assert named(found["strategies"], "sft")["fields"] is None
    assert "beta" in named(found["strategies"], "dpo")["options"]
    assert named(found["providers"], "unsloth")["tasks"] == ["text-generation", "summarization"]


def test_every_option_has_a_title_of_its_own(client: TestClient) -> None:
    options = client.get("/openapi.json").json()["components"]["schemas"]["TrainingConfig"]["properties"]
    assert {name: option["title"] for name, option in options.items()} == TITLES
    assert len(set(TITLES.values())) == len(TITLES)


def test_shapes_of_data_say_what_can_be_learnt_from_them(client: TestClient) -> None:
    shapes = client.get("/api/catalogue").json()["shapes"]
    assert [each["name"] for each in shapes] == [shape.name for shape in SHAPES]
    messages, pairs = named(shapes, "messages"), named(shapes, "prompt_chosen_rejected")
    assert (messages["fields"], messages["optional"]) == (["user", "assistant"], ["system"])
    assert pairs["uses"] == [{"task": "text-generation", "strategies": ["rlhf", "dpo"]}]
    assert [use["task"] for use in named(shapes, "input_output")["uses"]] == ["text-generation", "summarization"]


def test_what_this_machine_cannot_do_says_why(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unsloth = named(client.get("/api/catalogue").json()["providers"], "unsloth")
    assert not unsloth["available"] and "modelforge providers install unsloth" in unsloth["obstacle"]
    apple = {"gpus": [Gpu(name="Apple GPU", memory_gb=16)], "device": "mps", "memory_gb": 16}
    machine = Hardware.model_validate({**detect().model_dump(), **apple})
    monkeypatch.setattr("modelforge.hardware.detect", lambda: machine)
    with TestClient(create_app(load_settings(home=tmp_path / "apple"), supervise=False)) as other:
        found = other.get("/api/catalogue", headers={"Host": "localhost"}).json()
    qlora = named(found["strategies"], "qlora")
    assert not qlora["available"] and "Apple's GPU" in qlora["obstacle"]
    assert named(found["strategies"], "sft")["available"]


def test_models_are_weighed_on_this_machine(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu = {"gpus": [Gpu(name="GPU", memory_gb=12, compute_capability=8.6)], "device": "cuda", "fast_bf16": True}
    machine = Hardware.model_validate({**detect().model_dump(), **gpu, "compute_specs": "mid_range"})
    monkeypatch.setattr("modelforge.hardware.detect", lambda: machine)
    with TestClient(create_app(load_settings(home=tmp_path / "gpu"), supervise=False)) as other:
        models = other.get("/api/catalogue", headers={"Host": "localhost"}).json()["models"]
    sizes = [each["parameters"] for each in models if each["source"] == "hub"]
    assert sizes == sorted(sizes) and len(sizes) == len(HUB)
    assert models[0]["name"] in BUNDLED_MODELS and models[0]["licence"] == "Apache-2.0"
    small, large = named(models, "Qwen/Qwen2.5-0.5B-Instruct"), named(models, "Qwen/Qwen3-8B")
    whole, four_bits = (named_fit(large, strategy) for strategy in ("sft", "qlora"))
    assert [fit["strategy"] for fit in large["fits"]] == STRATEGIES.names()
    assert all(fit["fits"] for fit in small["fits"])
    assert [fit["strategy"] for fit in large["fits"] if fit["fits"]] == ["qlora"]
    assert whole["least_mb"] > 12_000 > four_bits["least_mb"] > 4000
    assert named_fit(small, "rlhf")["needs_mb"] != named_fit(small, "sft")["needs_mb"]
    only_summaries = named(models, "google/flan-t5-small")
    assert [fit["strategy"] for fit in only_summaries["fits"]] == ["sft", "qlora"]
    assert named(models, "google/flan-t5-small")["tasks"] == ["summarization", "extractive-question-answering"]
    assert named(models, "meta-llama/Llama-3.2-1B-Instruct")["gated"] is True


@pytest.mark.parametrize("model", HUB, ids=lambda model: str(model["name"]))
def test_the_sizes_of_the_hubs_models_agree_with_themselves(model: dict[str, Any]) -> None:
    """The number of weights that their makers tell, and the one that follows from the layers, are two sources."""
    shape = Shape.of(model["config"])
    assert shape is not None and shape.weights == pytest.approx(model["parameters"], rel=0.01)
    assert model["licence"] and isinstance(model["gated"], bool) and model["about"].endswith(".")
    assert not (model["gated"] and model["licence"] in ("Apache-2.0", "MIT"))


def test_presets_are_those_that_a_request_can_name(client: TestClient) -> None:
    presets = client.get("/api/catalogue").json()["presets"]
    assert [each["name"] for each in presets] == ["quick", "balanced", "best"] == PRESETS.names()
    assert all(each["about"].endswith(".") for each in presets)


def test_what_was_trained_here_can_be_started_from(server: LiveServer, tiny_model: Path) -> None:
    asked = {"task": "text-generation", "model_name": str(tiny_model), "dataset": "rows.jsonl", "max_steps": 1}
    for name, fields in (("adapter", {}), ("whole", {"use_lora": False})):
        job = server.wait(server.post("/api/start_training", {**asked, "name": name, **fields})["job_id"])
        assert job["status"] == "completed"
    models = [each for each in server.get("/api/catalogue")["models"] if each["source"] == "registry"]
    assert [each["name"] for each in models] == ["whole", "adapter"]
    assert models[0]["parameters"] == models[1]["parameters"] > 0
    assert models[1]["tasks"] == ["text-generation"] and len(models[0]["tasks"]) == 3
    assert all(fit["fits"] for each in models for fit in each["fits"]) and models[0]["fits"]
    assert str(tiny_model) in models[0]["about"]
