"""Uploads that go on where they stopped: what lies on the disk behind ``routes/uploads.py``.

An upload is a folder: ``about.json``, what was said of it when it began, and ``data``, the bytes that came. How many
those are is its offset; there is no other record of it that a crash could make a lie.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.requests import ClientDisconnect

from modelforge.contracts.base import now
from modelforge.contracts.upload import Upload
from modelforge.errors import ChecksumMismatch, Conflict, DiskFull, InvalidRequest, NotFound, TooLarge
from modelforge.files import is_disk_full, read_json_or_none, read_text_or_none, sync_folder, write_atomic

CHECKSUMS = ("sha1", "sha256")
"""The protocol asks for the first."""
MAX_OPEN = 1000
"""Uploads at once; each is a folder, however little of it came."""
SWEEP_SECONDS = 3600.0

_ABOUT, _DATA, _UNCHECKED = "about.json", "data", "unchecked"
_ID = re.compile(r"[0-9a-f]{32}")
_PIECE = 1 << 20
"""Bytes that are gathered before they are written."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a piece's bytes must come to."""

    algorithm: str
    digest: bytes


@dataclass(slots=True)
class _Turn:
    """Who may touch an upload: one request at a time, and the newest goes before. One whose connection is dead, as only
    its client knows, would else keep the upload for ever."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    users: int = 0


class Uploads:
    """The uploads of a home folder. Belongs to one event loop; what touches the disk runs in threads."""

    def __init__(self, folder: Path, max_bytes: int, expiry: timedelta) -> None:
        self._folder = folder
        self._expiry = expiry
        self.max_bytes = max_bytes
        self._turns: dict[str, _Turn] = {}
        self._read: set[str] = set()
        """Those that are being made a dataset."""

    async def create(self, filename: str, length: int, metadata: dict[str, str]) -> Upload:
        """Begin one. Raises TooLarge, DiskFull where it cannot fit, and Conflict where there are too many."""
        if length > self.max_bytes:
            raise TooLarge(
                f"the file has more than {self.max_bytes / 1e6:g} MB. Raise MODELFORGE_MAX_UPLOAD_MB, or name the "
                "file's path in the training request"
            )
        return await asyncio.to_thread(self._create, filename, length, metadata)

    async def all(self) -> list[Upload]:
        """Oldest first."""
        return await asyncio.to_thread(self._all)

    async def get(self, id: str) -> Upload:
        """One, as far as it is safe on the disk; a request that is still sending to it ends. Raises NotFound."""
        async with self._turn(id):
            return await asyncio.to_thread(self._load, id)

    async def append(
        self, id: str, offset: int, announced: int | None, checksum: Checksum | None, body: AsyncIterator[bytes]
    ) -> Upload:
        """Add a piece that begins at ``offset``. What came of it stays, however it ends, unless it has a checksum: then
        all of it does, or nothing.

        Raises NotFound, Conflict (another offset; another request took over), TooLarge (bytes after the file's end),
        ChecksumMismatch, InvalidRequest (the connection ended) and DiskFull.
        """
        async with self._turn(id) as leave:
            upload = await asyncio.to_thread(self._load, id)
            if id in self._read or offset != upload.offset:
                raise Conflict(
                    f"{upload.offset} of {upload.length} bytes are here, so the next piece begins there, not at "
                    f"{offset}. Ask for the offset (HEAD) and go on from it"
                )
            room = upload.length - offset
            if announced is not None and announced > room:
                raise _beyond(upload)
            piece = await asyncio.to_thread(_Piece, self._folder / id, offset, checksum)
            try:
                await self._receive(piece, body, leave, room, upload)
            finally:
                # In a thread of its own, which goes on where this task is cancelled.
                await asyncio.shield(asyncio.to_thread(piece.close))
            return await asyncio.to_thread(self._load, id)

    async def remove(self, id: str) -> None:
        """Raises NotFound, and Conflict while it is made a dataset."""
        async with self._turn(id):
            await asyncio.to_thread(self._load, id)
            self._refuse_read(id)
            await asyncio.to_thread(self._drop, id)

    async def whole(self, id: str) -> Upload:
        """One whose bytes are all here and that nobody else makes a dataset. Raises NotFound and Conflict."""
        async with self._turn(id):
            return await self._require_whole(id)

    @asynccontextmanager
    async def taken(self, id: str) -> AsyncIterator[Path]:
        """The file of a whole upload, to be made a dataset; the upload goes with a block that ends well, and stays
        after one that doesn't. Raises what ``whole`` raises."""
        async with self._turn(id):
            await self._require_whole(id)
            self._read.add(id)
        try:
            yield self._folder / id / _DATA
            await asyncio.to_thread(self._drop, id)
        finally:
            self._read.discard(id)

    async def sweep_for_ever(self) -> None:
        """Remove what has expired, now and every hour."""
        while True:
            await self.sweep(self._expiry)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self, age: timedelta) -> None:
        """Remove those that nothing came of for so long."""
        for folder in await asyncio.to_thread(self.untouched, age):
            id = folder.name
            if id not in self._read and id not in self._turns:
                async with self._turn(id):
                    with suppress(OSError):  # what cannot be removed now may be in an hour
                        await asyncio.to_thread(self._drop, id)

    @asynccontextmanager
    async def _turn(self, id: str) -> AsyncIterator[asyncio.Event]:
        """The upload for this request alone; the event is set when a newer one wants it."""
        turn = self._turns.setdefault(id, _Turn())
        turn.users += 1
        turn.leave.set()
        try:
            async with turn.lock:
                turn.leave = asyncio.Event()
                if turn.users > 1:
                    turn.leave.set()
                yield turn.leave
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[id]

    async def _receive(
        self, piece: _Piece, body: AsyncIterator[bytes], leave: asyncio.Event, room: int, upload: Upload
    ) -> None:
        waiting: list[bytes] = []
        gathered = 0
        try:
            async for data in _until(body, leave):
                room -= len(data)
                if room < 0:
                    raise _beyond(upload)
                waiting.append(data)
                gathered += len(data)
                if gathered >= _PIECE:
                    await asyncio.to_thread(piece.write, b"".join(waiting))
                    waiting, gathered = [], 0
            await asyncio.to_thread(piece.complete, b"".join(waiting))
        except (ClientDisconnect, Conflict) as end:
            with suppress(OSError):
                await asyncio.to_thread(piece.write, b"".join(waiting))
            if isinstance(end, Conflict):
                raise
            raise InvalidRequest("the connection ended before the whole piece had come") from None
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise DiskFull(
                "the disk that uploads are kept on is full. What came is kept: make room, ask for the offset and go on"
            ) from error

    async def _require_whole(self, id: str) -> Upload:
        upload = await asyncio.to_thread(self._load, id)
        self._refuse_read(id)
        if upload.offset < upload.length:
            raise Conflict(f"{upload.offset} of {upload.length} bytes are here; send the rest first")
        return upload

    def _refuse_read(self, id: str) -> None:
        if id in self._read:
            raise Conflict("this upload is being made a dataset: wait until that operation has ended, or cancel it")

    def _create(self, filename: str, length: int, metadata: dict[str, str]) -> Upload:
        self._folder.mkdir(exist_ok=True, mode=0o700)
        if sum(1 for _ in self._folder.iterdir()) >= MAX_OPEN:
            raise Conflict(f"{MAX_OPEN} uploads are under way: finish some of them, or remove them (DELETE)")
        if shutil.disk_usage(self._folder).free < length:
            raise DiskFull(f"the disk that uploads are kept on has no room for {length / 1e6:g} MB; make room")
        id = secrets.token_hex(16)
        folder = self._folder / id
        folder.mkdir(mode=0o700)
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
            (folder / _DATA).touch(mode=0o600)
            about = {"filename": filename, "length": length, "metadata": metadata, "created_at": now().isoformat()}
            write_atomic(folder / _ABOUT, json.dumps(about))
            undo.pop_all()
        sync_folder(self._folder)
        return self._load(id)

    def _load(self, id: str) -> Upload:
        """The upload, its bytes safe on the disk, and rid of a piece of which nobody knows whether it came right."""
        folder = self._folder / id
        self._look(id)
        _forget_unchecked(folder)
        with (folder / _DATA).open("rb+") as data:
            os.fsync(data.fileno())
        return self._look(id)

    def _look(self, id: str) -> Upload:
        """The same, looked at while a request may be writing."""
        folder = self._folder / id
        about = read_json_or_none(folder / _ABOUT) if _ID.fullmatch(id) else None
        # One without data was made a dataset by a server that was killed before it had said so.
        if not isinstance(about, dict) or not (folder / _DATA).is_file():
            raise NotFound(f"there is no upload '{id[:40]}': it was finished or removed, or it has expired. Begin anew")
        status = (folder / _DATA).stat()
        begun = read_text_or_none(folder / _UNCHECKED)
        return Upload(
            id=id,
            offset=int(begun) if begun else status.st_size,
            expires_at=datetime.fromtimestamp(status.st_mtime, UTC) + self._expiry,
            **about,
        )

    def _all(self) -> list[Upload]:
        found = []
        for folder in self._folder.glob("*"):
            with suppress(OSError, NotFound):  # one that is being made or removed
                found.append(self._look(folder.name))
        return sorted(found, key=lambda upload: (upload.created_at, upload.id))

    def untouched(self, age: timedelta) -> list[Path]:
        """The folders of those that nothing came of for so long. Blocks."""
        last = (now() - age).timestamp()
        found = []
        for folder in self._folder.glob("*"):
            if not _ID.fullmatch(folder.name):  # not ours: a file manager's .DS_Store
                continue
            with suppress(OSError):
                data = folder / _DATA
                if (data if data.exists() else folder).stat().st_mtime < last:
                    found.append(folder)
        return found

    def _drop(self, id: str) -> None:
        # What makes it one goes first, so that half a removal leaves none that looks whole.
        (self._folder / id / _ABOUT).unlink(missing_ok=True)
        shutil.rmtree(self._folder / id, ignore_errors=True)


def _beyond(upload: Upload) -> TooLarge:
    return TooLarge(f"the piece goes beyond the end of the file, which has {upload.length} bytes")


def _forget_unchecked(folder: Path) -> None:
    begun = read_text_or_none(folder / _UNCHECKED)
    if begun is not None:
        os.truncate(folder / _DATA, int(begun))
        (folder / _UNCHECKED).unlink()


async def _until(body: AsyncIterator[bytes], leave: asyncio.Event) -> AsyncIterator[bytes]:
    """The body's chunks; raises Conflict when a newer request wants the upload."""
    leaving = asyncio.ensure_future(leave.wait())
    try:
        while True:
            coming = asyncio.ensure_future(anext(body, None))
            try:
                await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                coming.cancel()  # has no effect on one that has come
            if not coming.done():
                with suppress(asyncio.CancelledError):
                    await coming
            if coming.cancelled():
                raise Conflict("a newer request took this upload over; what came until then is kept")
            data = coming.result()
            if data is None:
                return
            yield data
    finally:
        leaving.cancel()


class _Piece:
    """What one request adds. Its methods run in threads; a cancelled request closes it while one may still write."""

    def __init__(self, folder: Path, offset: int, checksum: Checksum | None) -> None:
        self._folder = folder
        self._offset = offset
        self._checksum = checksum
        self._digest = hashlib.new(checksum.algorithm) if checksum is not None else None
        self._closed = False
        self._lock = threading.Lock()
        if checksum is not None:
            write_atomic(folder / _UNCHECKED, str(offset))
        self._file = (folder / _DATA).open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._closed:
                return
            if self._digest is not None:
                self._digest.update(data)
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]

    def complete(self, data: bytes) -> None:
        """The last of it. Raises ChecksumMismatch."""
        self.write(data)
        with self._lock:
            try:
                os.fsync(self._file.fileno())
            except OSError:
                # Nobody knows which of the bytes are on the disk; those before them are.
                os.truncate(self._file.fileno(), self._offset)
                raise
            if self._digest is not None and self._checksum is not None:
                if self._digest.digest() != self._checksum.digest:
                    raise ChecksumMismatch(
                        f"the piece's {self._checksum.algorithm} is another one than its Upload-Checksum says: it was "
                        "changed on its way, and is left out. Send it again"
                    )
                (self._folder / _UNCHECKED).unlink()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._file.close()
            _forget_unchecked(self._folder)
