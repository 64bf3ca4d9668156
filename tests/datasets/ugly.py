"""Files as people have them: broken, odd, hostile, or only written by another program. Each with what it is, and with
what has to be said of it."""

from __future__ import annotations

import csv
import datetime
import gzip
import html
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ugly:
    """One of them."""

    name: str
    """The file's."""
    what: str
    """In a sentence."""
    make: Callable[[Path], Path]
    """Writes it into a folder."""
    says: tuple[str, ...]
    """Each has to stand in an error, in a note of how it was read, or in the refusal."""
    usable: int | None
    """Rows that can be trained on; None where the file is refused."""


UGLY: list[Ugly] = []
GOOD = [{"input": f"what is {i}?", "output": f"it is the number {i}"} for i in range(12)]
"""Rows with nothing wrong."""


def ugly(name: str, what: str, *says: str, usable: int | None = 12) -> Callable[[Callable[[], bytes]], None]:
    def add(content: Callable[[], bytes]) -> None:
        def make(folder: Path) -> Path:
            path = folder / name
            path.write_bytes(content())
            return path

        assert name not in {each.name for each in UGLY}
        UGLY.append(Ugly(name, what, make, says, usable))

    return add


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def table(rows: list[list[Any]], end: str = "\r\n", **how: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator=end, **how).writerows(rows)
    return out.getvalue().encode()


HEAD = ["input", "output"]
CELLS = [[row["input"], row["output"]] for row in GOOD]


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def workbook(fill: Callable[[Any], None]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    fill(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def filled(sheet: Any, rows: list[list[Any]]) -> None:
    for row in rows:
        sheet.append(row)


def parquet(columns: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


# JSON Lines.


@ugly("bom.jsonl", "JSON Lines that begin with a byte order mark, as Windows editors write them.")
def _() -> bytes:
    return b"\xef\xbb\xbf" + jsonl(GOOD)


@ugly("crlf.jsonl", "JSON Lines with line ends of Windows, some blank lines and none at the end.")
def _() -> bytes:
    return jsonl(GOOD).replace(b"\n", b"\r\n").replace(b"3?", b"3?", 1).replace(b"}\r\n", b"}\r\n\r\n", 2)[:-2]


@ugly("nul.jsonl", "A row that lost bytes to a crash, which are zero now.", "line 4", "holds a NUL byte", usable=11)
def _() -> bytes:
    return jsonl(GOOD).replace(b"number 3", b"numb\0\0\0\0")


@ugly("nul-tail.jsonl", "A file whose end was never written: zeros.", "line 13: holds a NUL byte")
def _() -> bytes:
    return jsonl(GOOD) + bytes(500)


@ugly(
    "mixed-types.jsonl",
    "Fields that are text in most rows and a number, a list, null or missing in others.",
    "line 13: field 'output' is a number, not a string",
    "line 14: field 'input' is a list, not a string",
    "line 15: field 'output' is null, not a string",
    "line 16: field 'output' is missing",
)
def _() -> bytes:
    odd = [{"input": "a", "output": 4}, {"input": ["a"], "output": "b"}, {"input": "a", "output": None}, {"input": "a"}]
    return jsonl([*GOOD, *odd])


@ugly("nested-quotes.jsonl", "A quotation within a text, not escaped.", "line 5", "not JSON", usable=11)
def _() -> bytes:
    return jsonl(GOOD).replace(b"the number 4", b'the "number" 4')


@ugly("100-megabytes.jsonl", "One line of a hundred megabytes.", "line 13: longer than 16 MB")
def _() -> bytes:
    return jsonl(GOOD) + b'{"input": "' + b"x" * 100_000_000 + b'", "output": "y"}\n'


@ugly("latin1.jsonl", "One row that was written in Latin-1.", "line 13: not UTF-8 (byte 0xE9")
def _() -> bytes:
    return jsonl(GOOD) + '{"input": "café", "output": "b"}\n'.encode("latin-1")


@ugly("commas.jsonl", "Rows with a comma after each, as if they stood in a list.")
def _() -> bytes:
    return jsonl(GOOD).replace(b"}\n", b"},\n")


@ugly("utf16.jsonl", "JSON Lines in UTF-16.")
def _() -> bytes:
    return jsonl(GOOD).decode().encode("utf-16")


@ugly("utf16-unmarked.jsonl", "JSON Lines in UTF-16 without a mark that says so.", "UTF-16")
def _() -> bytes:
    return jsonl(GOOD).decode().encode("utf-16-le")


@ugly("utf32.jsonl", "JSON Lines in UTF-32.")
def _() -> bytes:
    return jsonl(GOOD).decode().encode("utf-32")


@ugly("deep.jsonl", "A row of brackets within brackets.", "line 13: nested more than 100 levels deep")
def _() -> bytes:
    return jsonl(GOOD) + b'{"input": "a", "output": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"


@ugly("digits.jsonl", "A number of ten thousand digits.", "line 13: a number has too many digits")
def _() -> bytes:
    return jsonl(GOOD) + b'{"input": "a", "output": "b", "id": ' + b"9" * 10_000 + b"}\n"


@ugly("half-emoji.jsonl", "An emoji that was cut in two.", "line 13: field 'output' holds half a surrogate pair")
def _() -> bytes:
    return jsonl(GOOD) + b'{"input": "a", "output": "\\ud83d"}\n'


@ugly("half.jsonl", "A copy that ended within the last row.", "line 12: not JSON", usable=11)
def _() -> bytes:
    return jsonl(GOOD)[:-10]


@ugly("lists.jsonl", "Lines that are lists, between rows.", "line 13: a list, not an object", "line 14: a number, not")
def _() -> bytes:
    return jsonl([*GOOD, ["a", "b"], 7])


@ugly("pretty.jsonl", "Objects that reach over several lines each.")
def _() -> bytes:
    return "\n".join(json.dumps(row, indent=2) for row in GOOD).encode()


@ugly("blank.jsonl", "Nothing but blank lines.", "holds only blank lines", usable=None)
def _() -> bytes:
    return b"\n \n\r\n"


@ugly("empty.jsonl", "An empty file.", "the file is empty", usable=None)
def _() -> bytes:
    return b""


@ugly("list.jsonl", "A list of JSON that is called JSON Lines.")
def _() -> bytes:
    return json.dumps(GOOD).encode()


@ugly("unknown.jsonl", "Columns that no task knows.", "no known shape: the columns are 'frage', 'antwort'")
def _() -> bytes:
    return jsonl([{"frage": row["input"], "antwort": row["output"]} for row in GOOD])


@ugly("photo.jsonl", "A picture with the wrong ending.", "a PNG picture", usable=None)
def _() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(1000)


# JSON.


@ugly("trailing-comma.json", "A list whose last element is followed by a comma.")
def _() -> bytes:
    return json.dumps(GOOD, indent=1).encode()[:-2] + b",\n]"


@ugly("columns.json", "An object of columns, each a list.", "an object of columns")
def _() -> bytes:
    return json.dumps({name: [row[name] for row in GOOD] for name in HEAD}).encode()


@ugly("pandas.json", "Columns as pandas writes them: objects from a row's label to its value.", "an object of columns")
def _() -> bytes:
    return json.dumps({name: {str(i): row[name] for i, row in enumerate(GOOD)} for name in HEAD}).encode()


@ugly("uneven.json", "Columns of different lengths.", "not equally long: 'input' has 12, 'output' has 11", usable=None)
def _() -> bytes:
    return json.dumps({"input": [row["input"] for row in GOOD], "output": ["x"] * 11}).encode()


@ugly("half.json", "A list that ends within an element.", "element 12: the file breaks off here", usable=11)
def _() -> bytes:
    return json.dumps(GOOD).encode()[:-20]


@ugly("missing-quote.json", "A list in which one quote is missing.", "element 6: not JSON", usable=11)
def _() -> bytes:
    return json.dumps(GOOD, indent=1).encode().replace(b'number 5"', b"number 5")


@ugly("numbers.json", "A list of numbers.", "elements 1, 2, 3, 4, 5 and 15 more: a number, not an object", usable=None)
def _() -> bytes:
    return json.dumps(list(range(20))).encode()


@ugly("nan.json", "Numbers that JSON does not have.", "element 13: field 'output' is a number")
def _() -> bytes:
    return json.dumps([*GOOD, {"input": "a", "output": float("nan")}]).encode()


@ugly("number.json", "A file that is one number.", "not an object", usable=None)
def _() -> bytes:
    return b"42\n"


@ugly("squad.json", "SQuAD 2.0's own file: articles of paragraphs of questions.", "SQuAD's nested form")
def _() -> bytes:
    asked = [
        {
            "id": str(i),
            "question": f"When {i}?",
            "is_impossible": False,
            "answers": [{"text": "nine", "answer_start": 11}],
        }
        for i in range(11)
    ]
    asked.append({"id": "x", "question": "Who?", "is_impossible": True, "answers": [], "plausible_answers": []})
    paragraph = {"context": "We open at nine.", "qas": asked}
    return json.dumps({"version": "v2.0", "data": [{"title": "Shop", "paragraphs": [paragraph]}]}).encode()


@ugly("bad-squad.json", "SQuAD's form with an article that has lost its paragraphs.", "element 13: an article without")
def _() -> bytes:
    asked = [{"question": f"When {i}?", "answers": [{"text": "nine", "answer_start": 11}]} for i in range(12)]
    articles = [{"paragraphs": [{"context": "We open at nine.", "qas": asked}]}, {"title": "B", "paragraphs": None}]
    return json.dumps({"data": articles}).encode()


# CSV.


@ugly("bom.csv", "CSV that begins with a byte order mark, as Excel writes it.")
def _() -> bytes:
    return b"\xef\xbb\xbf" + table([HEAD, *CELLS])


@ugly("mixed-ends.csv", "All three kinds of line ends in one table.")
def _() -> bytes:
    rows = [HEAD, *CELLS]
    return table(rows[:4], "\n") + table(rows[4:8], "\r\n") + table(rows[8:], "\r")


@ugly("nul.csv", "A cell with zero bytes.", "row 5: field 'output' holds a NUL character", usable=11)
def _() -> bytes:
    return table([HEAD, *CELLS]).replace(b"number 3", b"numb\0\0\0\0")


@ugly("latin1.csv", "A table in an old encoding.", "read as cp1252")
def _() -> bytes:
    return table([HEAD, *([a, f"{b} – schön für Käufer im Café"] for a, b in CELLS)]).decode().encode("cp1252")


@ugly("cyrillic.csv", "A Russian table in the encoding of old Windows.", "read as cp1251")
def _() -> bytes:
    return (
        table([HEAD, *([a, "Мы открываемся в девять часов утра каждый день"] for a, _ in CELLS)])
        .decode()
        .encode("cp1251")
    )


@ugly("bad-byte.csv", "UTF-8 with one byte that is none.", "row 6: not UTF-8 (byte 0xFF)", usable=11)
def _() -> bytes:
    rows = [HEAD, *([a, f"{b} für 3 €"] for a, b in CELLS)]
    return table(rows).replace(b"number 4", b"number \xff")


@ugly("utf16.csv", "What Excel calls Unicode text: tabs, in UTF-16.")
def _() -> bytes:
    return table([HEAD, *CELLS], delimiter="\t").decode().encode("utf-16")


@ugly("semicolons.csv", "Semicolons between cells, which have commas in them.")
def _() -> bytes:
    return table([HEAD, *([a, f"well, {b}, I think"] for a, b in CELLS)], delimiter=";")


@ugly("sep.csv", "A first line that tells Excel the delimiter.", "sep=")
def _() -> bytes:
    return b"sep=|\r\n" + table([HEAD, *CELLS], delimiter="|")


@ugly(
    "nested-quotes.csv", "A quotation in a quoted cell, not doubled.", "row 5: a quote within a quoted cell", usable=11
)
def _() -> bytes:
    return table([HEAD, *CELLS], quoting=csv.QUOTE_ALL).replace(b"the number 3", b'the "number" 3')


@ugly("unclosed-quote.csv", "A quote that opens in the middle and never closes.", "row 8: a quote opens", usable=11)
def _() -> bytes:
    return table([HEAD, *CELLS]).replace(b"it is the number 6", b'"it is the number 6')


@ugly(
    "multi-line.csv",
    "Cells of several lines, so that rows and lines are not the same.",
    "row 14: field 'output' is empty",
)
def _() -> bytes:
    return table([HEAD, *([a, f"{b}\nand\r\nthat is all"] for a, b in CELLS), ["x", ""]])


@ugly("duplicate-headers.csv", "Three columns of one name.", "several columns are called 'output'")
def _() -> bytes:
    return table([["input", "output", "output", "output"], *([a, b, "x", "y"] for a, b in CELLS)])


@ugly("no-header.csv", "No names over the columns.", "row 1 looks like data", "no known shape")
def _() -> bytes:
    return table([[str(i), *cells] for i, cells in enumerate(CELLS)])


@ugly("one-column.csv", "A single column, whose text has commas.", "read as one column")
def _() -> bytes:
    return b"text\n" + b"".join(f"Well, {b}, or {'so, ' * (i % 4)}I think\n".encode() for i, (_, b) in enumerate(CELLS))


@ugly("wide.csv", "Ten thousand columns.", "no known shape: the columns are 'c0'")
def _() -> bytes:
    return table([[f"c{i}" for i in range(10_000)], *(["x"] * 10_000 for _ in range(12))])


@ugly("trailing-delimiter.csv", "A delimiter at the end of every row.")
def _() -> bytes:
    return table([[*row, ""] for row in [HEAD, *CELLS]])


@ugly("too-many.csv", "A comma in a cell without quotes.", "row 6: more cells than there are columns (3", usable=11)
def _() -> bytes:
    return table([HEAD, *CELLS]).replace(b"it is the number 4", b"it, it is 4")


@ugly("half.csv", "A copy that ended within the last row.", "row 13: fewer cells", usable=11)
def _() -> bytes:
    return table([HEAD, *CELLS])[:-26]


@ugly("as-they-stand.csv", "Numbers with zeros before them, dates, percents: all stay text.")
def _() -> bytes:
    return table([HEAD, *([a, "007 1/2/2024 50% 1e5"] for a, _ in CELLS)])


@ugly("empty-cells.csv", "Cells that nobody filled in.", "rows 14 and 15: field 'output' is empty")
def _() -> bytes:
    return table([HEAD, *CELLS, ["a", ""], ["b", ""]])


@ugly(
    "blank-rows.csv",
    "Rows of nothing but commas, and blank lines, as spreadsheets leave them.",
    "row 17: field 'input'",
)
def _() -> bytes:
    return table([HEAD, *CELLS]) + b",\r\n,\r\n\r\n,x\r\n"


@ugly("long-cell.csv", "A cell of twenty megabytes.", "row 14: longer than 16 MB")
def _() -> bytes:
    return table([HEAD, *CELLS, ["a", "x" * 20_000_000]])


@ugly("header-only.csv", "Names of columns and nothing under them.", "there is no row in it", usable=None)
def _() -> bytes:
    return table([HEAD])


@ugly("empty.csv", "An empty table.", "there is no row in it", usable=None)
def _() -> bytes:
    return b""


@ugly("binary.csv", "A program that is called a table.", "binary, not text", usable=None)
def _() -> bytes:
    return b"\x7fELF" + bytes(range(256)) * 3 + bytes(4000)


@ugly("rows.csv", "JSON Lines that are called CSV.")
def _() -> bytes:
    return jsonl(GOOD)


@ugly("tabs.tsv", "Tabs between cells, and quotes in their midst that mean nothing.")
def _() -> bytes:
    return b"input\toutput\n" + b"".join(f'{a}\tit is 5" wide, {b}\n'.encode() for a, b in CELLS)


# Excel.


@ugly("formulas.xlsx", "Formulas that no spreadsheet has calculated.", "row 14: a formula has no value (cell B14)")
def _() -> bytes:
    return workbook(lambda book: filled(book.active, [HEAD, *CELLS, ["sum", "=1+1"]]))


@ugly("dates.xlsx", "Dates, times, numbers and truth as cells: each as text.")
def _() -> bytes:
    day = datetime.datetime(2024, 2, 1, 9, 30)
    odd = [day, day.date(), day.time(), 0.1 + 0.2, 42.0, True, "007", 1e20]
    return workbook(lambda book: filled(book.active, [HEAD, *([f"q{i}", odd[i % len(odd)]] for i in range(12))]))


@ugly("empty-sheets.xlsx", "Empty sheets before and behind the one with rows.", "'Sheet' (empty)", "'Last' (empty)")
def _() -> bytes:
    def fill(book: Any) -> None:
        filled(book.create_sheet("Data"), [HEAD, *CELLS])
        book.create_sheet("Last")

    return workbook(fill)


@ugly("no-rows.xlsx", "A workbook with nothing in it.", "there is no row in it", usable=None)
def _() -> bytes:
    return workbook(lambda book: None)


@ugly(
    "sheets.xlsx",
    "Two sheets of one table, one of another, and a hidden one.",
    "'Other' (other columns)",
    "'Old' (hidden)",
)
def _() -> bytes:
    def fill(book: Any) -> None:
        filled(book.active, [HEAD, *CELLS[:6]])
        filled(book.create_sheet("More"), [HEAD, *CELLS[6:]])
        filled(book.create_sheet("Other"), [["a", "b"], ["x", "y"]])
        filled(book.create_sheet("Old"), [HEAD, *CELLS])
        book["Old"].sheet_state = "hidden"

    return workbook(fill)


@ugly("errors.xlsx", "Cells with errors of the spreadsheet.", "row 14: a cell holds an error of the spreadsheet (#REF!")
def _() -> bytes:
    return workbook(lambda book: filled(book.active, [HEAD, *CELLS, ["a", "#REF!"]]))


@ugly("far-cell.xlsx", "A table in the corner, and one cell at the other end of the sheet.", "row 1048576: more cells")
def _() -> bytes:
    def fill(book: Any) -> None:
        filled(book.active, [HEAD, *CELLS])
        book.active["XFD1048576"] = "x"

    return workbook(fill)


@ugly("half.xlsx", "Half a workbook.", "cut off or damaged", usable=None)
def _() -> bytes:
    content = workbook(lambda book: filled(book.active, [HEAD, *CELLS]))
    return content[: len(content) // 2]


@ugly("entities.xlsx", "A workbook whose XML defines words that explode.", "declares a document type", usable=None)
def _() -> bytes:
    content = workbook(lambda book: filled(book.active, [HEAD, *CELLS]))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    entities = b"".join(b'<!ENTITY e%d "%s">' % (i + 1, b"&e%d;" % i * 10) for i in range(9))
    sheet = parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = b'<!DOCTYPE x [<!ENTITY e0 "ha">' + entities + b"]>" + sheet
    return zipped(parts)


@ugly("not.xlsx", "CSV that is called a workbook.", "is called .xlsx and is none", usable=None)
def _() -> bytes:
    return table([HEAD, *CELLS])


def excel97() -> bytes:
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("Data")
    for number, cells in enumerate([HEAD, *CELLS[:10], ["when", datetime.date(2024, 2, 1)], [True, 42.0]], 3):
        for column, cell in enumerate(cells):
            how = {"num_format_str": "YYYY-MM-DD"} if isinstance(cell, datetime.date) else {}
            sheet.write(number, column, cell, xlwt.easyxf(**how))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@ugly("old.xls", "A workbook of Excel 97, whose table begins in the fourth row.")
def _() -> bytes:
    return excel97()


@ugly("half.xls", "Half a workbook of Excel 97.", "is damaged, or locked", usable=None)
def _() -> bytes:
    return excel97()[:3000]


@ugly("letter.xlsx", "A workbook with a password, or a letter of Word 97.", "has a password", usable=None)
def _() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000)


# OpenDocument.

NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text", "style")
) + (' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"')
SPREADSHEET = b"application/vnd.oasis.opendocument.spreadsheet"


def ods_cell(cell: Any) -> str:
    if isinstance(cell, tuple):  # attributes, and what stands in it
        return f"<table:table-cell {cell[0]}>{cell[1]}</table:table-cell>"
    if isinstance(cell, bool):
        return f'<table:table-cell office:value-type="boolean" office:boolean-value="{str(cell).lower()}"/>'
    if isinstance(cell, int | float):
        return f'<table:table-cell office:value-type="float" office:value="{cell}"/>'
    if isinstance(cell, datetime.date):
        return f'<table:table-cell office:value-type="date" office:date-value="{cell.isoformat()}"/>'
    paragraphs = "".join(f"<text:p>{html.escape(line)}</text:p>" for line in cell.split("\n"))
    return f'<table:table-cell office:value-type="string">{paragraphs}</table:table-cell>' if cell else EMPTY


EMPTY = "<table:table-cell/>"
FILL = (
    '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/>'
    "</table:table-row>"
)
"""How LibreOffice ends every sheet."""


def ods_sheet(rows: list[list[Any]], name: str = "Sheet1", style: str = "shown") -> str:
    lines = "".join(f"<table:table-row>{''.join(map(ods_cell, row))}</table:table-row>" for row in rows)
    return (
        f'<table:table table:name="{name}" table:style-name="{style}"><table:table-column/>{lines}{FILL}</table:table>'
    )


def ods(*sheets: str, lock: str = "", kind: bytes = SPREADSHEET, before: str = "") -> bytes:
    styles = "".join(
        f'<style:style style:name="{name}" style:family="table"><style:table-properties table:display="{shown}"/>'
        "</style:style>"
        for name, shown in (("shown", "true"), ("hidden", "false"))
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<office:document-content {NAMESPACES}>'
        f"<office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{''.join(sheets)}</office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    entry = f'<manifest:file-entry manifest:full-path="content.xml">{lock}</manifest:file-entry>'
    space = 'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
    manifest = f"<manifest:manifest {space}>{entry}</manifest:manifest>"
    return zipped({"mimetype": kind, "content.xml": content.encode(), "META-INF/manifest.xml": manifest.encode()})


@ugly(
    "sheets.ods",
    "A spreadsheet of LibreOffice: two sheets of one table, one of another, an empty and a hidden one.",
    "'Other' (other columns)",
    "'Empty' (empty)",
    "'Old' (hidden)",
)
def _() -> bytes:
    return ods(
        ods_sheet([[], HEAD, *CELLS[:6]]),
        ods_sheet([HEAD, *CELLS[6:]], "More"),
        ods_sheet([["a", "b"], ["x", "y"]], "Other"),
        ods_sheet([], "Empty"),
        ods_sheet([HEAD, *CELLS], "Old", "hidden"),
    )


@ugly("cells.ods", "Dates, times, numbers, truth, percents and text of several lines as cells: each as text.")
def _() -> bytes:
    odd = [
        datetime.date(2024, 2, 1),
        ('office:value-type="time" office:time-value="PT09H30M00S"', "<text:p>09:30</text:p>"),
        ('office:value-type="percentage" office:value="0.5"', "<text:p>50%</text:p>"),
        ('office:value-type="currency" office:value="9.5"', "<text:p>9,50 €</text:p>"),
        0.1 + 0.2,
        42.0,
        True,
        "two\nlines",
    ]
    return ods(ods_sheet([HEAD, *([f"q{i}", odd[i % len(odd)]] for i in range(12))]))


@ugly("formulas.ods", "A formula that nothing has calculated.", "row 14: a formula has no value (cell B14)")
def _() -> bytes:
    return ods(ods_sheet([HEAD, *CELLS, ["sum", ('table:formula="of:=1+1"', "")]]))


@ugly("errors.ods", "A formula that failed.", "row 14: a cell holds an error of the spreadsheet (#DIV/0! in cell B14)")
def _() -> bytes:
    failed = 'office:value-type="string" office:string-value="" calcext:value-type="error" table:formula="of:=1/0"'
    return ods(ods_sheet([HEAD, *CELLS, ["a", (failed, "<text:p>#DIV/0!</text:p>")]]))


@ugly("repeated.ods", "A row that is said to stand there a million times.", "is a bomb", usable=None)
def _() -> bytes:
    row = "".join(map(ods_cell, ["x" * 1000, "y"]))
    again = f'<table:table-row table:number-rows-repeated="1000000">{row}</table:table-row></table:table>'
    return ods(ods_sheet([HEAD, *CELLS]).replace(f"{FILL}</table:table>", again))


@ugly("wide.ods", "A cell that is said to fill a row of sixteen thousand.", "row 14: more cells than there are columns")
def _() -> bytes:
    many = ('table:number-columns-repeated="999999999" office:value-type="string"', "<text:p>x</text:p>")
    return ods(ods_sheet([HEAD, *CELLS, [many]]))


@ugly("spaces.ods", "A cell of a billion spaces, in thirty letters.", "row 14: longer than 16 MB")
def _() -> bytes:
    spaces = ('office:value-type="string"', '<text:p>x<text:s text:c="999999999"/>x</text:p>')
    return ods(ods_sheet([HEAD, *CELLS, ["a", spaces]]))


@ugly("bomb.ods", "A spreadsheet that unpacks to a thousand times its size.", "is a bomb", usable=None)
def _() -> bytes:
    return ods(ods_sheet([HEAD, *CELLS]) + " " * 150_000_000)


@ugly("entities.ods", "A spreadsheet whose XML defines words that explode.", "declares a document type", usable=None)
def _() -> bytes:
    return ods(ods_sheet([HEAD, *CELLS]), before='<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>')


@ugly("locked.ods", "A spreadsheet with a password.", "locked by a password", usable=None)
def _() -> bytes:
    return ods(ods_sheet([HEAD, *CELLS]), lock="<manifest:encryption-data/>")


@ugly("half.ods", "Half a spreadsheet.", "cut off or damaged", usable=None)
def _() -> bytes:
    content = ods(ods_sheet([HEAD, *CELLS]))
    return content[: len(content) // 2]


@ugly("torn.ods", "A spreadsheet whose XML breaks off.", "its XML is broken", usable=None)
def _() -> bytes:
    return zipped({"mimetype": SPREADSHEET, "content.xml": b"<a><b>"})


@ugly("letter.ods", "A letter with the ending of a spreadsheet.", "OpenDocument text or picture", usable=None)
def _() -> bytes:
    return ods(kind=b"application/vnd.oasis.opendocument.text")


# Parquet.


@ugly("nested.parquet", "Lists, times, bytes and numbers that are none, in columns.")
def _() -> bytes:
    return parquet(
        {
            "input": [row["input"] for row in GOOD],
            "output": [row["output"].encode() for row in GOOD],
            "when": [datetime.datetime(2024, 2, 1, 9, 30)] * 12,
            "parts": [[{"a": float("nan")}]] * 12,
        }
    )


@ugly("half.parquet", "Half a Parquet file.", "the Parquet file cannot be read", usable=None)
def _() -> bytes:
    content = parquet({name: [row[name] for row in GOOD] for name in HEAD})
    return content[: len(content) // 2]


@ugly("no-rows.parquet", "Columns without a row.", "there is no row in it", usable=None)
def _() -> bytes:
    return parquet({"input": [], "output": []})


# Text.


@ugly("paragraphs.txt", "Paragraphs with blank lines between them.", "paragraphs, which blank lines stand between")
def _() -> bytes:
    return "\n\n\n".join(f"{a}\n{b}" for a, b in CELLS).encode()


@ugly("lines.txt", "A text a line.", "each line is a row")
def _() -> bytes:
    return "\n".join(b for _, b in CELLS).encode()


# Archives.


@ugly(
    "folders.zip",
    "Several tables, in folders, with what a Mac and a publisher put beside them.",
    "__MACOSX",
    "README.md",
)
def _() -> bytes:
    return zipped(
        {
            "data/b.csv": table([HEAD, *CELLS[6:]]),
            "data/a.csv": table([HEAD, *CELLS[:6]]),
            "__MACOSX/data/._a.csv": b"\0\0",
            "README.md": b"# Rows",
            "paper.pdf": b"%PDF-1.7",
        }
    )


@ugly("half.zip", "Half an archive.", "cut off or damaged", usable=None)
def _() -> bytes:
    content = zipped({"a.csv": table([HEAD, *CELLS])})
    return content[: len(content) // 2]


@ugly("bomb.zip", "An archive that unpacks to a thousand times its size.", "is a bomb", usable=None)
def _() -> bytes:
    return zipped({"a.csv": b"a" * 150_000_000})


@ugly("liar.zip", "A bomb whose directory says that it is small.", "damaged", usable=None)
def _() -> bytes:
    content = bytearray(zipped({"a.csv": b"a" * 150_000_000}))
    central = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, central + 24, 1000)
    struct.pack_into("<I", content, 22, 1000)
    return bytes(content)


@ugly("nested.zip", "An archive in an archive.", "holds an archive, 'inner.zip'", usable=None)
def _() -> bytes:
    return zipped({"inner.zip": zipped({"a.csv": table([HEAD, *CELLS])})})


@ugly("locked.zip", "An archive with a password.", "locked by a password", usable=None)
def _() -> bytes:
    content = bytearray(zipped({"a.csv": table([HEAD, *CELLS])}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@ugly("slip.zip", "Names that lead out of the folder that they are unpacked in.")
def _() -> bytes:
    return zipped({"../../../../tmp/evil.csv": table([HEAD, *CELLS[:6]]), "/etc/passwd.csv": table([HEAD, *CELLS[6:]])})


@ugly("strangers.zip", "Two tables with other columns.", "they are no one dataset", usable=None)
def _() -> bytes:
    return zipped({"a.csv": table([HEAD, *CELLS]), "b.csv": table([["name", "price"], ["rope", "5"]])})


@ugly("no-data.zip", "An archive of pictures.", "holds no file that can be read", "a.png", usable=None)
def _() -> bytes:
    return zipped({"a.png": b"\x89PNG\r\n\x1a\n"})


@ugly("half.jsonl.gz", "Half a gzip file.", "cut off or damaged", usable=None)
def _() -> bytes:
    return gzip.compress(jsonl(GOOD))[:-30]


@ugly("bomb.jsonl.gz", "A gzip file that unpacks to a thousand times its size.", "is a bomb", usable=None)
def _() -> bytes:
    return gzip.compress(b" " * 150_000_000, 9)


@ugly("rows.jsonl.gz", "JSON Lines, packed.")
def _() -> bytes:
    return gzip.compress(jsonl(GOOD))


@ugly("files.tar.gz", "A tar archive.", "tar archive", usable=None)
def _() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = 10
        archive.addfile(info, io.BytesIO(b"0123456789"))
    return out.getvalue()


@ugly("nested.zip.gz", "An archive, packed again.", "holds an archive", usable=None)
def _() -> bytes:
    return gzip.compress(zipped({"a.csv": table([HEAD, *CELLS])}))
