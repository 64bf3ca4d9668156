"""Unsloth itself, on a GPU: each strategy trains a tiny model through a real server, and the playground talks to it.

The environment is what ``modelforge providers install unsloth`` made in ``MODELFORGE_HOME``, or in ``~/.modelforge``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelforge.environments import find_environment
from modelforge.hardware import detect
from modelforge.providers import PROVIDERS
from modelforge.settings import load_settings
from tests.live import LiveServer, jsonl, rows
from tests.tiny import make_tiny_model

OBSTACLE = PROVIDERS.get("unsloth").obstacle(detect())
MADE = find_environment(load_settings().home, "unsloth")

pytestmark = [
    pytest.mark.skipif(OBSTACLE is not None, reason=f"unsloth cannot run here: {OBSTACLE}"),
    pytest.mark.skipif(MADE.fault() is not None, reason=f"{MADE.folder} {MADE.fault()}: {MADE.install_command}"),
]

PAIRS = [
    {"prompt": f"what is {i}?", "chosen": f"it is the number {i}", "rejected": f"who knows {i}"} for i in range(40)
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    home = tmp_path_factory.mktemp("home")
    (home / "environments").mkdir()
    (home / "environments" / "unsloth").symlink_to(MADE.folder)
    live = LiveServer(home).start()
    live.upload("rows.jsonl", jsonl(rows(64)))
    live.upload("pairs.jsonl", jsonl(PAIRS))
    yield live
    live.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Heads of 64, the smallest that every kernel takes."""
    return make_tiny_model(tmp_path_factory.mktemp("model") / "llama", hidden_size=256, context=2048)


@pytest.mark.parametrize(
    ("strategy", "fields"),
    [
        ("sft", {}),
        ("sft", {"use_lora": False, "learning_rate": 1e-3}),
        ("sft", {"use_8bit": True}),
        ("sft", {"use_dora": True, "use_rslora": True}),
        ("qlora", {"use_nested_quant": True}),
        ("dpo", {}),
        ("rlhf", {"num_generations": 4}),
    ],
)
def test_it_learns_and_answers(server: LiveServer, model: Path, strategy: str, fields: dict[str, Any]) -> None:
    data = "rows.jsonl" if strategy in ("sft", "qlora") else "pairs.jsonl"
    body = {
        "task": "text-generation", "strategy": strategy, "provider": "unsloth", "model_name": str(model),
        "dataset": data, "max_steps": 20, "logging_steps": 1, "learning_rate": 1e-2, "max_seq_length": 128, **fields,
    }  # fmt: skip
    job_id = server.post("/api/start_training", body)["job_id"]
    job = server.wait(job_id, seconds=600)
    assert job["status"] == "completed", job["error"]
    if strategy in ("sft", "qlora"):
        points = [p["loss"] for p in server.get(f"/api/jobs/{job_id}/metrics")["metrics"] if p.get("loss") is not None]
        assert points[-1] < points[0]
    answer = server.post("/api/playground/generate", {"model_id": job["model_id"], "prompt": "what is 3?"})
    assert answer["tokens_generated"] > 0


def test_it_resumes(server: LiveServer, model: Path) -> None:
    body = {
        "task": "text-generation", "provider": "unsloth", "model_name": str(model), "dataset": "rows.jsonl",
        "max_steps": 400, "save_steps": 5, "max_seq_length": 128,
    }  # fmt: skip
    job_id = server.post("/api/start_training", body)["job_id"]
    server.wait(job_id, ("training", "completed", "failed"), seconds=300)
    server.post("/api/stop_training")
    assert server.get(f"/api/jobs/{job_id}")["status"] == "stopped"
    server.post(f"/api/jobs/{job_id}/resume")
    job = server.wait(job_id, seconds=600)
    assert job["status"] == "completed", job["error"]
