"""Data of stated lengths, from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from math import exp
from pathlib import Path
from statistics import NormalDist
from typing import Any

from benchmarks.speed.vocabulary import BEGIN, END, PAD, bare_tokenizer, weights, words

Row = dict[str, Any]

MEAN, P99 = 116.0, 469.0
"""Tokens of an instruction row, template included: the lengths are log-normal."""
COMPLETION = 0.58
"""Share of the tokens that is learnt."""
SHORTEST, LONGEST = 24, 1000
_MU, _SIGMA = 4.5026, 0.7085
"""Of the logarithm: exp(mu + sigma² / 2) is the mean, exp(mu + 2.326 sigma) the 99th percentile."""

PROMPT = 48
"""Tokens of a prompt of rlhf, template included."""
ENDING = 1
"""The token that ends an answer."""


def lengths(count: int, chance: random.Random, mean: float = MEAN) -> list[int]:
    """Log-normal lengths around ``mean``, in random order. They are the distribution's own quantiles: whatever the
    count, the rows are as long as they are said to be."""
    quantiles = (NormalDist().inv_cdf((at + 0.5) / count) for at in range(count))
    made = [mean / MEAN * exp(_MU + _SIGMA * quantile) for quantile in quantiles]
    chance.shuffle(made)
    return [min(LONGEST, max(SHORTEST, round(length))) for length in made]


@cache
def _costs() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens of each word at the start of a text, and behind another. They add up: BPE never merges over a blank."""
    tokenizer = bare_tokenizer(PAD, BEGIN, END)
    first = tuple(len(tokenizer.encode(word).ids) for word in words())
    return first, tuple(len(tokenizer.encode(f" {word}").ids) for word in words())


@cache
def around() -> int:
    """Tokens of the template around a question, to the start of its answer."""
    return len(bare_tokenizer(PAD, BEGIN, END).encode(f"{BEGIN}user\n{END}\n{BEGIN}assistant\n").ids)


@cache
def _cumulative() -> list[float]:
    return list(accumulate(weights()))


def text(tokens: int, chance: random.Random) -> str:
    """Words of so many tokens in all; of a few more where the last one had to be a long one."""
    first, later = _costs()
    said: list[str] = []
    left = tokens
    while left > 0:
        (place,) = chance.choices(range(len(words())), cum_weights=_cumulative())
        said.append(words()[place])
        left -= (later if len(said) > 1 else first)[place]
    return " ".join(said)


def instructions(count: int, seed: int) -> list[Row]:
    """``input`` and ``output``."""
    chance = random.Random(seed)
    rows = []
    for length in lengths(count, chance):
        answer = round(length * chance.uniform(COMPLETION - 0.12, COMPLETION + 0.12))
        asked = max(1, length - answer - around())
        rows.append({"input": text(asked, chance), "output": text(answer - ENDING, chance)})
    return rows


def preferences(count: int, seed: int) -> list[Row]:
    """``prompt``, ``chosen`` and ``rejected``; each answer with its prompt as long as an instruction row."""
    chance = random.Random(seed)
    rows = []
    for row, length in zip(instructions(count, seed), lengths(count, chance), strict=True):
        rejected = text(max(4, round(length * COMPLETION)), chance)
        rows.append({"prompt": row["input"], "chosen": row["output"], "rejected": rejected})
    return rows


def choices(count: int, seed: int) -> list[Row]:
    """``prompt``, ``chosen`` and ``rejected``, all prompts of ``PROMPT`` tokens: few of them are drawn in a step, and
    their length must not decide who is faster."""
    chance = random.Random(seed)
    return [
        {"prompt": text(PROMPT - around(), chance), "chosen": text(48, chance), "rejected": text(48, chance)}
        for _ in range(count)
    ]


def summaries(count: int, seed: int) -> list[Row]:
    """``input`` of 160 tokens on average and ``output`` of a quarter of that."""
    chance = random.Random(seed)
    return [
        {"input": text(length, chance), "output": text(max(8, length // 4), chance)}
        for length in (min(500, length) for length in lengths(count, chance, 160.0))
    ]


def questions(count: int, seed: int) -> list[Row]:
    """``question`` of some 12 tokens, ``context`` of 160 on average, and an ``answer`` of a few words in it."""
    chance = random.Random(seed)
    rows = []
    for length in lengths(count, chance, 160.0):
        told = text(min(360, length), chance).split(" ")
        begin = chance.randrange(max(1, len(told) - 4))
        answer = " ".join(told[begin : begin + 4])
        start = len(" ".join(told[:begin])) + (begin > 0)
        rows.append({"context": " ".join(told), "question": text(12, chance), "answer": answer, "answer_start": start})
    return rows


def prompts(count: int, tokens: int, seed: int) -> list[Row]:
    """``prompt``: each of ``tokens`` with the template around it."""
    chance = random.Random(seed)
    return [{"prompt": text(tokens - around(), chance)} for _ in range(count)]


KINDS: dict[str, Callable[[int, int], list[Row]]] = {
    "instructions": instructions,
    "preferences": preferences,
    "choices": choices,
    "summaries": summaries,
    "questions": questions,
}


def sizes(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """Tokens of each instruction row: of its prompt, template included, and of its completion."""
    tokenizer = bare_tokenizer(PAD, BEGIN, END)

    def count(said: str) -> int:
        return len(tokenizer.encode(said).ids)

    return [(around() + count(row["input"]), count(row["output"]) + ENDING) for row in rows]


def write(rows: Sequence[Row], file: Path) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file
