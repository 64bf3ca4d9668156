"""A file that comes in a multipart form, streamed to disk in constant memory while the event loop stays free."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote_to_bytes

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from modelforge.datasets.ingest import check_ending, safe_filename
from modelforge.errors import DiskFull, Fault, InvalidRequest, TooLarge, UnsupportedMedia
from modelforge.files import is_disk_full

FIELD = "file"
_PIECE = 1 << 20
"""Bytes that are gathered before they are written."""
_ENVELOPE = 1 << 20
"""Bytes that a form may hold beside the file: boundaries, headers, other fields."""
_HOW = "Send the file as multipart/form-data in the field 'file': curl -F file=@data.jsonl …"
_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*"')
_EXTENDED_NAME = re.compile(rb";\s*filename\*\s*=\s*([^\s;]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Received:
    """An upload that lies whole on the disk."""

    filename: str
    """What the client calls it, made safe."""
    path: Path
    """Where it lies, under a random name; the caller moves or removes it."""
    size: int
    """In bytes."""


async def receive(request: Request, folder: Path, max_bytes: int) -> Received:
    """Stream the form's file into ``folder``; on any failure, a client that went away included, nothing stays there.

    Raises UnsupportedMedia (no multipart form, or a file whose name says that it can't be read), TooLarge (a file of
    more than ``max_bytes``), InvalidRequest (a form that is malformed, cut short, or without exactly one file) and
    Fault when the disk refuses. Fields other than ``file`` are skipped.
    """
    form = _Form(_boundary(request))
    _refuse_announced(request, max_bytes)
    target = _Target(folder)
    size = body = 0
    try:
        async for chunk in request.stream():
            body += len(chunk)
            form.feed(chunk)
            # Before anything of it is written, so that the disk never holds more than may come.
            if size + form.waiting > max_bytes or body > max_bytes + _ENVELOPE:
                raise _too_large(max_bytes)
            if form.waiting >= _PIECE:
                size += form.waiting
                await asyncio.to_thread(target.write, form.take())
        filename = form.finish()
        size += form.waiting
        await asyncio.to_thread(target.complete, form.take())
    except BaseException as error:
        # In a thread of its own, which goes on where this task is cancelled once more.
        await asyncio.shield(asyncio.to_thread(target.discard))
        if isinstance(error, ClientDisconnect):
            raise InvalidRequest("the connection ended before the whole file had come") from None
        if isinstance(error, OSError):
            raise _disk_fault(error) from error
        raise
    return Received(filename, target.path, size)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        shown = kind.decode("latin-1")[:80] or "nothing that says what it is"
        raise UnsupportedMedia(f"the request's body is {shown}. {_HOW}")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMedia(f"the request's body is compressed ({encoding[:40]}); send it as it is")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise InvalidRequest(f"the Content-Type header names no boundary. {_HOW}")
    return boundary


def _refuse_announced(request: Request, max_bytes: int) -> None:
    announced = request.headers.get("content-length", "")
    # int() refuses thousands of digits with an error of its own.
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > max_bytes + _ENVELOPE):
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(
        f"the upload has more than {max_bytes / 1e6:g} MB. Raise MODELFORGE_MAX_UPLOAD_MB, or name the file's path in "
        "the training request"
    )


def _disk_fault(error: OSError) -> Fault:
    if is_disk_full(error) or error.errno == errno.EFBIG:
        return DiskFull("the disk that uploads are kept on is full; make room and send the file again")
    return Fault(f"the upload could not be written: {error.strerror or type(error).__name__}")


class _Target:
    """The file on disk. Its methods run in threads; a cancelled request discards it while another may still write."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f".upload-{secrets.token_hex(8)}.partial"
        self._stream: IO[bytes] | None = None
        self._discarded = False
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            if not self._discarded:
                self._open().write(data)

    def complete(self, data: bytes) -> None:
        self.write(data)
        with self._lock:
            if self._stream is not None:
                self._stream.flush()
                os.fsync(self._stream.fileno())
                self._stream.close()

    def discard(self) -> None:
        with self._lock:
            self._discarded = True
            if self._stream is not None:
                with suppress(OSError):  # what is still buffered has no room, either
                    self._stream.close()
                self.path.unlink(missing_ok=True)

    def _open(self) -> IO[bytes]:
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("xb")
        return self._stream


class _Form:
    """The parser's callbacks: gathers the bytes of the one part that is wanted, and skips the others."""

    def __init__(self, boundary: bytes) -> None:
        self.waiting = 0
        """Bytes of the file that were not taken yet."""
        self._pieces: list[bytes] = []
        self._filename: str | None = None
        self._in_file = self._ended = False
        self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_name,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed(error) from None

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(error) from None

    def take(self) -> bytes:
        """The bytes that came since the last time."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self.waiting = 0
        return data

    def finish(self) -> str:
        """The file's name, now that the body has ended."""
        if not self._ended:
            raise InvalidRequest("the form was cut short: its last boundary is missing. Send the file again")
        if self._filename is None:
            raise InvalidRequest(f"the form has no field 'file'. {_HOW}")
        return self._filename

    def _begin_part(self) -> None:
        self._headers = {}
        self._in_file = False

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end_headers(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise InvalidRequest(f"a part of the form has no name. {_HOW}")
        if options[b"name"] != FIELD.encode():
            return
        if self._filename is not None:
            raise InvalidRequest("the form holds more than one file; send one at a time")
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise InvalidRequest(f"the file comes in the encoding {ascii(encoding)[2:-1]}; send its bytes as they are")
        self._filename = safe_filename(_raw_filename(disposition, options))
        check_ending(self._filename)
        self._in_file = True

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(data[start:end])
            self.waiting += end - start

    def _end(self) -> None:
        self._ended = True


def _malformed(error: FormParserError) -> InvalidRequest:
    return InvalidRequest(f"the body is no well-formed multipart form: {error}. {_HOW}")


def _raw_filename(disposition: bytes, options: dict[bytes, bytes]) -> str:
    """What the client calls its file: ``filename*`` (RFC 5987, percent-encoded) before ``filename`` (UTF-8)."""
    name, charset = options.get(b"filename", b""), "utf-8"
    extended = _EXTENDED_NAME.search(_QUOTED.sub(b'""', disposition))
    if extended is not None:
        charset, _, rest = extended[1].decode("latin-1").partition("'")
        name = unquote_to_bytes(rest.partition("'")[2])
    if charset.lower() not in ("utf-8", "iso-8859-1"):
        raise InvalidRequest(f"the filename is written in {ascii(charset)[:40]}; write it in UTF-8")
    if not name:
        raise InvalidRequest(f"the field 'file' holds no file, or one without a filename. {_HOW}")
    try:
        return name.decode(charset)
    except UnicodeDecodeError:
        raise InvalidRequest("the filename is not UTF-8; rename the file") from None
