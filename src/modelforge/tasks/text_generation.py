"""Answering a text with a text: questions and answers, conversations, or plain text to go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.architectures import require_causal
from modelforge.contracts.training import TrainingConfig
from modelforge.tasks.base import IGNORED, Example, Head, Measured, Row
from modelforge.tasks.rendering import end_id, render, render_chat, text_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class TextGeneration:
    """Causal models, trained on the answers alone; of plain text, on all of it."""

    name: ClassVar[str] = "text-generation"
    about: ClassVar[str] = (
        "Writes the answer to a question or an instruction, holds a conversation, or goes on with a text; use "
        "it for all that is not one of the others."
    )
    shapes: ClassVar[Sequence[str]] = ("input_output", "messages", "text")
    options: ClassVar[frozenset[str]] = frozenset()
    encoded_by: ClassVar[frozenset[str]] = frozenset()

    def head(self, config: Mapping[str, Any], name: str) -> Head:
        """A causal one. Raises InvalidRequest for encoders and encoder-decoder models."""
        require_causal(config, name, self.name)
        return Head.CAUSAL

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        return {}

    def encode(self, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, head: Head) -> list[Example]:
        """The prompt, the answer and the end token; too long a row loses the end of its answer. Plain text that is too
        long becomes several examples."""
        assert config.max_seq_length is not None
        if "text" in row:
            ids = [*text_ids(tokenizer, row["text"]), end_id(tokenizer)]
            # They share a token, which is not learnt twice: the first of each is only gone on from.
            step = config.max_seq_length - 1
            starts = range(0, len(ids) - 1, step) if step else []
            parts = [ids[at : at + config.max_seq_length] for at in starts]
            return [Example({"input_ids": part, "labels": part}) for part in parts]
        if "messages" in row:
            written = render_chat(tokenizer, row["messages"], row.get("tools"))
        else:
            prompt, whole = render(tokenizer, row["input"], row["output"])
            written = [(whole, [IGNORED] * len(prompt) + whole[len(prompt) :])]
        examples = []
        for ids, labels in written:
            kept = labels[: config.max_seq_length]
            if any(label != IGNORED for label in kept):
                columns = {"input_ids": ids[: config.max_seq_length], "labels": kept}
                examples.append(Example(columns, cut=len(ids) - len(kept)))
        return examples

    def by_model(self, config: TrainingConfig, model: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def by_data(
        self, config: TrainingConfig, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]
    ) -> dict[str, Any]:
        return {}

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Any:
        raise NotImplementedError("causal models have TRL's collator")

    def measure(self, measured: Measured, rows: Sequence[Row]) -> dict[str, float]:
        """Nothing beside the loss and what follows from it."""
        return {}
