"""What each token adds to a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNFINISHED = "\ufffd"
"""What a part of a character is decoded to."""
PATIENCE = 8
"""Tokens that may make one character together, and more: after so many without one, it is no character."""


def pieces(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """A text for each token, which make the whole text together.

    A token is decoded behind the ones before it, for what it says depends on them (a space, a letter of several bytes).
    The last token of a character has it, those before it have nothing.
    """
    found: list[str] = []
    start, told = 0, 0
    before = ""
    for at in range(1, len(ids) + 1):
        text = _decoded(tokenizer, ids[start:at])
        if text.endswith(UNFINISHED) and at < len(ids) and at - told < PATIENCE:
            found.append("")
            continue
        found.append(text[len(before) :])
        start, told = told, at
        before = _decoded(tokenizer, ids[start:told])
    return found


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))
