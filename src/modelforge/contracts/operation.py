"""Work on data that takes longer than a request, as clients see it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from modelforge.contracts.base import Contract, UtcTime, example

OperationKind = Literal["check", "edit", "fix", "import", "map"]

_RUNNING: dict[str, Any] = {
    "id": "op_5c1d9a7f03b2",
    "kind": "check",
    "dataset": "faq.csv",
    "status": "running",
    "progress": 0.42,
    "message": "looking for near duplicates",
    "started_at": "2024-01-15T10:30:00Z",
    "result": None,
    "error": None,
}


class Operation(Contract):
    """One piece of work: how far it is, and what came of it."""

    model_config = example(**_RUNNING)

    id: str
    """Under which it is asked for, and cancelled. Known until the server ends, and for the newest hundred."""
    kind: OperationKind
    """What is done."""
    dataset: str
    """To which dataset."""
    status: Literal["running", "completed", "failed", "cancelled"]
    """``completed`` has a result, ``failed`` an error; neither of the other two has changed anything."""
    progress: float = Field(0.0, ge=0, le=1)
    """How much is done, from 0 to 1."""
    message: str = ""
    """What is done now, in a few words."""
    started_at: UtcTime
    """When it began."""
    result: dict[str, Any] | None = None
    """The reply, of the type that the route that started it documents."""
    error: str | None = None
    """What is wrong, where, and what to do."""


class OperationList(Contract):
    """Work on data, newest first."""

    model_config = example(operations=[_RUNNING], total=1)

    operations: list[Operation]
    """Those that run, and those that ended not long ago."""
    total: int = 0
    """How many there are."""
