"""``python -m modelforge.datasets.examine INQUIRY``: a closer look at all rows of a file, as ``reply`` says it.

Rows are read two times: first for what is the same and for the sample, then for what is like the sample, or like any
other row. What is noted of each row lies in a scratch folder, so that memory hardly grows with the file.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from modelforge.contracts.examination import Bin, Estimate, Examination, NearDuplicates, TokenLengths
from modelforge.contracts.finding import Finding
from modelforge.datasets import codes, lengths
from modelforge.datasets.codes import Code
from modelforge.datasets.duplicates import Noted, Notes, conflicting, note, repeated
from modelforge.datasets.groups import Groups, line_starts, write_keys
from modelforge.datasets.inquiry import Inquiry
from modelforge.datasets.neighbours import Neighbour, entry_of, find
from modelforge.datasets.parts import Part, divided, in_parts
from modelforge.datasets.reply import answer
from modelforge.datasets.rows import read_line
from modelforge.datasets.sample import Drawn, Sample, interval
from modelforge.datasets.similarity import BANDS, NEAR
from modelforge.datasets.stages import Stages
from modelforge.datasets.tally import LISTED, finding
from modelforge.errors import InvalidDataset
from modelforge.processes import limit_memory
from modelforge.providers.huggingface import config_and_tokenizer
from modelforge.tasks import TASKS
from modelforge.worker import libraries

MEMORY_BYTES = 4_000_000_000
"""Some hundred million, and 40 bytes a row; a hostile row, or a tokenizer, may ask for all there is."""
_READING, _OTHER, _TOKENS = "reading all rows", "reading the other dataset", "measuring rows in tokens"
_NOTING, _COMPARING, _SAMPLE = "noting what rows are like", "comparing rows", "comparing all rows with the sample"


def main(text: str) -> int:
    """Exit status: 0 with an examination, 2 for a file or a model that cannot be read."""
    # Rows hold no cycles: looking for them among millions of short-lived objects costs time and finds nothing.
    gc.disable()
    libraries.without_torch()

    def work() -> Any:
        inquiry = Inquiry.model_validate_json(text)
        # What is noted of each row is looked at through addresses of this process, and takes less than the rows do.
        limit_memory(MEMORY_BYTES + sum(map(_size, (inquiry.path, inquiry.against))))
        with tempfile.TemporaryDirectory(prefix="examination-", dir=inquiry.scratch) as scratch:
            return examine(inquiry, Path(scratch)).model_dump(mode="json")

    return answer(work)


def examine(inquiry: Inquiry, scratch: Path) -> Examination:
    """Raises InvalidDataset for a file without usable rows, and what opening a file or loading a tokenizer raises."""
    started = time.monotonic()
    weights = {_READING: 3.0, _OTHER: 0.5, _NOTING: 6.0, _COMPARING: 6.0, _SAMPLE: 6.0, _TOKENS: 1.0}
    if inquiry.near_duplicates == "all":
        del weights[_SAMPLE]
    else:
        del weights[_NOTING], weights[_COMPARING]
    stages = Stages(weights)
    read = _Read.of(Path(inquiry.path), inquiry.shape, inquiry, scratch, stages, _READING)
    if not read.rows:
        raise InvalidDataset("there is no row that could be learnt from")
    firsts = np.zeros(read.rows, dtype=bool)
    findings = []
    same, another = repeated(read.notes, firsts), conflicting(read.notes)
    for code, each in ((codes.EXACT_DUPLICATES, same), (codes.CONFLICTING_ANSWERS, another)):
        if each.rows:
            place = (
                f"as line {each.earlier}" if code is codes.EXACT_DUPLICATES else f"asked in line {each.earlier}, too"
            )
            findings.append(finding(code, code.says, each.rows, each.lines, place, read_line(read.path, each.lines[0])))
    distinct = read.rows - same.rows
    near, told = (_all if inquiry.near_duplicates == "all" else _sampled)(
        inquiry, read, distinct, firsts, scratch, stages
    )
    findings += told
    measured = None
    if inquiry.model is not None:
        measured, told = _lengths(inquiry, read, distinct, stages)
        findings += told
    return Examination(
        rows=read.rows,
        exact_duplicates=same.rows,
        conflicting_answers=another.rows,
        near_duplicates=near,
        token_lengths=measured,
        findings=[Finding(**each) for each in findings],
        seconds=round(time.monotonic() - started, 2),
    )


def _size(path: str | None) -> int:
    return Path(path).stat().st_size if path is not None and Path(path).is_file() else 0


@dataclass
class _Read:
    """What the first reading of a file came to."""

    path: Path
    parts: Sequence[Part]
    before: list[int]
    """Lines before each part."""
    rows: int
    sample: list[Drawn]
    notes: Notes

    @classmethod
    def of(cls, path: Path, shape: str, inquiry: Inquiry, scratch: Path, stages: Stages, stage: str) -> _Read:
        parts = divided(path)
        tell = stages.begin(stage, path.stat().st_size / len(parts))
        work = partial(note, shape=shape, folder=scratch, seed=inquiry.seed, most=inquiry.sample, tell=tell)
        sample, before, rows, lines = Sample(inquiry.sample), [], 0, 0
        notes = Notes(scratch, str(parts[0].start))
        found: Noted
        for part, found in zip(parts, in_parts(work, path, parts), strict=True):
            sample.merge(found.drawn, lines, found.bound)
            if part.start:
                notes.take(Notes(scratch, str(part.start)), lines)
            before.append(lines)
            rows += found.rows
            lines += found.lines
        return cls(path, parts, before, rows, sample.rows(), notes)


_Likes = list[tuple[Drawn, int]]
"""Rows of a sample, each with the line of a row that it is like."""


def _sampled(
    inquiry: Inquiry, read: _Read, distinct: int, firsts: Any, scratch: Path, stages: Stages
) -> tuple[NearDuplicates, list[dict[str, Any]]]:
    """What is like the rows of the sample, and like those of the other dataset's, among all rows."""
    other, shared, told = _other(inquiry, scratch, stages), None, list[dict[str, Any]]()
    found = _compared(inquiry, read, read.sample, other, stages)
    own = list(zip(read.sample, found, strict=False))
    sides = [_held_out(row, inquiry) for row in read.sample]
    held_out = [pair for pair, side in zip(own, sides, strict=True) if side]
    likes = [(row, each.line) for row, each in own if each.line is not None]
    leaks = [(row, each.across) for row, each in held_out if each.across is not None]
    near, leaked = _estimate(len(likes), len(own), distinct), None
    _tell(told, codes.NEAR_DUPLICATES, near, likes)
    if inquiry.eval_split:
        of = len(held_out) if len(own) == distinct else round(distinct * len(held_out) / len(own))
        leaked = _estimate(len(leaks), len(held_out), of)
        _tell(told, codes.LEAKED_ROWS, leaked, leaks)
    if other is not None:
        shared = _shared(other, found[len(own) :], told)
    unsure = sum(each.line is None and each.given_up for _, each in own)
    return NearDuplicates(scope="sample", threshold=NEAR, near=near, leaked=leaked, shared=shared, unsure=unsure), told


def _all(
    inquiry: Inquiry, read: _Read, distinct: int, firsts: Any, scratch: Path, stages: Stages
) -> tuple[NearDuplicates, list[dict[str, Any]]]:
    """Every row that is like another, and what is like the other dataset's sample."""
    other, shared, told = _other(inquiry, scratch, stages), None, list[dict[str, Any]]()
    if other is not None:
        shared = _shared(other, _compared(inquiry, read, [], other, None), told)
    tell = stages.begin(_NOTING, read.path.stat().st_size / len(read.parts))
    split = (inquiry.seed, inquiry.eval_split)
    work = partial(write_keys, shape=inquiry.shape, folder=scratch, split=split, tell=tell)
    held_out: int = sum(in_parts(work, read.path, read.parts))
    groups = Groups(read.path, inquiry.shape, read.notes, line_starts(read.path, scratch), *split)
    try:
        tell = stages.begin(_COMPARING, BANDS)
        for band in range(BANDS):
            tell(band)
            files = [scratch / f"{part.start}.band{band}" for part in read.parts]
            groups.join(np.concatenate([np.fromfile(file, dtype=np.uint32) for file in files]), firsts)
            for file in files:
                file.unlink()
        found = groups.told()
    finally:
        groups.close()
    near, leaked = _estimate(found.rows, distinct, distinct), None
    _tell_lines(told, codes.NEAR_DUPLICATES, near, found.lines, read.path)
    if inquiry.eval_split:
        leaked = _estimate(found.leaked, held_out, held_out)
        _tell_lines(told, codes.LEAKED_ROWS, leaked, found.leaked_lines, read.path)
    return NearDuplicates(
        scope="all", threshold=NEAR, near=near, leaked=leaked, shared=shared, unsure=groups.skipped
    ), told


def _other(inquiry: Inquiry, scratch: Path, stages: Stages) -> _Read | None:
    if inquiry.against is None:
        return None
    assert inquiry.against_shape is not None
    folder = scratch / "other"
    folder.mkdir()
    return _Read.of(Path(inquiry.against), inquiry.against_shape, inquiry, folder, stages, _OTHER)


def _compared(
    inquiry: Inquiry, read: _Read, own: Sequence[Drawn], other: _Read | None, stages: Stages | None
) -> list[Neighbour]:
    """For each row of the samples what was found among all rows."""
    split = (inquiry.seed, inquiry.eval_split)
    entries = [entry_of(row, inquiry.shape, *split, foreign=False) for row in own]
    if other is not None:
        assert inquiry.against_shape is not None
        entries += [entry_of(row, inquiry.against_shape, *split, foreign=True) for row in other.sample]
    tell = None if stages is None else stages.begin(_SAMPLE, read.path.stat().st_size / len(read.parts))
    work = partial(find, shape=inquiry.shape, entries=entries, split=split, tell=tell)
    found = [Neighbour() for _ in entries]
    more: list[Neighbour]
    for lines, more in zip(read.before, in_parts(work, read.path, read.parts), strict=True):
        for neighbour, later in zip(found, more, strict=True):
            neighbour.take(later, lines)
    return found


def _held_out(row: Drawn, inquiry: Inquiry) -> bool:
    return entry_of(row, inquiry.shape, inquiry.seed, inquiry.eval_split, foreign=False).held_out


def _shared(other: _Read, found: Sequence[Neighbour], told: list[dict[str, Any]]) -> Estimate:
    """Lines are told by their numbers here: the other dataset has an examination of its own."""
    pairs = zip(other.sample, found, strict=True)
    likes = [(row._replace(line=each.line), row.line) for row, each in pairs if each.line is not None]
    shared = _estimate(len(likes), len(other.sample), other.rows - repeated(other.notes).rows)
    _tell(told, codes.SHARED_ROWS, shared, likes)
    return shared


def _lengths(inquiry: Inquiry, read: _Read, of: int, stages: Stages) -> tuple[TokenLengths, list[dict[str, Any]]]:
    assert inquiry.model is not None and inquiry.config is not None
    described, tokenizer = config_and_tokenizer(inquiry.model, trust_remote_code=False)
    facts, name = described.to_dict(), inquiry.model.name
    config = inquiry.config
    # The sample is in the order of its ranks, so its beginning is a sample of it.
    rows = read.sample[: lengths.ROWS]
    head = TASKS.get(config.task).head(facts, name)
    found = lengths.measure(rows, inquiry.shape, tokenizer, head, config, stages.begin(_TOKENS, len(rows)))
    ordered = sorted(found.tokens)
    measured = TokenLengths(
        model_name=name,
        task=config.task,
        strategy=config.strategy,
        max_seq_length=config.max_seq_length,
        rows=len(rows),
        of=of,
        shortest=ordered[0],
        median=_quantile(ordered, 0.5),
        p90=_quantile(ordered, 0.9),
        p99=_quantile(ordered, 0.99),
        longest=ordered[-1],
        histogram=[Bin(up_to=bound, rows=count) for bound, count in lengths.histogram(ordered)],
    )
    told: list[dict[str, Any]] = []
    if config.max_seq_length is not None:
        measured.cut = _estimate(len(found.cut), len(rows), of)
        measured.cut_away = _estimate(len(found.cut_away), len(rows), of)
        for code, share, lines in (
            (codes.CUT_ROWS, measured.cut, found.cut),
            (codes.CUT_AWAY, measured.cut_away, found.cut_away),
        ):
            _tell_lines(told, code, share, sorted(lines)[:LISTED], read.path)
    return measured, told


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _estimate(found: int, rows: int, of: int) -> Estimate:
    low, high = interval(found, rows, of)
    share = found / rows if rows else 0.0
    return Estimate(rows=rows, of=of, found=found, share=share, low=low, high=high)


def _tell(told: list[dict[str, Any]], code: Code, share: Estimate, likes: _Likes) -> None:
    if likes:
        first = sorted(likes, key=lambda each: each[0].line)[:LISTED]
        row, like = first[0]
        where = "of the other dataset" if code is codes.SHARED_ROWS else ""
        place = f"line {like} {where}".strip()
        excerpt = row.text[:_EXCERPT].decode(errors="replace")
        told.append(finding(code, _said(code, share), share.found, [each.line for each, _ in first], place, excerpt))


def _tell_lines(told: list[dict[str, Any]], code: Code, share: Estimate, lines: list[int], path: Path) -> None:
    if lines:
        told.append(finding(code, _said(code, share), share.found, lines, "", read_line(path, lines[0])))


_EXCERPT = 1000


def _said(code: Code, share: Estimate) -> str:
    """What a code says, and where only a sample was looked at, how sure that is."""
    if share.rows >= share.of:
        return code.says
    return (
        f"{code.says}: {share.share:.1%} of a sample of {share.rows} rows, so {share.low:.1%} to {share.high:.1%} of "
        f"all {share.of} (at 95 %)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
