"""API keys in the database: their hashes, never themselves."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from modelforge.contracts.base import now
from modelforge.contracts.key import ApiKey, ApiKeyCreated, ApiKeyRevoked
from modelforge.errors import NotFound
from modelforge.store.tables import KeyRow

MARK = "mf_"
"""What every key begins with, so that people, and scanners for secrets, know one where they see it."""
SHOWN = len(MARK) + 6
"""Letters of a key that are kept to tell it by; what is left to guess has 220 bits."""

LAST = "It was the last one: a server on a loopback address asks for no key now, and any other answers nobody."
MORE = "The other keys go on opening."


def digest(key: str) -> str:
    """What is kept of a key.

    A slow hash is for passwords, of which there are lists to try. Nobody can try 256 random bits: one SHA-256 is as
    safe, and costs every request a microsecond instead of a tenth of a second.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def create_key(session: Session, name: str | None) -> ApiKeyCreated:
    """A new key, with the key itself, which nobody can tell again."""
    key = MARK + secrets.token_urlsafe(32)
    row = KeyRow(name=name, prefix=key[:SHOWN], sha256=digest(key), created_at=now())
    session.add(row)
    session.flush()
    return ApiKeyCreated(**shown(row).model_dump(), key=key)


def list_keys(session: Session) -> Sequence[KeyRow]:
    """Every key that was ever made, oldest first."""
    return session.scalars(select(KeyRow).order_by(KeyRow.id)).all()


def valid_digests(session: Session) -> list[str]:
    """The hashes of the keys that open."""
    return list(session.scalars(select(KeyRow.sha256).where(KeyRow.revoked_at.is_(None)).order_by(KeyRow.id)))


def revoke_key(session: Session, wanted: str) -> ApiKeyRevoked:
    """Make the key of that id, or that begins so, open nothing any more; raises NotFound."""
    valid = [row for row in list_keys(session) if row.revoked_at is None]
    row = next((row for row in valid if wanted in (str(row.id), row.prefix)), None)
    if row is None:
        raise NotFound(f"there is no valid key '{wanted[:SHOWN]}'; see 'modelforge keys list'")
    row.revoked_at = now()
    return ApiKeyRevoked(**shown(row).model_dump(), message=LAST if len(valid) == 1 else MORE)


def shown(row: KeyRow) -> ApiKey:
    return ApiKey(**{name: getattr(row, name) for name in ApiKey.model_fields})
