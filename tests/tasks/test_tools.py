"""Conversations with tools in tokens: written by the model's template, trained on every turn of the assistant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.datasets.formats import SHAPES
from modelforge.errors import InvalidRequest
from modelforge.tasks.base import IGNORED, Head
from modelforge.tasks.rendering import require_tools
from modelforge.tasks.text_generation import TextGeneration
from tests.tiny import CHATML, make_tiny_tokenizer

HERMES = (
    "{% if tools %}{{ '<|im_start|>system\\n# Tools\\n' }}"
    "{% for tool in tools %}{{ tool | tojson + '\\n' }}{% endfor %}"
    "{{ '<|im_end|>\\n' }}{% endif %}{% for m in messages %}"
    "{% if m.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>' + m.content + '</tool_response><|im_end|>\\n' }}"
    "{% else %}{{ '<|im_start|>' + m.role + '\\n' + m.content }}"
    "{% for call in m.tool_calls or [] %}{{ '<tool_call>' + (call.function | tojson) + '</tool_call>' }}{% endfor %}"
    "{{ '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""As Qwen2.5 and Hermes write tools."""
THINKING = HERMES.replace(
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}",
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think></think>' }}",
)
"""What generation starts from is not what a finished turn begins with."""

WEATHER = {"type": "function", "function": {"name": "weather", "description": "Wie ist das Wetter?"}}
ROW: dict[str, Any] = {
    "tools": [WEATHER],
    "messages": [
        {"role": "user", "content": "Is it raining in Oslo?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "light rain"},
        {"role": "assistant", "content": "Yes, a little."},
    ],
}
CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'


def learnt(template: str, row: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The whole texts of a row's examples, and what is learnt of them, turn by turn."""
    tokenizer = make_tiny_tokenizer(chat_template=template)
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", max_seq_length=1024)
    usable = SHAPES.get("messages").read(row)
    assert usable is not None
    texts, turns = [], []
    for example in TextGeneration().encode(tokenizer, usable, config, Head.CAUSAL):
        texts.append(tokenizer.decode(example.input_ids))
        turn: list[int] = []
        for token, label in zip([*example.input_ids, 0], [*example.labels, IGNORED], strict=True):
            if label != IGNORED:
                assert label == token
                turn.append(token)
            elif turn:
                turns.append(tokenizer.decode(turn))
                turn = []
    return texts, turns


def test_a_call_is_learnt_and_what_the_tool_says_is_read() -> None:
    texts, turns = learnt(HERMES, ROW)
    assert turns == [f"{CALL}<|im_end|>", "Yes, a little.<|im_end|>"]
    assert texts == [
        f"<|im_start|>system\n# Tools\n{json.dumps(WEATHER, ensure_ascii=False)}\n<|im_end|>\n"
        f"<|im_start|>user\nIs it raining in Oslo?<|im_end|>\n<|im_start|>assistant\n{CALL}<|im_end|>\n"
        "<|im_start|>user\n<tool_response>light rain</tool_response><|im_end|>\n"
        "<|im_start|>assistant\nYes, a little.<|im_end|>"
    ]


def test_a_call_follows_what_generation_starts_from() -> None:
    texts, turns = learnt(THINKING, ROW)
    assert turns == [f"{CALL}<|im_end|>", "Yes, a little.<|im_end|>"]
    assert len(texts) == 2 and all(f"<think></think>{turn}" in text for turn, text in zip(turns, texts, strict=True))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (CHATML, "its chat template leaves them out"),
        (None, "there is no chat template"),
        (HERMES.replace("{% for call in m.tool_calls or [] %}", "{% for call in [] %}"), "leaves them out"),
        (HERMES.replace("m.role == 'tool'", "m.role == 'tool' and false"), None),
        ("{{ raise_exception('no tools') if tools }}" + CHATML, "leaves them out"),
    ],
)
def test_a_template_is_asked_whether_it_writes_tools(template: str | None, said: str | None) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=template)
    if said is None:
        require_tools(tokenizer)
        return
    for _ in range(2):
        with pytest.raises(InvalidRequest, match=said):
            require_tools(tokenizer)
    with pytest.raises(InvalidRequest, match=said):
        learnt(template, ROW)  # type: ignore[arg-type]
    # Rows without them are learnt as ever.
    assert learnt(template or CHATML, {"messages": [ROW["messages"][0], ROW["messages"][3]]})[1]


def test_a_template_that_hides_calls_elsewhere_is_refused() -> None:
    odd = HERMES.replace("{{ '<|im_start|>' + m.role", "{{ ('<|im_start|>' if not m.tool_calls else '') + m.role")
    with pytest.raises(InvalidRequest, match="in another place than an answer"):
        learnt(odd, ROW)
