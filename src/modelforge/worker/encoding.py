"""A block of a dataset's lines becomes columns of numbers: what a process that encodes does, and all that it needs.

Imports neither torch nor pyarrow: each encoding process would pay seconds for them.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from modelforge.contracts.training import TrainingConfig
from modelforge.datasets.formats import SHAPES, usable_rows
from modelforge.datasets.rows import rows_of
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS
from modelforge.tasks.base import Example, Head, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROWS_BETWEEN_LOOKS = 256

READ_BY_ALL = frozenset({"task", "strategy", "max_seq_length", "eval_split", "seed", "max_eval_samples"})
"""Fields of the configuration that decide over every prepared dataset."""


class Lists(NamedTuple):
    """A column of lists of 32-bit numbers."""

    values: array[int]
    """Of all rows, end to end."""
    ends: array[int]
    """0, and where each row's values end."""


Column: TypeAlias = "Lists | array[int] | list[str]"


class Bounds(NamedTuple):
    """Which rows are of no use as they stand in the file: those that are beyond what was found so far."""

    held_out: float = float("inf")
    """The place below which a held-out row is wanted as a sample."""
    train: float = float("inf")
    """The same of the other side."""
    distance: float = float("inf")
    """From the border between the sides, for the row that is held back."""


NO_BOUNDS = Bounds()


@dataclass
class Encoded:
    """What became of a block of lines. Rows are counted from 0, without those that were dropped."""

    places: array[float] = field(default_factory=lambda: array("d"))
    """Each row's ``share``."""
    counts: array[int] = field(default_factory=lambda: array("q"))
    """Each row's examples."""
    columns: dict[str, Column] = field(default_factory=dict)
    """Of all examples; empty where there is none."""
    rows: dict[int, Row] = field(default_factory=dict)
    """Those within the bounds, as they stand in the file."""
    cuts: array[int] = field(default_factory=lambda: array("q"))
    """Tokens that each example lost to the length."""
    unanswerable: bool = False
    """Whether some question has no answer."""
    dropped: array[int] = field(default_factory=lambda: array("q"))
    """Line numbers of rows that have no room for any of their answer."""


def share(row: Row, seed: int) -> float:
    """A number in [0, 1) that depends on the row and the seed alone: adding rows moves none to the other side, and
    equal rows are always on the same."""
    digest = hashlib.blake2b(f"{seed}\0{json.dumps(row, sort_keys=True)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@dataclass(frozen=True)
class Encoding:
    """All that decides what rows become."""

    shape: str
    tokenizer: PreTrainedTokenizerBase
    head: Head
    config: TrainingConfig
    """With defaults for every field that is not in ``read``, so that nothing depends on those."""

    @classmethod
    def of(cls, config: TrainingConfig, shape: str, tokenizer: PreTrainedTokenizerBase, head: Head) -> Self:
        """That of a run; its ``max_seq_length`` is chosen."""
        assert config.max_seq_length is not None
        told = config.model_dump(include=set(_read(config)))
        return cls(shape, tokenizer, head, TrainingConfig(**told, model_name="-", dataset="-"))

    @property
    def read(self) -> frozenset[str]:
        """The fields of the configuration that encoding depends on."""
        return _read(self.config)

    def block(
        self, line: int, text: bytes, bounds: Bounds = NO_BOUNDS, check_stop: Callable[[], None] = lambda: None
    ) -> Encoded:
        """Encode whole lines, the first of which has the number ``line``."""
        task, strategy = TASKS.get(self.config.task), STRATEGIES.get(self.config.strategy)
        encoded, examples, rows = Encoded(), list[Example](), list[Row]()
        for number, (at, row) in enumerate(usable_rows(rows_of(line, text), SHAPES.get(self.shape))):
            if number % ROWS_BETWEEN_LOOKS == 0:
                check_stop()
            made = strategy.encode(task, self.tokenizer, row, self.config, self.head)
            encoded.unanswerable = encoded.unanswerable or row.get("answers") == []
            if not made:
                encoded.dropped.append(at)
                continue
            encoded.cuts.extend(example.cut for example in made)
            encoded.places.append(share(row, self.config.seed))
            encoded.counts.append(len(made))
            examples += made
            rows.append(row)
        if examples:
            encoded.columns = {name: _column(name, examples) for name in examples[0].columns}
        encoded.rows = {place: rows[place] for place in self._wanted(encoded.places, bounds)}
        return encoded

    def _wanted(self, places: array[float], bounds: Bounds) -> set[int]:
        """The rows that may be samples of their side, or that are nearer to the border than all before them."""
        wanted = set()
        split = self.config.eval_split
        nearest = bounds.distance if split > 0 else 0.0
        sides: Mapping[bool, list[tuple[float, int]]] = {True: [], False: []}
        for at, place in enumerate(places):
            held_out = place < split
            if place < (bounds.held_out if held_out else bounds.train):
                sides[held_out].append((place, at))
            if abs(place - split) < nearest:
                nearest = abs(place - split)
                wanted.add(at)
        for side in sides.values():
            # One more, in place of the row that is held back.
            wanted.update(at for _, at in heapq.nsmallest(self.config.max_eval_samples + 1, side))
        return wanted


def _read(config: TrainingConfig) -> frozenset[str]:
    return READ_BY_ALL | TASKS.get(config.task).encoded_by


def _column(name: str, examples: Iterable[Example]) -> Column:
    values = [example.columns[name] for example in examples]
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        flat = array("i")
        for each in lists:
            flat.extend(each)
        return Lists(flat, array("i", [0, *accumulate(map(len, lists))]))
    texts = [value for value in values if isinstance(value, str)]
    return texts or array("i", [value for value in values if isinstance(value, int)])
