"""What is said of an answer while it is written: pieces of text that join to the whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tokenizers import decoders
from transformers import PreTrainedTokenizerBase

from modelforge.errors import InferenceFault

UNFINISHED = "\ufffd"
"""What a tokenizer writes for a character whose bytes are not all there."""
_BYTE = re.compile("<0x[0-9A-F]{2}>")


def words(tokenizer: PreTrainedTokenizerBase, context: Sequence[int], new: Sequence[int]) -> str:
    """The ``new`` tokens in words, without special tokens, as they stand behind those of ``context``: SentencePiece
    tokenizers drop the space before the first token of a text."""
    return _decoded(tokenizer, [*context, *new])[len(_decoded(tokenizer, context)) :]


class Speech:
    """One answer. Each piece is decoded behind the one before it, so that a long answer takes no longer per token."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, context: Sequence[int], say: Callable[[str], None] | None
    ) -> None:
        """``context`` are the tokens that ``words`` is given; ``say`` takes a piece, None where nobody listens."""
        self._tokenizer = tokenizer
        self._context = list(context)
        self._say = say
        self._waits = not _lengthens(tokenizer)
        self._said = ""
        # Places among context and answer: the piece before begins at the one, what was not said yet at the other.
        self._before, self._next = 0, len(self._context)

    def hear(self, new: Sequence[int]) -> None:
        """The answer as far as it is written: say what it has more, but for a character that is not whole yet."""
        if self._say is None or self._waits:
            return
        ids = [*self._context, *new]
        known = _decoded(self._tokenizer, ids[self._before : self._next])
        text = _decoded(self._tokenizer, ids[self._before :])
        if text.endswith(UNFINISHED) or (new and self._is_byte(new[-1])):
            return
        piece = text[len(known) :]
        if piece:
            self._said += piece
            self._say(piece)
            self._before = self._next
        self._next = len(ids)

    def _is_byte(self, token: int) -> bool:
        """Whether the token is one of SentencePiece's for single bytes: one that makes no character with those before
        it keeps them from being any, too."""
        return _BYTE.fullmatch(str(self._tokenizer.convert_ids_to_tokens(token))) is not None

    def end(self, whole: str) -> None:
        """Say what is left of the whole answer."""
        if self._say is None:
            return
        if not whole.startswith(self._said):
            raise InferenceFault(
                "the model's tokenizer writes the whole answer otherwise than its pieces; ask without streaming"
            )
        if len(whole) > len(self._said):
            self._say(whole[len(self._said) :])


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _lengthens(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether more tokens only make a text longer: WordPiece's decoder takes spaces back."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return not isinstance(getattr(backend, "decoder", None), decoders.WordPiece)
