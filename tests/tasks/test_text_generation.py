"""What is trained on and what is prompted with are the same, whatever the tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.tasks.base import Example, Head
from modelforge.tasks.rendering import end_ids, prompt_ids
from modelforge.tasks.text_generation import TextGeneration
from tests.tiny import CHATML, make_tiny_tokenizer

TASK = TextGeneration()
USER = "{{ '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}"
QWEN3 = (
    "{% for m in messages %}{% if m.role == 'user' %}" + USER + "{% else %}"
    "{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{% endif %}"
)
THOUGHTS_LEFT_OUT = (
    "{% for m in messages %}{% if m.role == 'user' %}" + USER + "{% else %}"
    "{{ '<|im_start|>assistant\\n' + m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
TWO_ENDS = CHATML + "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}"
PLAIN_WORDS = (
    "{% for m in messages %}{{ ('User: ' if m.role == 'user' else 'Bot: ') + m.content + '\\n###\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Bot: ' }}{% endif %}"
)
CHANGES_ANSWERS = "{% for m in messages %}{{ m.content | upper }}{% endfor %}"

CHAT = "<|im_start|>user\nQ?<|im_end|>\n<|im_start|>assistant\n"
ALPACA = "### Instruction:\nQ?\n\n### Response:\n"
THOUGHT = "<think>\n\n</think>\n\n"
CASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # name: the tokenizer, the prompt's text, what stands before the answer in training, the end token
    "chatml": ({}, CHAT, "", "<|im_end|>"),
    "chatml, adds a start token to texts": ({"add_bos": True}, CHAT, "", "<|im_end|>"),
    "no template": ({"chat_template": None}, ALPACA, "", "<|im_end|>"),
    "no template, adds a start token": ({"chat_template": None, "add_bos": True}, "<s>" + ALPACA, "", "<|im_end|>"),
    "thinking, told to leave it out": ({"chat_template": QWEN3}, CHAT + THOUGHT, "", "<|im_end|>"),
    "thinking, left out of finished turns": ({"chat_template": THOUGHTS_LEFT_OUT}, CHAT + THOUGHT, "", "<|im_end|>"),
    "start token in the template": (
        {"chat_template": MISTRAL, "add_bos": True},
        "<s>[INST] Q? [/INST]",
        " ",
        "<|im_end|>",
    ),
    "two ends": ({"chat_template": TWO_ENDS, "eos_token": "<pad>"}, CHAT, "", "<|im_end|>"),
    "turns end with plain words": ({"chat_template": PLAIN_WORDS}, "User: Q?\n###\nBot: ", "", "<|im_end|>"),
}


def encode(tokenizer: Any, row: dict[str, Any], max_seq_length: int) -> list[Example]:
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", max_seq_length=max_seq_length)
    return TASK.encode(tokenizer, row, config, Head.CAUSAL)


def make(case: str) -> Any:
    options = dict(CASES[case][0])
    eos = options.pop("eos_token", None)
    tokenizer = make_tiny_tokenizer(**options)
    if eos is not None:
        tokenizer.eos_token = eos
    return tokenizer


@pytest.mark.parametrize("case", CASES)
def test_a_row_is_the_prompt_then_the_answer_then_the_end(case: str) -> None:
    tokenizer = make(case)
    _, asked, lead, end = CASES[case]
    # Answers that are also part of a template's marks must not be mistaken for these.
    for answer in ("Blue.", "e", "end", "user", "n", " x ", "a\n", "🙂", "["):
        prompt = prompt_ids(tokenizer, "Q?", tuned=True)
        (example,) = encode(tokenizer, {"input": "Q?", "output": answer}, 512)
        assert tokenizer.decode(prompt) == asked
        assert example.input_ids[: len(prompt)] == prompt
        learnt = example.input_ids[len(prompt) :]
        assert tokenizer.decode(learnt) == lead + answer + end
        assert example.labels == [-100] * len(prompt) + learnt
        assert learnt[-1] in end_ids(tokenizer)


@pytest.mark.parametrize("case", ["chatml", "no template", "thinking, left out of finished turns"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=st.text(min_size=1, max_size=20), answer=st.text(min_size=1, max_size=20))
def test_any_text_is_learnt_as_it_stands(case: str, question: str, answer: str) -> None:
    tokenizer = TOKENIZERS.setdefault(case, make(case))
    prompt = prompt_ids(tokenizer, question, tuned=True)
    (example,) = encode(tokenizer, {"input": question, "output": answer}, 4096)
    assert example.input_ids[: len(prompt)] == prompt
    assert tokenizer.decode(example.input_ids[len(prompt) : -1]) == answer
    assert example.input_ids[-1] == tokenizer.eos_token_id


TOKENIZERS: dict[str, Any] = {}


def test_a_base_model_without_a_template_goes_on_with_the_text() -> None:
    tokenizer = make("no template, adds a start token")
    assert tokenizer.decode(prompt_ids(tokenizer, "Once upon", tuned=False)) == "<s>Once upon"


def test_the_end_that_a_tokenizer_adds_does_not_end_the_prompt() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = make("no template")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A <|im_end|>", special_tokens=[("<|im_end|>", tokenizer.eos_token_id)]
    )
    assert tokenizer("x")["input_ids"][-1] == tokenizer.eos_token_id
    assert tokenizer.decode(prompt_ids(tokenizer, "Q?", tuned=True)) == ALPACA
    (example,) = encode(tokenizer, {"input": "Q?", "output": "Blue."}, 512)
    assert example.input_ids.count(tokenizer.eos_token_id) == 1


def test_two_ends_both_stop() -> None:
    tokenizer = make("two ends")
    assert end_ids(tokenizer) == set(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<pad>"]))


def test_a_tokenizer_without_an_end_token_can_be_talked_to_but_not_trained() -> None:
    tokenizer = make("no template")
    tokenizer.eos_token = None
    assert end_ids(tokenizer) == set()
    with pytest.raises(InvalidRequest, match="no end token"):
        encode(tokenizer, {"input": "Q?", "output": "Blue."}, 512)


def test_a_template_that_changes_answers_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="changes the text of an answer"):
        encode(make_tiny_tokenizer(chat_template=CHANGES_ANSWERS), {"input": "Q?", "output": "Blue."}, 512)


def test_a_long_row_loses_the_end_of_its_answer_and_a_row_without_answer_is_none() -> None:
    tokenizer = make("chatml")
    row = {"input": "Q?", "output": "Blue is a colour. " * 10}
    (whole,) = encode(tokenizer, row, 512)
    assert whole.cut == 0
    (cut,) = encode(tokenizer, row, 20)
    assert cut.input_ids == whole.input_ids[:20]
    assert cut.cut == len(whole.input_ids) - 20
    assert encode(tokenizer, row, len(prompt_ids(tokenizer, "Q?", tuned=True))) == []
