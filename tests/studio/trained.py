"""Models that are really trained: one of each task, and one from another."""

from __future__ import annotations

from tests.live import LiveServer, jsonl, rows

SENTENCE = "🙂 Grüße: the red box number {i} holds {coins} coins, and the other one holds none."


def train(live: LiveServer) -> None:
    """``first``, ``polite`` that is trained from it, ``finder`` and ``short``."""
    live.upload("numbers.jsonl", jsonl(rows(24)))
    live.upload(
        "pairs.jsonl",
        jsonl([{"prompt": f"what is {i}?", "chosen": f"it is {i}", "rejected": "no idea"} for i in range(16)]),
    )
    boxes = [(SENTENCE.format(i=i, coins=7 * i), f"What does box {i} hold?", f"{7 * i} coins") for i in range(16)]
    live.upload("boxes.jsonl", jsonl([dict(zip(("context", "question", "answer"), box, strict=True)) for box in boxes]))
    live.upload("texts.jsonl", jsonl([{"input": box[0], "output": f"A box of {box[2]}."} for box in boxes]))
    runs = (
        {"name": "first", "task": "text-generation", "dataset": "numbers.jsonl", "max_steps": 6, "save_steps": 3},
        {
            "name": "polite",
            "task": "text-generation",
            "dataset": "pairs.jsonl",
            "strategy": "dpo",
            "model_name": "first",
        },
        {"name": "finder", "task": "extractive-question-answering", "dataset": "boxes.jsonl"},
        {"name": "short", "task": "summarization", "dataset": "texts.jsonl"},
    )
    for run in runs:
        body = {"model_name": "modelforge-starter", "max_steps": 2, "learning_rate": 0.002, **run}
        job = live.wait(live.post("/api/jobs", body)["job_id"], seconds=600)
        assert job["status"] == "completed", job
