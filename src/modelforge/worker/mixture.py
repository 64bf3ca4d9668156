"""The datasets of a run in numbers: what is learnt from, how much of it in an epoch, and what is measured on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets import Dataset, concatenate_datasets
from modelforge.contracts.job import DatasetRef, RunSpec
from modelforge.errors import InvalidDataset
from modelforge.tasks.base import Head, Row
from modelforge.worker import data
from modelforge.worker.data import Prepared
from modelforge.worker.encoding import Encoding, share
from modelforge.worker.entries import Entries
from modelforge.worker.order import Draw, Part, shuffled

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NAMED = 10
"""Lines of left-out rows that are named; more are counted."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Mixture:
    """All rows of a run."""

    train: Dataset
    """Of all datasets, one after another."""
    draw: Draw | None
    """Which of them an epoch learns from; None for all."""
    held_out: Dataset | None
    held_out_rows: Sequence[Row]
    """Some of the held-out rows as they stand in their files, or of the others where none is held out."""
    unanswerable: bool
    """Whether some question has no answer."""
    said: Sequence[str]
    """What the run's owner should know of them."""

    @property
    def rows_an_epoch(self) -> int:
        """Examples that an epoch learns from."""
        return len(self.train) if self.draw is None else len(self.draw)


def gather(
    spec: RunSpec,
    tokenizer: PreTrainedTokenizerBase,
    head: Head,
    *,
    cache: Path,
    shared: Entries,
    check_stop: Callable[[], None],
) -> Mixture:
    """Encode the datasets of the run, each by itself, so that other runs find it made. What is held out of each is
    measured on in the proportions that are learnt in, or the rows of ``eval_dataset`` alone.

    Raises InvalidDataset where a dataset leaves nothing to learn from.
    """

    def prepared(ref: DatasetRef, name: str) -> Prepared:
        encoding = Encoding.of(spec.config, ref.shape, tokenizer, head)
        try:
            return data.prepare(Path(ref.path), encoding, cache=cache / name, shared=shared, check_stop=check_stop)
        except InvalidDataset as error:
            raise InvalidDataset(f"dataset '{ref.name}': {error.detail}") from error

    refs: list[DatasetRef] = [spec.dataset, *spec.mix]
    parts = [prepared(ref, "rows" if number == 0 else f"mix-{number}") for number, ref in enumerate(refs)]
    weights = [1.0, *(part.weight for part in spec.mix)]
    sizes = [
        Part(len(part.train), max(1, round(weight * len(parts[0].train))) if number else len(part.train))
        for number, (part, weight) in enumerate(zip(parts, weights, strict=True))
    ]
    said = _about(refs, parts, sizes)
    told = [_cut_and_dropped(ref, part, spec) for ref, part in zip(refs, parts, strict=True)]
    if spec.eval_dataset is not None:
        measured = prepared(spec.eval_dataset, "eval")
        held_out: Dataset | None = measured.train
        samples = measured.held_out_rows
        told.append(_cut_and_dropped(spec.eval_dataset, measured, spec))
        told.append(_repeated(spec.eval_dataset, measured, parts))
    else:
        held_out, counts = _held_out(parts, weights, spec.config.seed)
        samples = _samples(parts, counts or [size.an_epoch for size in sizes], spec)
    said.append(f"{len(held_out) if held_out is not None else 0} held out")
    return Mixture(
        train=parts[0].train if len(parts) == 1 else concatenate_datasets([part.train for part in parts]),
        draw=Draw(sizes, spec.config.seed) if len(parts) > 1 else None,
        held_out=held_out,
        held_out_rows=samples,
        unanswerable=any(part.unanswerable for part in parts),
        said=[", ".join(said), *(text for texts in told for text in texts)],
    )


def _held_out(parts: Sequence[Prepared], weights: Sequence[float], seed: int) -> tuple[Dataset | None, list[int]]:
    """What is measured on, and how much of it is of each part. Of a part that much is held out may be more than its
    weight: the rest is neither learnt from nor measured on, so that no row of one dataset is measured by its twin in
    another."""
    first = parts[0].held_out
    if first is None:
        return None, []
    taken, counts = [first], [len(first)]
    for number, (part, weight) in enumerate(zip(parts[1:], weights[1:], strict=True), 1):
        side = part.held_out
        wanted = round(weight * len(first))
        counts.append(min(len(side), wanted) if side is not None else 0)
        if side is not None and wanted:
            some = sorted(shuffled(len(side), f"{seed} {number} held out")[:wanted].tolist())
            taken.append(side if wanted >= len(side) else side.select(some))
    return (first if len(taken) == 1 else concatenate_datasets(taken)), counts


def _samples(parts: Sequence[Prepared], counts: Sequence[int], spec: RunSpec) -> Sequence[Row]:
    """As many rows of each part as its share, in an order in which the first are of all parts."""
    if len(parts) == 1:
        return parts[0].held_out_rows
    limit, total = spec.config.max_eval_samples, sum(counts)
    chosen: list[Row] = []
    for part, count in zip(parts, counts, strict=True):
        chosen += part.held_out_rows[: math.ceil(limit * count / total)]
    return sorted(chosen, key=lambda row: share(row, spec.config.seed))[:limit]


def _repeated(ref: DatasetRef, measured: Prepared, parts: Sequence[Prepared]) -> list[str]:
    """Whether rows of the dataset that is measured on are learnt from, too."""
    places = np.fromfile(measured.places)
    wanted = np.unique(places)
    seen = np.zeros(len(wanted), dtype=bool)
    for part in parts:
        learnt: Any = np.memmap(part.places, dtype=np.float64, mode="r")
        for start in range(0, len(learnt), _CHUNK):
            some = learnt[start : start + _CHUNK]
            at = np.minimum(np.searchsorted(wanted, some), len(wanted) - 1)
            seen[at[wanted[at] == some]] = True
    count = int(np.isin(places, wanted[seen]).sum())
    if not count:
        return []
    stand = "row stands" if count == 1 else "rows stand"
    return [
        f"{count} of {len(places)} {stand} word for word in '{ref.name}' and in what is learnt from: they measure "
        "how well they are remembered"
    ]


def _about(refs: Sequence[DatasetRef], parts: Sequence[Prepared], sizes: Sequence[Part]) -> list[str]:
    if len(refs) == 1:
        return [f"{len(parts[0].train)} rows to learn from"]
    each = (
        f"{size.an_epoch} of '{ref.name}'" + (f" (it has {size.rows})" if size.rows != size.an_epoch else "")
        for ref, size in zip(refs, sizes, strict=True)
    )
    return [f"{sum(size.an_epoch for size in sizes)} rows to learn from in an epoch: {', '.join(each)}"]


def _cut_and_dropped(ref: DatasetRef, part: Prepared, spec: RunSpec) -> list[str]:
    limit = spec.config.max_seq_length
    of = f" of '{ref.name}'" if spec.mix or spec.eval_dataset is not None else ""
    said = []
    if part.cut:
        said.append(f"{part.cut} examples{of} are longer than max_seq_length {limit} and are cut")
    if part.dropped:
        named = ", ".join(str(line) for line in part.dropped[:NAMED])
        more = f" and {len(part.dropped) - NAMED} more" if len(part.dropped) > NAMED else ""
        said.append(
            f"{len(part.dropped)} rows{of} are left out, which have no room for any of their answer within "
            f"max_seq_length {limit}: lines {named}{more}"
        )
    return said
