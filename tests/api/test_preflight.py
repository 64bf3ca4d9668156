"""What a training would come to: the same word as a start's, and nothing left of the question."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from modelforge import yaml12
from modelforge.api.app import create_app
from modelforge.hardware import Gpu, Hardware, detect
from modelforge.settings import Settings, load_settings
from tests.api.test_access import bearer, make_key
from tests.live import LiveServer, jsonl, rows

STARTER = {"task": "text-generation", "model_name": "modelforge-starter", "dataset": "rows.jsonl"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        client.post("/api/upload_dataset", files={"file": ("rows.jsonl", jsonl(rows(50)))})
        yield client


def told(client: TestClient, **fields: Any) -> dict[str, Any]:
    reply = client.post("/api/preflight", json={**STARTER, **fields})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def left(settings: Settings) -> list[Path]:
    return [*settings.runs.iterdir(), *settings.models.glob("[!.]*"), *settings.scratch.iterdir()]


def test_what_can_run_is_told_of(client: TestClient, settings: Settings) -> None:
    found = told(client, num_train_epochs=3, per_device_train_batch_size=2, gradient_accumulation_steps=2)
    assert (found["ok"], found["error"], found["detail"], found["status_code"]) == (True, None, None, None)
    assert found["name"] == "my-modelforge-starter-finetuned"
    assert (found["config"]["lora_r"], found["config"]["learning_rate"], found["config"]["dataset_version"]) == (
        16, 2e-4, 1,
    )  # fmt: skip
    assert found["length"] == {
        "optimizer_steps": 30, "examples_per_step": 4, "examples_per_epoch": 40, "held_out": 10,
    }  # fmt: skip
    memory, disk = found["memory"], found["disk"]
    assert memory["fits"] and memory["changes"] == []
    assert memory["needs_mb"] == pytest.approx(sum(memory["parts"].values()), abs=0.1)
    assert 0 < memory["least_mb"] <= memory["needs_mb"] < memory["has_mb"]
    assert disk["fits"] and disk["checkpoints"] == 3 and disk["dataset_mb"] == 0
    assert disk["places"][0]["needs_mb"] == pytest.approx(3 * disk["checkpoint_mb"] + disk["model_mb"])
    assert 1_000_000 < found["parameters"] < 10_000_000
    assert 0 < found["time"]["low"] < found["time"]["seconds"] < found["time"]["high"]
    assert (found["time"]["based_on"], found["time"]["runs"]) == ("arithmetic", 0)
    assert left(settings) == [] and client.get("/api/jobs").json()["total"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"fp16": True},
        {"dataset": "rows.json"},
        {"dataset": "/nowhere/rows.jsonl"},
        {"model_name": "/nowhere/model"},
        {"max_seq_length": 100_000},
        {"task": "summarization", "beta": 0.1},
        {"strategy": "dpo"},
        {"name": "modelforge-starter"},
        {"lora_r": 3, "init_lora_weights": "orthogonal"},
        {"trust_remote_code": True},
    ],
)
def test_a_refusal_is_the_one_of_a_start(client: TestClient, settings: Settings, fields: dict[str, Any]) -> None:
    refused = client.post("/api/jobs", json={**STARTER, **fields})
    assert refused.status_code in (400, 404, 409)
    found = told(client, **fields)
    assert not found["ok"]
    assert {name: found[name] for name in ("error", "detail", "status_code")} == refused.json()
    assert left(settings) == []


def test_what_is_known_beside_a_refusal_is_told(client: TestClient) -> None:
    taken = told(client, name="modelforge-starter")
    assert [each["field"] for each in taken["problems"]] == ["name"] and taken["status_code"] == 409
    assert all(taken[part] for part in ("memory", "disk", "length", "time", "config"))
    nothing = told(client, dataset="rows.json")
    assert nothing["status_code"] == 404 and "rows.jsonl" in nothing["detail"]
    assert nothing["problems"] == [{"field": "dataset", "detail": nothing["detail"]}]
    assert nothing["memory"]["fits"] and nothing["disk"]["fits"]
    assert nothing["length"] is None and nothing["time"] is None
    nobody = told(client, model_name="/nowhere/model")
    assert (nobody["memory"], nobody["time"]) == (None, None)
    (problem,) = nobody["problems"]
    assert nobody["detail"] == f"model_name: {problem['detail']}" and problem["field"] == "model_name"
    assert nobody["length"]["examples_per_epoch"] == 40
    odd = told(client, fp16=True, name="modelforge-starter")
    assert odd["detail"].startswith("fp16: ")  # the first of two, as a start says it
    assert [each["field"] for each in odd["problems"]] == ["fp16", "name"]
    assert all(odd[part] for part in ("memory", "disk", "length", "time", "config"))


@pytest.mark.parametrize("body", [{}, {**STARTER, "lora_r": 0}, {**STARTER, "lorar": 1}])
def test_what_is_no_configuration_is_refused_as_everywhere(client: TestClient, body: dict[str, Any]) -> None:
    reply = client.post("/api/preflight", json=body)
    assert reply.status_code == 400
    told = {name: value for name, value in reply.json().items() if name != "problems"}
    assert told == client.post("/api/jobs", json=body).json()


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"lora_r": 0}, {"lora_r": "must be greater than or equal to 1, not 0"}),
        ({"lora_r": 0, "eval_split": 2}, {"lora_r": "not 0", "eval_split": "must be less than 1, not 2"}),
        ({"mix": [{"dataset": "rows.jsonl", "weight": 0}]}, {"mix": "mix.0.weight: must be greater than 0"}),
        ({"use_4bit": True, "use_8bit": True}, {"use_4bit": "exclude each other"}),
        ({"task": "summarization", "strategy": "dpo"}, {"strategy": "needs the task 'text-generation'"}),
        ({"use_lora": False, "strategy": "qlora"}, {"use_lora": "must be true"}),
        ({"target_modules": "("}, {"target_modules": "no regular expression"}),
    ],
)
def test_what_is_no_configuration_is_told_by_field(
    client: TestClient, fields: dict[str, Any], problems: dict[str, str]
) -> None:
    reply = client.post("/api/preflight", json={**STARTER, **fields}).json()
    told = {each["field"]: each["detail"] for each in reply["problems"]}
    assert told.keys() == problems.keys()
    for field, words in problems.items():
        assert words in told[field] and told[field] in reply["detail"]


def test_a_library_that_cannot_run_is_told_beside_the_rest(client: TestClient) -> None:
    found = told(client, provider="unsloth", strategy="dpo", learning_rate=None)
    assert [each["field"] for each in found["problems"]] == ["provider", "dataset"]
    assert found["config"]["learning_rate"] == 1e-4  # what it would be, all the same


def test_a_table_by_its_path_is_read_and_nothing_kept(client: TestClient, settings: Settings, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("input,output\n" + "".join(f"what is {i}?,it is {i}\n" for i in range(20)))
    found = told(client, dataset=str(table))
    assert found["ok"] and found["length"]["examples_per_epoch"] == 16 and found["disk"]["dataset_mb"] > 0
    assert left(settings) == []


def test_what_does_not_fit_says_what_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    """A model of seventy billion weights, told by its config.json, on a GPU that has 80 GB."""
    folder = tmp_path / "large"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    large = {"hidden_size": 8192, "intermediate_size": 28_672, "num_hidden_layers": 80, "num_attention_heads": 64}
    config |= {**large, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 4096}
    (folder / "config.json").write_text(json.dumps(config))
    gpu = Gpu(name="GPU", memory_gb=80, compute_capability=9.0)
    machine = {"gpus": [gpu], "device": "cuda", "fast_bf16": True, "compute_specs": "high_end"}
    large_machine = Hardware.model_validate({**detect().model_dump(), **machine})
    monkeypatch.setattr("modelforge.hardware.detect", lambda: large_machine)
    settings = load_settings(home=tmp_path / "home")
    with TestClient(create_app(settings, supervise=False), base_url="http://localhost") as client:
        client.post("/api/upload_dataset", files={"file": ("rows.jsonl", jsonl(rows(12)))})
        refused = told(client, model_name=str(folder))
        assert (refused["ok"], refused["memory"]["fits"]) == (False, False)
        assert [each["field"] for each in refused["problems"]] == ["model_name"]
        (change,) = refused["memory"]["changes"]
        assert change["changes"]["strategy"] == "qlora" and "What would fit: strategy 'qlora'" in refused["detail"]
        fitting = told(client, model_name=str(folder), **change["changes"])
        assert fitting["memory"]["fits_now"] and fitting["memory"]["needs_mb"] == change["needs_mb"]
        assert fitting["disk"]["checkpoint_mb"] > 100


def test_the_request_can_be_copied(client: TestClient, settings: Settings, tmp_path: Path) -> None:
    asked = {**STARTER, "learning_rate": 1e-5, "name": "1e5", "mix": [{"dataset": "it's.jsonl", "weight": 0.5}]}
    reply = client.post("/api/preflight", json=asked, headers={"Host": "trainer:8000"})
    text = reply.json()["request"]
    assert json.loads(text["json_body"]) == yaml12.load(text["yaml"]) == asked
    words = shlex.split(text["curl"])
    assert words[:2] == ["curl", "http://trainer:8000/api/jobs"] and json.loads(words[words.index("-d") + 1]) == asked
    assert "Authorization" not in text["curl"]


def test_no_key_is_told(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    with TestClient(create_app(settings, supervise=False), base_url="http://localhost") as client:
        key = make_key(settings)
        reply = client.post("/api/preflight", json=STARTER, headers=bearer(key))
    assert key not in reply.text
    assert '-H "Authorization: Bearer $MODELFORGE_API_KEY"' in reply.json()["request"]["curl"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3),
)  # fmt: skip


@given(st.dictionaries(st.from_regex(r"[a-z_]+", fullmatch=True), VALUES))
def test_yaml_is_read_back_as_it_was_written(values: dict[str, Any]) -> None:
    assert yaml12.load(yaml12.dump(values)) == values


@pytest.mark.parametrize(
    "text", ["1e5", "0o7", "1:30", "no", "~", "0x1f", "1_000", "2024-01-15", "null", "", " a", "- b"]
)
def test_a_text_stays_one(text: str) -> None:
    assert yaml12.load(yaml12.dump({"name": text})) == {"name": text}


def test_a_job_tells_how_to_have_the_same_again(server: LiveServer) -> None:
    job_id = server.post("/api/jobs", {**STARTER, "name": "first", "lora_r": 4, "max_steps": 1})["job_id"]
    told = server.get(f"/api/jobs/{job_id}")
    again = json.loads(told["request"]["json_body"])
    # All that was filled in, but for the name, which is taken.
    assert again == {name: value for name, value in told["config"].items() if value is not None and name != "name"}
    assert (again["lora_r"], again["learning_rate"]) == (4, 2e-4)
    assert yaml12.load(told["request"]["yaml"]) == again
    assert shlex.split(told["request"]["curl"])[1] == f"{server.url}/api/jobs"
    assert server.post("/api/preflight", again)["ok"]
