"""What becomes of a run and its model: what descends from it, and the run once more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.data import GENERATE, POINT
from tests.conformance.test_matrix import request
from tests.live import LiveServer


def finished(server: LiveServer, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The job and the model of a run that is to be completed."""
    job = server.wait(server.post("/api/start_training", body)["job_id"])
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    return job, server.get(f"/api/models/{job['model_id']}")


def test_a_chain_of_models(server: LiveServer, models: dict[str, Path]) -> None:
    _, first = finished(server, request("sft", GENERATE, models["llama"], name="chain-1", lora_r=2))
    again = request("sft", GENERATE, models["llama"], name="chain-2", model_name="chain-1")
    del again["lora_r"]
    _, second = finished(server, again)
    # The same rows are held out: what the second started from is what the first became.
    assert second["metrics"]["base_final_loss"] == pytest.approx(first["metrics"]["final_loss"], rel=1e-5)
    assert second["training_params"]["lora_r"] == 2
    refused = server.post("/api/start_training", {**again, "name": "no", "lora_r": 8}, status=400)
    assert "lora_r: model 'chain-1' has an adapter with lora_r 2" in refused["detail"]
    _, third = finished(
        server, {**request("dpo", GENERATE, models["llama"], name="chain-3"), "model_name": "chain-2", "lora_r": 2}
    )
    _, fourth = finished(
        server, {**request("rlhf", GENERATE, models["llama"], name="chain-4"), "model_name": "chain-3", "lora_r": 2}
    )
    chain = [(ancestor["name"], ancestor["strategy"]) for ancestor in fourth["lineage"]]
    assert chain == [(str(models["llama"]), None), ("chain-1", "sft"), ("chain-2", "sft"), ("chain-3", "dpo")]
    assert third["metrics"]["base_final_loss"] != first["metrics"]["base_final_loss"]
    # Its reward model can be used again, on the same base and on another.
    for family, name in (("llama", "judged-1"), ("qwen2", "judged-2")):
        body = request("rlhf", GENERATE, models[family], name=name, reward_model="chain-4")
        del body["reward_num_train_epochs"]
        job, _ = finished(server, body)
        assert job["total_steps"] == 4
    _, whole = finished(server, {**again, "name": "chain-whole", "use_lora": False, "learning_rate": 1e-4})
    # All weights are tuned in float32, over what may have been measured in bfloat16.
    assert whole["metrics"]["base_final_loss"] == pytest.approx(first["metrics"]["final_loss"], rel=0.01)
    refused = server.post(
        "/api/start_training",
        {**request("sft", POINT, models["llama"]), "model_name": "chain-1", "lora_r": 2},
        status=400,
    )
    assert "an adapter for text-generation" in refused["detail"]


@pytest.mark.parametrize("strategy", ["sft", "dpo"])
def test_a_spec_repeats_its_run(server: LiveServer, models: dict[str, Path], strategy: str) -> None:
    body = request(strategy, GENERATE, models["qwen2"], name=f"once-{strategy}", logging_steps=1, lora_dropout=0.1)
    job, model = finished(server, body)
    spec = server.home / "models" / f"once-{strategy}" / "spec.json"
    done = subprocess.run(
        [sys.executable, "-m", "modelforge", "train", str(spec), "--json", "--name", f"again-{strategy}"],
        env={**os.environ, "MODELFORGE_HOME": str(server.home), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout.splitlines()[-1])

    def curve(job_id: str) -> list[tuple[Any, ...]]:
        points = server.get(f"/api/jobs/{job_id}/metrics")["metrics"]
        return [(point["step"], point.get("loss"), point.get("eval_loss")) for point in points]

    assert again["id"] != job["id"] and curve(again["id"]) == curve(job["id"])
    timed = ("seconds", "_s", "memory_mb", "per_second")
    for name, value in model["metrics"].items():
        if not name.endswith(timed):
            assert again["metrics"][name] == value, name
