"""Work on data that a command began: watched to its end, and ended by Ctrl-C."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from modelforge.cli.console import err, note, percent
from modelforge.contracts.operation import Operation
from modelforge.errors import Fault, ModelForgeError

if TYPE_CHECKING:
    from modelforge.cli.client import Client

T = TypeVar("T", bound=BaseModel)

_FIRST, _SLOWEST = 0.05, 0.5
"""Seconds between two looks: what is small is done at once."""


def result_of(client: Client, operation: Operation, kind: type[T]) -> T:
    """What came of it. Raises the error that it failed with; Ctrl-C cancels it."""
    path, pause = f"/api/operations/{operation.id}", _FIRST
    try:
        # Rich says nothing of it where stderr is no terminal.
        with err().status("") as status:
            while operation.status == "running":
                status.update(f"{operation.message or operation.kind}: {percent(100 * operation.progress)}")
                time.sleep(pause)
                pause = min(_SLOWEST, pause * 1.5)
                operation = client.get(path, Operation)
    except KeyboardInterrupt:
        operation = client.post(f"{path}/cancel", Operation)
        if operation.status != "completed":
            note("Cancelled: nothing was changed.")
            raise
    if operation.status != "completed":
        raise _error(operation)
    return kind.model_validate(operation.result)


def _error(operation: Operation) -> ModelForgeError:
    from modelforge.cli.client import kinds_of  # noqa: PLC0415 - what it takes to send is not needed to show help

    title, _, detail = (operation.error or f"Internal error: it was {operation.status}").partition(": ")
    return next((kind(detail) for kind in kinds_of(ModelForgeError) if kind.error == title), Fault(detail))
