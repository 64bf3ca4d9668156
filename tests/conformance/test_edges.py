"""Little data, nothing held out, rows longer than the context, text of other scripts: for every task and strategy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.data import FILES, GENERATE, POINT, SUM_UP
from tests.conformance.test_matrix import request
from tests.live import LiveServer, jsonl

LONG = "Dora has a blue hat. " * 200
CASES = [
    ("sft", GENERATE, "llama"),
    ("sft", SUM_UP, "llama"),
    ("sft", SUM_UP, "t5"),
    ("sft", POINT, "bert"),
    ("dpo", GENERATE, "llama"),
    ("rlhf", GENERATE, "llama"),
]


def file_of(strategy: str, task: str) -> str:
    return {GENERATE: "questions", SUM_UP: "articles", POINT: "passages"}[task] if strategy == "sft" else "pairs"


def odd_rows(kind: str) -> list[dict[str, Any]]:
    """Rows that are longer than any context here, and rows of other scripts."""
    other = "東京は日本の首都です。 🙂 e\u0301 Привет"
    return {
        "questions": [
            {"input": LONG, "output": "Yes."},
            {"input": "Hi", "output": LONG},
            {"input": other, "output": other},
        ],
        "articles": [
            {"input": LONG, "output": "Dora."},
            {"input": "Hi", "output": LONG},
            {"input": other, "output": other},
        ],
        "passages": [
            {"context": LONG + "Ben lives in Rome.", "question": "Where lives Ben?", "answer": "Rome"},
            {"context": other, "question": LONG, "answer": "日本"},
            {"context": other, "question": "何?", "answer": "日本"},
        ],
        "pairs": [
            {"prompt": LONG, "chosen": "Yes.", "rejected": "No."},
            {"prompt": "Hi", "chosen": LONG, "rejected": "No."},
            {"prompt": other, "chosen": other, "rejected": "x"},
        ],
    }[kind]


@pytest.mark.parametrize(("strategy", "task", "family"), CASES, ids=["-".join(case) for case in CASES])
def test_ten_rows_of_all_kinds_and_nothing_held_out(
    server: LiveServer, models: dict[str, Path], strategy: str, task: str, family: str
) -> None:
    kind = file_of(strategy, task)
    rows = [*FILES[f"{kind}.jsonl"][:7], *odd_rows(kind)]
    server.upload(f"odd-{kind}.jsonl", jsonl(rows))
    body = request(strategy, task, models[family], dataset=f"odd-{kind}.jsonl", eval_split=0.0, max_steps=3)
    job = server.wait(server.post("/api/start_training", body)["job_id"])
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    metrics = job["metrics"]
    assert "eval_loss" not in metrics and math.isfinite(metrics["final_loss"])
    assert metrics["final_loss"] != metrics["base_final_loss"]
    told = " ".join(event["text"] for event in job["events"])
    assert "0 held out" in told and ("are cut" in told or "left out" in told)


@pytest.mark.parametrize(("strategy", "task", "family"), CASES, ids=["-".join(case) for case in CASES])
def test_ten_rows_of_which_some_are_held_out(
    server: LiveServer, models: dict[str, Path], strategy: str, task: str, family: str
) -> None:
    kind = file_of(strategy, task)
    server.upload(f"ten-{kind}.jsonl", jsonl(FILES[f"{kind}.jsonl"][:10]))
    body = request(strategy, task, models[family], dataset=f"ten-{kind}.jsonl", eval_split=0.05, max_steps=2)
    job = server.wait(server.post("/api/start_training", body)["job_id"])
    assert job["status"] == "completed", (job["error"], job["log_tail"][-20:])
    assert math.isfinite(job["metrics"]["eval_loss"])
