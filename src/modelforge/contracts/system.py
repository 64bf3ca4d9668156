"""The machine, what is installed, and what the home folder holds, as clients see them."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field

from modelforge.contracts.base import Contract, Request, example
from modelforge.hardware import Hardware, Use
from modelforge.packages import Package
from modelforge.readiness import ProviderState

StorageKind = Literal[
    "models",
    "trash",
    "checkpoints",
    "resumable_checkpoints",
    "runs",
    "datasets",
    "uploads",
    "caches",
    "logs",
    "environments",
    "database",
]
CleanKind = Literal["trash", "checkpoints", "resumable_checkpoints", "uploads", "caches", "logs"]
CLEANABLE: tuple[CleanKind, ...] = get_args(CleanKind)

_STORED: dict[str, Any] = {
    "kind": "checkpoints",
    "size_mb": 5120.0,
    "freeable_mb": 5120.0,
    "about": "Checkpoints of completed runs: their models are saved; what is lost is to try an earlier step.",
}


class Stored(Contract):
    """What of one kind lies in the home folder."""

    model_config = example(**_STORED)

    kind: StorageKind
    """What it is."""
    size_mb: float
    """What it takes, in units of 1 000 000 bytes."""
    freeable_mb: float
    """What comes free when this kind is cleaned; nothing that a waiting or running job needs."""
    about: str
    """What it is for, and what is lost when it is cleaned."""


class CleanRequest(Request):
    """What is to be removed."""

    model_config = example(kinds=["checkpoints", "caches"])

    kinds: list[CleanKind] = Field(min_length=1, max_length=16)
    """The kinds. ``resumable_checkpoints`` belong to runs that ended before their time: those begin anew then."""


class Freed(Contract):
    """What came free of one kind."""

    kind: CleanKind
    """What was removed."""
    size_mb: float
    """In units of 1 000 000 bytes."""


class Cleaned(Contract):
    """What came free."""

    model_config = example(freed=[{"kind": "checkpoints", "size_mb": 5120.0}], size_mb=5120.0)

    freed: list[Freed]
    """By kind."""
    size_mb: float
    """In all, in units of 1 000 000 bytes."""


class System(Contract):
    """The machine and the installation."""

    version: str
    """Of ModelForge."""
    python: str
    """Of the server."""
    home: str
    """The home folder."""
    hardware: Hardware
    """What the machine has."""
    use: Use
    """How busy it is."""
    providers: list[ProviderState]
    """Which can train here, and what the others miss."""
    packages: list[Package]
    """What training stands on."""
    storage: list[Stored]
    """What the home folder holds."""
