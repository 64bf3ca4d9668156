"""The kinds of files that are read, and which of them a file is."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path

from modelforge.datasets.rows import open_regular
from modelforge.datasets.sources import delimited, document, excel, excel97, jsonl, parquet, plain
from modelforge.datasets.sources.archive import readable
from modelforge.datasets.sources.base import Kind
from modelforge.datasets.sources.encoding import known, open_text
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
    Kind("excel97", (".xls",), excel97.read),
    Kind("text", (".txt", ".text"), plain.read),
)
PACKED = (".zip", ".gz")
"""Endings of archives, which may hold all of them."""
ENDINGS = tuple(ending for kind in KINDS for ending in kind.endings)

READABLE = (
    "What can be read is JSON Lines (.jsonl, .ndjson), JSON, CSV, TSV, Parquet, Excel (.xlsx, .xls) and plain text "
    "(.txt), and these in a .zip or .gz"
)
_OTHERS = {
    b"ARROW1": "an Arrow file; write it as Parquet",
    b"BZh": "a bzip2 archive; pack it as .zip or .gz",
    b"\xfd7zXZ\x00": "an xz archive; pack it as .zip or .gz",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive; pack it as .zip or .gz",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; pack it as .zip or .gz",
    b"Rar!": "a RAR archive; pack it as .zip or .gz",
    b"SQLite format 3\x00": "an SQLite database",
    b"%PDF-": "a PDF",
    b"\x89PNG\r\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x93NUMPY": "a NumPy array",
}
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TAR = (b"ustar", 257)
_HEAD = 1 << 18
_BLANK = "\ufeff \t\r\n"
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
    with readable("archive"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "xl/workbook.bin" in names:
        raise UnsupportedMedia("the file is a binary Excel workbook (.xlsb); save it as .xlsx")
    if "mimetype" in names and "content.xml" in names:
        raise UnsupportedMedia("the file is an OpenDocument spreadsheet or text; save it as .xlsx or CSV")
    if "word/document.xml" in names:
        raise UnsupportedMedia("the file is a Word document; save its text as .txt, or its table as CSV")
    return "xl/workbook.xml" in names


def kind_of(path: Path, name: str, encoding: str | None) -> Kind:
    """By what the file begins with; of text, by its name too. Raises UnsupportedMedia for what is not read."""
    head, ending = head_of(path), Path(name).suffix.lower()
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise UnsupportedMedia(f"the file is {what}. {READABLE}")
    if head[_TAR[1] :].startswith(_TAR[0]):
        raise UnsupportedMedia(f"the file is a tar archive; pack it as .zip. {READABLE}")
    if head.startswith(_OLD_OFFICE):
        if ending != ".xls":
            raise UnsupportedMedia(
                f"the file is an old Word or Excel file, or has a password; save it as .xlsx without one. {READABLE}"
            )
        return KINDS.get("excel97")
    if head.startswith(b"PAR1"):
        return KINDS.get("parquet")
    if is_zip(head) and is_workbook(path):
        return KINDS.get("excel")
    named = next((kind for kind in KINDS if ending in kind.endings), None)
    if named is None:
        raise UnsupportedMedia(f"{_ending(name)}. {READABLE}")
    if named.name in ("parquet", "excel", "excel97"):
        raise InvalidDataset(
            f"the file is called {ending} and is none: it does not begin like one. Where it is a table or a page under "
            "another name, as many a site's export is, open it in a spreadsheet and save it as .xlsx or CSV"
            if head
            else f"the file is empty. {READABLE}"
        )
    text = _text(path, head, known(encoding, head) if encoding else jsonl.encoding_of(head).name)
    _refuse_binary(text)
    start = text.lstrip(_BLANK)
    if start.startswith(("{", "[")):
        told = _json(start, named.name, whole=len(head) < _HEAD)
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


def _refuse_binary(text: str) -> None:
    """A row that lost bytes to a crash holds zeros, too: that is one bad row. Text has none at its start."""
    start = text[:1000]
    if start.count("\0") * 20 > len(start) and not start.lstrip(_BLANK).startswith(("{", "[")):
        raise UnsupportedMedia(f"the file is binary, not text. {READABLE}")


def _json(text: str, named: str, *, whole: bool) -> str | None:
    """``jsonl`` or ``json`` for what begins with a bracket; None where that is only how a table's first cell begins.

    JSON Lines have a value in the first line and go on in the second. What reaches over several lines is a document,
    and so is a list or an object of columns that is all there is.
    """
    line, _, more = text.partition("\n")
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        cut = not whole and (error.msg.startswith("Unterminated string") or error.pos > len(text) - 12)
        if named in _TABLES and not cut:
            return None
        if text[0] == "[":
            return "json"
        if cut and not more:  # one line, longer than what was read of it
            return "jsonl" if named == "jsonl" else "json"
        return "json" if cut or (error.pos > len(line) and not _is_row(more.partition("\n")[0])) else "jsonl"
    except (RecursionError, ValueError):  # too deep; a number with too many digits
        return "jsonl" if text[0] == "{" else "json"
    if named in _TABLES and not (type(value) is dict or document.is_rows(value)):
        return None
    if end > len(line) or line[end:].strip() == ",":
        return "json"
    if line[end:].strip() or more.strip():
        # A list of rows, and something behind it: what a program wrote that did not end well.
        return "json" if document.is_rows(value) else "jsonl"
    return "json" if type(value) is list or document.holds_rows(value) else "jsonl"


def _is_row(line: str) -> bool:
    try:
        return type(json.loads(line)) is dict
    except (ValueError, RecursionError):
        return False
