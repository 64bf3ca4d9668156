"""A file of JSON Lines, read line by line in constant memory.

UTF-8; a byte order mark, CRLF, blank lines and a last line without its end are all right.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from modelforge.datasets import codes
from modelforge.datasets.codes import Code
from modelforge.datasets.problems import type_name
from modelforge.errors import InvalidRequest, NotFound

MAX_LINE = 16_000_000
"""Bytes of the longest line that is read. Parsed, a hostile one takes some 25 times its length."""

MAX_DEPTH = 100
"""Lists and objects within each other. A fixed number, far from what the interpreter's own stack allows, so that
every process draws the line at the same place."""

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_SPACE = " \t\r"
_EXCERPT = 400
"""Characters, or bytes, of a bad line that are kept."""
_DECODER = json.JSONDecoder()

Row = dict[str, Any]


class BadLine(NamedTuple):
    """A line that holds no row."""

    code: Code
    kind: str
    """What is wrong, the same words for every line with this problem."""
    place: str = ""
    """Where in the line."""
    excerpt: str = ""
    """How the line begins."""


TOO_LONG = BadLine(codes.LINE_TOO_LONG, f"longer than {MAX_LINE // 1_000_000} MB")
TOO_DEEP = BadLine(codes.TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep")
TOO_MANY_DIGITS = BadLine(codes.TOO_MANY_DIGITS, "a number has too many digits")
NUL = BadLine(codes.NUL_BYTE, "holds a NUL byte")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file (or a link to one) for reading, unbuffered.

    Raises NotFound where there is none, InvalidRequest for a folder, device or pipe, and for what may not be read.
    """
    try:
        _require_regular(path, path.stat())
        # Between the look and the opening the path may have become a pipe: opening one must not wait for a writer.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no file '{path}'") from None
    except PermissionError:
        raise InvalidRequest(f"'{path}' may not be read by this user; change its permissions or copy it") from None
    except ValueError:
        raise InvalidRequest("the path holds a character that no path can hold") from None
    except OSError as error:
        reason = "its links lead in a circle" if error.errno == errno.ELOOP else error.strerror
        raise InvalidRequest(f"'{path}' cannot be opened: {reason}") from None
    with ExitStack() as undo:
        undo.callback(os.close, handle)
        _require_regular(path, os.fstat(handle))
        stream = open(handle, "rb", buffering=0)  # noqa: PTH123, SIM115 - a handle, not a path; closed by the caller
        undo.pop_all()
    return stream


def _require_regular(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise InvalidRequest(f"'{path}' is a folder; name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise InvalidRequest(f"'{path}' is a device or a pipe; only a regular file can be read")


def read_rows(
    stream: BinaryIO, observe: Callable[[bytes], object] | None = None
) -> Iterator[tuple[int, Row | BadLine]]:
    """Line numbers from 1, each with its object or with why there is none; blank lines are left out.

    ``observe`` is given every byte of the stream, in order.
    """
    for number, block in read_blocks(stream, observe):
        if block is None:
            yield number, TOO_LONG
        else:
            yield from rows_of(number, block)


def rows_of(number: int, block: bytes) -> Iterator[tuple[int, Row | BadLine]]:
    """The same for one of the blocks of ``read_blocks``, whose first line has this number."""
    scan = _DECODER.scan_once  # type: ignore[attr-defined]  # its stubs leave it out
    try:
        lines = block.decode().split("\n")
    except UnicodeDecodeError:
        yield from _read_undecodable(number, block)
        return
    # Each line that begins as an object has one brace for that. Where a block has few more, no line of it is deep.
    plain = block.count(b"[") + block.count(b"{") - block.count(b"\n{") < MAX_DEPTH
    for at, line in enumerate(lines, number):
        # The quick way for what nearly every line is; everything else is looked at closely.
        try:
            row, end = scan(line, 0)
        except (ValueError, StopIteration, RecursionError):
            row, end = None, -1
        if end != len(line) or type(row) is not dict:
            row = _parse(line)
        elif not plain and line.count("[") + line.count("{") > MAX_DEPTH and is_deep(row):
            row = TOO_DEEP
        if row is not None:
            yield at, row if type(row) is dict else _begun(row, line)


def read_blocks(
    stream: BinaryIO,
    observe: Callable[[bytes], object] | None = None,
    size: int | None = None,
    *,
    begins: bool = True,
) -> Iterator[tuple[int, bytes | None]]:
    """Whole lines of about ``size`` bytes together, by default a megabyte, without the last line's end; each block with
    the number of its first line, and None in place of a line that is too long. CRLF has become LF.

    ``begins`` says whether the stream begins with the file, where a byte order mark may stand.
    """
    head = stream.read(len(_BOM))
    if observe is not None:
        observe(head)
    number, rest, skipping = 1, head.removeprefix(_BOM) if begins else head, False
    while chunk := stream.read(size or _BLOCK):
        if observe is not None:
            observe(chunk)
        if skipping:
            end = chunk.find(b"\n")
            if end < 0:
                continue
            chunk, skipping = chunk[end + 1 :], False
            number += 1
        data = rest + chunk if rest else chunk
        # Blocks are smaller than the longest line, so only the first line can be too long.
        end = data.find(b"\n")
        if (end if end >= 0 else len(data)) > MAX_LINE:
            yield number, None
            if end < 0:
                rest, skipping = b"", True
                continue
            data = data[end + 1 :]
            number += 1
        cut = data.rfind(b"\n")
        if cut < 0:
            rest = data
            continue
        block, rest = data[:cut], data[cut + 1 :]
        yield number, block.replace(b"\r\n", b"\n")
        number += block.count(b"\n") + 1
    if rest:
        # Ends its line where the whole file is as short as a byte order mark.
        yield number, rest.removesuffix(b"\n").replace(b"\r\n", b"\n")


def read_line(path: Path, wanted: int) -> str:
    """How the line of this number begins, for an excerpt; empty where there is none."""
    with open_regular(path) as stream:
        for number, block in read_blocks(stream):
            if block is not None and wanted <= number + block.count(b"\n"):
                return block.split(b"\n")[wanted - number][: 4 * _EXCERPT].decode(errors="replace")
    return ""


def _read_undecodable(number: int, block: bytes) -> Iterator[tuple[int, Row | BadLine]]:
    for at, line in enumerate(block.split(b"\n"), number):
        try:
            row = _parse(line.decode())
        except UnicodeDecodeError as error:
            place = f"byte 0x{line[error.start]:02X} at position {error.start + 1}"
            yield at, BadLine(codes.NOT_UTF8, "not UTF-8", place, line[:_EXCERPT].decode(errors="replace"))
        else:
            if row is not None:
                yield at, row if type(row) is dict else _begun(row, line[:_EXCERPT].decode(errors="replace"))


def _begun(bad: Row | BadLine, line: str) -> BadLine:
    assert isinstance(bad, BadLine)
    return bad._replace(excerpt=line[:_EXCERPT])


def _parse(line: str) -> Row | BadLine | None:
    """The line's object, what is wrong with it, or None for a blank line."""
    if not line.strip(_SPACE):
        return None
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        if "\0" in line:
            return NUL
        return BadLine(
            codes.NOT_JSON, f"not JSON: {error.msg.strip(' :').removesuffix(' at')}", f"column {error.colno}"
        )
    except RecursionError:
        return TOO_DEEP
    except ValueError:  # int() refuses more digits than sys.get_int_max_str_digits()
        return TOO_MANY_DIGITS
    if is_deep(value):
        return TOO_DEEP
    if type(value) is not dict:
        return BadLine(codes.NOT_AN_OBJECT, f"{type_name(value)}, not an object")
    return value


def is_deep(value: object) -> bool:
    """Whether lists and objects stand within each other more than ``MAX_DEPTH`` levels deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)
