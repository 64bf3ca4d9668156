"""The keys that open this server, known without asking the database at every request."""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
import time
from collections.abc import Sequence

from anyio import CapacityLimiter, to_thread

from modelforge.store.database import Database
from modelforge.store.keys import digest, valid_digests

FRESH_SECONDS = 1.0
"""How long a look at the database counts: a key that a command makes or revokes does so for a running server, too."""


class KeyRing:
    """The API keys of a database, and this process's own. Belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self.token = secrets.token_urlsafe(32)
        """Opens this process to whoever may read its home folder; lives as long as it does."""
        self._database = database
        self._own = digest(self.token)
        self._valid: Sequence[str] = ()
        self._read_at = -math.inf
        self._reading = asyncio.Lock()
        # Not one of the threads that requests work in: those may all be busy.
        self._thread = CapacityLimiter(1)

    def is_own(self, key: str) -> bool:
        """Whether it is this process's own token."""
        return hmac.compare_digest(digest(key), self._own)

    async def opens(self, key: str) -> bool:
        """Whether it is a key that was made and not revoked. Takes as long for one as for the other."""
        given = digest(key)
        # All of them, so that not even the place of a key among them shows in the time.
        return sum([hmac.compare_digest(given, each) for each in await self._current()]) > 0

    async def is_empty(self) -> bool:
        """Whether no key opens, because none was made, or all are revoked."""
        return not await self._current()

    async def look_again(self) -> None:
        """Have the next request see what has just been made or revoked."""
        async with self._reading:  # a look that began before would count as one after
            self._read_at = -math.inf

    async def _current(self) -> Sequence[str]:
        if not self._is_fresh():
            async with self._reading:
                if not self._is_fresh():
                    began = time.monotonic()
                    self._valid = await to_thread.run_sync(self._read, limiter=self._thread)
                    self._read_at = began
        return self._valid

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < FRESH_SECONDS

    def _read(self) -> Sequence[str]:
        with self._database.session() as session:
            return valid_digests(session)
