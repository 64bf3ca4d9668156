"""Uploads in pieces, as clients see them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from modelforge.contracts.base import Contract, UtcTime, example

_HALF: dict[str, Any] = {
    "id": "0c9f2f6a7d3e4b518a6f0d2e1b3c5a79",
    "filename": "faq.jsonl",
    "length": 1_048_576,
    "offset": 524_288,
    "created_at": "2024-01-15T10:30:00Z",
    "expires_at": "2024-01-16T10:31:12Z",
    "metadata": {"filename": "faq.jsonl"},
}


class Upload(Contract):
    """A file that comes in pieces, and how much of it is there."""

    model_config = example(**_HALF)

    id: str
    """The last part of its address, ``/api/uploads/{id}``."""
    filename: str
    """What the client calls the file, made safe: the name of the dataset that it becomes."""
    length: int
    """Bytes of the whole file."""
    offset: int
    """Bytes of it that are on the server's disk: where the next piece begins."""
    created_at: UtcTime
    """When it was begun."""
    expires_at: UtcTime
    """When it is removed, unless another piece comes before."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """What the client said of the file when it began: names and texts of its own choice."""


class UploadList(Contract):
    """Files that come in pieces, oldest first."""

    model_config = example(uploads=[_HALF], total=1)

    uploads: list[Upload]
    """Those that are under way, and those that have come whole and were not made a dataset yet."""
    total: int = 0
    """How many there are."""
