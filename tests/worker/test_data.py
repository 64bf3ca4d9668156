"""Rows become tokens; the split depends on rows and seed alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidDataset
from modelforge.tasks.base import Head
from modelforge.tasks.rendering import prompt_ids
from modelforge.worker import data
from tests.tiny import make_tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


def rows(*numbers: int) -> list[dict[str, str]]:
    return [{"input": f"question {i}", "output": f"answer {i}"} for i in numbers]


def prepare(tmp_path: Path, tokenizer: Any, items: list[Any], **options: Any) -> data.Prepared:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    chosen = {"max_seq_length": 128, "eval_split": 0.2, "seed": 1, "max_eval_samples": 5, **options}
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", **chosen)
    encoding = data.Encoding.of(config, "input_output", tokenizer, Head.CAUSAL)
    return data.prepare(path, encoding, cache=tmp_path / "cache", shared=None, check_stop=lambda: None)


def texts(part: Any, tokenizer: Any) -> set[str]:
    return set() if part is None else {tokenizer.decode(ids) for ids in part["input_ids"]}


def test_every_usable_row_is_on_one_side(tmp_path: Path, tokenizer: Any) -> None:
    prepared = prepare(tmp_path, tokenizer, [*rows(*range(200)), {"input": "no answer"}, [1]])
    held_out = prepared.held_out
    assert held_out is not None and len(prepared.train) + len(held_out) == 200
    assert 20 <= len(held_out) <= 60
    assert not texts(prepared.train, tokenizer) & texts(held_out, tokenizer)


def test_some_held_out_rows_are_kept_as_they_stand(tmp_path: Path, tokenizer: Any) -> None:
    some = rows(*range(60))
    one = prepare(tmp_path, tokenizer, some)
    assert len(one.held_out_rows) == 5
    decoded = texts(one.held_out, tokenizer)
    assert all(any(row["input"] in text for text in decoded) for row in one.held_out_rows)
    assert prepare(tmp_path, tokenizer, some[::-1]).held_out_rows == one.held_out_rows
    assert len(prepare(tmp_path, tokenizer, some, eval_split=0.0).held_out_rows) == 5


def test_adding_rows_moves_none(tmp_path: Path, tokenizer: Any) -> None:
    before = prepare(tmp_path, tokenizer, rows(*range(100)))
    held_before, train_before = texts(before.held_out, tokenizer), texts(before.train, tokenizer)
    after = prepare(tmp_path, tokenizer, rows(*range(300, 340), *reversed(range(100))))
    assert held_before <= texts(after.held_out, tokenizer)
    assert train_before <= texts(after.train, tokenizer)


def test_equal_rows_never_leak(tmp_path: Path, tokenizer: Any) -> None:
    prepared = prepare(tmp_path, tokenizer, rows(*range(30)) * 3)
    assert not texts(prepared.train, tokenizer) & texts(prepared.held_out, tokenizer)


@pytest.mark.parametrize("split", [0.001, 0.999])
@pytest.mark.parametrize("seed", range(4))
def test_each_side_gets_a_row(tmp_path: Path, tokenizer: Any, split: float, seed: int) -> None:
    prepared = prepare(tmp_path, tokenizer, rows(*range(10)), eval_split=split, seed=seed)
    assert prepared.held_out is not None
    assert min(len(prepared.train), len(prepared.held_out)) >= 1
    assert len(prepared.train) + len(prepared.held_out) == 10


def test_no_split_holds_nothing_out(tmp_path: Path, tokenizer: Any) -> None:
    prepared = prepare(tmp_path, tokenizer, rows(*range(10)), eval_split=0.0)
    assert prepared.held_out is None and len(prepared.train) == 10


def test_what_is_too_long_is_counted(tmp_path: Path, tokenizer: Any) -> None:
    long_prompt = {"input": "word " * 500, "output": "x"}
    long_answer = {"input": "x", "output": "word " * 500}
    prepared = prepare(tmp_path, tokenizer, [*rows(*range(10)), long_prompt, long_answer], eval_split=0.0)
    assert (prepared.cut, list(prepared.dropped), len(prepared.train)) == (1, [11], 11)
    assert max(len(ids) for ids in prepared.train["input_ids"]) == 128


def test_nothing_left_is_refused(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(InvalidDataset, match="max_seq_length 4"):
        prepare(tmp_path, tokenizer, rows(*range(10)), max_seq_length=4)


def test_prompts_are_not_learnt(tmp_path: Path, tokenizer: Any) -> None:
    prepared = prepare(tmp_path, tokenizer, rows(*range(10)), eval_split=0.0)
    for ids, labels in zip(prepared.train["input_ids"], prepared.train["labels"], strict=True):
        learnt = [token for token, label in zip(ids, labels, strict=True) if label != -100]
        assert tokenizer.decode(learnt).startswith("answer ") and learnt[-1] == tokenizer.eos_token_id
        assert ids[: len(ids) - len(learnt)] == prompt_ids(
            tokenizer, f"question {tokenizer.decode(learnt)[7]}", tuned=True
        )
