"""Uploaded datasets as clients see them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from modelforge.contracts.base import Contract, UtcTime, example
from modelforge.contracts.examination import Examination
from modelforge.contracts.finding import Finding

_SOURCE: dict[str, Any] = {
    "format": "csv",
    "encoding": "cp1252",
    "delimiter": ";",
    "parts": [{"name": "faq.csv", "unit": "row", "first": 2, "rows": 1000}],
    "notes": ["read as Windows-1252, which its letters look like"],
}


class ReadOptions(Contract):
    """How files are to be read, where that cannot be seen from them, or is seen wrongly."""

    model_config = ConfigDict(extra="forbid")

    encoding: str | None = Field(None, max_length=100)
    """Of text: ``utf-8``, ``cp1252``, ``utf-16``, ``shift_jis`` … By default found out."""
    delimiter: str | None = Field(None, max_length=10)
    """Between the cells of CSV: one sign, or ``tab``. By default found out."""
    sheet: str | None = Field(None, max_length=1000)
    """Of a workbook. By default the first with rows, and those after it that have the same columns."""
    header: bool | None = None
    """Whether the first row of a table names its columns. By default it does, unless it looks like data."""
    field: str | None = Field(None, min_length=1, max_length=200)
    """Of a JSON document that is one object: the field that holds the rows. By default the first that does, of the
    usual names."""
    name: str | None = Field(None, max_length=1000)
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
    """``jsonl``, ``json``, ``csv``, ``tsv``, ``parquet``, ``excel``, ``excel97``, ``opendocument`` or ``text``; of an
    archive, of the files in it."""
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

    how: Literal["upload", "import", "sample", "edit", "fix", "map"]
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


class Checkup(Validation):
    """All that is known of a dataset."""

    examination: Examination | None = None
    """What was found over all rows together; null where nobody asked."""


LISTED: dict[str, Any] = {
    "filename": "dataset.jsonl",
    "num_examples": 1000,
    "size_mb": 5.2,
    "uploaded_at": "2024-01-15T10:00:00Z",
    "id": 1,
    "version": 1,
    "shape": "input_output",
    "valid": True,
}
CLEAN: dict[str, Any] = {
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
                    "validation": CLEAN,
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

    model_config = ConfigDict(json_schema_extra={"examples": [LISTED]})

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
        **LISTED,
        validation=CLEAN,
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

    model_config = example(datasets=[LISTED], total=1)

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
