"""Models of a hub, over HTTP: found, refused with the reason, fetched, trained."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub.small_hub import COMMIT, TOKEN, small_hub
from tests.live import LiveServer, jsonl, rows

ASK = """
import sys
from modelforge.errors import ModelForgeError
from modelforge.hub.lookup import find_revision
try:
    print(find_revision(sys.argv[1]))
except ModelForgeError as error:
    print(error.status_code, error.detail)
"""


def ask(name: str, endpoint: str, cache: Path, **environment: str) -> str:
    """What ``find_revision`` says, in a process of its own: the hub's library reads its settings once."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    environment = {**inherited, "HF_ENDPOINT": endpoint, "HF_HOME": str(cache), **environment}
    done = subprocess.run(
        [sys.executable, "-c", ASK, name], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def models(tiny_model: Path) -> dict[str, Path]:
    return {"ada/tiny": tiny_model, "ada/locked": tiny_model}


def test_what_the_hub_has_and_has_not(models: dict[str, Path], tmp_path: Path) -> None:
    with small_hub(models, gated={"ada/locked"}) as (url, _):
        assert ask("ada/tiny", url, tmp_path) == COMMIT
        assert ask("ada/none", url, tmp_path).startswith("404 model 'ada/none'")
        locked = ask("ada/locked", url, tmp_path)
        assert locked.startswith("403 model 'ada/locked' is gated") and "HF_TOKEN" in locked
        assert ask("ada/locked", url, tmp_path, HF_TOKEN=TOKEN) == COMMIT
        assert ask("ada/locked", url, tmp_path, HUGGINGFACE_TOKEN=TOKEN) == COMMIT
        wrong = ask("ada/locked", url, tmp_path, HF_TOKEN="hf_wrong")
        assert wrong.startswith("403") and "hf_wrong" not in wrong


def test_a_hub_that_nobody_answers_for(tmp_path: Path) -> None:
    said = ask("ada/tiny", "http://127.0.0.1:9", tmp_path)
    assert said.startswith("404") and "cannot be reached" in said and "local cache" in said
    assert ask("ada/tiny", "http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE="1").startswith("404")


def test_a_model_of_the_hub_is_trained_and_then_needs_no_hub(models: dict[str, Path], tmp_path: Path) -> None:
    cache = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "0", "HUGGINGFACE_TOKEN": TOKEN}
    config = {"task": "text-generation", "model_name": "ada/locked", "dataset": "rows.jsonl", "max_steps": 2}
    with small_hub(models, gated={"ada/locked"}) as (url, asked):
        server = LiveServer(tmp_path / "home", **cache, HF_ENDPOINT=url).start()
        try:
            server.upload("rows.jsonl", jsonl(rows(20)))
            job = server.wait(server.post("/api/start_training", config)["job_id"])
            assert job["status"] == "completed", job["error"]
            assert any(path.endswith("model.safetensors") for path in asked)
            model = server.get(f"/api/models/{job['model_id']}")
            assert (model["base_model"], model["name"]) == ("ada/locked", "my-locked-finetuned")
        finally:
            server.close()
        fetched = len(asked)
    offline = {**cache, "HF_HUB_OFFLINE": "1"}
    server = LiveServer(tmp_path / "home", **offline, HF_ENDPOINT=url).start()
    try:
        job = server.wait(server.post("/api/start_training", config)["job_id"])
        assert job["status"] == "completed", job["error"]
        server.post(
            "/api/playground/generate", {"model_name": "ada/locked", "prompt": "what is 3?", "max_new_tokens": 3}
        )
        assert len(asked) == fetched
    finally:
        server.close()
    secret_free = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not [path for path in secret_free if TOKEN.encode() in path.read_bytes()]
