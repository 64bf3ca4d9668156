"""``python -m modelforge.datasets.examine INQUIRY``: a closer look at all rows of a file, as ``reply`` says it.

Rows are read once. What is noted of each lies in a scratch folder, so that memory hardly grows with the file; what is
the same is found by that, and what is like the sample, or like any other row.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from modelforge.contracts.examination import Bin, Examination, TokenLengths
from modelforge.contracts.finding import Finding
from modelforge.datasets import codes, lengths
from modelforge.datasets.duplicates import conflicting, repeated
from modelforge.datasets.estimates import estimate, told
from modelforge.datasets.inquiry import Inquiry
from modelforge.datasets.likeness import Likeness, Other
from modelforge.datasets.lookup import Lookup
from modelforge.datasets.notes import Asked, read
from modelforge.datasets.reply import answer
from modelforge.datasets.rows import read_line
from modelforge.datasets.sample import Drawn
from modelforge.datasets.stages import Stages, Tell
from modelforge.datasets.tally import finding
from modelforge.errors import InvalidDataset
from modelforge.processes import limit_memory
from modelforge.providers.huggingface import config_and_tokenizer
from modelforge.tasks import TASKS
from modelforge.worker import libraries

MEMORY_BYTES = 4_000_000_000
"""Some hundred million, and 40 bytes a row; a hostile row, or a tokenizer, may ask for all there is."""
_READING, _OTHER, _TOKENS = "reading all rows", "reading the other dataset", "measuring rows in tokens"
_COMPARING = "comparing rows"


def main(text: str) -> int:
    """Exit status: 0 with an examination, 2 for a file or a model that cannot be read."""
    # Rows hold no cycles: looking for them among millions of short-lived objects costs time and finds nothing.
    gc.disable()
    libraries.without_torch()

    def work() -> Any:
        inquiry = Inquiry.model_validate_json(text)
        # What is noted of each row is looked at through addresses of this process, some 130 for a row that has 13 bytes
        # or more.
        limit_memory(MEMORY_BYTES + 10 * sum(map(_size, (inquiry.path, inquiry.against))))
        with tempfile.TemporaryDirectory(prefix="examination-", dir=inquiry.scratch) as scratch:
            return examine(inquiry, Path(scratch)).model_dump(mode="json")

    return answer(work)


def examine(inquiry: Inquiry, scratch: Path) -> Examination:
    """Raises InvalidDataset for a file without usable rows, and what opening a file or loading a tokenizer raises."""
    started = time.monotonic()
    stages = Stages({_READING: 8.0, _OTHER: 0.5, _COMPARING: 1.0, _TOKENS: 0.5})
    path, counts_all = Path(inquiry.path), inquiry.near_duplicates == "all"
    # How many rows are held out is counted where all that leak are; the sample's share of them tells it otherwise.
    asked = Asked(inquiry.seed, inquiry.sample, keys=True, eval_split=inquiry.eval_split if counts_all else 0.0)
    found = read(path, inquiry.shape, scratch, asked, partial(stages.begin, _READING))
    if not found.rows:
        raise InvalidDataset("there is no row that could be learnt from")
    firsts = np.zeros(found.rows, dtype=bool)
    findings = []
    same, another = repeated(found.notes, firsts), conflicting(found.notes)
    for code, each in ((codes.EXACT_DUPLICATES, same), (codes.CONFLICTING_ANSWERS, another)):
        if each.rows:
            place = (
                f"as line {each.earlier}" if code is codes.EXACT_DUPLICATES else f"asked in line {each.earlier}, too"
            )
            findings.append(finding(code, code.says, each.rows, each.lines, place, read_line(path, each.lines[0])))
    distinct = found.rows - same.rows
    other = _other(inquiry, scratch, partial(stages.begin, _OTHER))
    with closing(Lookup(path, inquiry.shape, found.notes, scratch)) as lookup:
        likeness = Likeness(inquiry, found, lookup, distinct, other)
        tell = stages.begin(_COMPARING, found.rows)
        near = likeness.of_all(firsts, tell) if counts_all else likeness.of_sample(tell)
    findings += likeness.findings
    measured = None
    if inquiry.model is not None:
        measured, more = _lengths(inquiry, found.sample, distinct, stages)
        findings += more
    return Examination(
        rows=found.rows,
        exact_duplicates=same.rows,
        conflicting_answers=another.rows,
        near_duplicates=near,
        token_lengths=measured,
        findings=[Finding(**each) for each in findings],
        seconds=round(time.monotonic() - started, 2),
    )


def _size(path: str | None) -> int:
    return Path(path).stat().st_size if path is not None and Path(path).is_file() else 0


def _other(inquiry: Inquiry, scratch: Path, begin: Callable[[float], Tell]) -> Other | None:
    if inquiry.against is None:
        return None
    assert inquiry.against_shape is not None
    folder = scratch / "other"
    folder.mkdir()
    asked = Asked(inquiry.seed, inquiry.sample)
    found = read(Path(inquiry.against), inquiry.against_shape, folder, asked, begin)
    return Other(inquiry.against_shape, found.sample, found.rows - repeated(found.notes).rows)


def _lengths(
    inquiry: Inquiry, sample: Sequence[Drawn], of: int, stages: Stages
) -> tuple[TokenLengths, list[dict[str, Any]]]:
    assert inquiry.model is not None and inquiry.config is not None
    described, tokenizer = config_and_tokenizer(inquiry.model, trust_remote_code=False)
    facts, name = described.to_dict(), inquiry.model.name
    config = inquiry.config
    # The sample is in the order of its ranks, so its beginning is a sample of it.
    rows = sample[: lengths.ROWS]
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
    findings: list[dict[str, Any]] = []
    if config.max_seq_length is not None:
        measured.cut = estimate(len(found.cut), len(rows), of)
        measured.cut_away = estimate(len(found.cut_away), len(rows), of)
        for code, share, lines in (
            (codes.CUT_ROWS, measured.cut, found.cut),
            (codes.CUT_AWAY, measured.cut_away, found.cut_away),
        ):
            if lines:
                first = sorted(lines)
                findings.append(told(code, share, first, read_line(Path(inquiry.path), first[0])))
    return measured, findings


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
