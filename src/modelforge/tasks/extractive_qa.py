"""Answering a question with a part of a text: encoders, and the causal families that have a head for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.architectures import require_span
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.tasks import squad
from modelforge.tasks.base import Example, Head, Measured, Row
from modelforge.tasks.windows import locate, read

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ANSWER_LENGTH = 30
"""Tokens of the longest answer that is looked for, where the data has none that is longer; transformers' own example
has the same number."""

HEADS = ("qa_outputs", "qa_classifier", "classifier", "splinter_qass")
"""The names that transformers' models give to what points at answers; all but BigBird, ModernBERT
and Splinter use the first."""


class ExtractiveQa:
    """Trained to point at the first and the last token of the first right answer; windows without it, and questions
    that cannot be answered, point at a token that means so."""

    name: ClassVar[str] = "extractive-question-answering"
    about: ClassVar[str] = (
        "Finds the answer to a question word for word in a given text; use it where nothing may be invented."
    )
    shapes: ClassVar[Sequence[str]] = ("context_question_answer",)
    options: ClassVar[frozenset[str]] = frozenset({"doc_stride", "max_answer_length"})
    encoded_by: ClassVar[frozenset[str]] = frozenset({"doc_stride"})

    def head(self, config: Mapping[str, Any], name: str) -> Head:
        """One that points. Raises InvalidRequest for models that have none."""
        require_span(config, name)
        return Head.SPAN

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        return {}

    def by_model(self, config: TrainingConfig, model: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def by_data(
        self, config: TrainingConfig, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]
    ) -> dict[str, Any]:
        """``max_answer_length``."""
        return {} if config.max_answer_length else {"max_answer_length": answer_length(tokenizer, rows)}

    def encode(self, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, head: Head) -> list[Example]:
        """A window of the context in each example, with ``start_positions`` and ``end_positions``; none where the
        window has no room for the context, or no window holds all of the answer. ``cut`` counts tokens of the question
        that were left out. Raises InvalidRequest for a tokenizer without offsets."""
        assert config.max_seq_length is not None
        reading = read(
            tokenizer,
            row["question"],
            row["context"],
            max_seq_length=config.max_seq_length,
            doc_stride=config.doc_stride,
        )
        place = None
        if row["answers"]:
            first = row["answers"][0]
            place = locate(reading.offsets, first["start"], first["start"] + len(first["text"]))
            if place is None:
                return []
        examples, answered = [], False
        for window in reading.windows:
            start = end = window.null
            if place is not None and window.at <= place[0] and place[1] < window.at + window.size:
                start, end = (window.first + token - window.at for token in place)
                answered = True
            columns = {**window.columns, "start_positions": start, "end_positions": end}
            examples.append(Example(columns, cut=reading.cut))
        return examples if answered or place is None else []

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Makes batches of the columns that ``encode`` gives."""
        from modelforge.inference.spans import pad_windows  # noqa: PLC0415

        return lambda examples: pad_windows(tokenizer, examples)

    def measure(self, measured: Measured, rows: Sequence[Row]) -> dict[str, float]:
        """``exact_match`` and ``f1`` in percent, by SQuAD's rules: 2.0's where a row is unanswerable."""
        from modelforge.inference.spans import answers  # noqa: PLC0415

        config = measured.config
        assert config.max_seq_length is not None
        given = answers(
            measured.model,
            measured.tokenizer,
            [(row["question"], row["context"]) for row in rows],
            max_seq_length=config.max_seq_length,
            doc_stride=config.doc_stride,
            max_answer_length=config.max_answer_length or answer_length(measured.tokenizer, rows),
            allow_no_answer=holds_unanswerable(rows),
            batch_size=config.per_device_eval_batch_size or 1,
            check_stop=measured.check_stop,
        )
        golds = [[right["text"] for right in row["answers"]] for row in rows]
        return squad.score([answer.text for answer in given], golds)


def holds_unanswerable(rows: Sequence[Row]) -> bool:
    """Whether some question has no answer in its context: then the model learns to say so."""
    return any(not row["answers"] for row in rows)


def answer_length(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]) -> int:
    """``max_answer_length`` for these rows: room for their longest answer, and at least ANSWER_LENGTH tokens."""
    texts = {row["answers"][0]["text"] for row in rows if row["answers"]}
    lengths = (len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) for text in texts)
    # Inside a sentence a word can be one token more than by itself.
    return max(ANSWER_LENGTH, max(lengths, default=0) + 1)


def span_head(model: PreTrainedModel) -> list[str]:
    """The modules that an adapter saves as a whole (``modules_to_save``): what points at answers is new, and a small
    change to it would not do."""
    names = [name for name, _ in model.named_children() if name in HEADS]
    if not names:
        raise InvalidRequest(
            f"model_name: {type(model).__name__} has no head for answers that is known here; use use_lora false"
        )
    return names


def lora_targets(model: PreTrainedModel) -> list[str]:
    """The names of all linear layers but the head's: ``target_modules`` for ``all-linear``, which would take the head
    too and then crash.

    Short names (``q_proj``) where they tell the head apart, else whole ones. Raises InvalidRequest where there is
    none.
    """
    from torch import nn  # noqa: PLC0415
    from transformers.pytorch_utils import Conv1D  # noqa: PLC0415

    heads = span_head(model)
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D)]
    own = [name for name in linear if name.split(".")[0] not in heads]
    if not own:
        raise InvalidRequest(
            f"model_name: {type(model).__name__} has no linear layer for an adapter; use use_lora false"
        )
    in_head = {part for name in linear if name not in own for part in (name, name.rsplit(".", 1)[-1])}
    short = {name.rsplit(".", 1)[-1] for name in own}
    return sorted(own if short & in_head or any(name.isdigit() for name in short) else short)
