"""A closer look at a dataset, over all of its rows together."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from modelforge.contracts.base import Contract, Request, example
from modelforge.contracts.finding import Finding
from modelforge.contracts.training import Dataset, ModelReference, Strategy, Task, VersionNumber


class ExaminationRequest(Request):
    """What a closer look at a dataset is to look for, over all of its rows together."""

    model_config = example(near_duplicates="sample", model_name="modelforge-starter", max_seq_length=512)

    version: VersionNumber | None = None
    """The version that is looked at; the newest if left out."""
    near_duplicates: Literal["sample", "all"] = "sample"
    """``sample`` looks for rows like those of a sample among all rows, ``all`` for rows like any other, which takes
    longer and some 100 bytes of disk a row."""
    sample: int = Field(20_000, ge=100, le=200_000)
    """Rows of the sample. They are drawn by their content and the seed: rows that are added move few others."""
    against: Dataset | None = None
    """Another dataset, such as one to measure on: rows that stand there too, or nearly so, are told of."""
    against_version: VersionNumber | None = None
    """Its version; the newest if left out."""
    eval_split: float = Field(0.2, ge=0, lt=1)
    """The share of rows that training will hold out: held-out rows nearly like one that is learnt from are told of."""
    seed: int = Field(42, ge=0, lt=2**32)
    """Of the split, as in the training configuration, and of the sample."""
    model_name: ModelReference | None = None
    """A model as in the training configuration: rows are measured in its tokens."""
    max_seq_length: int | None = Field(None, ge=1, le=1_048_576)
    """Rows that are longer are told of; if left out, the tokens that the model has positions for."""
    task: Task | None = None
    """The task that rows are written out for; by their fields if left out."""
    strategy: Strategy | None = None
    """The strategy; by their fields if left out."""


_FEW: dict[str, Any] = {"rows": 20000, "of": 250000, "found": 260, "share": 0.013, "low": 0.0115, "high": 0.0147}
_LEAKED: dict[str, Any] = {"rows": 3990, "of": 49875, "found": 41, "share": 0.0103, "low": 0.0076, "high": 0.0139}
_CUT: dict[str, Any] = {"rows": 5000, "of": 250000, "found": 100, "share": 0.02, "low": 0.0165, "high": 0.0242}
_NONE: dict[str, Any] = {"rows": 5000, "of": 250000, "found": 0, "share": 0.0, "low": 0.0, "high": 0.0008}
_NEAR: dict[str, Any] = {
    "scope": "sample",
    "threshold": 0.8,
    "near": _FEW,
    "leaked": _LEAKED,
    "shared": None,
    "unsure": 0,
}
_LENGTHS: dict[str, Any] = {
    "model_name": "modelforge-starter",
    "task": "text-generation",
    "strategy": "sft",
    "max_seq_length": 512,
    "rows": 5000,
    "of": 250000,
    "shortest": 9,
    "median": 61,
    "p90": 190,
    "p99": 540,
    "longest": 812,
    "histogram": [{"up_to": 64, "rows": 2600}, {"up_to": 1024, "rows": 2400}],
    "cut": _CUT,
    "cut_away": _NONE,
}


class Estimate(Contract):
    """How many rows something is true of."""

    model_config = example(**_FEW)

    rows: int
    """Rows that were looked at."""
    of: int
    """How many such rows there are: where it is the same, nothing is estimated."""
    found: int
    """Rows among those looked at of which it is true."""
    share: float
    """Of those looked at."""
    low: float
    """The share of all rows lies above this, and …"""
    high: float
    """… below this, at 95 % (Wilson's interval)."""


class NearDuplicates(Contract):
    """Rows that are nearly the same as another: at least 80 % of their runs of five characters are the same (Jaccard
    similarity); case, punctuation and white space don't count, and rows that are wholly the same count as one."""

    model_config = example(**_NEAR)

    scope: Literal["sample", "all"]
    """Which rows were looked at."""
    threshold: float
    """The similarity from which on two rows are nearly the same."""
    near: Estimate
    """Rows like any other row of the dataset."""
    leaked: Estimate | None = None
    """Held-out rows like one that is learnt from; null where none are held out."""
    shared: Estimate | None = None
    """Rows of the dataset named by ``against`` that stand in this one, too, or nearly so."""
    unsure: int = 0
    """Rows of the sample with so many that looked like them in vain that the search was given up; with ``all``, pairs
    of rows that for the same reason were not compared."""


class Bin(Contract):
    """A bar of a histogram."""

    up_to: int
    """Tokens at most; more than those of the bar before."""
    rows: int
    """Rows of the sample."""


class TokenLengths(Contract):
    """How long rows are in a model's tokens, written out as training does it."""

    model_config = example(**_LENGTHS)

    model_name: str
    """Whose tokens."""
    task: str
    """As which they were written out."""
    strategy: str
    """As which they were written out."""
    max_seq_length: int | None
    """Where rows are cut; null where neither the request nor the model says so."""
    rows: int
    """Rows of the sample."""
    of: int
    """Rows in all."""
    shortest: int
    """Tokens."""
    median: int
    """Tokens."""
    p90: int
    """Nine of ten rows have at most so many."""
    p99: int
    """99 of 100 rows have at most so many."""
    longest: int
    """Of the sample."""
    histogram: list[Bin]
    """By powers of two."""
    cut: Estimate | None = None
    """Rows that lose something to ``max_seq_length``."""
    cut_away: Estimate | None = None
    """Rows of whose answer nothing is left: training leaves them out."""


class Examination(Contract):
    """What was found over all rows of a dataset together."""

    model_config = example(
        version=1,
        rows=250130,
        exact_duplicates=130,
        conflicting_answers=0,
        near_duplicates=_NEAR,
        token_lengths=_LENGTHS,
        findings=[],
        seconds=21.4,
    )

    version: int = 0
    """Of the dataset; 0 for a file that is none."""
    rows: int
    """Usable rows."""
    exact_duplicates: int
    """Rows that are the same as an earlier one, over all rows."""
    conflicting_answers: int
    """Rows that ask the same as an earlier one and answer otherwise, over all rows."""
    near_duplicates: NearDuplicates
    """Rows that are nearly the same."""
    token_lengths: TokenLengths | None = None
    """Null where no model was named."""
    findings: list[Finding] = Field(default_factory=list)
    """The same in the form of all problems."""
    seconds: float
    """How long it took."""
