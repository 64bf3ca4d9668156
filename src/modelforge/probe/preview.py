"""Rows as a training would see them: encoded, cut and packed by its own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from modelforge.contracts.preview import (
    MOST_TOKENS,
    PreviewExample,
    PreviewRow,
    PreviewSequence,
    PreviewStats,
    PreviewToken,
)
from modelforge.contracts.training import TrainingConfig
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.rows import TOO_LONG, BadLine, rows_of
from modelforge.engine.families import FAMILIES
from modelforge.engine.packing import rows_of as packed_rows
from modelforge.errors import InvalidRequest, NotFound
from modelforge.probe.lines import lines_at
from modelforge.probe.order import Order
from modelforge.probe.pieces import pieces
from modelforge.providers.huggingface import config_and_tokenizer
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS
from modelforge.tasks.base import IGNORED, Head
from modelforge.worker.encoding import Column, Encoded, Encoding, Lists
from modelforge.worker.lengths import longest_example_of, row_tokens, rows_a_step

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class _Sequence:
    """Tokens, and which of them are trained."""

    name: Any
    ids: list[int]
    trained: list[bool]


@dataclass
class _Seen:
    """An example before it is told."""

    sequences: list[_Sequence]
    cut: int

    @property
    def length(self) -> int:
        return max(len(sequence.ids) for sequence in self.sequences)


class _Place(NamedTuple):
    """Where an example lies among those that are packed."""

    step: int
    packed_row: int
    packed_at: int


@dataclass
class _Row:
    line: int
    examples: list[_Seen]
    held_out: bool = False
    why: str | None = None


def preview(order: Order) -> dict[str, Any]:
    """What ``DatasetPreview`` says of the rows, but for the names of the dataset and the model."""
    described, tokenizer = config_and_tokenizer(order.model, trust_remote_code=order.config.trust_remote_code)
    task, model = TASKS.get(order.config.task), described.to_dict()
    head = task.head(model, order.model.name)
    length = longest_example_of(order.config, described.get_text_config(), tokenizer)
    chosen = {"max_seq_length": length} | task.by_model(order.config, model)
    config = TrainingConfig.model_validate({**order.config.model_dump(), **chosen})
    encoding = Encoding.of(config, order.shape, tokenizer, head)

    found = {line: _row(encoding, line, text) for line, text in lines_at(Path(order.path), order.rows)}
    rows = [found[line] for line in dict.fromkeys(order.rows) if line in found]
    if not rows:
        raise NotFound(f"the dataset has no line {order.rows[0]}; it ends before that")
    limit = None
    if _is_packed(config, model, head):
        best = row_tokens(model, long=order.long_rows)
        limit = max([best, *(seen.length for row in rows for seen in row.examples)])
    places = _places(rows, rows_a_step(config), limit) if limit is not None else {}
    return {
        "max_seq_length": length,
        "chat_template": tokenizer.chat_template is not None,
        "examples_a_step": rows_a_step(config),
        "row_tokens": limit,
        "rows": [row.model_dump() for row in _told(tokenizer, rows, places)],
        "stats": _stats(rows).model_dump(),
    }


def _row(encoding: Encoding, line: int, text: bytes | None) -> _Row:
    """What training makes of a line; where that is nothing, why."""
    try:
        encoded = encoding.block(line, text) if text is not None else Encoded()
    except InvalidRequest as refusal:
        return _Row(line, [], why=f"a training would be refused for it: {refusal.detail}")
    if encoded.places:
        held_out = encoded.places[0] < encoding.config.eval_split
        return _Row(line, list(_examples(encoded, encoding.head)), held_out)
    if encoded.dropped:
        return _Row(line, [], why=f"max_seq_length {encoding.config.max_seq_length} has no room for any of its answer")
    row = next((row for _, row in rows_of(line, text)), None) if text is not None else TOO_LONG
    if row is None:
        return _Row(line, [], why="the line is blank")
    if isinstance(row, BadLine):
        return _Row(line, [], why=f"{row.kind} ({row.place})" if row.place else row.kind)
    return _Row(line, [], why="; ".join(SHAPES.get(encoding.shape).problems(row)))


def _examples(encoded: Encoded, head: Head) -> Iterator[_Seen]:
    for at, cut in enumerate(encoded.cuts):
        columns = {name: _at(column, at) for name, column in encoded.columns.items()}
        yield _Seen(list(_sequences(columns, head)), cut)


def _at(column: Column, at: int) -> Any:
    if isinstance(column, Lists):
        return list(column.values[column.ends[at] : column.ends[at + 1]])
    return column[at]


def _sequences(columns: Mapping[str, Any], head: Head) -> Iterator[_Sequence]:
    if "prompt_ids" in columns:
        prompt: list[int] = columns["prompt_ids"]
        for name in ("chosen", "rejected"):
            answer: list[int] = columns[f"{name}_ids"]
            yield _Sequence(name, prompt + answer, [False] * len(prompt) + [True] * len(answer))
        return
    ids: list[int] = columns["input_ids"]
    if head is Head.SPAN:
        answered = range(columns["start_positions"], columns["end_positions"] + 1)
        yield _Sequence("input", ids, [at in answered for at in range(len(ids))])
    elif head is Head.SEQ2SEQ:
        yield _Sequence("input", ids, [False] * len(ids))
        yield _Sequence("output", columns["labels"], [True] * len(columns["labels"]))
    else:
        # Nothing stands before the first token that the model could know it by.
        yield _Sequence("text", ids, [at > 0 and label != IGNORED for at, label in enumerate(columns["labels"])])


def _is_packed(config: TrainingConfig, model: Mapping[str, Any], head: Head) -> bool:
    """Whether our engine lays examples end to end, as far as it can be told before the weights are loaded."""
    strategy = STRATEGIES.get(config.strategy)
    return (
        strategy.packs
        and head is Head.CAUSAL
        and config.use_lora
        and config.packing is not False
        and model.get("model_type") in FAMILIES
    )


def _places(rows: Sequence[_Row], examples_a_step: int, limit: int) -> dict[int, _Place]:
    """Where each example lies, by its identity, if those that are learnt from came in this order."""
    learnt = [seen for row in rows if not row.held_out for seen in row.examples]
    found: dict[int, _Place] = {}
    for start in range(0, len(learnt), examples_a_step):
        step = learnt[start : start + examples_a_step]
        for number, packed in enumerate(packed_rows([seen.length for seen in step], limit), 1):
            at = 0
            for each in packed:
                found[id(step[each])] = _Place(start // examples_a_step + 1, number, at)
                at += step[each].length
    return found


def _told(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[_Row], places: Mapping[int, _Place]
) -> Iterator[PreviewRow]:
    left = MOST_TOKENS

    def told(sequence: _Sequence) -> PreviewSequence:
        nonlocal left
        left -= len(sequence.ids)
        tokens: list[PreviewToken] = []
        if left >= 0:
            texts = pieces(tokenizer, sequence.ids)
            tokens = [
                PreviewToken(id=number, text=text, trained=trained)
                for number, text, trained in zip(sequence.ids, texts, sequence.trained, strict=True)
            ]
        return PreviewSequence(
            name=sequence.name, num_tokens=len(sequence.ids), num_trained=sum(sequence.trained), tokens=tokens
        )

    for row in rows:
        yield PreviewRow(
            line=row.line,
            used=bool(row.examples),
            why=row.why,
            held_out=row.held_out,
            cut=sum(seen.cut for seen in row.examples),
            examples=[
                PreviewExample(
                    sequences=[told(sequence) for sequence in seen.sequences],
                    cut=seen.cut,
                    **places[id(seen)]._asdict() if id(seen) in places else {},
                )
                for seen in row.examples
            ],
        )


def _stats(rows: Sequence[_Row]) -> PreviewStats:
    examples = [seen for row in rows for seen in row.examples]
    sequences = [sequence for seen in examples for sequence in seen.sequences]
    return PreviewStats(
        rows=len(rows),
        used=sum(bool(row.examples) for row in rows),
        held_out=sum(row.held_out for row in rows),
        examples=len(examples),
        tokens=sum(len(sequence.ids) for sequence in sequences),
        trained=sum(sum(sequence.trained) for sequence in sequences),
        cut=sum(seen.cut for seen in examples),
        longest=max((len(sequence.ids) for sequence in sequences), default=0),
    )
