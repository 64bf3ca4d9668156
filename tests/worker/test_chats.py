"""Conversations and plain text on their way from the file to the trainer: what is learnt of them, and what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.tasks.base import IGNORED, Head
from modelforge.tasks.rendering import prompt_ids
from modelforge.worker import data
from tests.tiny import CHATML, make_tiny_tokenizer

THOUGHTS_OF_NOW = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
    "{{ m.content if loop.last else m.content.split('</think>')[-1] }}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""As of Qwen3 and DeepSeek-R1: what was thought in earlier turns is left out."""

ANSWERS = ("Grüß Gott!", "It is 4.", "你好 🙂")


def chat(*answers: str, system: bool = False) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Be brief."}] if system else []
    for number, answer in enumerate(answers):
        messages += [{"role": "user", "content": f"question {number}"}, {"role": "assistant", "content": answer}]
    return {"messages": messages}


def prepare(tmp_path: Path, tokenizer: Any, shape: str, rows: list[Any], length: int = 256) -> data.Prepared:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = TrainingConfig(
        task="text-generation", model_name="m", dataset="d", max_seq_length=length, eval_split=0.0, seed=1
    )
    encoding = data.Encoding.of(config, shape, tokenizer, Head.CAUSAL)
    return data.prepare(path, encoding, cache=tmp_path / "cache", shared=None, check_stop=lambda: None)


def spans(ids: list[int], labels: list[int]) -> list[tuple[int, int]]:
    """Where what is learnt begins and ends."""
    learnt = [label != IGNORED for label in labels]
    assert all(label in (token, IGNORED) for token, label in zip(ids, labels, strict=True))
    starts = [at for at in range(len(ids)) if learnt[at] and (at == 0 or not learnt[at - 1])]
    ends = [at + 1 for at in range(len(ids)) if learnt[at] and (at + 1 == len(ids) or not learnt[at + 1])]
    return list(zip(starts, ends, strict=True))


@pytest.mark.parametrize("system", [False, True])
@pytest.mark.parametrize("template", [CHATML, THOUGHTS_OF_NOW, None], ids=["chatml", "thoughts of now", "plain"])
def test_every_answer_is_learnt_once_behind_what_it_follows_in_use(
    tmp_path: Path, template: str | None, system: bool
) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=template)
    answers = [f"<think>so {n}</think>{text}" for n, text in enumerate(ANSWERS)]
    row = chat(*answers, system=system)
    prepared = prepare(tmp_path, tokenizer, "messages", [row], 1024)
    assert (prepared.cut, list(prepared.dropped)) == (0, [])
    learnt: list[str] = []
    for ids, labels in zip(prepared.train["input_ids"], prepared.train["labels"], strict=True):
        for start, end in spans(ids, labels):
            turns = 2 * len(learnt) + 1 + system
            assert ids[:start] == prompt_ids(tokenizer, row["messages"][:turns])
            assert ids[end - 1] == tokenizer.eos_token_id
            learnt.append(tokenizer.decode(ids[start : end - 1]))
    assert learnt == answers
    # One example where each turn goes on with what stands there; ChatML alone writes every turn as it was answered.
    assert len(prepared.train) == (1 if template == CHATML else len(answers))


def test_what_was_thought_before_is_not_seen(tmp_path: Path) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=THOUGHTS_OF_NOW)
    rows = [chat("<think>secret</think>One.", "<think>other</think>Two.")]
    first, second = (tokenizer.decode(ids) for ids in prepare(tmp_path, tokenizer, "messages", rows).train["input_ids"])
    assert "secret" in first and "secret" not in second and "One." in second and "other" in second


def test_a_chat_without_thoughts_is_one_example_there_too(tmp_path: Path) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=THOUGHTS_OF_NOW)
    assert len(prepare(tmp_path, tokenizer, "messages", [chat(*ANSWERS)]).train) == 1


def test_a_chat_that_ends_with_a_question_is_learnt_to_its_last_answer(tmp_path: Path) -> None:
    tokenizer = make_tiny_tokenizer()
    row = chat("One.", "Two.")
    row["messages"].append({"role": "user", "content": "and now?"})
    (ids,) = prepare(tmp_path, tokenizer, "messages", [row]).train["input_ids"]
    assert "and now?" not in tokenizer.decode(ids) and ids[-1] == tokenizer.eos_token_id


def test_a_long_chat_loses_its_end_and_is_counted(tmp_path: Path) -> None:
    tokenizer = make_tiny_tokenizer()
    row = chat("One.", "Two " * 200)
    prepared = prepare(tmp_path, tokenizer, "messages", [row, {"messages": chat("x" * 9)["messages"]}], 64)
    ids, labels = prepared.train["input_ids"][0], prepared.train["labels"][0]
    assert prepared.cut == 1 and len(ids) == 64
    assert [tokenizer.decode(ids[start:end])[:4] for start, end in spans(ids, labels)] == ["One.", "Two "]


@pytest.mark.parametrize("length", [*range(2, 12), 64])
def test_of_plain_text_every_token_is_predicted_once(tmp_path: Path, length: int) -> None:
    tokenizer = make_tiny_tokenizer(add_bos=True)
    texts = ["Hello! Grüß Gott, 你好 🙂", "a", "Paris is the capital of France. " * 3]
    prepared = prepare(tmp_path, tokenizer, "text", [{"text": text} for text in texts], length)
    assert (prepared.cut, list(prepared.dropped)) == (0, [])
    told, predicted = [], 0
    for ids, labels in zip(prepared.train["input_ids"], prepared.train["labels"], strict=True):
        assert labels == ids and len(ids) <= length
        # The first token of an example is gone on from: it is a text's start, or the end of the part before.
        told += ids if ids[0] == tokenizer.bos_token_id else ids[1:]
        predicted += len(ids) - 1
    whole = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts]
    assert told == [token for ids in whole for token in ids]
    assert predicted == sum(len(ids) - 1 for ids in whole)


def test_text_has_no_room_in_a_single_token(tmp_path: Path) -> None:
    from modelforge.errors import InvalidDataset

    with pytest.raises(InvalidDataset, match="max_seq_length 1, 1 rows have no room"):
        prepare(tmp_path, make_tiny_tokenizer(), "text", [{"text": "Hello!"}], 1)
