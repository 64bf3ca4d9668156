"""A question and a context as overlapping windows of tokens, with the place of every token in the context's text.

The windows are cut here and not by the tokenizer (``truncation="only_second"`` with a stride): that crashes where a
question fills the window, and knows no format for models that only go on with a text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from modelforge.errors import InvalidRequest

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase

SMALLEST_STEP = 4
"""A window reaches at least a quarter of its room further than the one before it: a long question in a small window
would otherwise give a window for each token."""


@dataclass(frozen=True)
class Window:
    """What the model reads at once: all of the question, and a part of the context."""

    input_ids: list[int]
    token_type_ids: list[int] | None
    """0 for the question and 1 for the context, for tokenizers that tell them apart."""
    null: int
    """The position that both logits point to for: no answer in here."""
    first: int
    """The position of the first token of the context."""
    at: int
    """Tokens of the context that stand before that one."""
    size: int
    """Tokens of the context in here."""

    @property
    def columns(self) -> dict[str, list[int] | int | str]:
        """What the model is given of it."""
        if self.token_type_ids is None:
            return {"input_ids": self.input_ids}
        return {"input_ids": self.input_ids, "token_type_ids": self.token_type_ids}


@dataclass(frozen=True)
class Reading:
    """A question and a context as a model reads them."""

    windows: list[Window]
    """None where the window has no room for any of the context."""
    offsets: list[tuple[int, int]]
    """For each token of the context, the characters that it stands for."""
    cut: int
    """Tokens of the question that were left out."""


class _Parts(NamedTuple):
    """A question and a context, in tokens or in the types of tokens, before they are cut into windows."""

    before: list[int]
    """Up to the question."""
    question: list[int]
    between: list[int]
    context: list[int]
    after: list[int]

    def window(self, asked: int, told: slice) -> list[int]:
        """With the first ``asked`` tokens of the question, and the part ``told`` of the context."""
        return [*self.before, *self.question[:asked], *self.between, *self.context[told], *self.after]


class _Format(NamedTuple):
    """How a tokenizer writes a question and a context."""

    ids: _Parts
    types: _Parts | None
    offsets: list[tuple[int, int]]
    null: int
    """A position from the start, or, below 0, from the end."""


def read(
    tokenizer: PreTrainedTokenizerBase, question: str, context: str, *, max_seq_length: int, doc_stride: int | None
) -> Reading:
    """Windows of at most ``max_seq_length`` tokens, of which two neighbours share ``doc_stride`` tokens of the context
    (a quarter of the window when None). A question that leaves the context less than half of the window is cut there.

    Raises InvalidRequest for a tokenizer that does not say which characters its tokens stand for.
    """
    if not tokenizer.is_fast:
        raise InvalidRequest(
            f"model_name: its tokenizer ({type(tokenizer).__name__}) does not say which characters a token stands for, "
            "and so no answer could be found again in its text; use a model with a fast tokenizer (tokenizer.json)"
        )
    form = (_pair if _marks_pairs(tokenizer) else _joined)(tokenizer, question, context)
    if form is None:
        return Reading([], [], 0)
    ids = form.ids
    fixed = len(ids.before) + len(ids.between)
    room = max_seq_length - fixed - len(ids.after)
    asked = min(len(ids.question), max(room // 2, room - len(ids.context)))
    cut = len(ids.question) - asked
    room -= asked
    if room < 1 or asked < 1:
        return Reading([], form.offsets, cut)
    stride = max_seq_length // 4 if doc_stride is None else doc_stride
    step = max(room - stride, room // SMALLEST_STEP, 1)
    windows = []
    for at in range(0, max(1, len(ids.context) - room + step), step):
        told = slice(at, at + room)
        tokens = ids.window(asked, told)
        types = None if form.types is None else form.types.window(asked, told)
        null = form.null if form.null >= 0 else len(tokens) + form.null
        windows.append(Window(tokens, types, null, fixed + asked, at, len(ids.context[told])))
    return Reading(windows, form.offsets, cut)


def _marks_pairs(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer has a format for pairs: it ends them with a mark, and starts them with CLS or with nothing. A
    start token that is no CLS is a causal model's."""
    encoded = tokenizer("a", "b")
    whose = encoded.sequence_ids(0)
    cls = tokenizer.cls_token_id
    return (
        bool(whose)
        and whose[-1] is None
        and (whose[0] is not None or (cls is not None and cls in encoded["input_ids"]))
    )


def _pair(tokenizer: PreTrainedTokenizerBase, question: str, context: str) -> _Format | None:
    """The tokenizer's own format (BERT, RoBERTa, DeBERTa, XLNet, BART, T5); None where a text has no tokens.

    No answer is the CLS token, as models that were trained on SQuAD 2.0 have it. T5 has none; there it is the first
    position, which is the decoder's start token to the head, and sees all of the text through the encoder.
    """
    encoded = tokenizer(question, context, return_offsets_mapping=True, truncation=False, padding=False, verbose=False)
    ids: list[int] = encoded["input_ids"]
    whose = encoded.sequence_ids(0)
    if 0 not in whose or 1 not in whose:
        return None
    start, told = whose.index(0), whose.index(1)
    asked_end, told_end = _end(whose, 0), _end(whose, 1)
    cls = tokenizer.cls_token_id
    # At the end (XLNet) it moves with the length of the window.
    null = told_end + ids[told_end:].index(cls) - len(ids) if cls in ids[told_end:] else 0
    types: list[int] | None = encoded.get("token_type_ids")

    def cut(tokens: list[int]) -> _Parts:
        return _Parts(
            tokens[:start], tokens[start:asked_end], tokens[asked_end:told], tokens[told:told_end], tokens[told_end:]
        )

    return _Format(cut(ids), None if types is None else cut(types), _offsets(encoded, told, told_end), null)


def _joined(tokenizer: PreTrainedTokenizerBase, question: str, context: str) -> _Format | None:
    """For causal models, whose tokenizers have no format for pairs: the question, a line break, the context, the end
    token. None where a text has no tokens.

    A token there sees only what stands before it: so the question comes first, and no answer is the last token, the
    only one that has seen all of the window when it says so.
    """
    asked = tokenizer(question + "\n", truncation=False, padding=False, verbose=False)
    whose = asked.sequence_ids(0)
    start, end = (whose.index(0), _end(whose, 0)) if 0 in whose else (0, 0)
    # What the question is cut by must not take the line break.
    mark = _plain_ids(tokenizer, "\n")
    ids: list[int] = asked["input_ids"]
    last = end - len(mark) if mark and ids[start:end][-len(mark) :] == mark else end
    told = tokenizer(
        context, add_special_tokens=False, return_offsets_mapping=True, truncation=False, padding=False, verbose=False
    )
    if last == start or not told["input_ids"]:
        return None
    after = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else mark[-1:]
    if not after:
        raise InvalidRequest(
            "model_name: its tokenizer has neither an end token nor one for a line break, so that nothing could stand "
            "for a missing answer; use another model"
        )
    context_ids: list[int] = told["input_ids"]
    parts = _Parts(ids[:start], ids[start:last], ids[last:end], context_ids, after)
    return _Format(parts, None, _offsets(told, 0, len(context_ids)), null=-1)


def _plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, padding=False)["input_ids"]
    return ids


def _end(whose: Sequence[int | None], sequence: int) -> int:
    """The position after the last token of a sequence."""
    return max(place for place, owner in enumerate(whose) if owner == sequence) + 1


def _offsets(encoded: BatchEncoding, start: int, end: int) -> list[tuple[int, int]]:
    return [(int(first), int(last)) for first, last in encoded["offset_mapping"][start:end]]


def locate(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """The first and the last token of the context that hold a character of ``[start, end)``; None where none does."""
    held = [place for place, (first, last) in enumerate(offsets) if first < end and last > start and first < last]
    return (held[0], held[-1]) if held else None


def passage(context: str, start: int, end: int) -> tuple[int, int]:
    """The characters of a span as they are shown: without white space around them, which some tokenizers count to a
    word, and with the combining marks of their last letter, which others leave out."""
    while start < end and context[start].isspace():
        start += 1
    while end > start and context[end - 1].isspace():
        end -= 1
    while end < len(context) and end > start and unicodedata.category(context[end]).startswith("M"):
        end += 1
    while start > 0 and unicodedata.category(context[start]).startswith("M"):
        start -= 1
    return start, end
