"""Runs on several datasets, on a version, and with rows of their own to measure on: what is refused, and what runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidDataset, InvalidRequest, ModelForgeError, NotFound
from modelforge.jobs import preflight
from modelforge.jobs.data import conversions
from modelforge.jobs.probing import Probe
from modelforge.lease import DeviceLease
from modelforge.settings import load_settings
from modelforge.store.database import Database
from tests.jobs.test_options import machine
from tests.live import LiveServer, jsonl, rows
from tests.tasks.test_tools import HERMES, ROW
from tests.tiny import make_tiny_model


def questions(start: int, count: int) -> bytes:
    return jsonl([{"input": f"what is {i}?", "output": f"it is {i}"} for i in range(start, start + count)])


def chats(count: int) -> bytes:
    return jsonl(
        [
            {"messages": [{"role": "user", "content": f"hello {i}"}, {"role": "assistant", "content": f"hi {i}"}]}
            for i in range(count)
        ]
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("home")).start()
    server.upload("own.jsonl", questions(0, 20))
    server.upload("own.jsonl", questions(0, 40))
    server.upload("more.jsonl", questions(100, 30))
    server.upload("chats.jsonl", chats(12))
    yield server
    server.close()


def config(model: Path, **fields: Any) -> dict[str, Any]:
    return {
        "task": "text-generation", "model_name": str(model), "dataset": "own.jsonl", "max_seq_length": 64,
        "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, **fields,
    }  # fmt: skip


def test_a_mixture_trains_and_says_what_of(server: LiveServer, tiny_model: Path) -> None:
    mix = [{"dataset": "more.jsonl", "weight": 0.5}, {"dataset": "chats.jsonl", "version": 1, "weight": 0.25}]
    asked = config(tiny_model, mix=mix, eval_split=0, num_train_epochs=2, dataset_version=1)
    job = server.wait(server.post("/api/start_training", asked)["job_id"])
    assert job["status"] == "completed", job["error"]
    # An epoch has 20 rows of its own, 10 and 5 of the others: nine steps of four.
    assert (job["total_steps"], job["current_step"], job["total_epochs"]) == (18, 18, 2)
    told = " ".join(event["text"] for event in job["events"])
    assert "35 rows to learn from in an epoch: 20 of 'own.jsonl', 10 of 'more.jsonl' (it has 30), 5 of" in told
    assert job["config"]["dataset_version"] == 1
    assert [part["version"] for part in job["config"]["mix"]] == [1, 1]
    spec = json.loads((Path(job["model_path"]) / "spec.json").read_text())
    assert [part["name"] for part in spec["mix"]] == ["more.jsonl", "chats.jsonl"]
    assert spec["dataset"]["version"] == 1 and spec["dataset"]["num_examples"] == 20
    card = (Path(job["model_path"]) / "README.md").read_text()
    assert "on `own.jsonl` (20 examples, sha256 `" in card and " and `chats.jsonl` (12 examples, sha256 `" in card
    run = Path(job["run_dir"])
    assert all((run / name).is_file() for name in ("dataset.jsonl", "mix-1.jsonl", "mix-2.jsonl"))


def test_rows_of_their_own_measure_it(server: LiveServer, tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "eval.jsonl"
    path.write_bytes(questions(35, 8))
    asked = config(tiny_model, eval_dataset=str(path), early_stopping_patience=3)
    job = server.wait(server.post("/api/start_training", asked)["job_id"])
    assert job["status"] == "completed", job["error"]
    told = " ".join(event["text"] for event in job["events"])
    assert "40 rows to learn from, 8 held out" in told and "5 of 8 rows stand word for word" in told
    assert job["config"]["eval_split"] == 0 and job["config"]["dataset_version"] == 2
    assert job["eval_loss"] > 0 and job["metrics"]["eval_loss"] > 0


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"dataset_version": 3}, 404, "has no version 3; its newest is 2"),
        ({"mix": [{"dataset": "mor.jsonl"}]}, 404, "more.jsonl"),
        ({"mix": [{"dataset": "more.jsonl", "weight": 0}]}, 400, "mix.0.weight: must be"),
        ({"mix": []}, 400, "mix"),
        ({"mix": ["more.jsonl"]}, 400, "mix.0: must be a JSON object"),
        ({"mix": [{"dataset": "more.jsonl", "share": 1}]}, 400, "share"),
        ({"mix": [{"dataset": "own.jsonl"}]}, 400, "are there already"),
        ({"mix": [{"dataset": "more.jsonl"}, {"dataset": "more.jsonl"}]}, 400, "are there already"),
        ({"eval_dataset": "own.jsonl"}, 400, "is learnt from, too"),
        ({"eval_dataset": "more.jsonl", "eval_split": 0.1}, 400, "eval_split"),
        ({"eval_dataset_version": 1}, 400, "there is none"),
        ({"task": "summarization", "eval_dataset": "chats.jsonl"}, 400, "'chats.jsonl' has the fields messages"),
        ({"task": "summarization", "mix": [{"dataset": "chats.jsonl"}]}, 400, "'chats.jsonl' has the fields messages"),
    ],
)
def test_what_does_not_go_together_is_refused(
    server: LiveServer, tiny_model: Path, fields: dict[str, Any], status: int, said: str
) -> None:
    refused = server.post("/api/start_training", config(tiny_model, **fields), status)
    assert said in f"{refused['error']} {refused['detail']}"


def test_tools_that_the_template_leaves_out_are_refused_before_the_run(server: LiveServer, tiny_model: Path) -> None:
    server.upload("tools.jsonl", jsonl([ROW] * 12))
    for fields in ({"dataset": "tools.jsonl"}, {"mix": [{"dataset": "tools.jsonl"}]}):
        refused = server.post("/api/start_training", config(tiny_model, **fields), 400)
        said = "dataset 'tools.jsonl': line 1: the model cannot learn rows with tools or tool_calls"
        assert refused["detail"].startswith(said)


def test_a_model_learns_to_call_a_tool(server: LiveServer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    model = make_tiny_model(tmp_path / "model", texts=[json.dumps(ROW)])
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = HERMES
    tokenizer.save_pretrained(model)
    server.upload("calls.jsonl", jsonl([ROW] * 12))
    asked = config(model, dataset="calls.jsonl", max_seq_length=256, use_lora=False, eval_split=0)
    job = server.wait(
        server.post("/api/start_training", {**asked, "num_train_epochs": 20, "learning_rate": 1e-2})["job_id"]
    )
    assert job["status"] == "completed", job["error"]
    # The loss of twelve times the same call and answer, both learnt by heart.
    assert job["metrics"]["final_loss"] < 0.1 < job["metrics"]["base_final_loss"]


@pytest.mark.parametrize("field", ["mix", "eval_dataset"])
def test_roots_hold_for_every_file(tmp_path: Path, tiny_model: Path, field: str) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "rows.jsonl").write_bytes(jsonl(rows(12)))
    settings = load_settings(home=tmp_path / "home")
    settings.make_folders()
    asked = TrainingConfig(
        task="text-generation", model_name=str(tiny_model), dataset=str(inside / "rows.jsonl")
    ).model_copy(update=_named(field, str(outside / "rows.jsonl")))
    with pytest.raises(InvalidRequest, match=f"^{field}: .*MODELFORGE_DATA_ROOTS"):
        asyncio.run(_check(asked, settings, [inside, tiny_model]))
    asked = asked.model_copy(update=_named(field, str(inside / "none.jsonl")))
    with pytest.raises(NotFound):
        asyncio.run(_check(asked, settings, [inside, tiny_model]))
    (inside / "bad.jsonl").write_text('{"input": "x"}\n')
    asked = asked.model_copy(update=_named(field, str(inside / "bad.jsonl")))
    with pytest.raises(InvalidDataset):
        asyncio.run(_check(asked, settings, [inside, tiny_model]))


def _named(field: str, path: str) -> dict[str, Any]:
    from modelforge.contracts.training import MixPart

    return {field: [MixPart(dataset=path)] if field == "mix" else path}


async def _check(asked: TrainingConfig, settings: Any, roots: list[Path]) -> ModelForgeError | preflight.Plan:
    probe = Probe(settings, DeviceLease("cpu"))
    async with conversions(settings) as scratch:
        given = (asked, settings, Database(settings.database), machine(), probe, roots, scratch)
        return await preflight.check(preflight.Inquiry(*given))
