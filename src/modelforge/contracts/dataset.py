"""Uploaded datasets as clients see them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from modelforge.contracts.base import Contract, Request, UtcTime, example
from modelforge.contracts.training import Strategy, Task

Severity = Literal["error", "warning", "note"]

_FINDING: dict[str, Any] = {
    "code": "empty_field",
    "severity": "error",
    "message": "field 'output' is empty",
    "count": 3,
    "rows": [7, 12, 40],
    "place": "",
    "excerpt": '{"input": "When do you open?", "output": ""}',
    "advice": "Fill it in, or remove the row.",
    "fix": "drop_bad_rows",
}
_SOURCE: dict[str, Any] = {
    "format": "csv",
    "encoding": "cp1252",
    "delimiter": ";",
    "parts": [{"name": "faq.csv", "unit": "row", "first": 2, "rows": 1000}],
    "notes": ["read as Windows-1252, which its letters look like"],
}


class Finding(Contract):
    """One kind of problem, and where it is."""

    model_config = example(**_FINDING)

    code: str
    """The same for every problem of this kind: docs/data-problems.md has them all."""
    severity: Severity
    """``error``: the rows are not learnt from. ``warning``: they are, and hardly as it was meant. ``note``: worth
    knowing."""
    message: str
    """What is wrong, in words."""
    count: int
    """Rows that have it."""
    rows: list[int] = Field(default_factory=list)
    """The first of them: lines of the dataset's own file, from 1, as ``/rows`` counts them."""
    place: str = ""
    """Where in the first of them."""
    excerpt: str = ""
    """Of the first of them, shortened."""
    advice: str = ""
    """What to do."""
    fix: str | None = None
    """The fix on offer for it, by its name; None where only a person can tell."""


class ReadOptions(Contract):
    """How files are to be read, where that cannot be seen from them, or is seen wrongly."""

    model_config = ConfigDict(extra="forbid")

    encoding: str | None = None
    """Of text: ``utf-8``, ``cp1252``, ``utf-16``, ``shift_jis`` … By default found out."""
    delimiter: str | None = None
    """Between the cells of CSV: one sign, or ``tab``. By default found out."""
    sheet: str | None = None
    """Of a workbook. By default the first with rows, and those after it that have the same columns."""
    header: bool | None = None
    """Whether the first row of a table names its columns. By default it does, unless it looks like data."""
    name: str | None = None
    """What the dataset is called; by default as the first file."""


class Part(Contract):
    """A file, or a sheet of a workbook, whose rows stand in the dataset."""

    name: str
    """The file's name, with the archive's folders, or ``workbook.xlsx: Sheet1``."""
    unit: Literal["line", "row", "element"]
    """What its rows are counted by: lines of a text file, rows of a table as a spreadsheet numbers them, or elements
    of a list."""
    first: int
    """The number there of its first row here."""
    rows: int
    """How many lines it has in the dataset's file, refused ones included, which are blank there."""


class Source(Contract):
    """What a dataset's file was read from, and how."""

    model_config = example(**_SOURCE)

    format: str
    """``jsonl``, ``json``, ``csv``, ``tsv``, ``parquet``, ``excel``, ``excel97`` or ``text``; of an archive, of the
    files in it."""
    encoding: str | None = None
    """Of text, by Python's name."""
    delimiter: str | None = None
    """Between the fields of a table in text."""
    parts: list[Part] = Field(default_factory=list)
    """In the order in which their rows follow each other."""
    notes: list[str] = Field(default_factory=list)
    """Choices that were made by looking at the file, and what was left out."""


class Change(Contract):
    """How a version of a dataset was made."""

    how: Literal["upload", "import", "sample", "edit", "fix", "map", "mix"]
    """``upload``, ``import`` and ``sample`` came from outside; the others were made from the version before."""
    summary: str
    """In one line: ``12 rows removed, 3 changed``."""
    details: dict[str, Any] = Field(default_factory=dict)
    """All that it takes to do the same again: the mapping of columns, the names of the fixes, the hub's id."""


class Validation(Contract):
    """What was found in a file, line by line."""

    valid: bool
    """Whether every row can be trained on."""
    errors: list[str] = Field(default_factory=list)
    """One entry per kind of problem, with its line numbers; those not listed are counted."""
    shape: str | None = None
    """Which fields the rows have; null when they match no known shape."""
    num_rows: int = 0
    """Rows in the file, blank lines left out."""
    num_bad: int = 0
    """Rows that cannot be trained on."""
    findings: list[Finding] = Field(default_factory=list)
    """The same as ``errors`` and more, in parts."""
    source: Source | None = None
    """What the rows were read from; null for datasets of before this was told."""


class ExaminationRequest(Request):
    """What a closer look at a dataset is to look for, over all of its rows together."""

    model_config = example(near_duplicates="sample", model_name="modelforge-starter", max_seq_length=512)

    version: int | None = Field(None, ge=1)
    """The version that is looked at; the newest if left out."""
    near_duplicates: Literal["sample", "all"] = "sample"
    """``sample`` looks for rows like those of a sample among all rows, ``all`` for rows like any other, which takes
    longer and some 100 bytes of disk a row."""
    sample: int = Field(20_000, ge=100, le=200_000)
    """Rows of the sample. They are drawn by their content and the seed: rows that are added move few others."""
    against: str | None = Field(None, min_length=1)
    """Another dataset, such as one to measure on: rows that stand there too, or nearly so, are told of."""
    against_version: int | None = Field(None, ge=1)
    """Its version; the newest if left out."""
    eval_split: float = Field(0.2, ge=0, lt=1)
    """The share of rows that training will hold out: held-out rows nearly like one that is learnt from are told of."""
    seed: int = Field(42, ge=0, lt=2**32)
    """Of the split, as in the training configuration, and of the sample."""
    model_name: str | None = Field(None, min_length=1)
    """A model as in the training configuration: rows are measured in its tokens."""
    max_seq_length: int | None = Field(None, ge=1, le=10_000_000)
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


class Checkup(Validation):
    """All that is known of a dataset."""

    examination: Examination | None = None
    """What was found over all rows together; null where nobody asked."""


_LISTED: dict[str, Any] = {
    "filename": "dataset.jsonl",
    "num_examples": 1000,
    "size_mb": 5.2,
    "uploaded_at": "2024-01-15T10:00:00Z",
    "id": 1,
    "version": 1,
    "shape": "input_output",
    "valid": True,
}
_CLEAN: dict[str, Any] = {
    "valid": True,
    "errors": [],
    "shape": "input_output",
    "num_rows": 1000,
    "num_bad": 0,
    "findings": [],
    "source": None,
}


class DatasetUploaded(Contract):
    """The reply to an upload."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "uploaded",
                    "filename": "dataset.jsonl",
                    "num_examples": 1000,
                    "validation": _CLEAN,
                    "id": 1,
                    "version": 1,
                }
            ]
        }
    )

    status: Literal["uploaded"] = "uploaded"
    """Always this: a refused upload is answered with an error and leaves nothing."""
    filename: str
    """The name under which a training request finds it."""
    num_examples: int
    """Usable rows."""
    validation: Validation
    """What was found in the file."""
    id: int
    """Rises, and is never used again."""
    version: int
    """1 for a new name; an upload under a name that is taken makes the next one."""


class DatasetSummary(Contract):
    """A dataset in the list, by its newest version."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LISTED]})

    filename: str
    """The name under which a training request finds it."""
    num_examples: int
    """Usable rows."""
    size_mb: float
    """What the file takes, in units of 1 000 000 bytes."""
    uploaded_at: UtcTime
    """When this version came."""
    id: int
    """Rises, and is never used again."""
    version: int
    """1 for a new name; every upload under the name makes the next one."""
    shape: str | None = None
    """Which fields its rows have; null when they match no known shape."""
    valid: bool = True
    """Whether every row can be trained on."""


class DatasetDetail(DatasetSummary):
    """A dataset with its report."""

    model_config = example(
        **_LISTED,
        validation=_CLEAN,
        examination=None,
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        path="/home/ada/.modelforge/datasets/1/dataset.jsonl",
    )

    validation: Validation
    """What was found in the file."""
    examination: Examination | None = None
    """What was found over all rows together, when that was last asked for."""
    sha256: str
    """Of the file's bytes, in hexadecimal."""
    path: str
    """Where the file lies."""


class DatasetList(Contract):
    """Datasets, oldest first."""

    model_config = example(datasets=[_LISTED], total=1)

    datasets: list[DatasetSummary]
    """Each by its newest version."""
    total: int = Field(0)
    """How many there are in all."""


class DatasetDeleted(Contract):
    """The reply to deleting a dataset."""

    model_config = example(status="deleted", message="Dataset deleted successfully")

    status: Literal["deleted"] = "deleted"
    """Always this."""
    message: str = "Dataset deleted successfully"
    """What happened, in words."""


_VERSION: dict[str, Any] = {
    **_LISTED,
    "id": 2,
    "version": 2,
    "num_rows": 1000,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "parent": 1,
    "change": {"how": "fix", "summary": "12 rows removed", "details": {"fixes": ["drop_bad_rows"]}},
}


class DatasetVersion(DatasetSummary):
    """One version of a dataset."""

    model_config = example(**_VERSION)

    num_rows: int
    """Rows in the file, blank lines left out."""
    sha256: str
    """Of the file's bytes, in hexadecimal: the same for versions with the same rows."""
    parent: int | None = None
    """The version that it was made from; null for one that came from outside, or whose parent is not known."""
    change: Change | None = None
    """How it was made; null for one of before this was told."""


class DatasetVersions(Contract):
    """All versions of a dataset, oldest first."""

    model_config = example(versions=[_VERSION], total=1)

    versions: list[DatasetVersion]
    """None of them ever changes."""
    total: int
    """How many there are."""


_RECORD: dict[str, Any] = {
    "row": 7,
    "value": {"input": "When do you open?", "output": ""},
    "problems": ["field 'output' is empty"],
    "text": "",
}


class DatasetRecord(Contract):
    """One row."""

    model_config = example(**_RECORD)

    row: int
    """Its number: a line of the dataset's own file, from 1. It stays the same in every version that is made of this
    one."""
    value: dict[str, Any] | None = None
    """What stands in it; null for a line that cannot be read."""
    problems: list[str] = Field(default_factory=list)
    """Everything that keeps it from being trained on."""
    text: str = ""
    """The beginning of a line that cannot be read."""


class DatasetRows(Contract):
    """Some of a dataset's rows."""

    model_config = example(version=1, num_rows=1000, last_row=1000, rows=[_RECORD], next_offset=7, searched_to=7)

    version: int
    """Whose rows these are."""
    num_rows: int
    """How many there are in all, whatever was searched for."""
    last_row: int
    """The highest number that a row can have."""
    rows: list[DatasetRecord]
    """By their numbers; numbers that are missing belong to rows that were refused or removed."""
    next_offset: int | None = None
    """The ``offset`` with which it goes on; null at the end."""
    searched_to: int
    """The row up to which was looked. A search in a large dataset ends after some seconds, with what it found, and goes
    on at ``next_offset``."""


RowNumber = Annotated[int, Field(ge=1, le=2**53)]


class RowEdit(Request):
    """A row that is to be another."""

    row: RowNumber
    """Its number. One that was refused or removed can be filled in again."""
    value: dict[str, Any]
    """What it is to be, whole."""


class EditRequest(Request):
    """Rows that are changed, removed and added, all in one new version."""

    model_config = example(
        version=1,
        edits=[{"row": 7, "value": {"input": "When do you open?", "output": "At nine."}}],
        deletes=[12],
        appends=[{"input": "When do you close?", "output": "At six."}],
    )

    version: int = Field(ge=1, le=2**31 - 1)
    """The version that they were made against: where there is a newer one, nothing is done, so that nobody's edits are
    lost."""
    edits: list[RowEdit] = Field([], max_length=100_000)
    """Rows that change."""
    deletes: list[RowNumber] = Field([], max_length=1_000_000)
    """Rows that go. Their numbers stay free; no other row's changes."""
    appends: list[dict[str, Any]] = Field([], max_length=100_000)
    """Rows that come after the last."""

    @model_validator(mode="after")
    def _each_row_once(self) -> Self:
        named = [edit.row for edit in self.edits] + self.deletes
        if not named and not self.appends:
            raise ValueError("there is nothing to do: name rows in 'edits', 'deletes' or 'appends'")
        if len(set(named)) < len(named):
            twice = next(row for row in named if named.count(row) > 1)
            raise ValueError(f"row {twice} is named twice in 'edits' and 'deletes'")
        return self


FixName = Literal[
    "repair_mojibake",
    "remove_control_characters",
    "trim_whitespace",
    "redact_personal_data",
    "drop_bad_rows",
    "drop_exact_duplicates",
    "drop_near_duplicates",
]
"""In the order in which they are applied: texts are mended before it is seen which rows are of no use."""


class FixOffer(Contract):
    """A fix, and what is known of how much there is for it to do."""

    name: FixName
    """By which it is asked for."""
    title: str
    """What it does."""
    rows: int | None
    """Rows that have a problem that it takes away, those with two of them twice; null where nobody has looked yet. A
    fix that is tried with ``dry_run`` says exactly what it would change."""
    codes: list[str]
    """The problems that it was offered for."""


class FixOffers(Contract):
    """Fixes for a dataset."""

    model_config = example(
        version=1,
        fixes=[
            {
                "name": "drop_bad_rows",
                "title": "Remove rows that cannot be trained on",
                "rows": 12,
                "codes": ["empty_field"],
            }
        ],
    )

    version: int
    """The version that was looked at."""
    fixes: list[FixOffer]
    """All there are, in the order in which they are applied."""


class FixRequest(Request):
    """Fixes to apply."""

    model_config = example(version=1, fixes=["trim_whitespace", "drop_bad_rows"], dry_run=False)

    version: int | None = Field(None, ge=1, le=2**31 - 1)
    """The version to apply them to; the newest when not given."""
    fixes: list[FixName] = Field(min_length=1, max_length=20)
    """In any order."""
    dry_run: bool = False
    """Only tell what would change."""


class RowChange(Contract):
    """A row before and after."""

    row: int
    """Its number."""
    before: Any
    """What stood in it; the text of a line that could not be read, or a shortened one of a large row."""
    after: Any
    """What stands in it."""


class StepDone(Contract):
    """What one fix, the edits or the mapping did."""

    name: str
    """The fix, ``edit`` or ``map``."""
    changed: int = 0
    """Rows that are different from before."""
    removed: int = 0
    """Rows that are gone."""
    added: int = 0
    """Rows that were not there."""
    spared: int = 0
    """Rows left as they were, because they could not have been trained on afterwards."""
    rows: list[int] = Field(default_factory=list)
    """The numbers of the first of those that changed, went or came."""


_DONE: dict[str, Any] = {"name": "drop_bad_rows", "changed": 0, "removed": 12, "added": 0, "spared": 0, "rows": [7, 12]}


class DatasetRevised(Contract):
    """What became of a dataset: the result of edits, fixes and mappings."""

    model_config = example(
        filename="dataset.jsonl",
        made=True,
        version=2,
        id=2,
        parent=1,
        summary="12 rows removed",
        num_examples=988,
        steps=[_DONE],
        examples=[],
        validation={**_CLEAN, "num_rows": 988},
    )

    filename: str
    """The dataset's name."""
    made: bool
    """Whether there is a new version. What changes nothing makes none, and a dry run neither."""
    version: int
    """The new version, or the one that stayed."""
    id: int
    """The same, by its id."""
    parent: int
    """The version that it was made from."""
    summary: str
    """What happened, or would have, in one line."""
    num_examples: int
    """Usable rows that there are then."""
    steps: list[StepDone]
    """One by one, in the order in which they were done."""
    examples: list[RowChange]
    """A few of the rows that changed. ``/comparison`` has all."""
    validation: Validation
    """What was found in the rows as they are then."""


class Column(Contract):
    """A column of a table: what the rows have under one name."""

    name: str
    """As it stands there."""
    kind: str
    """What most of its values are: ``text``, ``number``, ``true or false``, ``list``, ``object``, ``conversation``."""
    filled: float
    """The share of the rows in which there is something, from 0 to 1."""
    length: float
    """Characters of its texts, on average."""
    example: str
    """One of its values, shortened."""


class ColumnMapping(Request):
    """How rows of a known shape are made of a table's columns."""

    shape: str
    """What the rows are to be."""
    fields: dict[str, Annotated[str, Field(max_length=10_000)]] = Field(min_length=1, max_length=20)
    """For each field of the shape, what stands in it: a column's name in braces, ``{question}``, or a text with several
    of them, ``{title}: {body}``; braces of the text itself are doubled. For ``messages``, the fields ``system``,
    ``user`` and ``assistant`` make one turn each."""


class SuggestedMapping(Contract):
    """A mapping, and what speaks for it."""

    mapping: ColumnMapping
    """What to send, as it is or changed."""
    reason: str
    """Why these columns."""
    usable: int
    """Rows that could be trained on then, of those that were looked at."""
    looked_at: int
    """So many rows were."""
    examples: list[dict[str, Any]]
    """The first of them as they would be."""


_MAPPING: dict[str, Any] = {"shape": "input_output", "fields": {"input": "{frage}", "output": "{antwort}"}}


class SuggestedMappings(Contract):
    """Mappings of a dataset's columns, the best first."""

    model_config = example(
        version=1,
        columns=[{"name": "frage", "kind": "text", "filled": 1.0, "length": 21.5, "example": "Wann öffnet ihr?"}],
        suggestions=[
            {
                "mapping": _MAPPING,
                "reason": "'frage' is called like a question, 'antwort' like an answer",
                "usable": 200,
                "looked_at": 200,
                "examples": [{"input": "Wann öffnet ihr?", "output": "Um neun."}],
            }
        ],
    )

    version: int
    """Whose columns these are."""
    columns: list[Column]
    """As far as the first rows have them."""
    suggestions: list[SuggestedMapping]
    """Empty where nothing looks like anything: then a person must say."""


class MappingRequest(ColumnMapping):
    """A mapping to apply to all rows."""

    model_config = example(version=1, **_MAPPING)

    version: int | None = Field(None, ge=1, le=2**31 - 1)
    """The version whose columns these are; the newest when not given."""


class RowDifference(Contract):
    """A row that is not the same in two versions."""

    kind: Literal["added", "removed", "changed"]
    """Seen from the first version."""
    from_row: int | None
    """Its number there."""
    to_row: int | None
    """Its number in the second."""
    fields: list[str]
    """The names of the fields that differ, of a row that changed."""
    before: dict[str, Any] | str | None
    """What stands in it in the first; of a line that cannot be read, and of rows too large for a page, the beginning of
    its text."""
    after: dict[str, Any] | str | None
    """And in the second."""


class DatasetComparison(Contract):
    """What is different between two versions of a dataset."""

    model_config = example(
        from_version=1,
        to_version=2,
        by="row",
        same=999,
        added=0,
        removed=0,
        changed=1,
        differences=[
            {
                "kind": "changed",
                "from_row": 7,
                "to_row": 7,
                "fields": ["output"],
                "before": {"input": "When do you open?", "output": ""},
                "after": {"input": "When do you open?", "output": "At nine."},
            }
        ],
        total=1,
    )

    from_version: int
    """The first."""
    to_version: int
    """The second."""
    by: Literal["row", "content"]
    """How rows were matched: by their numbers, which versions made of one another share, or by what stands in them, in
    whichever order. Then a row counts as changed where one went and one came after the same neighbour."""
    same: int
    """Rows that are in both."""
    added: int
    """Rows that the second has more."""
    removed: int
    """Rows that the first has more."""
    changed: int
    """Rows that say something else."""
    differences: list[RowDifference]
    """One by one, in the order of the rows, from ``offset`` on."""
    total: int
    """How many there are."""
