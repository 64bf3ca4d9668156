"""What a preview shows is what a training writes: the same tokens, trained in the same places, packed alike."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.contracts.job import ModelRef
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest, NotFound
from modelforge.probe.order import Order, Question
from modelforge.probe.pieces import pieces
from modelforge.probe.preview import preview
from modelforge.probe.tools import tools
from tests.conformance.families import FAMILIES, write
from tests.fuzz import fuzzed
from tests.tasks.test_tools import HERMES, ROW, THINKING
from tests.tiny import CHATML, TALK, make_tiny_tokenizer
from tests.worker.test_chats import THOUGHTS_OF_NOW

TEMPLATES = {
    "chatml": CHATML, "plain": None, "thoughts of now": THOUGHTS_OF_NOW, "hermes": HERMES, "thinking": THINKING,
}  # fmt: skip
ODD = [
    "Grüß Gott! 你好 🙂👩‍🚀",
    "a",
    "  spaces  and\n\nlines ",
    "वह दिल्ली में",
    "e\u0301 \ufffd ﬁ",
    "<|im_end|>",
    "x" * 300,
]
STARTER = ModelRef(name="modelforge-starter", source="bundled", path="modelforge-starter")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelRef]:
    """Folders with a configuration and a tokenizer of each kind; no weights are read."""
    from transformers import LlamaConfig

    home = tmp_path_factory.mktemp("previewed")
    found = {"starter": STARTER}
    for name, template in TEMPLATES.items():
        folder = home / name.replace(" ", "-")
        tokenizer = make_tiny_tokenizer(ODD, chat_template=template, add_bos=name == "plain")
        tokenizer.save_pretrained(folder)
        LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=256).save_pretrained(folder)
        found[name] = ModelRef(name=name, source="folder", path=str(folder))
    for family in FAMILIES:
        folder = write(family, home / family.name, [*ODD, *(text for pair in TALK for text in pair)])
        found[family.name] = ModelRef(name=family.name, source="folder", path=str(folder))
    return found


def order_of(path: Path, rows: list[Any], shape: str, model: ModelRef, lines: list[int], **options: Any) -> Order:
    path.write_text("".join(f"{json.dumps(row) if row is not None else ''}\n" for row in rows))
    chosen: dict[str, Any] = {"task": "text-generation", "max_seq_length": 64, "eval_split": 0.0, "seed": 1, **options}
    config = TrainingConfig(model_name="m", dataset="d", **chosen)
    return Order(path=str(path), shape=shape, config=config, model=model, rows=lines)


def written(order: Order, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Any]:
    """What the training of an order writes: rows to learn from, rows that are held out, and what else there is."""
    from modelforge.providers.huggingface import config_and_tokenizer
    from modelforge.tasks import TASKS
    from modelforge.worker import data

    described, tokenizer = config_and_tokenizer(order.model, trust_remote_code=False)
    task = TASKS.get(order.config.task)
    config = order.config.model_copy(update=task.by_model(order.config, described.to_dict()))
    encoding = data.Encoding.of(config, order.shape, tokenizer, task.head(described.to_dict(), order.model.name))
    prepared = data.prepare(
        Path(order.path), encoding, cache=folder / "cache", shared=None, check_stop=lambda: None, processes=1
    )
    return prepared.train.to_list(), prepared.held_out.to_list() if prepared.held_out else [], prepared


def expected(row: dict[str, Any], model: str) -> list[tuple[str, list[int], list[bool]]]:
    """The sequences of an example that a training has written."""
    if "prompt_ids" in row:
        prompt = row["prompt_ids"]
        return [
            (name, prompt + row[f"{name}_ids"], [False] * len(prompt) + [True] * len(row[f"{name}_ids"]))
            for name in ("chosen", "rejected")
        ]
    ids = row["input_ids"]
    if "start_positions" in row:
        return [("input", ids, [row["start_positions"] <= at <= row["end_positions"] for at in range(len(ids))])]
    if model == "t5":
        return [("input", ids, [False] * len(ids)), ("output", row["labels"], [True] * len(row["labels"]))]
    return [("text", ids, [at > 0 and label != -100 for at, label in enumerate(row["labels"])])]


def shown(example: dict[str, Any]) -> list[tuple[str, list[int], list[bool]]]:
    for each in example["sequences"]:
        assert each["num_tokens"] == len(each["tokens"])
        assert each["num_trained"] == sum(token["trained"] for token in each["tokens"])
    return [
        (each["name"], [token["id"] for token in each["tokens"]], [token["trained"] for token in each["tokens"]])
        for each in example["sequences"]
    ]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60) | st.sampled_from(ODD)
SAID = TEXT.filter(lambda text: bool(text.strip()))
CHAT = st.lists(st.tuples(SAID, SAID), min_size=1, max_size=3).map(
    lambda turns: {
        "messages": [
            {"role": role, "content": text}
            for turn in turns
            for role, text in zip(("user", "assistant"), turn, strict=True)
        ]
    }
)
CALLS = SAID.map(lambda text: json.loads(json.dumps(ROW).replace("light rain", json.dumps(text)[1:-1])))
CASES: dict[str, tuple[str, str, dict[str, Any], Any]] = {
    **{
        f"{name} questions": (name, "input_output", {}, st.fixed_dictionaries({"input": SAID, "output": SAID}))
        for name in (*TEMPLATES, "starter")
    },
    **{f"{name} chats": (name, "messages", {}, CHAT) for name in TEMPLATES},
    "hermes tools": ("hermes", "messages", {"max_seq_length": 200}, CALLS | CHAT),
    "thinking tools": ("thinking", "messages", {"max_seq_length": 200}, CALLS | CHAT),
    "plain text": ("plain", "text", {"max_seq_length": 16}, st.fixed_dictionaries({"text": SAID})),
    "chatml summaries": (
        "chatml", "input_output", {"task": "summarization", "max_target_length": 20},
        st.fixed_dictionaries({"input": SAID, "output": SAID}),
    ),
    "t5 summaries": (
        "t5", "input_output", {"task": "summarization"}, st.fixed_dictionaries({"input": SAID, "output": SAID}),
    ),
    "bert passages": (
        "bert", "context_question_answer", {"task": "extractive-question-answering", "max_seq_length": 24},
        st.builds(
            lambda a, b, c: {"context": f"{a} {b} {c}", "question": c, "answer": b},
            *[st.sampled_from(["Ann has a hat", "Ben", "grün", "the long and dry road", "Grüß Gott"])] * 3,
        ),
    ),
    "pairs": (
        "chatml", "prompt_chosen_rejected", {"strategy": "dpo"},
        st.fixed_dictionaries({"prompt": SAID, "chosen": SAID, "rejected": SAID}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@fuzzed(25)
@given(data=st.data())
def test_the_tokens_of_a_preview_are_the_trainings(
    tmp_path: Path, models: dict[str, ModelRef], case: str, data: Any
) -> None:
    name, shape, options, rows = CASES[case]
    drawn = data.draw(st.lists(rows | st.sampled_from([None, {"input": 1}, [1]]), min_size=1, max_size=8))
    # So that something is left to learn from.
    short = {
        "messages": {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        "context_question_answer": {"context": "a b", "question": "a", "answer": "b"},
        "prompt_chosen_rejected": {"prompt": "a", "chosen": "b", "rejected": "c"},
        "text": {"text": "a b"},
    }.get(shape, {"input": "a", "output": "b"})
    drawn = [*drawn, short]
    order = order_of(tmp_path / "rows.jsonl", drawn, shape, models[name], list(range(1, len(drawn) + 1)), **options)
    train, _, prepared = written(order, tmp_path)
    seen = preview(order)
    examples = [example for row in seen["rows"] for example in row["examples"]]
    assert [shown(example) for example in examples] == [expected(row, name) for row in train]
    assert [row["line"] for row in seen["rows"]] == order.rows
    assert all(row["used"] == bool(row["examples"]) == (row["why"] is None) for row in seen["rows"])
    assert sum(example["cut"] > 0 for example in examples) == prepared.cut
    without_room = [row["line"] for row in seen["rows"] if row["why"] and "has no room" in row["why"]]
    assert without_room == list(prepared.dropped)
    stats = seen["stats"]
    assert (stats["rows"], stats["examples"]) == (len(drawn), len(train))


@pytest.mark.parametrize("name", ["chatml", "plain", "starter"])
def test_examples_are_packed_as_the_trainings_are(tmp_path: Path, models: dict[str, ModelRef], name: str) -> None:
    from modelforge.worker.packed import Packed

    rows = [{"input": f"question {i}", "output": f"answer {i} " * (1 + 7 * i % 11)} for i in range(25)]
    options = {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 4, "max_seq_length": 128}
    order = order_of(tmp_path / "rows.jsonl", rows, "input_output", models[name], list(range(1, 26)), **options)
    train, _, _ = written(order, tmp_path)
    seen = preview(order)
    assert seen["examples_a_step"] == 12 and seen["row_tokens"] >= 1024
    for limit in (seen["row_tokens"], 200):
        if limit == 200:
            from modelforge.probe import preview as module

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "row_tokens", lambda *_, **__: 200)
                seen = preview(order)
        examples = [example for row in seen["rows"] for example in row["examples"]]
        assert [example["step"] for example in examples] == [1] * 12 + [2] * 12 + [3]
        for step in (1, 2, 3):
            mine = [example for example in examples if example["step"] == step]
            documents = Packed(limit)(train[12 * (step - 1) : 12 * step])["documents"]
            assert len(documents) == max(example["packed_row"] for example in mine)
            assert (len(documents) > 1) == (limit == 200 and step < 3)
            for number, packed in enumerate(documents, 1):
                inside = sorted((e for e in mine if e["packed_row"] == number), key=lambda e: e["packed_at"])
                ids = [token["id"] for e in inside for token in e["sequences"][0]["tokens"]]
                assert ids == packed.input_ids.tolist()
                starts = [0, *packed.lengths.cumsum(0).tolist()[:-1]]
                assert [example["packed_at"] for example in inside] == starts


def test_what_is_held_out_is_what_a_training_holds_out(tmp_path: Path, models: dict[str, ModelRef]) -> None:
    rows = [{"input": f"question {i}", "output": f"answer {i}"} for i in range(60)]
    order = order_of(
        tmp_path / "rows.jsonl", rows, "input_output", models["chatml"], list(range(1, 61)), eval_split=0.3, seed=7
    )
    train, held_out, _ = written(order, tmp_path)
    found: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for row in preview(order)["rows"]:
        for example in row["examples"]:
            found[row["held_out"]][str(shown(example))] += 1
            assert (example["packed_row"] is None) == row["held_out"]
    assert found[False] == Counter(str(expected(row, "chatml")) for row in train)
    assert found[True] == Counter(str(expected(row, "chatml")) for row in held_out) and held_out


@pytest.mark.parametrize(
    ("options", "packed"),
    [({}, True), ({"packing": False}, False), ({"use_lora": False}, False), ({"strategy": "qlora"}, True)],
)
def test_nothing_is_packed_where_a_training_packs_nothing(
    tmp_path: Path, models: dict[str, ModelRef], options: dict[str, Any], packed: bool
) -> None:
    rows = [{"input": "a", "output": "b"}] * 2
    seen = preview(order_of(tmp_path / "r", rows, "input_output", models["chatml"], [1], **options))
    (example,) = seen["rows"][0]["examples"]
    assert (seen["row_tokens"] is not None) == (example["step"] is not None) == packed


def test_rows_that_are_left_out_say_why(tmp_path: Path, models: dict[str, ModelRef]) -> None:
    rows = [None, {"input": "a"}, [1], {"input": "word " * 100, "output": "x"}, {"input": "a", "output": "word " * 100}]
    order = order_of(tmp_path / "rows.jsonl", rows, "input_output", models["chatml"], [5, 1, 2, 3, 4, 99])
    seen = {row["line"]: row for row in preview(order)["rows"]}
    assert list(seen) == [5, 1, 2, 3, 4]
    assert [seen[line]["why"] for line in (1, 2, 3, 4, 5)] == [
        "the line is blank",
        "field 'output' is missing",
        "a list, not an object",
        "max_seq_length 64 has no room for any of its answer",
        None,
    ]
    assert seen[5]["cut"] > 50 and seen[5]["examples"][0]["cut"] == seen[5]["cut"]
    with pytest.raises(NotFound, match="no line 7"):
        preview(order.model_copy(update={"rows": [7, 8]}))


def test_a_row_that_the_template_refuses_is_one_row(tmp_path: Path, models: dict[str, ModelRef]) -> None:
    rows = [ROW, {"messages": ROW["messages"][:1] + ROW["messages"][3:]}]
    seen = preview(order_of(tmp_path / "rows.jsonl", rows, "messages", models["chatml"], [1, 2]))["rows"]
    assert "a training would be refused for it: the model cannot learn rows with tools" in seen[0]["why"]
    assert seen[1]["used"]


def test_rows_with_tools_are_found_before_a_run(tmp_path: Path, models: dict[str, ModelRef]) -> None:
    plain = {"messages": [{"role": "user", "content": 'say "tools"'}, {"role": "assistant", "content": "tool_calls"}]}
    order = order_of(tmp_path / "rows.jsonl", [plain, {"tool": 1, **plain}, ROW], "messages", models["hermes"], [])
    tools(order)
    with pytest.raises(InvalidRequest, match=r"^line 3: the model cannot learn rows with tools"):
        tools(order.model_copy(update={"model": models["chatml"]}))
    order = order_of(tmp_path / "rows.jsonl", [plain, {"tools": [], **plain}], "messages", models["chatml"], [])
    tools(order)


@pytest.mark.parametrize("name", [*TEMPLATES, "starter", "t5", "bert", "roberta"])
@fuzzed(60)
@given(text=TEXT, cut=st.integers(0, 5))
def test_pieces_make_the_text(models: dict[str, ModelRef], name: str, text: str, cut: int) -> None:
    from modelforge.providers.huggingface import config_and_tokenizer

    if name not in TOKENIZERS:
        TOKENIZERS[name] = config_and_tokenizer(models[name], trust_remote_code=False)[1]
    tokenizer = TOKENIZERS[name]
    ids = tokenizer(text)["input_ids"]
    ids = ids[: len(ids) - cut]
    assert "".join(pieces(tokenizer, ids)) == tokenizer.decode(ids, clean_up_tokenization_spaces=False)


TOKENIZERS: dict[str, Any] = {}


def test_a_letter_of_several_tokens_stands_at_its_last(models: dict[str, ModelRef]) -> None:
    tokenizer = make_tiny_tokenizer()
    ids = tokenizer("aዳb")["input_ids"]
    assert len(ids) == 5 and pieces(tokenizer, ids) == ["a", "", "", "ዳ", "b"]
    assert "".join(pieces(tokenizer, ids[:3])).endswith("\ufffd")


def test_the_process_loads_no_torch(tmp_path: Path, models: dict[str, ModelRef]) -> None:
    order = order_of(tmp_path / "rows.jsonl", [ROW], "messages", models["hermes"], [1], max_seq_length=256)
    code = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'sqlalchemy', 'pydantic_settings'): sys.modules[name] = None\n"
        "from modelforge.probe.__main__ import reply_to\n"
        "from modelforge.probe.order import Question\n"
        "print(reply_to(Question.model_validate_json(sys.argv[1])).line().decode())\n"
        "assert sys.modules['torch'] is None and not {'pyarrow', 'pandas', 'datasets'} & set(sys.modules)"
    )
    question = Question(id=1, what="preview", order=order)
    done = subprocess.run(
        [sys.executable, "-c", code, question.line().decode()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["rows"][0]["used"]
