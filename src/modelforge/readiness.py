"""Which providers can train here, and what the others miss."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from modelforge.contracts.base import Contract
from modelforge.environments import find_environment, obstacle_of
from modelforge.hardware import Hardware
from modelforge.providers.base import Provider


class ProviderState(Contract):
    """A provider on this machine."""

    name: str
    """As a request names it."""
    ready: bool
    """Whether a training can name it now."""
    reason: str | None = None
    """Why not, and what to do."""
    own_environment: bool
    """Whether its workers run in an environment of their own."""
    installed: bool
    """Whether that is there and whole; true for one that needs none."""
    interpreter: str | None = None
    """The Python of that environment."""
    versions: dict[str, str] = Field(default_factory=dict)
    """What is installed in it, by package."""
    size_mb: float | None = None
    """What it takes, in units of 1 000 000 bytes."""


def state_of(provider: Provider, home: Path, hardware: Hardware) -> ProviderState:
    """Whether it can be used here, and why not."""
    obstacle = obstacle_of(provider, home, hardware)
    if provider.environment is None:
        return ProviderState(
            name=provider.name, ready=not obstacle, reason=obstacle, own_environment=False, installed=True
        )
    environment = find_environment(home, provider.environment)
    fault, manifest = environment.fault(), environment.manifest
    return ProviderState(
        name=provider.name,
        ready=not obstacle,
        reason=obstacle,
        own_environment=True,
        installed=fault is None,
        interpreter=str(environment.python) if environment.python.exists() else None,
        versions=manifest.get("versions", {}),
        size_mb=manifest.get("size_mb"),
    )
