"""The product from Python, with no server and beside one."""

from __future__ import annotations

from pathlib import Path

import pytest

import modelforge
from modelforge.errors import InvalidRequest, NotFound
from tests.live import LiveServer, jsonl, rows


def test_a_model_is_trained_and_asked(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_bytes(jsonl(rows(20)))
    config = {"task": "text-generation", "model_name": str(tiny_model), "max_steps": 2}
    seen: list[str] = []
    with modelforge.ModelForge(tmp_path / "home") as forge:
        assert forge.upload("mine.jsonl").num_examples == 20
        with pytest.raises(InvalidRequest, match="lora_r"):
            forge.train(dataset="mine.jsonl", lora_r=0, **config)
        job = forge.train(dataset="mine.jsonl", name="made", progress=lambda job: seen.append(job.status), **config)
        assert job.status == "completed" and seen[-1] == "completed" and job.metrics is not None
        assert [model.name for model in forge.models()] == ["made"]
        assert forge.model("made").metrics == job.metrics
        with pytest.raises(NotFound, match="Did you mean 'made'"):
            forge.model("mode")
        assert forge.generate("made", "what is 3?", max_new_tokens=3, temperature=0).tokens_generated <= 3
    server = LiveServer(tmp_path / "home").start()
    try:
        with modelforge.ModelForge(tmp_path / "home") as forge:
            assert forge.generate("made", "what is 3?", max_new_tokens=2, temperature=0).tokens_generated <= 2
    finally:
        server.close()
