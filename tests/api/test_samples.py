"""A training shows what its model says while it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.live import LiveServer, jsonl, rows
from tests.workers import PAIRS


@pytest.mark.parametrize(("strategy", "data"), [("sft", rows(40)), ("dpo", PAIRS)])
def test_a_training_shows_what_it_says(
    server: LiveServer, taught_model: Path, strategy: str, data: list[dict[str, Any]]
) -> None:
    server.upload(f"{strategy}.jsonl", jsonl(data))
    body = {"task": "text-generation", "model_name": str(taught_model), "dataset": f"{strategy}.jsonl",
            "strategy": strategy, "max_steps": 30, "eval_steps": 10, "learning_rate": 0.002, "bf16": False}  # fmt: skip
    job = server.wait(server.post("/api/start_training", body)["job_id"], seconds=300)
    assert job["status"] == "completed", job["error"]
    found = server.get(f"/api/jobs/{job['id']}/samples")
    shown = found["samples"]
    assert found["total"] == len(shown) >= 6
    before, after = ([each for each in shown if each["step"] == step] for step in (0, 30))
    assert len(before) == len(after) == 3
    assert [each["prompt"] for each in before] == [each["prompt"] for each in after]
    known = {row.get("input") or row["prompt"]: row.get("output") or row["chosen"] for row in data}
    assert all(known[each["prompt"]] == each["expected"] for each in before)
    assert [each["completion"] for each in before] != [each["completion"] for each in after]
    assert server.get(f"/api/jobs/{job['id']}/samples", limit=2, offset=1)["samples"] == shown[1:3]
    # The last answers are those of the model that was saved.
    asked = {"model_id": job["model_id"], "prompt": after[0]["prompt"], "temperature": 0, "max_new_tokens": 32}
    said = server.post("/api/playground/generate", asked)["generated_text"]
    assert said.startswith(after[0]["completion"].rstrip("\ufffd"))


def test_a_curve_is_thinned_to_be_drawn(server: LiveServer, taught_model: Path) -> None:
    body = {"task": "text-generation", "model_name": str(taught_model), "dataset": "rows.jsonl", "max_steps": 30,
            "logging_steps": 1}  # fmt: skip
    job = server.wait(server.post("/api/start_training", body)["job_id"], seconds=300)
    path = f"/api/jobs/{job['id']}/metrics"
    whole = {point["step"]: point["loss"] for point in server.get(path)["metrics"] if "loss" in point}
    found = server.get(path, max_points=8)
    drawn = {point["step"]: point["loss"] for point in found["metrics"] if "loss" in point}
    assert found["total"] == 30 and 2 < len(drawn) <= 8 and {1, 30} <= drawn.keys()
    assert max(drawn.values()) == max(whole.values()) and min(drawn.values()) == min(whole.values())
    assert [point["step"] for point in server.get(path, after=28)["metrics"]] == [29, 30]
    refused = server.call("GET", path, 400, params={"max_points": 8, "limit": 3})
    assert "leave limit and offset out" in refused["detail"]
