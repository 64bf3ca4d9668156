"""Conversations and plain texts: what is learnt of them, and what it stands behind."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.tasks.base import Example, Head
from modelforge.tasks.rendering import prompt_ids
from modelforge.tasks.text_generation import TextGeneration
from tests.tiny import CHATML, make_tiny_tokenizer

LAST_THOUGHT = (
    "{% set ns = namespace(last=-1) %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
    "{% if m.role == 'assistant' and '</think>' in m.content and loop.index0 < ns.last %}"
    "{{ m.content.split('</think>')[-1].lstrip('\\n') }}{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML that leaves the thoughts out of all turns before the last question, as Qwen3's and DeepSeek's do."""

TURNS = [
    {"role": "user", "content": "Name a colour."},
    {"role": "assistant", "content": "Blue is a colour. 你好 🙂"},
    {"role": "user", "content": "And a number?"},
    {"role": "assistant", "content": "Seven."},
    {"role": "user", "content": "Another one?"},
    {"role": "assistant", "content": "Eight."},
]
ANSWERS = [turn["content"] for turn in TURNS if turn["role"] == "assistant"]
SYSTEM = {"role": "system", "content": "Be short."}
END = "<|im_end|>"


def encode(tokenizer: Any, row: dict[str, Any], max_seq_length: int = 512) -> list[Example]:
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", max_seq_length=max_seq_length)
    return TextGeneration().encode(tokenizer, row, config, Head.CAUSAL)


def learnt(tokenizer: Any, example: Example) -> list[str]:
    """The texts of the runs of tokens that are learnt."""
    parts: list[list[int]] = [[]]
    for label in example.labels:
        if label == -100:
            parts.append([])
        else:
            parts[-1].append(label)
    return [tokenizer.decode(part) for part in parts if part]


def prompts(example: Example) -> list[list[int]]:
    """What stands before each run of tokens that is learnt."""
    labels = example.labels
    starts = [at for at in range(1, len(labels)) if labels[at] != -100 and labels[at - 1] == -100]
    return [example.input_ids[:at] for at in starts]


@pytest.mark.parametrize("system", [[], [SYSTEM]], ids=["", "system"])
@pytest.mark.parametrize("template", [CHATML, None], ids=["chatml", "no template"])
@pytest.mark.parametrize("add_bos", [False, True], ids=["", "start token"])
def test_every_answer_is_learnt_and_nothing_else(
    template: str | None, add_bos: bool, system: list[dict[str, str]]
) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=template, add_bos=add_bos)
    messages = [*system, *TURNS]
    examples = encode(tokenizer, {"messages": messages})
    assert [text for each in examples for text in learnt(tokenizer, each)] == [answer + END for answer in ANSWERS]
    for example in examples:
        assert len(example.labels) == len(example.input_ids) and example.cut == 0
        assert all(label in (-100, token) for label, token in zip(example.labels, example.input_ids, strict=True))
    # Each answer follows what the playground gives the model before it says the same.
    asked = [prompt_ids(tokenizer, messages[:at]) for at in range(len(messages)) if messages[at]["role"] == "assistant"]
    assert [prompt for each in examples for prompt in prompts(each)] == asked
    assert tokenizer.decode(asked[-1]).count("Be short.") == len(system)


def test_a_conversation_that_only_grows_is_one_example() -> None:
    tokenizer = make_tiny_tokenizer()
    (example,) = encode(tokenizer, {"messages": [SYSTEM, *TURNS]})
    text = tokenizer.decode(example.input_ids)
    assert text == tokenizer.apply_chat_template([SYSTEM, *TURNS], tokenize=False).removesuffix("\n")


def test_a_system_message_without_a_template_stands_before_the_first_question() -> None:
    tokenizer = make_tiny_tokenizer(chat_template=None)
    messages = [SYSTEM, *TURNS[:3]]
    assert tokenizer.decode(prompt_ids(tokenizer, messages)) == (
        f"### Instruction:\nBe short.\n\nName a colour.\n\n### Response:\n{ANSWERS[0]}\n\n"
        "### Instruction:\nAnd a number?\n\n### Response:\n"
    )


def test_a_template_that_drops_earlier_thoughts_gives_an_example_for_each_place() -> None:
    tokenizer = make_tiny_tokenizer(chat_template=LAST_THOUGHT)
    thought = [
        {**turn, "content": f"<think>\nHm.\n</think>\n\n{turn['content']}"} if turn["role"] == "assistant" else turn
        for turn in TURNS
    ]
    examples = encode(tokenizer, {"messages": thought})
    assert len(examples) == len(ANSWERS)
    for number, example in enumerate(examples):
        at = 2 * number + 1
        assert learnt(tokenizer, example) == [thought[at]["content"] + END]
        (prompt,) = prompts(example)
        assert prompt == prompt_ids(tokenizer, thought[:at])
        assert "Hm." not in tokenizer.decode(prompt)
    # Without thoughts there is nothing to drop: one example.
    assert len(encode(tokenizer, {"messages": TURNS})) == 1


def test_a_question_at_the_end_that_nobody_answered_is_left_out() -> None:
    tokenizer = make_tiny_tokenizer()
    (example,) = encode(tokenizer, {"messages": TURNS[:5]})
    assert learnt(tokenizer, example) == [answer + END for answer in ANSWERS[:2]]
    assert "Another" not in tokenizer.decode(example.input_ids)


def test_a_conversation_that_is_too_long_keeps_the_answers_that_fit() -> None:
    tokenizer = make_tiny_tokenizer()
    (whole,) = encode(tokenizer, {"messages": TURNS})
    limit = len(prompts(whole)[2]) + 2
    (example,) = encode(tokenizer, {"messages": TURNS}, limit)
    assert example.input_ids == whole.input_ids[:limit] and example.labels == whole.labels[:limit]
    assert example.cut == len(whole.input_ids) - limit
    assert learnt(tokenizer, example)[:2] == [answer + END for answer in ANSWERS[:2]]
    # Where there is room for questions alone, nothing could be learnt.
    assert encode(tokenizer, {"messages": TURNS}, len(prompts(whole)[0])) == []


@pytest.mark.parametrize("template", [CHATML, None], ids=["chatml", "no template"])
def test_of_a_plain_text_all_is_learnt(template: str | None) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=template, add_bos=True)
    (example,) = encode(tokenizer, {"text": "Once upon a time. 你好 🙂"})
    assert tokenizer.decode(example.input_ids) == f"<s>Once upon a time. 你好 🙂{END}"
    assert example.labels == example.input_ids and example.cut == 0


@pytest.mark.parametrize("limit", [2, 7, 32, 33])
def test_of_a_plain_text_that_is_too_long_every_token_is_learnt_once(limit: int) -> None:
    tokenizer = make_tiny_tokenizer(add_bos=True)
    for words in range(1, 40):
        text = " ".join(f"e\u0301🙂{number}" for number in range(words))
        (whole,) = encode(tokenizer, {"text": text}, 4096)
        parts = encode(tokenizer, {"text": text}, limit)
        assert all(1 < len(part.input_ids) <= limit and part.labels == part.input_ids for part in parts)
        # The first token of an example is never predicted, the end token of the text is.
        assert [token for part in parts for token in part.input_ids[1:]] == whole.input_ids[1:]
        assert all(one.input_ids[-1] == two.input_ids[0] for one, two in itertools.pairwise(parts))
        assert tokenizer.decode(whole.input_ids) == f"<s>{text}{END}"
