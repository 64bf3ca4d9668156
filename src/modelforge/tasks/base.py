"""What a task is: which rows it learns from, how a row becomes numbers, what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from modelforge.contracts.training import TrainingConfig

IGNORED = -100
"""The label of a token that is not learnt (PyTorch's ``ignore_index``)."""

Row = dict[str, Any]
"""A usable row of a dataset, with the fields that its shape promises (``datasets.formats``)."""


class Head(StrEnum):
    """What a model's last layer does, and so how it is loaded, trained and asked."""

    CAUSAL = "causal"
    """Goes on with a text."""
    SEQ2SEQ = "seq2seq"
    """Reads a text with an encoder, and writes another one with a decoder."""
    SPAN = "span"
    """Points at the first and the last token of an answer."""


@dataclass(frozen=True)
class Example:
    """A row as the model sees it: lists of token ids or labels, single numbers, or text, by their columns."""

    columns: Mapping[str, list[int] | int | str]
    """For causal models ``input_ids`` and ``labels`` of equal length, prompt tokens labelled IGNORED."""
    cut: int = 0
    """Tokens that did not fit and were left out."""

    @property
    def input_ids(self) -> list[int]:
        ids = self.columns["input_ids"]
        assert isinstance(ids, list)
        return ids

    @property
    def labels(self) -> list[int]:
        labels = self.columns["labels"]
        assert isinstance(labels, list)
        return labels


@dataclass(frozen=True)
class Measured:
    """What a task needs to measure a model on rows that were held out."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    head: Head
    config: TrainingConfig
    check_stop: Callable[[], None]
    """Called between two batches; raises when the run is to end."""


class Task(Protocol):
    """The seam of a task."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str:
        """What it is and when to use it, in a sentence, for people who choose."""

    @property
    def shapes(self) -> Sequence[str]:
        """The shapes of dataset that it learns from, by their names in ``datasets.formats``; the contract's first."""

    @property
    def options(self) -> frozenset[str]:
        """Fields of the training configuration that this task alone takes."""

    @property
    def encoded_by(self) -> frozenset[str]:
        """Those of its options that ``encode`` reads, beside ``max_seq_length``; it is given defaults for all others.
        Encoded rows are kept and used again by runs that agree in these."""

    def head(self, config: Mapping[str, Any], name: str) -> Head:
        """The head that a model needs for this task, by its ``config.json``. Raises InvalidRequest, which names the
        model by ``name``, where its architecture cannot do the task."""

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        """Values for its options that the request left at None."""

    def encode(self, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, head: Head) -> list[Example]:
        """One row in numbers, at most ``config.max_seq_length`` tokens in each example; none where nothing of its
        answer would be left."""

    def by_model(self, config: TrainingConfig, model: Mapping[str, Any]) -> dict[str, Any]:
        """Values for its options by the model's ``config.json``, chosen before rows are encoded."""

    def by_data(
        self, config: TrainingConfig, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]
    ) -> dict[str, Any]:
        """Values for its options by some of the rows, chosen after."""

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """Makes a batch of examples, where the head has no collator of its own."""

    def measure(self, measured: Measured, rows: Sequence[Row]) -> dict[str, float]:
        """The task's own metrics on held-out rows, beside the loss. Takes no part in the training: the model is in
        evaluation mode and gradients are off when it is called."""
