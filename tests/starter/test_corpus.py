"""The generated corpus: fixed by its seed, and divided into training and held-out."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from starter.corpus.example import is_held_out
from starter.corpus.mixture import KINDS, held_out_examples, train_example
from starter.stream import LONG_ROW, ROW, Stream


def test_a_seed_fixes_the_examples() -> None:
    first, second = random.Random(5), random.Random(5)
    assert [train_example(first) for _ in range(300)] == [train_example(second) for _ in range(300)]
    assert train_example(random.Random(6)) != train_example(random.Random(5))


def test_a_seed_fixes_the_stream(tokenizer: PreTrainedTokenizerFast) -> None:
    first, second = Stream(tokenizer, 3), Stream(tokenizer, 3)
    assert np.array_equal(first.batch(4).inputs, second.batch(4).inputs)
    assert np.array_equal(first.long_batch(1).inputs, second.long_batch(1).inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_training_never_meets_what_is_held_out(kind: str) -> None:
    held = held_out_examples(kind, 100)
    assert len(held) >= 30
    assert all(is_held_out(example) for example in held)
    keys = {(example.kind, example.key.lower()) for example in held}
    rng = random.Random(11)
    seen = {(example.kind, example.key.lower()) for example in (train_example(rng) for _ in range(20_000))}
    assert held[0].kind in {name for name, _ in seen}
    assert not keys & seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_has_one_answer(kind: str) -> None:
    rng, answers = random.Random(2), dict[str, str]()
    for _ in range(4000):
        example = KINDS[kind].draw(rng)
        assert example.question.strip() and example.answer.strip()
        assert answers.setdefault(example.question, example.answer) == example.answer


def test_documents_in_a_row_are_kept_apart(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = Stream(tokenizer, 1).batch(4)
    assert batch.inputs.shape == (4, ROW)
    for documents, positions in zip(batch.documents, batch.positions, strict=True):
        for (before, after), position in zip(pairwise(documents), positions[1:], strict=True):
            assert position == 0 or before == after


def test_long_rows_fill_the_context(tokenizer: PreTrainedTokenizerFast) -> None:
    stream = Stream(tokenizer, 1)
    filled = [int((stream.long_batch(1).documents > 0).sum()) for _ in range(6)]
    assert max(filled) == LONG_ROW
