"""Requests that a client may send again without making a second job.

A client that lost the reply to a start cannot tell whether it was heard. With a key of its own making it sends the
same request again, and gets the first reply. Key, reply and job are stored in one transaction, so that this holds
whatever is killed in between; a request that was refused stores nothing. A key is known for as long as its job is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from sqlalchemy.orm import Session

from modelforge.contracts.base import Contract
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict
from modelforge.store.tables import IdempotencyRow


@dataclass(frozen=True)
class Ticket:
    """A key, and what it was sent with."""

    key: str
    request: str
    """A digest of the path and of the fields that were given, in whatever order and spacing they came."""

    @classmethod
    def of(cls, key: str, path: str, config: TrainingConfig) -> Ticket:
        given = json.dumps([path, config.model_dump(mode="json", exclude_unset=True)], sort_keys=True)
        return cls(key, hashlib.sha256(given.encode()).hexdigest())

    def row(self, job_id: str, reply: Contract) -> IdempotencyRow:
        return IdempotencyRow(key=self.key, request=self.request, job_id=job_id, reply=reply.model_dump(mode="json"))

    def first(self, session: Session) -> IdempotencyRow | None:
        """What was stored when the request came first. Raises Conflict where the key came with another one."""
        row = session.get(IdempotencyRow, self.key)
        if row is not None and row.request != self.request:
            raise Conflict(
                f"Idempotency-Key: '{self.key}' was sent with another request, which made job {row.job_id}; make a new "
                "key for each request"
            )
        return row
