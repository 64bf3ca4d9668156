"""A closer look at a file or a dataset: over all rows together, and in a model's tokens."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from modelforge.cli.console import err, percent, print_fields, print_table
from modelforge.cli.findings import print_findings
from modelforge.contracts.examination import Estimate, Examination, ExaminationRequest
from modelforge.datasets.child import ask
from modelforge.datasets.inquiry import Inquiry, written_out

if TYPE_CHECKING:
    from modelforge.datasets.ingest import Report

FOR_DATASETS = ("version", "against", "against_version")
"""What can be asked of a dataset alone."""


def examine_file(path: Path, name: str, report: Report, request: ExaminationRequest) -> Examination | None:
    """Look closer at a file of JSON Lines that was checked; None where it has no known shape or no usable row."""
    from modelforge.jobs.origin import find_base, within  # noqa: PLC0415 - not needed to show help

    if report.shape is None or not report.num_examples:
        return None
    config, model = written_out(request, name, report.shape), None
    if config is not None:
        model = find_base(config, [Path(os.sep)])
        config = within(config, model)
    with tempfile.TemporaryDirectory() as scratch, err().status("") as status:
        inquiry = Inquiry(
            path=str(path.absolute()),
            shape=report.shape,
            scratch=scratch,
            near_duplicates=request.near_duplicates,
            sample=request.sample,
            eval_split=request.eval_split,
            seed=request.seed,
            model=model,
            config=config,
        )
        work = ask(
            "datasets.examine",
            [inquiry.model_dump_json()],
            lambda share, message: status.update(f"{message}: {percent(100 * share)}"),
        )
        return Examination(**asyncio.run(work))


def print_examination(found: Examination) -> None:
    """What was found, the numbers first."""
    near, lengths = found.near_duplicates, found.token_lengths
    print_fields(
        {
            "Usable rows": found.rows,
            "Exact duplicates": found.exact_duplicates,
            "Conflicting answers": found.conflicting_answers,
            "Near duplicates": in_words(near.near),
            "Leaked from training": None if near.leaked is None else in_words(near.leaked),
            "In the other dataset": None if near.shared is None else in_words(near.shared),
        }
    )
    if lengths is not None:
        print_fields(
            {
                "Tokens of a row": f"{lengths.shortest} to {lengths.longest}, half at most {lengths.median}, "
                f"99 % at most {lengths.p99}",
                "Longest allowed": lengths.max_seq_length,
                "Cut": None if lengths.cut is None else in_words(lengths.cut),
                "Cut away": None if lengths.cut_away is None else in_words(lengths.cut_away),
            }
        )
        print_table(
            ["Tokens up to", "Rows"],
            [(each.up_to, each.rows) for each in lengths.histogram],
            numbers=["Tokens up to", "Rows"],
        )
    print_findings(found.findings)


def in_words(share: Estimate) -> str:
    """``12 of 4000``, or of a sample with how sure that is."""
    if share.rows >= share.of:
        return f"{share.found} of {share.of}"
    return f"{share.low:.1%} to {share.high:.1%} of {share.of} ({share.found} in a sample of {share.rows})"
