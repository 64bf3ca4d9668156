"""Shares of a dataset's rows, and how they are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelforge.contracts.examination import Estimate
from modelforge.datasets.codes import Code
from modelforge.datasets.sample import interval
from modelforge.datasets.tally import LISTED, finding


def estimate(found: int, rows: int, of: int) -> Estimate:
    """The share of all ``of`` rows, by what was found among so many of them."""
    low, high = interval(found, rows, of)
    share = found / rows if rows else 0.0
    return Estimate(rows=rows, of=of, found=found, share=share, low=low, high=high)


def told(code: Code, share: Estimate, lines: Sequence[int], excerpt: str, place: str = "") -> dict[str, Any]:
    """A ``contracts.finding.Finding``; ``lines`` begin with the first, of which the excerpt is."""
    return finding(code, _said(code, share), share.found, list(lines[:LISTED]), place, excerpt)


def _said(code: Code, share: Estimate) -> str:
    """What a code says, and where only a sample was looked at, how sure that is."""
    if share.rows >= share.of:
        return code.says
    return (
        f"{code.says}: {share.share:.1%} of a sample of {share.rows} rows, so {share.low:.1%} to {share.high:.1%} of "
        f"all {share.of} (at 95 %)"
    )
