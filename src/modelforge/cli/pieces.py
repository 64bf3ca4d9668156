"""A large file sent in pieces: what is lost with a connection is one of them, and the next try goes on from there."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from modelforge.cli.client import Unreachable
from modelforge.cli.console import err, note
from modelforge.contracts.operation import Operation
from modelforge.contracts.upload import Upload, UploadList
from modelforge.errors import ChecksumMismatch, Conflict

if TYPE_CHECKING:
    from modelforge.cli.client import Client

LARGE = 64_000_000
"""Bytes from which a file is sent so. A smaller one is sent again as fast as it is found out how much of it came."""
PIECE = 16_000_000
PATIENCE = 120.0
"""Seconds that a server may be away for. What it has by then is there for another try within a day."""
_FINGERPRINT = "fingerprint"
_PATH = "/api/uploads"


def is_large(file: Path) -> bool:
    return file.stat().st_size >= LARGE


def send(client: Client, file: Path, **options: Any) -> Operation:
    """Send the file, or the rest of it where an earlier try broke off, and begin to make it a dataset with ``options``.

    Raises what the server refuses it with, and Unreachable where it stays away.
    """
    size, mark = file.stat().st_size, fingerprint(file)
    upload = _earlier(client, size, mark) or _begin(client, file, size, mark)
    if upload.offset:
        note(f"Going on at {upload.offset / 1e6:,.0f} of {size / 1e6:,.0f} MB: an earlier try brought those.")
    with file.open("rb") as stream, _shown(file.name, size) as show:
        while upload.offset < upload.length:
            show(upload.offset)
            stream.seek(upload.offset)
            upload = _add(client, upload, stream.read(PIECE))
        show(upload.offset)
    return client.post(f"{_PATH}/{upload.id}/dataset", Operation, **options)


def fingerprint(file: Path) -> str:
    """Tells the file from one of its name and length that is another, or that was changed since."""
    status = file.stat()
    told = [str(file.resolve()), status.st_size, status.st_mtime_ns]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _earlier(client: Client, size: int, mark: str) -> Upload | None:
    known = client.get(_PATH, UploadList).uploads
    return next((each for each in known if each.length == size and each.metadata.get(_FINGERPRINT) == mark), None)


def _begin(client: Client, file: Path, size: int, mark: str) -> Upload:
    metadata = {"filename": file.name, _FINGERPRINT: mark}
    pairs = (f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": ",".join(pairs)}
    return Upload.model_validate_json(client.request("POST", _PATH, headers=headers).content)


def _add(client: Client, upload: Upload, piece: bytes) -> Upload:
    """The upload with the piece, or as it stands after a lost connection."""
    headers = {
        "Tus-Resumable": "1.0.0",
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(upload.offset),
        "Upload-Checksum": f"sha256 {base64.b64encode(hashlib.sha256(piece).digest()).decode()}",
    }
    place = f"{_PATH}/{upload.id}"
    try:
        reply = client.request("PATCH", place, headers=headers, content=piece)
        return upload.model_copy(update={"offset": int(reply.headers["Upload-Offset"])})
    except (ChecksumMismatch, Conflict):
        return client.get(place, Upload)
    except Unreachable:
        return _ask_again(client, place)


def _ask_again(client: Client, place: str) -> Upload:
    note("The connection broke off; trying again …", "yellow")
    pause, end = 0.2, time.monotonic() + PATIENCE
    while True:
        time.sleep(pause)
        try:
            return client.get(place, Upload)
        except Unreachable:
            pause = min(5.0, pause * 2)
            if time.monotonic() + pause > end:
                raise


@contextmanager
def _shown(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal."""
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), DownloadColumn()),
        *(TransferSpeedColumn(), TimeRemainingColumn()),
    )
    console = err()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=size)
        yield lambda offset: bar.update(task, completed=offset)
