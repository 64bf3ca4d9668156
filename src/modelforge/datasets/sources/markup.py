"""Workbooks that are archives of XML: opened, and read event by event."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from xml.parsers import expat

from modelforge.datasets.rows import open_regular
from modelforge.datasets.sources.archive import check_directory, readable
from modelforge.datasets.sources.base import Reading
from modelforge.errors import InvalidDataset

PIECE = 1 << 16
"""Bytes that are parsed at once."""
_PART = 16_000_000
"""Bytes of a part that is read whole: the list of sheets, the formats of cells."""


@contextmanager
def workbook(path: Path, reading: Reading) -> Iterator[zipfile.ZipFile]:
    """Raises InvalidDataset for one that is broken, or a bomb."""
    try:
        with (
            readable("workbook"),
            open_regular(path, reading.observe) as stream,
            zipfile.ZipFile(stream) as archive,
        ):
            check_directory(archive)
            yield archive
    except expat.ExpatError as error:
        raise InvalidDataset(f"the workbook cannot be read: its XML is broken ({error})") from error
    except KeyError as error:
        raise InvalidDataset(f"the workbook is not whole: {error.args[0]}") from error


def part_of(archive: zipfile.ZipFile, name: str) -> bytes:
    """A part that is small. Raises KeyError where there is none."""
    with archive.open(name) as stream:
        content = stream.read(_PART + 1)
    if len(content) > _PART:
        raise InvalidDataset(f"the workbook's part {name} is too large")
    return content


def parser(
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
    separator: str | None = None,
) -> expat.XMLParserType:
    """Calls these where an element starts, where it ends, and with what stands in it. With a ``separator``, names have
    their namespace before it."""
    made = expat.ParserCreate(None, separator)
    made.buffer_text = True
    made.StartElementHandler, made.EndElementHandler, made.CharacterDataHandler = start, end, text

    def refuse(*_: object) -> None:
        raise InvalidDataset("the workbook's XML declares a document type, which no spreadsheet does")

    made.StartDoctypeDeclHandler = refuse
    return made


def pieces(stream: IO[bytes], events: expat.XMLParserType) -> Iterator[None]:
    """Parse a part piece by piece; comes after each, so that what was found in it can be taken."""
    while piece := stream.read(PIECE):
        events.Parse(piece, False)
        yield
    events.Parse(b"", True)
    yield
