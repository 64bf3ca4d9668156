"""Uploaded datasets as clients see them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from modelforge.contracts.base import Contract, UtcTime


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
                    "validation": {"valid": True, "errors": []},
                }
            ]
        }
    )

    status: Literal["uploaded"] = "uploaded"
    filename: str
    """The name under which a training request finds it."""
    num_examples: int
    """Usable rows."""
    validation: Validation
    id: int
    version: int
    """1 for a new name; an upload under a name that is taken makes the next one."""


class DatasetSummary(Contract):
    """A dataset in the list, by its newest version."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LISTED]})

    filename: str
    num_examples: int
    """Usable rows."""
    size_mb: float
    """What the file takes, in units of 1 000 000 bytes."""
    uploaded_at: UtcTime
    id: int
    """Rises, and is never used again."""
    version: int
    shape: str | None = None
    """Which fields its rows have; null when they match no known shape."""
    valid: bool = True
    """Whether every row can be trained on."""


class DatasetDetail(DatasetSummary):
    """A dataset with its report."""

    validation: Validation
    sha256: str
    path: str
    """Where the file lies."""


class DatasetList(Contract):
    """Datasets, oldest first."""

    datasets: list[DatasetSummary]
    total: int = Field(0)
    """How many there are in all."""


class DatasetDeleted(Contract):
    status: Literal["deleted"] = "deleted"
    message: str = "Dataset deleted successfully"
