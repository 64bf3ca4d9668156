"""API keys as they are told: a key itself once, to who makes it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from modelforge.contracts.base import Contract, Request, UtcTime, example

_SHOWN: dict[str, Any] = {
    "id": 1,
    "name": "laptop",
    "prefix": "mf_3fK9aQ",
    "created_at": "2024-01-15T10:30:00Z",
    "revoked_at": None,
}


class ApiKeyRequest(Request):
    """A key that is wanted."""

    model_config = example(name="laptop")

    name: str | None = Field(None, min_length=1, max_length=128)
    """What it is for, to know it again by."""


class ApiKey(Contract):
    """A key, as it can be told."""

    model_config = example(**_SHOWN)

    id: int
    """Rises, and is never used again."""
    name: str | None
    """What it is for."""
    prefix: str
    """How it begins; all else is known to its holder alone."""
    created_at: UtcTime
    """When it was made."""
    revoked_at: UtcTime | None
    """Since when it opens nothing; null for one that does."""


class ApiKeyCreated(ApiKey):
    """A new key, told once."""

    model_config = example(**_SHOWN, key="mf_3fK9aQ0C2hU8xkz4mFJt1aPq7wVbN5rYdLoS6eGiTnE", message="Keep it now: …")

    key: str
    """The key itself, which nobody can tell again."""
    message: str = (
        "Keep it now: it is shown this once. From now on the server asks every client for a key, as "
        "'Authorization: Bearer <key>'; ModelForge's own commands on this home folder need none."
    )
    """What changes by it."""


class ApiKeyRevoked(ApiKey):
    """A key that opens nothing any more."""

    model_config = example(**{**_SHOWN, "revoked_at": "2024-01-16T08:00:00Z"}, message="Other keys go on opening.")

    message: str
    """What changes by it."""


class ApiKeyList(Contract):
    """Every key that was ever made, oldest first."""

    model_config = example(keys=[_SHOWN], total=1)

    keys: list[ApiKey]
    """By how they begin."""
    total: int = 0
    """How many there are in all."""
