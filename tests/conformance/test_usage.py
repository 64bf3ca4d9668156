"""The code that a model is shown with says what the playground says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelforge.api.usage import QUESTIONS
from tests.conformance.data import DATASETS, GENERATE, POINT, SUM_UP
from tests.live import LiveServer

LONGEST = re.compile(r"max_new_tokens=(\d+)")


CASES = [
    ("tiny", GENERATE, True),
    ("llama", GENERATE, False),
    ("t5", SUM_UP, True),
    ("bert", POINT, True),
    ("llama", POINT, True),
]
if os.environ.get("CONFORMANCE") == "short":
    CASES = CASES[:1]


@pytest.mark.parametrize(
    ("family", "task", "use_lora"),
    CASES,
    ids=lambda value: {True: "adapter", False: "whole"}.get(value, value),
)
def test_code_answers_as_the_playground_does(
    server: LiveServer, models: dict[str, Path], tiny_model: Path, family: str, task: str, use_lora: bool
) -> None:
    base = tiny_model if family == "tiny" else models[family]  # the tiny one has a chat template
    config = {
        "task": task, "model_name": str(base), "dataset": DATASETS[task], "use_lora": use_lora, "max_steps": 20,
        "learning_rate": 0.01, "eval_split": 0,
    }  # fmt: skip
    job = server.wait(server.post("/api/start_training", config)["job_id"])
    assert job["status"] == "completed", job["error"]
    usage = server.get(f"/api/models/{job['model_id']}/usage")
    asked: dict[str, Any] = {"model_id": job["model_id"], **QUESTIONS[task], "temperature": 0}
    answer = server.post("/api/playground/generate", asked)["generated_text"]
    assert _run(usage["python"].replace("prompt=", "temperature=0, prompt=")) == answer
    assert subprocess.run(usage["curl"], shell=True, capture_output=True, check=True).stdout.startswith(b"{")
    if task == POINT and family == "llama":
        assert usage["transformers"] is None
        return
    longest = LONGEST.search(usage["transformers"])
    if longest:
        asked["max_new_tokens"] = int(longest[1])
        answer = server.post("/api/playground/generate", asked)["generated_text"]
    assert answer or not longest
    assert _run(usage["transformers"]) == answer


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{code}\n{done.stderr}"
    return done.stdout.removesuffix("\n")
