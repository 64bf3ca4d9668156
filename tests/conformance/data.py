"""Rows for every task and strategy, of words that all of the tiny models' tokenizers are made from."""

from __future__ import annotations

from typing import Any

NAMES = ("Ann", "Ben", "Carla", "Dora", "Emma", "Finn")
COLOURS = ("red", "blue", "green", "black", "white", "grün")
GENERATE, SUM_UP, POINT = "text-generation", "summarization", "extractive-question-answering"

_BOTH = [(name, colour) for name in NAMES for colour in COLOURS]
QUESTIONS = [{"input": f"What has {n}?", "output": f"{n} has a {c} hat."} for n, c in _BOTH]
ARTICLES = [{"input": f"It rained. {n} bought a {c} hat.", "output": f"{n} bought a {c} hat."} for n, c in _BOTH]
PASSAGES = [
    {"context": f"{n} lives in town. {n} has a {c} hat.", "question": f"Which hat has {n}?", "answer": c}
    for n, c in _BOTH
]
PAIRS = [
    {"prompt": f"What has {n}?", "chosen": f"{n} has a {c} hat.", "rejected": f"a {c} hat, I think"} for n, c in _BOTH
]
MORE_PAIRS = [
    {"prompt": f"Which hat has {n}?", "chosen": f"a {c} hat", "rejected": f"{n} has a {c} hat, I think"}
    for n, c in _BOTH[::2]
]
DATASETS = {GENERATE: "questions.jsonl", SUM_UP: "articles.jsonl", POINT: "passages.jsonl"}
FILES: dict[str, list[dict[str, str]]] = {
    "questions.jsonl": QUESTIONS,
    "articles.jsonl": ARTICLES,
    "passages.jsonl": PASSAGES,
    "pairs.jsonl": PAIRS,
    "more-pairs.jsonl": MORE_PAIRS,
}
TEXTS = [text for rows in (QUESTIONS, ARTICLES, PASSAGES, PAIRS) for row in rows for text in row.values()] + [
    "user assistant\n### Instruction:\n\n### Response:\n summarize: "
]


def dataset_for(strategy: str, task: str) -> str:
    return "pairs.jsonl" if strategy in ("dpo", "rlhf") else DATASETS[task]


def question_for(task: str) -> dict[str, Any]:
    """A request to the playground that fits the task."""
    if task == POINT:
        return {"prompt": PASSAGES[0]["question"], "context": PASSAGES[0]["context"]}
    return {"prompt": (ARTICLES if task == SUM_UP else QUESTIONS)[0]["input"]}
