"""Zip and gzip: the files in them, unpacked one at a time under names of ours, as far as they are no bombs."""

from __future__ import annotations

import errno
import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

from modelforge.datasets.problems import shown
from modelforge.datasets.rows import Observe, open_regular
from modelforge.errors import InvalidDataset, TooLarge

NESTED = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz", ".zst")
_DOCUMENTS = ("readme", "license", "licence", "notice", "changelog", "citation")
"""What lies beside data and is none, by the name before its ending."""
_RATIO = 200
"""Times as large as it was packed: text comes to some 10, and a hundred where it repeats itself."""
_HARMLESS = 100_000_000
"""Bytes that may be as well packed as they like."""
_FILES = 10_000
"""In an archive."""
_PIECE = 1 << 20


def check_directory(archive: zipfile.ZipFile, limit: int | None = None) -> None:
    """What an archive says of itself, before anything of it is unpacked; ``unpack`` counts for itself, too.

    Raises InvalidDataset for a bomb, and for one that is locked by a password; TooLarge above the limit.
    """
    entries = archive.infolist()
    if len(entries) > _FILES:
        raise InvalidDataset(f"the archive holds {len(entries)} files; at most {_FILES} are read")
    locked = next((entry for entry in entries if entry.flag_bits & 1), None)
    if locked is not None:
        raise InvalidDataset(f"the archive is locked by a password ({shown(locked.filename)}); pack it without one")
    check_size(sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries), limit)


class Member(NamedTuple):
    """A file out of an archive."""

    path: Path
    name: str
    """The one that it has there, behind the archive's. It leads nowhere: it is only shown."""
    packed: int
    """Bytes that it takes there."""


def unpack(
    path: Path, name: str, folder: Path, limit: int, notes: list[str], observe: Observe | None = None
) -> Iterator[Member]:
    """The data files of a zip archive by the order of their names; each is removed when the next is asked for."""
    left_out: list[str] = []
    with readable("archive"), open_regular(path, observe) as stream, zipfile.ZipFile(stream) as archive:
        check_directory(archive, limit)
        # Without the last letter's test of is_dir(), which breaks on an empty name.
        names = sorted({entry.filename for entry in archive.infolist() if not entry.filename.endswith("/")})
        wanted = []
        for inner in names:
            parts = PurePosixPath(inner.replace("\\", "/")).parts
            base = parts[-1] if parts else ""
            if "__MACOSX" in parts or any(part.startswith(".") and part != ".." for part in parts) or not base:
                left_out.append(inner)
            elif base.lower().endswith(NESTED):
                raise InvalidDataset(
                    f"the archive holds an archive, {shown(inner)}; pack the files themselves into one archive"
                )
            elif base.partition(".")[0].lower() in _DOCUMENTS:
                left_out.append(inner)
            else:
                wanted.append(inner)
        yield from _members(archive, wanted, name, folder, limit)
    if left_out:
        more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
        notes.append(f"left out of the archive: {', '.join(map(shown, left_out[:5]))}{more}")


def _members(archive: zipfile.ZipFile, wanted: list[str], name: str, folder: Path, limit: int) -> Iterator[Member]:
    total = 0
    target = folder / "member"
    for inner in wanted:
        entry = archive.getinfo(inner)
        try:
            with archive.open(entry) as packed:
                total += _copy(packed, target, entry.compress_size, limit - total)
            yield Member(target, f"{name}/{printable(inner)}", entry.compress_size)
        finally:
            target.unlink(missing_ok=True)


def gunzip(path: Path, folder: Path, limit: int, observe: Observe | None = None) -> Path:
    """What is packed in a gzip file, in a file of ours."""
    target = folder / "unpacked"
    with readable("gzip file"), open_regular(path, observe) as stream, gzip.GzipFile(fileobj=stream) as packed:
        _copy(cast(IO[bytes], packed), target, path.stat().st_size, limit)
    return target


def printable(name: str) -> str:
    """A name out of an archive in one line of signs that can be shown."""
    return shown(name[-200:])[1:-1] if not name.isprintable() else name[-200:]


def _copy(packed: IO[bytes], target: Path, packed_size: int, limit: int) -> int:
    size = 0
    with target.open("wb") as out:
        while piece := packed.read(_PIECE):
            size += len(piece)
            check_size(size, packed_size, limit)
            out.write(piece)
    return size


def check_size(size: int, packed: int, limit: int | None) -> None:
    """Raises InvalidDataset where so many bytes, packed, came to more than any data does; TooLarge above the limit."""
    if size > _HARMLESS and size > _RATIO * max(packed, 1):
        raise InvalidDataset(
            f"the archive is a bomb: {packed / 1e6:.1f} MB unpack to more than {_RATIO} times as much, as no data does"
        )
    if limit is not None and size > limit:
        raise TooLarge(
            f"the archive unpacks to more than {limit / 1e6:g} MB. Raise MODELFORGE_MAX_UPLOAD_MB, or send it in parts"
        )


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Says of an archive that is not whole that it is not, in whichever of their ways the libraries notice it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # a full disk is no fault of the archive
            raise
        raise _damaged(what, error) from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError) as error:
        raise _damaged(what, error) from error


def _damaged(what: str, error: Exception) -> InvalidDataset:
    return InvalidDataset(f"the {what} is cut off or damaged ({str(error)[:100]}): send it again, or write it anew")
