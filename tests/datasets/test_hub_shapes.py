"""Rows as well-known datasets have them: they can be trained on as they come, or the right mapping is suggested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.datasets.formats import SHAPES
from modelforge.datasets.suggest import first_rows, suggest
from modelforge.datasets.validate import validate
from tests.datasets.ugly import jsonl

ASKED, TOLD, OTHER = "Is the shop open on day {}?", "Yes, it opens at nine on day {}.", "No idea about day {}."
PAGE = "The shop at the harbour opens at nine on day {}. It sells rope, lamps and good boots to whoever comes."
HUMAN, GPT = {"from": "human", "value": ASKED}, {"from": "gpt", "value": TOLD}
USER, BOT, BAD = (
    {"role": role, "content": text} for role, text in (("user", ASKED), ("assistant", TOLD), ("assistant", OTHER))
)
SYSTEM = {"role": "system", "content": "Be brief."}

READY: dict[str, tuple[dict[str, Any], str, Any]] = {
    "tatsu-lab/alpaca": (
        {"instruction": ASKED, "input": "", "output": TOLD, "text": f"Below: {ASKED} {TOLD}"},
        "input_output",
        {"input": ASKED, "output": TOLD},
    ),
    "databricks/databricks-dolly-15k": (
        {"instruction": ASKED, "context": PAGE, "response": TOLD, "category": "closed_qa"},
        "input_output",
        {"input": f"{ASKED}\n\n{PAGE}", "output": TOLD},
    ),
    "openai/gsm8k": ({"question": ASKED, "answer": TOLD}, "input_output", {"input": ASKED, "output": TOLD}),
    "abisee/cnn_dailymail": (
        {"article": PAGE, "highlights": TOLD, "id": "{}"},
        "input_output",
        {"input": PAGE, "output": TOLD},
    ),
    "EdinburghNLP/xsum": (
        {"document": PAGE, "summary": TOLD, "id": "{}"},
        "input_output",
        {"input": PAGE, "output": TOLD},
    ),
    "knkarthick/samsum": (
        {"id": "{}", "dialogue": PAGE, "summary": TOLD},
        "input_output",
        {"input": PAGE, "output": TOLD},
    ),
    "FiscalNote/billsum": (
        {"text": PAGE, "summary": TOLD, "title": "Day {}"},
        "input_output",
        {"input": PAGE, "output": TOLD},
    ),
    "rajpurkar/squad_v2": (
        {"id": "{}", "title": "Shop", "context": "It opens at nine.", "question": ASKED,
         "answers": {"text": ["nine"], "answer_start": [12]}},
        "context_question_answer",
        {"context": "It opens at nine.", "question": ASKED, "answers": [{"text": "nine", "start": 12}]},
    ),
    "HuggingFaceH4/ultrafeedback_binarized": (
        {"prompt": ASKED, "prompt_id": "{}", "chosen": [USER, BOT], "rejected": [USER, BAD], "messages": [USER, BOT],
         "score_chosen": 8.5, "score_rejected": 3.0},
        "prompt_chosen_rejected",
        {"prompt": ASKED, "chosen": TOLD, "rejected": OTHER},
    ),
    "trl-lib/ultrafeedback_binarized": (
        {"chosen": [USER, BOT], "rejected": [USER, BAD], "score_chosen": 8.5, "score_rejected": 3.0},
        "prompt_chosen_rejected",
        {"prompt": ASKED, "chosen": TOLD, "rejected": OTHER},
    ),
    "mlabonne/orpo-dpo-mix-40k": (
        {"source": "x", "prompt": ASKED, "chosen": [USER, BOT, USER, BOT], "rejected": [USER, BOT, USER, BAD]},
        "prompt_chosen_rejected",
        {"prompt": [USER, BOT, USER], "chosen": TOLD, "rejected": OTHER},
    ),
    "Anthropic/hh-rlhf": (
        {"chosen": f"\n\nHuman: Hello\n\nAssistant: Hi!\n\nHuman: {ASKED}\n\nAssistant: {TOLD}",
         "rejected": f"\n\nHuman: Hello\n\nAssistant: Hi!\n\nHuman: {ASKED}\n\nAssistant: {OTHER}"},
        "prompt_chosen_rejected",
        {"prompt": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}, USER],
         "chosen": TOLD, "rejected": OTHER},
    ),
    "OpenAI's preferences": (
        {"input": {"messages": [SYSTEM, USER], "tools": [], "parallel_tool_calls": True},
         "preferred_output": [BOT], "non_preferred_output": [BAD]},
        "prompt_chosen_rejected",
        {"prompt": [SYSTEM, USER], "chosen": TOLD, "rejected": OTHER},
    ),
    "HuggingFaceH4/ultrachat_200k": (
        {"prompt": ASKED, "prompt_id": "{}", "messages": [USER, BOT]},
        "messages",
        {"messages": [USER, BOT]},
    ),
    "teknium/OpenHermes-2.5": (
        {"conversations": [{**HUMAN, "weight": None}, {**GPT, "weight": None}], "source": "x", "system_prompt": None},
        "messages",
        {"messages": [USER, BOT]},
    ),
    "Open-Orca/SlimOrca": (
        {"conversations": [{"from": "system", "value": "", "weight": None}, {**HUMAN, "weight": 0.0},
                           {**GPT, "weight": 1.0}]},
        "messages",
        {"messages": [USER, BOT]},
    ),
    "ShareGPT, as browsers exported it": (
        {"id": "{}", "conversations": [{"from": "user", "value": ASKED}, {"from": "chatgpt", "value": TOLD}]},
        "messages",
        {"messages": [USER, BOT]},
    ),
    "messages whose content comes in parts": (
        {"messages": [{"role": "developer", "content": "Be brief."},
                      {"role": "user", "content": [{"type": "text", "text": ASKED}]},
                      {"role": "Assistant", "content": [{"type": "text", "text": TOLD}]}]},
        "messages",
        {"messages": [SYSTEM, USER, BOT]},
    ),
    "ShareGPT's turns under OpenAI's name": ({"messages": [HUMAN, GPT]}, "messages", {"messages": [USER, BOT]}),
    "stanfordnlp/imdb": ({"text": PAGE, "label": 1}, "text", {"text": PAGE}),
}  # fmt: skip

TO_MAP: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "Intel/orca_dpo_pairs": (
        {"system": "Be brief.", "question": ASKED, "chosen": TOLD, "rejected": OTHER},
        "prompt_chosen_rejected",
        {"prompt": "{system}\n\n{question}", "chosen": "{chosen}", "rejected": "{rejected}"},
    ),
    "Open-Orca/OpenOrca": (
        {"id": "{}", "system_prompt": "Be brief.", "question": ASKED, "response": TOLD},
        "messages",
        {"system": "{system_prompt}", "user": "{question}", "assistant": "{response}"},
    ),
    "meta-math/MetaMathQA": (
        {"type": "MATH_AnsAug", "query": ASKED, "original_question": "Open on {}?", "response": TOLD},
        "input_output",
        {"input": "{query}", "output": "{response}"},
    ),
    "nvidia/HelpSteer2": (
        {"prompt": ASKED, "response": TOLD, "helpfulness": 3, "correctness": 4},
        "input_output",
        {"input": "{prompt}", "output": "{response}"},
    ),
    "lmsys/lmsys-chat-1m": (
        {"conversation_id": "{}", "model": "x", "conversation": [USER, BOT], "turn": 1, "language": "English"},
        "messages",
        {"messages": "{conversation}"},
    ),
    "a log of ShareGPT's turns": (
        {"id": "{}", "chat": [HUMAN, GPT]},
        "messages",
        {"messages": "{chat}"},
    ),
    "Amod/mental_health_counseling_conversations": (
        {"Context": PAGE, "Response": TOLD},
        "input_output",
        {"input": "{Context}", "output": "{Response}"},
    ),
    "a table from a website": (
        {"url": "https://example.org/a/long/address/that/is/none/{}", "titre": "Jour {}, ouvert", "texte_long": PAGE},
        "input_output",
        {"input": "{titre}", "output": "{texte_long}"},
    ),
}  # fmt: skip


def rows_of(row: dict[str, Any]) -> list[Any]:
    """Twenty rows; texts have the row's number in them."""
    return [filled(row, number) for number in range(20)]


def filled(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return value.replace("{}", str(number))
    if isinstance(value, list):
        return [filled(each, number) for each in value]
    return {key: filled(each, number) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("name", READY)
def test_what_can_be_trained_on_as_it_comes(name: str, tmp_path: Path) -> None:
    row, shape, read = READY[name]
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(rows_of(row)))
    report = validate(path)
    assert (report.shape, report.errors) == (shape, [])
    assert SHAPES.get(shape).read(filled(row, 7)) == filled(read, 7)


@pytest.mark.parametrize("name", TO_MAP)
def test_what_asks_for_a_mapping_gets_the_right_one(name: str, tmp_path: Path) -> None:
    row, shape, fields = TO_MAP[name]
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(rows_of(row)))
    report = validate(path)
    assert report.shape is None and report.num_examples == 20
    best = suggest(first_rows(path))[0]
    assert (best.mapping.shape, best.mapping.fields, best.usable) == (shape, fields, 20)


def test_messages_may_be_json_in_a_table() -> None:
    told = json.dumps([USER, BOT])
    assert SHAPES.get("messages").read({"messages": told}) == {"messages": [USER, BOT]}
    assert SHAPES.get("messages").problems({"messages": "[]x"}) == ["field 'messages' is a string, not a list of turns"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: x\n\nAssistant: c"}, "differ before"),
        ({"chosen": "\n\nHuman: a\n\nAssistant:", "rejected": "\n\nHuman: a\n\nAssistant: c"}, "is empty"),
        ({"chosen": "Human: a\n\nHuman: b\n\nAssistant: c", "rejected": "Human: a\n\nAssistant: c"}, "twice in a row"),
        ({"chosen": "Human: a", "rejected": "Human: b"}, "the last turn in 'chosen' is not the assistant's"),
        ({"chosen": "Assistant: a", "rejected": "no conversation"}, "field 'prompt' is missing"),
        ({"input": "a", "preferred_output": [BOT], "non_preferred_output": [BAD]}, "not an object with 'messages'"),
        (
            {"prompt": "another", "chosen": [USER, BOT], "rejected": [USER, BAD]},
            "the conversation in 'chosen' does not begin with the prompt",
        ),
        (
            {"prompt": ASKED, "chosen": [SYSTEM, USER, BOT], "rejected": [USER, BAD]},
            "the conversation in 'chosen' does not begin with the prompt",
        ),
    ],
)
def test_what_is_said_of_preferences_that_are_none(row: dict[str, Any], said: str) -> None:
    (problem,) = SHAPES.get("prompt_chosen_rejected").problems(row)
    assert said in problem
