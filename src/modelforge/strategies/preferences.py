"""What strategies that learn from pairs of answers share: their rows, and what they refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from modelforge.contracts.training import CHANGES_THE_BASE, TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.tasks.base import Example, Row
from modelforge.tasks.rendering import render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHAPES = ("prompt_chosen_rejected",)


def encode(tokenizer: PreTrainedTokenizerBase, row: Row, max_seq_length: int) -> list[Example]:
    """The prompt and both answers with their end tokens; too long an answer loses its end. None where a prompt leaves
    no room for any of its answers.

    ``chosen_whole`` and ``rejected_whole`` are prompt and answer together, as a reward model reads them.
    """
    prompt, chosen = render(tokenizer, row["prompt"], row["chosen"])
    _, rejected = render(tokenizer, row["prompt"], row["rejected"])
    if len(prompt) >= max_seq_length:
        return []
    kept = [whole[:max_seq_length] for whole in (chosen, rejected)]
    columns: dict[str, list[int] | int | str] = {
        "prompt_ids": prompt,
        "chosen_ids": kept[0][len(prompt) :],
        "rejected_ids": kept[1][len(prompt) :],
        "prompt_text": json.dumps(row["prompt"], ensure_ascii=False),
    }
    return [Example(columns, cut=len(chosen) + len(rejected) - len(kept[0]) - len(kept[1]))]


def check(config: TrainingConfig) -> None:
    """Raises InvalidRequest for a start of the adapter that changes the base, which is to be the reference."""
    if config.use_lora and config.init_lora_weights in CHANGES_THE_BASE:
        raise InvalidRequest(
            f"init_lora_weights: '{config.init_lora_weights}' takes the adapter's start out of the base weights, so "
            f"that the base without its adapter is no longer the model that {config.strategy} holds the answers to; "
            "use default, gaussian or orthogonal"
        )
    if config.packing:
        raise InvalidRequest(f"packing: pairs of answers cannot be packed; leave it out for {config.strategy}")
