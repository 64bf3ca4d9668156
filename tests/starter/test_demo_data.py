"""The demo's data: well formed, varied, and with held-out wordings that training never shows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starter.evaluate import answers


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_answer_has_several_wordings(datasets: Path) -> None:
    training = rows(datasets / "demo.jsonl")
    assert all(set(row) == {"input", "output"} and all(row.values()) for row in training)
    assert 180 <= len(training) <= 220
    wordings = Counter(row["output"] for row in training)
    assert 30 <= len(wordings) <= 40
    assert min(wordings.values()) >= 5
    assert all(6 <= len(answer.split()) <= 20 for answer in wordings)


def test_held_out_wordings_are_new_and_their_answers_are_not(datasets: Path) -> None:
    training, held = rows(datasets / "demo.jsonl"), rows(datasets / "demo-heldout.jsonl")
    questions = [row["input"].lower() for row in training + held]
    assert len(set(questions)) == len(questions)
    assert Counter(row["output"] for row in held) == dict.fromkeys({row["output"] for row in training}, 2)


def test_the_starter_cannot_know_the_answers(
    datasets: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    held = rows(datasets / "demo-heldout.jsonl")[::4]
    given = answers(model, tokenizer, [row["input"] for row in held], max_new_tokens=40)
    assert all(text != row["output"] for text, row in zip(given, held, strict=True))
