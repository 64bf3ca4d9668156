"""What becomes of a model when one that it descends from is deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.data import GENERATE, question_for
from tests.conformance.test_life import finished
from tests.conformance.test_matrix import request
from tests.live import LiveServer, until


def on(server: LiveServer, models: dict[str, Path], name: str, base: str, strategy: str = "sft", **fields: Any) -> Any:
    body = request(strategy, GENERATE, models["llama"], name=name, max_steps=2, **fields)
    return finished(server, {**body, "model_name": base})[1]


def delete(server: LiveServer, model: dict[str, Any], status: int = 200) -> Any:
    return server.call("DELETE", f"/api/models/{model['id']}", status=status)


def test_an_adapter_that_another_was_trained_on_from_can_go(server: LiveServer, models: dict[str, Path]) -> None:
    base = str(models["llama"])
    first = on(server, models, "old-1", base)
    second = on(server, models, "old-2", "old-1")
    # A stopped run started from the first, too.
    body = request("sft", GENERATE, models["llama"], name="old-3", max_steps=200, save_steps=1)
    broken = server.post("/api/start_training", {**body, "model_name": "old-1"})["job_id"]
    until(lambda: (server.get("/api/training_status")["current_step"] or 0) >= 1, 120)
    assert "old-1" in delete(server, first, status=409)["detail"]
    server.post("/api/stop_training")
    assert delete(server, first)["status"] == "deleted"
    assert not Path(first["path"]).exists()

    asked = {"model_id": second["id"], "temperature": 0, "max_new_tokens": 8, **question_for(GENERATE)}
    server.post("/api/playground/generate", asked)
    chain = [(base, None), ("old-1", "sft"), ("old-2", "sft")]
    third = on(server, models, "old-4", "old-2", "dpo")
    assert [(each["name"], each["strategy"]) for each in third["lineage"]] == chain
    gone = server.post(f"/api/jobs/{broken}/resume", status=404)
    assert "model 'old-1'" in gone["detail"] and "is deleted" in gone["detail"]
    assert server.get(f"/api/jobs/{broken}")["status"] == "stopped"


def test_a_whole_model_that_an_adapter_lies_on_stays(server: LiveServer, models: dict[str, Path]) -> None:
    whole = on(server, models, "whole-1", str(models["llama"]), use_lora=False, learning_rate=1e-3)
    adapter = on(server, models, "on-whole-1", "whole-1")
    # Frozen weights may be measured in bfloat16, tuned ones are float32.
    assert adapter["metrics"]["base_final_loss"] == pytest.approx(whole["metrics"]["final_loss"], rel=1e-3)
    assert whole["metrics"]["base_final_loss"] > 1.01 * whole["metrics"]["final_loss"]
    assert [each["name"] for each in adapter["lineage"]] == [str(models["llama"]), "whole-1"]
    assert "'on-whole-1' is an adapter of 'whole-1'" in delete(server, whole, status=409)["detail"]
    delete(server, adapter)
    delete(server, whole)
