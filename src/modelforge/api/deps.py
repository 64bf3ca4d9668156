"""What routes are given: the things that live as long as the app."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Header, Query, Request, WebSocket

from modelforge.api.caller import Caller
from modelforge.api.keys import KeyRing
from modelforge.api.operations import Operations
from modelforge.api.resumable import Uploads
from modelforge.api.storage import Storage
from modelforge.api.trash import Trash
from modelforge.catalogue import ASSETS
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict
from modelforge.hardware import Hardware
from modelforge.inference.client import InferenceClient
from modelforge.jobs.idempotency import Ticket
from modelforge.jobs.probing import Probe
from modelforge.jobs.supervisor import Supervisor
from modelforge.settings import Settings
from modelforge.store.database import Database

LOOKS = 4
"""Processes that search or compare rows at once: other requests wait, and the machine has memory left to train."""


@dataclass
class State:
    """Made when the app starts, closed when it ends."""

    settings: Settings
    database: Database
    hardware: Hardware
    supervisor: Supervisor
    inference: InferenceClient
    probe: Probe
    keys: KeyRing
    operations: Operations
    uploads: Uploads
    trash: Trash
    storage: Storage
    supervises: bool
    """Whether this is the home folder's one server."""
    listeners: set[WebSocket] = field(default_factory=set)
    """Clients on the WebSocket."""
    looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKS))
    """Held by a request while a process searches or compares rows for it."""

    @property
    def training(self) -> Supervisor:
        """The supervisor, to start, resume and stop with; raises Conflict where that is another server's business."""
        if not self.supervises:
            raise Conflict(
                "this application reads and edits beside the home folder's server, and starts and stops no training: "
                "ask that server, or start one with `modelforge serve`"
            )
        return self.supervisor


# What waits for nothing is a coroutine: FastAPI sends a function to a thread and back.
async def _state(request: Request) -> State:
    state: State = request.app.state.modelforge
    return state


def roots_of(caller: Caller, settings: Settings) -> list[Path]:
    """The folders that paths in this caller's requests may lead into. The owner reads by the server what he may read
    without it."""
    own = {Caller.OWNER: [Path(os.sep)], Caller.LOCAL: [Path.home()], Caller.OTHER: []}
    return [*(settings.data_roots or own[caller]), settings.home, ASSETS]


async def _roots(request: Request) -> list[Path]:
    return roots_of(request.state.caller, request.app.state.modelforge.settings)


Here = Annotated[State, Depends(_state)]
Roots = Annotated[list[Path], Depends(_roots)]
Limit = Annotated[int | None, Query(ge=1, le=1_000_000, description="At most so many; all when not given.")]
Offset = Annotated[int, Query(ge=0, le=2**53, description="Leave out so many of the oldest.")]
Force = Annotated[bool, Query(description="End the worker at once, without a checkpoint.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Makes it safe to send the request again: the same key with the same body gets the first reply, "
        "and no second job. Any text of your own making, such as a UUID.",
        examples=["4f0c6a5e-8f0e-4c5b-9f5a-2d7e6b1c9a10"],
    ),
]


def ticket_of(http: Request, key: str | None, config: TrainingConfig) -> Ticket | None:
    """What makes the request repeatable, where it has a key."""
    return Ticket.of(key, http.scope["route"].path, config) if key is not None else None
