"""The WebSocket: the state on connect, then every change, to any number of listeners."""

from __future__ import annotations

import asyncio
import logging

from anyio import to_thread
from fastapi import APIRouter, Query, WebSocket

from modelforge.api.access import caller_of
from modelforge.api.caller import SUBPROTOCOL
from modelforge.api.deps import State
from modelforge.api.errors import refuse
from modelforge.contracts.job import JobStatus, TrainingStatus
from modelforge.errors import Conflict, StoreFault, Unauthorized
from modelforge.jobs.broadcast import MESSAGE_SECONDS, POINTS_PER_MESSAGE, Broadcast, Changes, messages
from modelforge.store.database import Database
from modelforge.store.jobs import events_after, metrics_after, status_at

log = logging.getLogger(__name__)
router = APIRouter()

KEY_SECONDS = 5.0
"""How long a key that is revoked may go on listening."""


@router.websocket("/ws/training")
async def training(socket: WebSocket, after: int | None = Query(None, ge=0)) -> None:
    """One JSON object per message: the fields of training_status and ``points``, the metrics since the message before.

    ``?after=<seq>`` first replays what came after that message.
    """
    state: State = socket.app.state.modelforge
    most = state.settings.max_listeners
    if len(state.listeners) >= most:
        refusal = Conflict(
            f"{most} clients listen already, as many as MODELFORGE_MAX_LISTENERS allows: try again later"
        )
        await refuse(refusal, socket.scope, socket.receive, socket.send)
        return
    state.listeners.add(socket)
    try:
        await _serve(socket, state, after)
    finally:
        state.listeners.discard(socket)


async def _serve(socket: WebSocket, state: State, after: int | None) -> None:
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
    sender = asyncio.create_task(_send(socket, state.supervisor.broadcast, state.database, after))
    # Listeners have nothing to say; reading notices that they left.
    reader = asyncio.create_task(_read(socket))
    warden = asyncio.create_task(_ask_again(socket))
    tasks = (sender, reader, warden)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if warden.done() and isinstance(warden.exception(), Unauthorized):
            await socket.close(1008, "the key was revoked, or one is asked for now")
        for task in (sender, warden):
            if task.done() and isinstance(error := task.exception(), StoreFault):
                log.error("a listener is let go: %s", error.detail)
                await socket.close(1011, error.error)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask_again(socket: WebSocket) -> None:
    """Raises Unauthorized when who was let in would be no more."""
    while True:
        await asyncio.sleep(KEY_SECONDS)
        await caller_of(socket.scope)


async def _read(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _send(socket: WebSocket, broadcast: Broadcast, database: Database, after: int | None) -> None:
    broadcast.listeners += 1
    try:
        await _tell(socket, broadcast, database, after)
    finally:
        broadcast.listeners -= 1


async def _tell(socket: WebSocket, broadcast: Broadcast, database: Database, after: int | None) -> None:
    seen = broadcast.seq if after is None else min(after, broadcast.seq)
    if seen == broadcast.seq:
        await socket.send_text(messages(Changes([], []), broadcast.status)[0].model_dump_json())
    while True:
        await broadcast.wait_after(seen)
        status, seq = broadcast.status, broadcast.seq
        # By what this listener has seen: a slow one is sent fewer, larger messages.
        texts = broadcast.texts_since(seen)
        if texts is None:
            changes, status, seq = await to_thread.run_sync(_stored, database, seen, seq, status)
            texts = [message.model_dump_json() for message in messages(changes, status)]
        for text in texts[:-1]:
            await socket.send_text(text)
            await asyncio.sleep(MESSAGE_SECONDS)
        await socket.send_text(texts[-1])
        await broadcast.pause()
        seen = seq


def _stored(database: Database, seen: int, seq: int, now: TrainingStatus) -> tuple[Changes, TrainingStatus, int]:
    """Changes out of the database, a bounded number at a time; the status and the number up to which they reach."""
    with database.session() as session:
        points = metrics_after(session, seen, seq, POINTS_PER_MESSAGE)
        if len(points) == POINTS_PER_MESSAGE:
            seq = points[-1].seq
        rows = events_after(session, seen, seq, POINTS_PER_MESSAGE)
        if len(rows) == POINTS_PER_MESSAGE:
            seq = rows[-1].seq
            points = [point for point in points if point.seq <= seq]
        states = [JobStatus.model_validate(row.status) for row in rows]
        before = status_at(session, seq) if seq < now.seq else None
    if before is not None:
        # Not all of it yet: what is told is how it stood then.
        now = TrainingStatus.model_validate({**before, "seq": seq, "queue_seq": now.queue_seq})
    return Changes(points, states), now, seq
