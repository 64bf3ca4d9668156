"""The kinds of files that are read, and which of them a file is."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path

from modelforge.datasets.rows import open_regular
from modelforge.datasets.sources import delimited, document, excel, jsonl, parquet, plain
from modelforge.datasets.sources.base import Kind
from modelforge.datasets.sources.encoding import open_text
from modelforge.errors import InvalidDataset, UnsupportedMedia
from modelforge.registry import Registry

KINDS = Registry(
    "kind of file",
    Kind("jsonl", (".jsonl", ".ndjson"), jsonl.read),
    Kind("json", (".json",), document.read),
    Kind("csv", (".csv",), delimited.read),
    Kind("tsv", (".tsv", ".tab"), partial(delimited.read, tabs=True)),
    Kind("parquet", (".parquet", ".pq"), parquet.read),
    Kind("excel", (".xlsx", ".xlsm"), excel.read),
    Kind("text", (".txt", ".text"), plain.read),
)
PACKED = (".zip", ".gz")
"""Endings of archives, which may hold all of them."""
ENDINGS = tuple(ending for kind in KINDS for ending in kind.endings)

READABLE = (
    "What can be read is JSON Lines (.jsonl, .ndjson), JSON, CSV, TSV, Parquet, Excel (.xlsx) and plain text (.txt), and "
    "these in a .zip or .gz"
)
_OTHERS = {
    b"ARROW1": "an Arrow file; write it as Parquet",
    b"BZh": "a bzip2 archive; pack it as .zip or .gz",
    b"\xfd7zXZ\x00": "an xz archive; pack it as .zip or .gz",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive; pack it as .zip or .gz",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; pack it as .zip or .gz",
    b"Rar!": "a RAR archive; pack it as .zip or .gz",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Excel or Word file, or one with a password; save it as .xlsx without one",
    b"SQLite format 3\x00": "an SQLite database",
    b"%PDF-": "a PDF",
    b"\x89PNG\r\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x93NUMPY": "a NumPy array",
}
_TAR = (b"ustar", 257)
_HEAD = 1 << 18
_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_TABLES = ("csv", "tsv", "text")


def is_zip(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"))


def is_gzip(head: bytes) -> bool:
    return head.startswith(b"\x1f\x8b")


def head_of(path: Path) -> bytes:
    """The first bytes of a file. Raises what ``open_regular`` raises."""
    with open_regular(path) as stream:
        return stream.read(_HEAD)


def is_workbook(path: Path) -> bool:
    """Whether a zip archive is an Excel workbook. Raises InvalidDataset for half an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InvalidDataset(f"the archive is cut off or damaged ({error}): send it again, or pack it anew") from error
    if "xl/workbook.bin" in names:
        raise UnsupportedMedia("the file is a binary Excel workbook (.xlsb); save it as .xlsx")
    if "mimetype" in names and "content.xml" in names:
        raise UnsupportedMedia("the file is an OpenDocument spreadsheet or text; save it as .xlsx or CSV")
    if "word/document.xml" in names:
        raise UnsupportedMedia("the file is a Word document; save its text as .txt, or its table as CSV")
    return "xl/workbook.xml" in names


def kind_of(path: Path, name: str, encoding: str | None) -> Kind:
    """By what the file begins with; of text, by its name too. Raises UnsupportedMedia for what is not read."""
    head = head_of(path)
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise UnsupportedMedia(f"the file is {what}. {READABLE}")
    if head[_TAR[1] :].startswith(_TAR[0]):
        raise UnsupportedMedia(f"the file is a tar archive; pack it as .zip. {READABLE}")
    if head.startswith(b"PAR1"):
        return KINDS.get("parquet")
    if is_zip(head) and is_workbook(path):
        return KINDS.get("excel")
    ending = Path(name).suffix.lower()
    named = next((kind for kind in KINDS if ending in kind.endings), None)
    if named is None:
        raise UnsupportedMedia(f"{_ending(name)}. {READABLE}")
    if named.name in ("parquet", "excel"):
        raise InvalidDataset(
            f"the file is called {ending} and is none: it does not begin like one"
            if head
            else f"the file is empty. {READABLE}"
        )
    text = _text(path, head, encoding or jsonl.encoding_of(path, None).name)
    _refuse_binary(head, text)
    begins = text.lstrip("\ufeff \t\r\n")[:1]
    if begins in ("{", "[") and begins:
        told = _json(text.lstrip("\ufeff \t\r\n"), named.name, whole=len(head) < _HEAD)
        # A table's first cell may begin with a bracket; only what is JSON is taken for it.
        if told is not None:
            return KINDS.get(told)
    return KINDS.get("jsonl") if named.name == "json" else named


def check_ending(name: str) -> None:
    """Raises UnsupportedMedia for a name whose ending says that the file can't be read."""
    if not name.lower().endswith((*ENDINGS, *PACKED)):
        raise UnsupportedMedia(f"{_ending(name)}. {READABLE}")


def _ending(name: str) -> str:
    ending = Path(name).suffix
    return f"files ending in '{ending}' cannot be read" if ending else f"'{name}' has no ending"


def _text(path: Path, head: bytes, encoding: str) -> str:
    if encoding.startswith("utf-8"):
        return head.decode("utf-8", "replace")
    with open_text(path, encoding) as stream:
        return stream.read(_HEAD // 2)


def _refuse_binary(head: bytes, text: str) -> None:
    """A row that lost bytes to a crash holds zeros too: that is one bad row. A file that begins with them is no text."""
    start = text[:1000]
    if "\0" in start and not start.lstrip("\ufeff \t\r\n").startswith(("{", "[")) and start.count("\0") * 20 > len(start):
        raise UnsupportedMedia(f"the file is binary, not text. {READABLE}")


def _json(text: str, named: str, *, whole: bool) -> str | None:
    """``jsonl`` or ``json`` for what begins with a bracket; None where it may be a table's first cell.

    JSON Lines have a whole value in the first line and something in the second. What reaches over several lines is a
    document, and so is a list, unless it is the first of many lines.
    """
    line, _, more = text.partition("\n")
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except RecursionError:
        return "json" if text.startswith("[") else "jsonl"
    except json.JSONDecodeError as error:
        cut = not whole and (error.msg.startswith("Unterminated string") or error.pos > len(text) - 12)
        if cut and "\n" not in text.rstrip("\n"):  # one line, longer than what was read of it
            return "jsonl" if named == "jsonl" else "json"
        if cut or (named == "json" and (text[0] == "[" or not line.rstrip().endswith("}"))):
            return "json" if text[0] == "[" or cut or not line.strip("{ \t\r") else "jsonl"
        if named in _TABLES:
            return None
        return "json" if text[0] == "[" and "{" in text[:1000] else "jsonl"
    except ValueError:  # a number with too many digits
        return "jsonl"
    if type(value) is not dict and named in _TABLES and type(value) is list and not (value and type(value[0]) is dict):
        return None
    if end > len(line):
        return "json"
    rest = line[end:].strip()
    if rest == ",":
        return "json"
    if more.strip() or rest:
        return "jsonl"
    if type(value) is list:
        return "json"
    columns = all(type(inner) is list for inner in value.values()) and len(value) > 0
    return "json" if columns or any(name in value for name in document.WRAPPERS) else "jsonl"
