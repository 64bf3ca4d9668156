"""The machine, what is installed, and what the home folder holds, as clients see them."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field

from modelforge.contracts.base import Contract, Request, example
from modelforge.contracts.use import Use
from modelforge.hardware import Hardware
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

    model_config = example(
        version="2.0.0",
        python="3.11.9",
        home="/home/ada/.modelforge",
        hardware={
            "system": "Linux x86_64",
            "cpu_count": 16,
            "threads": 8,
            "memory_gb": 33.6,
            "gpus": [],
            "device": "cpu",
            "fast_bf16": False,
            "compute_specs": "low_end",
        },
        use={
            "cpu_percent": 12.5,
            "memory_used_gb": 9.81,
            "memory_gb": 33.57,
            "disk_free_gb": 212.4,
            "disk_gb": 499.96,
            "gpus": [],
        },
        providers=[
            {
                "name": "huggingface",
                "ready": True,
                "reason": None,
                "own_environment": False,
                "installed": True,
                "interpreter": None,
                "versions": {},
                "size_mb": None,
            }
        ],
        packages=[{"name": "torch", "version": "2.13.0", "needs": "2.9", "optional": False, "advice": None}],
        storage=[_STORED],
    )

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
