"""What a runner is: it starts a worker for a run folder, finds it again, tells how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modelforge.computing import computing_environment


@dataclass(frozen=True)
class Exit:
    """How a worker ended. Neither is known of a worker that vanished while no server watched."""

    code: int | None = None
    signal: str | None = None
    out_of_memory: bool = False
    """Whether it was the system that ended it, because memory ran out."""

    def __str__(self) -> str:
        if self.out_of_memory:
            return f"was ended by the system ({self.signal}), because the machine's memory ran out"
        if self.signal:
            return f"was ended by {self.signal}"
        return f"ended with exit code {self.code}" if self.code is not None else "ended without a trace"


class Handle(Protocol):
    """A worker that was started or found."""

    @property
    def pid(self) -> int | None:
        """The worker's process id, once it is known."""

    def poll(self) -> Exit | None:
        """How it ended; None while it runs."""

    def ask_for_stack(self) -> None:
        """Have it write where it is to its log, where it can."""

    def kill(self) -> None:
        """End it and everything that it started, at once."""

    def sweep(self) -> None:
        """It has ended: end what it started and left behind."""


class Runner(Protocol):
    """The seam of a runner."""

    @property
    def name(self) -> str: ...

    def start(self, run_dir: Path, home: Path, token: str, attempt: int) -> Handle:
        """Start the run folder's worker; it outlives this process. Raises OSError, or InvalidRequest where the
        environment of its provider is missing."""

    def find(self, run_dir: Path, token: str, attempt: int) -> Handle:
        """The worker of that attempt, alive or not."""


def worker_environment(base: Mapping[str, str], home: Path, token: str, attempt: int) -> dict[str, str]:
    """The environment of a worker: one GPU at most, for with several transformers would take as many times the
    batch."""
    return {
        **computing_environment(base, home),
        "PYTHONSAFEPATH": "1",  # what lies in the folder that the server was started in is none of ours
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts
        "CUDA_VISIBLE_DEVICES": base.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0],
        "MODELFORGE_HOME": str(home),
        "MODELFORGE_ATTEMPT": str(attempt),
        "MODELFORGE_RUN_TOKEN": token,
    }
