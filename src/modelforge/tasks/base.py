"""What a task is: which rows it learns from, how a row becomes tokens, what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that is not learnt (PyTorch's ``ignore_index``)."""


@dataclass(frozen=True)
class Example:
    """A row as the model sees it: ``input_ids`` and ``labels`` of equal length, prompt tokens labelled IGNORED."""

    input_ids: list[int]
    labels: list[int]
    cut: int = 0
    """Tokens that did not fit and were left out."""


class Task(Protocol):
    """The seam of a task."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> str:
        """The dataset's shape that it learns from, by the name in ``datasets.formats``."""

    def encode(self, tokenizer: PreTrainedTokenizerBase, row: dict[str, str], max_seq_length: int) -> Example | None:
        """One row in tokens, at most ``max_seq_length`` of them; None when nothing of its answer would be left."""

    def prompt(self, tokenizer: PreTrainedTokenizerBase, text: str, *, tuned: bool) -> list[int]:
        """The tokens that stand before the answer to ``text``, as in training."""

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The tokens that end an answer."""

    def metrics(self, eval_loss: float) -> dict[str, float]:
        """What follows from the loss on the held-out rows."""
