"""From the logits of a model that points at answers to the answer: its text, its place and how sure the model is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from modelforge.tasks.windows import Reading, Window, passage, read

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CHUNK = 256
"""Questions whose logits are held at once; within them windows of like length share a batch."""


@dataclass(frozen=True)
class Answer:
    """A part of the context, or that there is none."""

    text: str
    """Word for word as in the context; empty for no answer."""
    answer_start: int | None
    """The place of its first character in the context; None for no answer."""
    score: float
    """Its probability among all that could be answered, no answer included: 0 to 1."""


@dataclass(frozen=True)
class Found:
    """The best span of tokens, and what it stands against; natural logarithms of probabilities."""

    first: int
    last: int
    """Tokens of the context, the last one included."""
    best: float
    null: float
    """That there is no answer: the least sure of the windows decides, as an answer in one of them is enough."""
    total: float
    """All spans that were allowed, and no answer."""


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    question: str,
    context: str,
    *,
    max_seq_length: int,
    doc_stride: int | None,
    max_answer_length: int,
    allow_no_answer: bool,
) -> Answer:
    """Answer one question from its context; as ``answers``."""
    return answers(
        model,
        tokenizer,
        [(question, context)],
        max_seq_length=max_seq_length,
        doc_stride=doc_stride,
        max_answer_length=max_answer_length,
        allow_no_answer=allow_no_answer,
    )[0]


def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[tuple[str, str]],
    *,
    max_seq_length: int,
    doc_stride: int | None,
    max_answer_length: int,
    allow_no_answer: bool,
    batch_size: int = 8,
    check_stop: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """Answer pairs of a question and a context, in windows of ``max_seq_length`` tokens; ``batch_size`` counts windows.

    The model is in evaluation mode. Where ``allow_no_answer`` is false the best span is given, however unlikely it is.
    ``check_stop`` is called between two batches and raises when it is to end. Raises InvalidRequest for a tokenizer
    without offsets.
    """
    given: list[Answer] = []
    for at in range(0, len(questions), CHUNK):
        part = questions[at : at + CHUNK]
        readings = [
            read(tokenizer, question, context, max_seq_length=max_seq_length, doc_stride=doc_stride)
            for question, context in part
        ]
        logits = iter(_logits(model, tokenizer, [w for r in readings for w in r.windows], batch_size, check_stop))
        for (_, context), reading in zip(part, readings, strict=True):
            mine = [next(logits) for _ in reading.windows]
            given.append(_answer(context, reading, mine, max_answer_length, allow_no_answer))
    return given


def _answer(context: str, reading: Reading, logits: Sequence[Tensor], longest: int, allow_no_answer: bool) -> Answer:
    # White space alone is no answer, and neither is a token without characters.
    usable = torch.tensor([not context[start:end].isspace() and start < end for start, end in reading.offsets])
    if not reading.windows or not usable.any():
        return Answer("", None, 1.0 if allow_no_answer else 0.0)
    found = search(reading.windows, logits, usable, longest)
    if allow_no_answer and found.null > found.best:
        return Answer("", None, min(1.0, float(torch.tensor(found.null - found.total).exp())))
    start, end = passage(context, reading.offsets[found.first][0], reading.offsets[found.last][1])
    return Answer(context[start:end], start, min(1.0, float(torch.tensor(found.best - found.total).exp())))


def search(windows: Sequence[Window], logits: Sequence[Tensor], usable: Tensor, longest: int) -> Found:
    """The best span of at most ``longest`` tokens.

    ``logits`` has for each window its start and end logits, of shape [2, tokens]; ``usable`` says for each token of
    the context whether a span may start or end there. Each window's logits become probabilities over that window, as
    in the loss that they were trained with: unlike logits, these can be compared between windows. A span that stands
    in several windows counts once, by the window that is surest.
    """
    count = len(usable)
    longest = max(1, min(longest, max(window.size for window in windows)))
    least = float("-inf")
    # Row: the first token of a span in the context; column: how many tokens follow it.
    spans = torch.full((count, longest), least)
    null = float("inf")
    for window, pair in zip(windows, logits, strict=True):
        start, end = torch.log_softmax(pair.detach().float().cpu(), dim=-1)
        inside = slice(window.first, window.first + window.size)
        ends = pad(end[inside], (0, longest - 1), value=least).unfold(0, longest, 1)
        rows = spans[window.at : window.at + window.size]
        torch.maximum(rows, start[inside, None] + ends, out=rows)
        null = min(null, float(start[window.null] + end[window.null]))
    ends_here = pad(usable, (0, longest - 1), value=False).unfold(0, longest, 1)
    spans.masked_fill_(~(usable[:, None] & ends_here), least)
    flat = spans.flatten()
    place = int(flat.argmax())
    total = float(torch.logsumexp(torch.cat([flat, torch.tensor([null])]), dim=0))
    first, follow = divmod(place, longest)
    return Found(first, first + follow, float(flat[place]), null, total)


def pad_windows(
    tokenizer: PreTrainedTokenizerBase, columns: Sequence[Mapping[str, list[int] | int | str]]
) -> dict[str, Tensor]:
    """A batch of shape [windows, tokens], filled up on the right, with ``attention_mask`` for models that take one;
    columns of numbers have the shape [windows]."""
    fill = {"input_ids": _pad_id(tokenizer), "token_type_ids": tokenizer.pad_token_type_id}
    longest = max(len(_ids(row)) for row in columns)
    batch: dict[str, Tensor] = {}
    for name in ("input_ids", "token_type_ids"):
        if name in columns[0]:
            lists = [row[name] for row in columns]
            batch[name] = torch.tensor(
                [[*ids, *[fill[name]] * (longest - len(ids))] for ids in lists if isinstance(ids, list)]
            )
    # By the lengths and not by the ids: many tokenizers pad with their end token.
    if "attention_mask" in tokenizer.model_input_names:
        batch["attention_mask"] = torch.tensor(
            [[1] * len(_ids(row)) + [0] * (longest - len(_ids(row))) for row in columns]
        )
    for name in ("start_positions", "end_positions"):
        if name in columns[0]:
            batch[name] = torch.tensor([row[name] for row in columns])
    return batch


def _ids(row: Mapping[str, list[int] | int | str]) -> list[int]:
    ids = row["input_ids"]
    assert isinstance(ids, list)
    return ids


def _pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return pad_id if isinstance(pad_id, int) else 0


def _logits(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    windows: Sequence[Window],
    batch_size: int,
    check_stop: Callable[[], None],
) -> Sequence[Tensor]:
    """The start and end logits of each window, [2, tokens]."""
    found: dict[int, Tensor] = {}
    order = sorted(range(len(windows)), key=lambda place: len(windows[place].input_ids))
    # A PEFT model takes anything and hands it on.
    inner: Any = model
    if hasattr(inner, "get_base_model"):
        inner = inner.get_base_model()
    taken = inspect.signature(inner.forward).parameters
    for places in _batches(order, batch_size):
        check_stop()
        batch = pad_windows(tokenizer, [windows[place].columns for place in places])
        with torch.no_grad():
            output = model(**{name: column.to(model.device) for name, column in batch.items() if name in taken})
        both = torch.stack([output.start_logits, output.end_logits], dim=1).float().cpu()
        for place, pair in zip(places, both, strict=True):
            found[place] = pair[:, : len(windows[place].input_ids)]
    return [found[place] for place in range(len(windows))]


def _batches(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for at in range(0, len(order), size):
        yield order[at : at + size]
