"""Rows of a dataset as a model sees them in training: how clients ask for them, and what they get."""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from modelforge.contracts.base import Contract, Request, example
from modelforge.contracts.training import ComputeSpecs, Strategy, Task, TrainingConfig, VersionNumber

MOST_ROWS = 100
"""Rows of one preview."""
MOST_TOKENS = 100_000
"""Tokens that one preview tells; of what comes after them it has the numbers alone."""


def _as_in_training(name: str) -> Any:
    """The field as the training configuration has it: its default, its bounds and its help."""
    return copy.copy(TrainingConfig.model_fields[name])


class PreviewRequest(Request):
    """Which rows, and of a training's configuration what decides over them. What is left out is filled in as for a
    training."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"task": "text-generation", "model_name": "modelforge-starter", "offset": 0, "limit": 3}]
        }
    )

    rows: list[Annotated[int, Field(ge=1, le=2**53)]] | None = Field(None, min_length=1, max_length=MOST_ROWS)
    """The rows, by their lines in the dataset's own file, from 1. Those after ``offset`` when not given."""
    offset: int = Field(0, ge=0, le=2**53)
    """Lines to leave out at the start."""
    limit: int = Field(10, ge=1, le=MOST_ROWS)
    """Lines to look at from there on."""
    version: VersionNumber | None = None
    """The dataset's version; the newest when not given."""

    task: Task = _as_in_training("task")
    model_name: str = _as_in_training("model_name")
    strategy: Strategy = _as_in_training("strategy")
    compute_specs: ComputeSpecs | None = _as_in_training("compute_specs")
    use_lora: bool = _as_in_training("use_lora")
    trust_remote_code: bool = _as_in_training("trust_remote_code")
    per_device_train_batch_size: int | None = _as_in_training("per_device_train_batch_size")
    gradient_accumulation_steps: int | None = _as_in_training("gradient_accumulation_steps")
    packing: bool | None = _as_in_training("packing")
    max_seq_length: int | None = _as_in_training("max_seq_length")
    eval_split: float = _as_in_training("eval_split")
    seed: int = _as_in_training("seed")
    doc_stride: int | None = _as_in_training("doc_stride")
    max_target_length: int | None = _as_in_training("max_target_length")
    source_prefix: str | None = _as_in_training("source_prefix")

    @model_validator(mode="after")
    def _as_a_training(self) -> Self:
        try:
            self.configuration("-")
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
        return self

    def configuration(self, dataset: str) -> TrainingConfig:
        """That of a training that would see the same."""
        own = self.model_dump(include=self.model_fields_set & TrainingConfig.model_fields.keys())
        return TrainingConfig(**own, dataset=dataset)


class PreviewToken(Contract):
    """A token in its place."""

    id: int
    """Its number in the vocabulary."""
    text: str
    """What it adds to the text. Empty for all but the last of the tokens that make one character together."""
    trained: bool
    """Whether the model learns to write it; else it only reads it."""


class PreviewSequence(Contract):
    """Tokens that the model reads or writes one after another."""

    name: Literal["text", "input", "output", "chosen", "rejected"]
    """``text``: all that a model which goes on with a text is given. ``input`` and ``output``: what an encoder reads,
    and a decoder writes; of a question and its context there is the input alone, and the answer is what is trained.
    ``chosen`` and ``rejected``: the prompt with each answer."""
    num_tokens: int
    """How many there are."""
    num_trained: int
    """How many of them are trained."""
    tokens: list[PreviewToken]
    """All of them, or none where the preview has told too many already."""


class PreviewExample(Contract):
    """What a training learns from at once; a row is one, or several."""

    sequences: list[PreviewSequence]
    """What it consists of."""
    cut: int
    """Tokens that did not fit, and are left out at the end."""
    step: int | None = None
    """Which optimizer step it would be in, from 1, if the rows shown were learnt in their order. Null for what is held
    out, and where nothing is packed."""
    packed_row: int | None = None
    """The row that it lies in, of those that the step's examples are packed into, from 1."""
    packed_at: int | None = None
    """Tokens that lie before it there."""


class PreviewRow(Contract):
    """What becomes of a row."""

    line: int
    """Its line in the dataset's own file, from 1."""
    used: bool
    """Whether it is learnt from or measured on."""
    why: str | None = None
    """Why it is not."""
    held_out: bool = False
    """Whether it is measured on, and not learnt from, by ``eval_split`` and ``seed``."""
    cut: int = 0
    """Tokens of it that are left out because they did not fit."""
    examples: list[PreviewExample] = Field(default_factory=list)
    """As the model sees it."""


class PreviewStats(Contract):
    """Sums over the rows that are shown."""

    rows: int
    """Rows."""
    used: int
    """Rows that are learnt from or measured on."""
    held_out: int
    """Rows that are measured on."""
    examples: int
    """Examples of them."""
    tokens: int
    """Tokens of the examples."""
    trained: int
    """Tokens that the model learns to write."""
    cut: int
    """Tokens that are left out because they did not fit."""
    longest: int
    """Tokens of the longest sequence."""


class DatasetPreview(Contract):
    """Rows as the model sees them, made by the code that makes them for a training."""

    model_config = example(
        filename="faq.jsonl",
        version=1,
        model_name="modelforge-starter",
        shape="input_output",
        max_seq_length=1024,
        chat_template=True,
        examples_a_step=4,
        row_tokens=4096,
        rows=[
            {
                "line": 1,
                "used": True,
                "why": None,
                "held_out": False,
                "cut": 0,
                "examples": [
                    {
                        "sequences": [
                            {
                                "name": "text",
                                "num_tokens": 2,
                                "num_trained": 1,
                                "tokens": [
                                    {"id": 1, "text": "<|user|>", "trained": False},
                                    {"id": 812, "text": "Yes", "trained": True},
                                ],
                            }
                        ],
                        "cut": 0,
                        "step": 1,
                        "packed_row": 1,
                        "packed_at": 0,
                    }
                ],
            }
        ],
        stats={
            "rows": 1,
            "used": 1,
            "held_out": 0,
            "examples": 1,
            "tokens": 2,
            "trained": 1,
            "cut": 0,
            "longest": 2,
        },
    )

    filename: str
    """The dataset."""
    version: int
    """Its version."""
    model_name: str
    """The model whose tokens these are."""
    shape: str
    """Which fields its rows have."""
    max_seq_length: int
    """Tokens of the longest example; what is longer is cut."""
    chat_template: bool
    """Whether the model has a chat template; else rows are written in a plain format."""
    examples_a_step: int
    """Examples of one optimizer step."""
    row_tokens: int | None
    """Tokens that a packed row has at most, where memory is not short; null where nothing is packed."""
    rows: list[PreviewRow]
    """In the order in which they were asked for."""
    stats: PreviewStats
    """Sums over them."""
