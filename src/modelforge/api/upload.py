"""Files that come in a multipart form, streamed to disk in constant memory while the event loop stays free."""

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
"""Bytes that a form may hold beside the files: boundaries, headers, other fields."""
_FILES = 200
"""In a form."""
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


async def receive(request: Request, folder: Path, max_bytes: int) -> list[Received]:
    """Stream the form's files into ``folder``; on any failure, a client that went away included, nothing stays there.

    Raises UnsupportedMedia (no multipart form, or a file whose name says that it can't be read), TooLarge (files of
    more than ``max_bytes`` together), InvalidRequest (a form that is malformed, cut short, or without a file) and
    Fault when the disk refuses. Fields other than ``file`` are skipped.
    """
    form = _Form(_boundary(request))
    _refuse_announced(request, max_bytes)
    targets = _Targets(folder)
    size = body = 0
    whole = False
    try:
        async for chunk in request.stream():
            body += len(chunk)
            form.feed(chunk)
            # Before anything of it is written, so that the disk never holds more than may come.
            if size + form.waiting > max_bytes or body > max_bytes + _ENVELOPE:
                raise _too_large(max_bytes)
            if form.waiting >= _PIECE:
                size += form.waiting
                await asyncio.to_thread(targets.write, form.take())
        filenames = form.finish()
        await asyncio.to_thread(targets.complete, form.take(), len(filenames))
        whole = True
    except ClientDisconnect:
        raise InvalidRequest("the connection ended before the whole file had come") from None
    except OSError as error:
        raise _disk_fault(error) from error
    finally:
        if not whole:
            # In a thread of its own, which goes on where this task is cancelled once more.
            await asyncio.shield(asyncio.to_thread(targets.discard))
    return [Received(*each) for each in zip(filenames, targets.paths, targets.sizes, strict=True)]


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


Pieces = list[tuple[int, bytes]]
"""Bytes of files, each with the number of its file in the form, from 0."""


class _Targets:
    """The files on disk. Its methods run in threads; a cancelled request discards them while one may still write."""

    def __init__(self, folder: Path) -> None:
        self.paths: list[Path] = []
        self.sizes: list[int] = []
        self._folder = folder
        self._stream: IO[bytes] | None = None
        self._discarded = False
        self._lock = threading.Lock()

    def write(self, pieces: Pieces) -> None:
        with self._lock:
            if self._discarded:
                return
            for number, data in pieces:
                self._reach(number)
                assert self._stream is not None
                self._stream.write(data)
                self.sizes[number] += len(data)

    def complete(self, pieces: Pieces, files: int) -> None:
        self.write(pieces)
        with self._lock:
            if not self._discarded:
                self._reach(files - 1)
                self._close()

    def discard(self) -> None:
        with self._lock:
            self._discarded = True
            if self._stream is not None:
                with suppress(OSError):  # what is still buffered has no room, either
                    self._stream.close()
            for path in self.paths:
                path.unlink(missing_ok=True)

    def _reach(self, number: int) -> None:
        """Open the file of this number; those before it are whole, and may be empty."""
        while len(self.paths) <= number:
            self._close()
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f".upload-{secrets.token_hex(8)}.partial"
            self._stream = path.open("xb")
            self.paths.append(path)
            self.sizes.append(0)

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()


class _Form:
    """The parser's callbacks: gathers the bytes of the parts that are wanted, and skips the others."""

    def __init__(self, boundary: bytes) -> None:
        self.waiting = 0
        """Bytes of files that were not taken yet."""
        self._pieces: Pieces = []
        self._filenames: list[str] = []
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

    def take(self) -> Pieces:
        """What came since the last time."""
        pieces, self._pieces = self._pieces, []
        self.waiting = 0
        return pieces

    def finish(self) -> list[str]:
        """The files' names, now that the body has ended."""
        if not self._ended:
            raise InvalidRequest("the form was cut short: its last boundary is missing. Send the file again")
        if not self._filenames:
            raise InvalidRequest(f"the form has no field 'file'. {_HOW}")
        return self._filenames

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
        if len(self._filenames) == _FILES:
            raise InvalidRequest(f"the form holds more than {_FILES} files; pack them into a .zip")
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise InvalidRequest(f"the file comes in the encoding {ascii(encoding)[2:-1]}; send its bytes as they are")
        filename = safe_filename(_raw_filename(disposition, options))
        check_ending(filename)
        self._filenames.append(filename)
        self._in_file = True

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append((len(self._filenames) - 1, data[start:end]))
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
