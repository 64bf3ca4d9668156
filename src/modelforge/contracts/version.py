"""Versions of a dataset: their rows, what is changed in them, and what is different between two."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from modelforge.contracts.base import Contract, Request, example
from modelforge.contracts.dataset import CLEAN, LISTED, Change, DatasetSummary, Validation
from modelforge.contracts.training import VersionNumber

_VERSION: dict[str, Any] = {
    **LISTED,
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

    version: VersionNumber
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
        seen: set[int] = set()
        for row in named:
            if row in seen:
                raise ValueError(f"row {row} is named twice in 'edits' and 'deletes'")
            seen.add(row)
        return self


FixName = Literal[
    "repair_mojibake",
    "decode_html_entities",
    "remove_control_characters",
    "trim_whitespace",
    "redact_personal_data",
    "drop_bad_rows",
    "drop_spreadsheet_errors",
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
    certain: bool
    """False where it may take away what says something else: look at what it would do before."""


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
                "certain": True,
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

    version: VersionNumber | None = None
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
        validation={**CLEAN, "num_rows": 988},
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

    version: VersionNumber | None = None
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
