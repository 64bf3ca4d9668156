"""What is asked of a model in the playground, and how its answers are scored: shares from 0 to 1."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starter.preferences import pairs, preferred, whole

Ask = Callable[..., str]
"""A prompt and the playground's options give an answer."""
Scores = dict[str, float]
Row = dict[str, Any]

PROMPTS = 200
"""Prompts that are sampled from for a style: the standard error of a share of 0.9 is 0.02."""
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def read(path: Path) -> list[Row]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def trained_word_for_word(ask: Ask, trained: Sequence[Row], held_out: Sequence[Row]) -> Scores:
    """The share of questions answered with the data's very words: those trained, and other phrasings of them."""
    return {
        "trained questions": _share([ask(row["input"]) == row["output"] for row in trained]),
        "held-out phrasings": _share([ask(row["input"]) == row["output"] for row in held_out]),
    }


def style(ask: Ask, trained: Sequence[Row], held_out: Sequence[Row]) -> Scores:
    """One answer to each held-out prompt, drawn as the model is, without cutting unlikely tokens off."""
    prompts = [pair.prompt for pair in pairs(PROMPTS, held_out=True)]
    said = [ask(prompt, temperature=1.0, top_p=1.0, seed=at, max_new_tokens=48) for at, prompt in enumerate(prompts)]
    return {
        "preferred style": _share([preferred(prompt, text) for prompt, text in zip(prompts, said, strict=True)]),
        "whole sentences": _share([whole(prompt, text) for prompt, text in zip(prompts, said, strict=True)]),
    }


def summaries(ask: Ask, trained: Sequence[Row], held_out: Sequence[Row]) -> Scores:
    """ROUGE-L without stemming, and the share that is the data's summary word for word."""
    said = [ask(row["input"], task="summarization") for row in held_out]
    pairs_ = [(text, str(row["output"])) for text, row in zip(said, held_out, strict=True)]
    return {
        "ROUGE-L": sum(rouge_l(*pair) for pair in pairs_) / len(pairs_),
        "exact match": _share([text == wanted for text, wanted in pairs_]),
    }


def answers(ask: Ask, trained: Sequence[Row], held_out: Sequence[Row]) -> Scores:
    """SQuAD's exact match and F1."""
    said = [ask(row["question"], context=row["context"]) for row in held_out]
    pairs_ = [(text, str(row["answer"])) for text, row in zip(said, held_out, strict=True)]
    return {
        "F1": sum(f1(*pair) for pair in pairs_) / len(pairs_),
        "exact match": _share([_bare(text) == _bare(wanted) for text, wanted in pairs_]),
    }


def rouge_l(text: str, wanted: str) -> float:
    """F of the longest common subsequence of words. Written out here, to check the product's figures by other code."""
    a, b = (re.findall(r"[a-z0-9]+", part.lower()) for part in (text, wanted))
    row = [0] * (len(b) + 1)
    for word in a:
        before = row[:]
        for at, other in enumerate(b):
            row[at + 1] = before[at] + 1 if word == other else max(before[at + 1], row[at])
    return 2 * row[-1] / (len(a) + len(b)) if a or b else 1.0


def f1(text: str, wanted: str) -> float:
    """F of the words in common, after SQuAD's normalisation."""
    a, b = _bare(text), _bare(wanted)
    common = sum((Counter(a) & Counter(b)).values())
    return 2 * common / (len(a) + len(b)) if a and b else float(a == b)


def _bare(text: str) -> list[str]:
    """Lower case, no punctuation, no articles: as SQuAD v1.1's script compares answers."""
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return _ARTICLES.sub(" ", kept).split()


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right)
