"""Previews over HTTP: the bundled model at hand, models of others by the rules of trainings, and its process's end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from modelforge.api.app import create_app
from modelforge.contracts.preview import PreviewRequest
from modelforge.contracts.training import TrainingConfig
from modelforge.jobs import preview as previews
from modelforge.jobs import probing
from modelforge.settings import Settings, load_settings
from tests.live import jsonl, rows
from tests.tasks.test_tools import ROW
from tests.tiny import make_tiny_tokenizer

STARTER = {"task": "text-generation", "model_name": "modelforge-starter"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings, supervise=False), base_url="http://localhost") as client:
        for start in (0, 100):
            content = jsonl([{"input": f"what is {i}?", "output": f"it is {i}"} for i in range(start, start + 20)])
            client.post("/api/upload_dataset", files={"file": ("rows.jsonl", content)})
        client.post("/api/upload_dataset", files={"file": ("tools.jsonl", jsonl([ROW] * 12))})
        yield client


def preview(client: TestClient, status: int = 200, name: str = "rows.jsonl", **body: Any) -> dict[str, Any]:
    reply = client.post(f"/api/datasets/{name}/preview", json={**STARTER, **body})
    assert reply.status_code == status, reply.text
    found: dict[str, Any] = reply.json()
    return found


def text_of(row: dict[str, Any], *, trained: bool | None = None) -> str:
    tokens = row["examples"][0]["sequences"][0]["tokens"]
    return "".join(token["text"] for token in tokens if trained in (None, token["trained"]))


def test_a_row_is_shown_through_the_models_template(client: TestClient) -> None:
    seen = preview(client, rows=[3, 1])
    assert [row["line"] for row in seen["rows"]] == [3, 1] and seen["version"] == 2
    assert text_of(seen["rows"][0]) == "<|user|>what is 102?<|end|><|assistant|>it is 102<|end|>"
    assert text_of(seen["rows"][0], trained=True) == "it is 102<|end|>"
    assert (seen["shape"], seen["chat_template"], seen["filename"]) == ("input_output", True, "rows.jsonl")
    assert seen["stats"]["trained"] == sum(
        token["trained"]
        for row in seen["rows"]
        for sequence in row["examples"][0]["sequences"]
        for token in sequence["tokens"]
    )


def test_an_earlier_version_and_a_part_of_it(client: TestClient) -> None:
    seen = preview(client, version=1, offset=17, limit=5, max_seq_length=16)
    assert [row["line"] for row in seen["rows"]] == [18, 19, 20] and seen["max_seq_length"] == 16
    assert "what is 17?" in text_of(seen["rows"][0])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"name": "row.jsonl"}, 404, "rows.jsonl"),
        ({"version": 3}, 404, "has no version 3"),
        ({"rows": [21]}, 404, "no line 21"),
        ({"rows": [0]}, 400, "rows.0"),
        ({"rows": []}, 400, "rows"),
        ({"limit": 101}, 400, "limit"),
        ({"lora_r": 4}, 400, "there is no field 'lora_r'"),
        ({"max_seq_lenght": 4}, 400, "max_seq_length"),
        ({"max_seq_length": 100_000}, 400, "is more than the"),
        ({"task": "extractive-question-answering"}, 400, "what is needed is context, question and answer"),
        ({"strategy": "dpo"}, 400, "what is needed is prompt, chosen and rejected"),
        ({"doc_stride": 4}, 400, "doc_stride"),
        ({"trust_remote_code": True}, 400, "MODELFORGE_ALLOW_REMOTE_CODE"),
        ({"model_name": "/nowhere/at/all"}, 404, "there is no folder"),
    ],
)
def test_what_cannot_be_shown_is_refused(client: TestClient, body: dict[str, Any], status: int, said: str) -> None:
    refused = preview(client, status, **body)
    assert refused["status_code"] == status and said in refused["detail"]


def test_a_model_is_read_from_where_the_caller_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(home=tmp_path / "home", data_roots=[tmp_path / "inside"])
    (tmp_path / "outside").mkdir()
    with TestClient(create_app(settings, supervise=False), base_url="http://localhost") as client:
        client.post("/api/upload_dataset", files={"file": ("rows.jsonl", jsonl(rows(12)))})
        refused = preview(client, 400, model_name=str(tmp_path / "outside"))
    assert "lies outside the folders" in refused["detail"]


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """The folder of a model whose template never ends."""
    from transformers import LlamaConfig

    lap = "{% for b in range(99999) %}" * 4 + "{% endfor %}" * 4
    make_tiny_tokenizer(chat_template=lap).save_pretrained(tmp_path)
    LlamaConfig(vocab_size=400).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


def test_a_template_that_never_ends_is_one_refused_answer(
    client: TestClient, endless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "SECONDS", 6.0)
    assert "gave no answer within 6 s" in preview(client, 400, model_name=str(endless), limit=1)["detail"]
    monkeypatch.setattr(previews, "SECONDS", 60.0)
    assert preview(client, limit=1)["stats"]["rows"] == 1


def test_a_process_that_breaks_is_one_failed_answer(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.portal.call(client.app.state.modelforge.probe._end, "for the test")  # type: ignore[union-attr,attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(probing, "computing_environment", lambda *_: {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/no"})
        refused = preview(client, 500)
    assert "exit code 1" in refused["detail"] and "Traceback" not in json.dumps(refused)
    assert preview(client, limit=1)["stats"]["rows"] == 1


def test_previews_are_made_by_one_process(client: TestClient) -> None:
    preview(client, limit=1)
    pid = client.app.state.modelforge.probe.pid  # type: ignore[attr-defined]
    started = time.monotonic()
    preview(client, limit=3)
    assert client.app.state.modelforge.probe.pid == pid is not None  # type: ignore[attr-defined]
    assert time.monotonic() - started < 1


def test_tools_that_a_template_leaves_out_are_refused_before_a_run(client: TestClient, tiny_model: Path) -> None:
    seen = preview(client, name="tools.jsonl", limit=2)
    assert "rows with tools" in seen["rows"][0]["why"] and seen["stats"]["used"] == 0


def test_the_fields_are_those_of_a_training() -> None:
    places = ("title", "x-group", "x-advanced")  # on the form of a training

    def fields(request: type[TrainingConfig | PreviewRequest]) -> dict[str, dict[str, object]]:
        found = request.model_json_schema()["properties"]
        return {
            name: {key: value for key, value in field.items() if key not in places} for name, field in found.items()
        }

    of_training, own = fields(TrainingConfig), fields(PreviewRequest)
    shared = own.keys() & of_training.keys()
    assert shared >= {"task", "model_name", "strategy", "max_seq_length", "packing"}
    assert {name: own[name] for name in shared} == {name: of_training[name] for name in shared}
    asked = PreviewRequest(task="summarization", model_name="m", max_target_length=5, rows=[1])
    config = asked.configuration("d.jsonl")
    assert config.model_fields_set == {"task", "model_name", "max_target_length", "dataset"}
