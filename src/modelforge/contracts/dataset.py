"""Uploaded datasets as clients see them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from modelforge.contracts.base import Contract, UtcTime, example


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
_CLEAN: dict[str, Any] = {"valid": True, "errors": [], "shape": "input_output", "num_rows": 1000, "num_bad": 0}


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
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        path="/home/ada/.modelforge/datasets/1/dataset.jsonl",
    )

    validation: Validation
    """What was found in the file."""
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
