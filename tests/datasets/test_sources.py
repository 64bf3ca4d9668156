"""Files of every kind: what is written is read back, every row is accounted for, and nothing breaks the readers."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.contracts.dataset import ReadOptions
from modelforge.datasets.check import check
from modelforge.datasets.ingest import MAX_BYTES, check_file, check_files, to_validation
from modelforge.datasets.places import Places
from modelforge.datasets.sources.kinds import ENDINGS, PACKED
from modelforge.datasets.validate import Report
from modelforge.errors import InvalidDataset, InvalidRequest, ModelForgeError, TooLarge
from tests.datasets.ugly import CELLS, GOOD, HEAD, filled, jsonl, ods, ods_sheet, parquet, table, workbook, zipped
from tests.fuzz import fuzzed


def read(files: dict[str, bytes], limit: int = MAX_BYTES, **reading: Any) -> tuple[Report, list[Any]]:
    """The report on files, and the rows that came of them: None for a blank line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in between").mkdir()
        paths = []
        for number, (called, content) in enumerate(files.items()):
            path = folder / str(number)
            path.write_bytes(content)
            paths.append([str(path), called])
        rows = folder / "rows"
        report = check(paths, str(rows), str(folder / "in between"), reading, limit)
        content = (rows if report.converted else folder / "0").read_bytes().decode("utf-8-sig", "replace")
        assert sorted(path.name for path in (folder / "in between").iterdir()) == []
        return report, [_row(line) for line in content.split("\n")[:-1]]


def _row(line: str) -> Any:
    if not line.strip():
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):  # lines of JSON Lines come as they are
        return line


def kept(files: dict[str, bytes], **reading: Any) -> list[Any]:
    return read(files, **reading)[1]


# What is written is read back.

NAMES = st.lists(
    st.sampled_from(["input", "output", "Größe", "a b", "x,y", 'q"q', "c"]), min_size=1, max_size=4, unique=True
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
WORDS = TEXT | st.sampled_from(
    ["007", "1/2/2024", "=1+1", "a\r\nb", "a\n\nb", '"', '""', ";", "\t", "1e5", " ", "\ufeff"]
)


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str] = WORDS) -> tuple[list[str], list[list[str]]]:
    names = draw(NAMES)
    # Blank rows stand for rows that nobody filled in.
    row = st.lists(cells, min_size=len(names), max_size=len(names)).filter(lambda cells: any(cells))
    return names, draw(st.lists(row, min_size=1, max_size=8))


@fuzzed(150)
@given(
    tables(),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_csv_is_read_back(written: tuple[list[str], list[list[str]]], delimiter: str, end: str, encoding: str) -> None:
    names, rows = written
    content = table([names, *rows], end, delimiter=delimiter, quoting=csv.QUOTE_ALL).decode().encode(encoding)
    got = kept({"a.csv": content}, delimiter=delimiter, header=True)
    assert got == [dict(zip(names, row, strict=True)) for row in rows]


@fuzzed(60)
@given(tables())
def test_parquet_is_read_back(written: tuple[list[str], list[list[str]]]) -> None:
    names, rows = written
    content = parquet({name: [row[at] for row in rows] for at, name in enumerate(names)})
    assert kept({"a.parquet": content}) == [dict(zip(names, row, strict=True)) for row in rows]


SHEET = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufffe\uffff"), max_size=12)


@fuzzed(60)
@given(tables(SHEET.filter(lambda text: not text.startswith(("=", "#")))))
def test_excel_is_read_back(written: tuple[list[str], list[list[str]]]) -> None:
    names, rows = written
    content = workbook(lambda book: [book.active.append(row) for row in [names, *rows]])
    assert kept({"a.xlsx": content}, header=True) == [dict(zip(names, row, strict=True)) for row in rows]


@fuzzed(60)
@given(tables(SHEET.filter(lambda text: text == " ".join(text.split(" ")).strip() and "  " not in text)))
def test_opendocument_is_read_back(written: tuple[list[str], list[list[str]]]) -> None:
    names, rows = written
    content = ods(ods_sheet([names, *rows]))
    assert kept({"a.ods": content}, header=True) == [dict(zip(names, row, strict=True)) for row in rows]


def test_cells_of_opendocument_are_those_that_a_library_reads(tmp_path: Path) -> None:
    import datetime

    import python_calamine

    rows: list[list[Any]] = [HEAD, *CELLS, ["one", 1], ["half", 0.5], ["yes", True], ["day", datetime.date(2024, 2, 1)]]
    (tmp_path / "a.ods").write_bytes(ods(ods_sheet(rows)))
    read_by_it = python_calamine.CalamineWorkbook.from_path(tmp_path / "a.ods").get_sheet_by_index(0).to_python()
    told = [str(row[1]).replace("1.0", "1").replace("True", "TRUE") for row in read_by_it[1:]]
    assert [row["output"] for row in kept({"a.ods": (tmp_path / "a.ods").read_bytes()})] == told


def test_text_of_opendocument_is_what_is_seen() -> None:
    def cell(inside: str, more: str = "") -> tuple[str, str]:
        return f'office:value-type="string" {more}', inside

    comment = "<office:annotation><text:p>a comment</text:p></office:annotation>"
    cells = [
        cell(f"<text:p>a <text:span>b</text:span>\n  c</text:p>{comment}"),
        cell('<text:p> x<text:s text:c="3"/>y<text:tab/>z<text:line-break/>w </text:p><text:p>v</text:p>'),
        cell(
            "<text:p>漢<text:ruby><text:ruby-base>字</text:ruby-base><text:ruby-text>じ</text:ruby-text></text:ruby></text:p>"
        ),
        cell("<text:p>twice</text:p>", 'table:number-columns-repeated="2"'),
    ]
    within = "<text:p>in a picture</text:p><table:table><table:table-row/></table:table>"
    picture = f"<table:shapes>{within}</table:shapes>"
    sheet = ods_sheet([["input", "output", "more"], *(["q", each] for each in cells)])
    rows = kept({"a.ods": ods(sheet.replace("<table:table-column/>", picture))})
    assert [row["output"] for row in rows] == ["a b c", "x   y\tz\nw\nv", "漢字", "twice"]
    assert rows[-1]["more"] == "twice"


def test_rows_that_opendocument_repeats_are_there_and_blank_ones_have_numbers() -> None:
    sheet = ods_sheet([HEAD, *CELLS])
    blank = '<table:table-row table:number-rows-repeated="4"><table:table-cell/></table:table-row>'
    sheet = sheet.replace("<table:table-column/><table:table-row>", f"<table:table-column/>{blank}<table:table-row>")
    sheet = sheet.replace(
        "<table:table-row><table:table-cell", '<table:table-row table:number-rows-repeated="2"><table:table-cell'
    )
    report, rows = read({"a.ods": ods(sheet)})
    assert report.source is not None and report.source["parts"][0]["first"] == 6
    assert rows == [dict(zip(HEAD, HEAD, strict=True)), *(row for row in GOOD for _ in range(2))]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "Größe"]), VALUES, min_size=1), min_size=2, max_size=6)


@fuzzed(150)
@given(
    ROWS, st.sampled_from([None, 1, "\t"]), st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"])
)
def test_json_is_read_back(rows: list[Any], indent: Any, plain: bool, encoding: str) -> None:
    content = json.dumps(rows, indent=indent, ensure_ascii=plain).encode(encoding)
    assert kept({"a.json": content}) == rows
    lines = "\n".join(json.dumps(row, indent=indent, ensure_ascii=plain) for row in rows).encode(encoding)
    assert (
        kept(
            {
                "a.json": lines
                + "\n".encode("utf-16-le" if encoding == "utf-16" else "utf-32-le" if encoding == "utf-32" else "ascii")
            }
        )
        == rows
    )


def test_values_of_parquet_are_what_json_has() -> None:
    import datetime
    import decimal

    moment = datetime.datetime(2024, 2, 1, 9, 30, tzinfo=datetime.UTC)
    columns = {
        "text": ["a", None],
        "bytes": [b"caf\xc3\xa9", b"\xff"],
        "time": [moment, None],
        "day": [moment.date(), None],
        "price": [decimal.Decimal("1.50"), None],
        "share": [0.5, float("nan")],
        "turns": [[{"role": "user", "n": 1}], []],
    }
    first, second = kept({"a.parquet": parquet(columns)})
    assert first == {
        "text": "a", "bytes": "café", "time": "2024-02-01T09:30:00+00:00", "day": "2024-02-01", "price": "1.50",
        "share": 0.5, "turns": [{"role": "user", "n": 1}],
    }  # fmt: skip
    assert second["share"] is None and second["bytes"] == "/w==" and second["turns"] == []


def test_cells_of_excel_are_text() -> None:
    import datetime

    day = datetime.datetime(2024, 2, 1, 9, 30)
    cells = ["007", 7, 7.0, 0.1 + 0.2, True, day, day.date(), day.time(), "a\nb", 123456789012345678]
    rows = kept(
        {"a.xlsx": workbook(lambda book: [book.active.append(["input", value]) for value in ["output", *cells]])}
    )
    told = ["007", "7", "7", "0.3", "TRUE", "2024-02-01T09:30:00", "2024-02-01", "09:30:00", "a\nb"]
    assert [row["output"] for row in rows][:9] == told


def test_the_field_that_holds_the_rows_can_be_named() -> None:
    rows = [{"input": f"q{i}", "output": "a"} for i in range(12)]
    for indent in (None, 1):
        document = {"about": ["x", {"data": 1}], "data": [{"input": "no", "output": "no"}], "mine": rows}
        content = json.dumps(document, indent=indent).encode()
        assert kept({"a.json": content}, field="mine") == rows
        assert kept({"a.jsonl": content}, field="mine") == rows
        assert kept({"a.json": content})[0] == {"input": "no", "output": "no"}
    columns = {"mine": {"input": ["a", "b"], "output": ["c", "d"]}}
    assert kept({"a.json": json.dumps(columns).encode()}, field="mine")[1] == {"input": "b", "output": "d"}
    large = {"pad": ["x" * 1000] * 17_000, "mine": rows}
    assert kept({"a.json": json.dumps(large).encode()}, field="mine") == rows
    for content, said in [
        ({"mein": rows}, "without a field 'mine'; it has 'mein'. Did you mean 'mein'?"),
        (rows, "is no one object of JSON, so it has no field 'mine'"),
        ({"pad": ["x" * 1000] * 17_000, "mine": 7}, "in 'mine' is no list of rows"),
        ({"pad": ["x" * 1000] * 17_000}, "without a field 'mine'"),
    ]:
        with pytest.raises(InvalidRequest, match=re.escape(said)):
            read({"a.json": json.dumps(content).encode()}, field="mine")
    # A table has no fields.
    assert kept({"a.csv": table([HEAD, *CELLS])}, field="mine") == GOOD


# Every row is accounted for.

REFUSED = {
    "line_too_long", "not_an_object", "not_json", "stray_quote", "too_deep", "too_few_fields", "too_many_digits",
    "too_many_fields", "torn_article", "torn_document", "unclosed_quote", "undecodable",
}  # fmt: skip
"""Codes of rows that are blank in the dataset."""
PIECES = [b"a", b"b c", b'"', b'""', b",", b",", b"\n", b"\n", b"\r\n", b"\xff", b"\xc3\xa9", b"\0", b"=1"]


@fuzzed(300)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
def test_accepted_and_refused_are_all_rows_of_csv(body: bytes) -> None:
    content = b"input,output\n" + b"x,y\n" * 300 + body  # so that zeros don't make it binary
    report, rows = read({"a.csv": content}, delimiter=",", encoding="utf-8")
    assert report.source is not None
    assert len(rows) == report.source["parts"][0]["rows"]
    assert report.num_rows == report.num_examples + report.num_bad
    blank = sum(row is None for row in rows)
    refused = sum(found["count"] for found in report.findings if found["code"] in REFUSED)
    written = len(rows) - blank
    assert report.num_rows == written + refused and refused <= blank
    # An open quote hides no row: each line that is nothing but text in two cells is there.
    plain = sum(line.strip() in (b"a,b c", b"a,a", b"b c,a") for line in body.split(b"\n") if b"\0" not in line)
    assert written >= 300 and (b'"' in body or b"\r" in body or written >= 300 + plain)


@fuzzed(300)
@given(
    st.lists(
        st.sampled_from([b"{", b"}", b"[", b"]", b'"', b",", b":", b"1", b'{"input": "a"}', b"\n", b"\\", b"tru"]),
        max_size=30,
    )
)
def test_no_list_of_json_breaks_it(pieces: list[bytes]) -> None:
    content = b"[" + json.dumps(GOOD).encode()[1:-1] + b"," + b"".join(pieces)
    report, rows = read({"a.json": content})
    assert rows[:12] == GOOD
    assert (
        report.num_rows
        == report.num_examples + report.num_bad
        == sum(row is not None for row in rows)
        + sum(found["count"] for found in report.findings if found["code"] in REFUSED)
    )


@fuzzed(400)
@given(
    ending=st.sampled_from([*ENDINGS, *PACKED]),
    content=st.binary(max_size=300)
    | st.lists(st.sampled_from(PIECES) | st.binary(max_size=5), max_size=40).map(b"".join),
    cut=st.integers(0, 3000),
)
def test_no_bytes_break_the_readers(ending: str, content: bytes, cut: int) -> None:
    samples = {
        ".xlsx": lambda: workbook(lambda book: [book.active.append(row) for row in [HEAD, *CELLS]]),
        ".ods": lambda: ods(ods_sheet([HEAD, *CELLS])),
        ".parquet": lambda: parquet({name: [row[name] for row in GOOD] for name in HEAD}),
        ".zip": lambda: zipped({"a.csv": table([HEAD, *CELLS])}),
        ".gz": lambda: gzip.compress(jsonl(GOOD)),
    }
    bodies = [content]
    if ending in samples and cut:
        whole = _sample(ending, samples)
        at = cut % len(whole)
        bodies += [whole[:at], whole[:at] + content + whole[at + len(content) :]]
    for body in bodies:
        with suppress(ModelForgeError):
            read({f"a{ending}": body})


_WHOLE: dict[str, bytes] = {}


def _sample(ending: str, samples: Any) -> bytes:
    if ending not in _WHOLE:
        _WHOLE[ending] = samples[ending]()
    return _WHOLE[ending]


# Choices.


@pytest.mark.parametrize(
    ("content", "delimiter", "first"),
    [
        (b"input,output\na,b\n", ",", 2),
        (b"input;output\na,1;b,2\nc,3;d,4\n", ";", 2),
        (b"input\toutput\na, b\tc, d\n", "\t", 2),
        (b"sep=;\ninput;output\na;b\n", ";", 3),
        (b"\n\ninput|output\na|b\n", "|", 4),
        (b"text\nwell, that, is it\nor not\n", None, 2),
        (b"4711,9.5\n4712,9.6\n", ",", 1),
    ],
)
def test_delimiters_and_names_are_found(content: bytes, delimiter: str | None, first: int) -> None:
    report, rows = read({"a.csv": content})
    assert report.source is not None
    assert (report.source["delimiter"], report.source["parts"][0]["first"]) == (delimiter, first)
    assert None not in rows


def test_options_win() -> None:
    content = "a;b,c\nü;d,e\n".encode("cp850")
    [row] = kept({"a.csv": content}, encoding="cp850", delimiter=";", header=True)
    assert row == {"a": "ü", "b,c": "d,e"}
    assert kept({"a.csv": content}, encoding="cp850", delimiter=",", header=False)[1] == {
        "column_1": "ü;d",
        "column_2": "e",
    }
    book = workbook(lambda book: [book.create_sheet(name).append(row) for name in "xy" for row in (HEAD,)] and None)
    for wrong, said in [
        ({"encoding": "klingon"}, "encoding: 'klingon' is none that is known"),
        ({"encoding": "rot13"}, "encoding: 'rot13' is none"),
        ({"delimiter": "ab"}, "delimiter: 'ab' is not one sign"),
    ]:
        with pytest.raises(InvalidRequest, match=said):
            read({"a.csv": content}, **wrong)
    with pytest.raises(InvalidRequest, match="no sheet 'z'; it has 'Sheet', 'x', 'y'"):
        read({"a.xlsx": book}, sheet="z")


def test_a_quote_hides_no_row_and_is_told_of_in_its_own() -> None:
    lines = [f"q{i},a{i}" for i in range(20)]
    lines[4] = 'q4,"a4'
    report, rows = read({"a.csv": "\n".join(["input,output", *lines, ""]).encode()})
    assert [found["rows"] for found in report.findings] == [[5]] and report.errors[0].startswith("row 6: a quote opens")
    assert report.findings[0]["excerpt"] == 'q4,"a4'
    assert [row["input"] for row in rows if row] == [f"q{i}" for i in range(20) if i != 4]


def test_open_quotes_in_every_line_take_no_more_than_their_time() -> None:
    content = b"input,output\n" + b"a,b\n" * 10 + b'x,"y\n' * 40_000
    report, rows = read({"a.csv": content})
    assert len(rows) == 40_010 and (report.num_bad, report.num_examples) == (40_000, 10)


def test_quotes_that_open_anew_in_every_line_take_no_more_than_their_time() -> None:
    """Each line closes the quote of the one before and opens another: read from any of them, the file is one record."""
    content = b"input,output\n" + b"a,b\n" * 10 + b'a","\n' * 300_000
    start = time.monotonic()
    report, rows = read({"a.csv": content}, header=True, delimiter=",")
    assert len(rows) == 300_010 and report.num_rows == report.num_examples + report.num_bad
    assert time.monotonic() - start < 60


def test_a_space_behind_the_delimiter() -> None:
    rows = [{"input": f"well, {i}", "output": f'say "{i}"'} for i in range(12)]
    lines = [f'"well, {i}", "say ""{i}"""' for i in range(12)]
    assert kept({"a.csv": "\n".join(["input, output", *lines, ""]).encode()}) == rows
    assert kept({"a.csv": "\n".join(["input, output", *lines, ""]).encode()}, delimiter=",") == rows


def test_quotes_with_a_backslash_before_them() -> None:
    lines = [f'"say \\"{i}\\"","a path, C:\\dir\\{i}"' for i in range(12)]
    report, rows = read({"a.csv": "\n".join(["input,output", *lines, ""]).encode()})
    assert rows == [{"input": f'say "{i}"', "output": f"a path, C:\\dir\\{i}"} for i in range(12)]
    assert report.source is not None and report.source["notes"] == [
        'quotes within cells have a backslash before them: \\"'
    ]
    # Only where they would else be none.
    assert kept({"a.csv": b'input,output\n"C:\\dir\\","b"\n'}) == [{"input": "C:\\dir\\", "output": "b"}]


def test_a_table_is_no_wider_than_can_be_held() -> None:
    with pytest.raises(InvalidDataset, match="row 1 has 200001 cells; a table may have 100000 columns"):
        read({"a.csv": b"," * 200_000 + b"x\n1\n"})


def test_the_questions_of_a_form_are_names_of_columns() -> None:
    asked = ["Zeitstempel", "Was wollten Sie schon immer wissen?", "Wie lautet die Antwort darauf?"]
    rows = [[f"{i + 1:02}.03.2024 10:{i:02}:00", *cells] for i, cells in enumerate(CELLS)]
    for content in (
        {"a.csv": table([asked, *rows])},
        {"a.xlsx": workbook(lambda book: filled(book.active, [asked, *rows]))},
    ):
        found = kept(content)
        assert list(found[0]) == asked and len(found) == 12
    assert list(kept({"a.csv": table(rows)})[0]) == ["column_1", "column_2", "column_3"]


def test_a_title_and_merged_cells_of_a_workbook() -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        filled(sheet, [["Questions of 2024"], [], ["kept by Ada"], ["topic", *HEAD], *(["", *each] for each in CELLS)])
        sheet.merge_cells("A1:C1")
        for first, last, topic in ((5, 8, "lamps"), (9, 16, "boots")):
            sheet.cell(first, 1, topic)
            sheet.merge_cells(f"A{first}:A{last}")

    content = workbook(fill)
    report, rows = read({"a.xlsx": content})
    assert rows == [{"topic": "lamps" if i < 4 else "boots", **row} for i, row in enumerate(GOOD)]
    assert report.source is not None and report.source["parts"][0]["first"] == 5
    assert report.source["notes"] == [
        "left out above the names of columns in row 4: 'Questions of 2024', 'kept by Ada'"
    ]


def test_the_sheet_with_the_table_is_the_dataset() -> None:
    def fill(book: Any) -> None:
        filled(book.active, [["How to fill this in"], ["One question a row, please."]])
        filled(book.create_sheet("Prices"), [["article", "price"], ["lamp", 3]])
        filled(book.create_sheet("Broken"), [["=A1", "b"]])
        filled(book.create_sheet("FAQ"), [HEAD, *CELLS])

    report, rows = read({"a.xlsx": workbook(fill)})
    assert rows == GOOD and report.source is not None
    assert report.source["notes"] == [
        "sheets left out: 'Sheet' (other columns), 'Prices' (other columns), 'Broken' (without names of columns)"
    ]


def test_what_stands_beside_the_fields_of_a_workbook_costs_no_row() -> None:
    def fill(book: Any) -> None:
        rows = [[*cells, "=LEN(B2)", "#N/A" if i == 3 else "x"] for i, cells in enumerate(CELLS)]
        filled(book.active, [[*HEAD, "length", "note"], *rows])

    report, rows = read({"a.xlsx": workbook(fill)})
    assert report.valid and rows[3] == {**GOOD[3], "length": "", "note": ""}
    assert report.source is not None
    (note,) = report.source["notes"]
    assert note.startswith("cells that are left empty: a formula has no value (cell C2); ")


def labelled(rows: list[Any], step: int = 1) -> dict[str, Any]:
    """As pandas writes a table."""
    return {name: {str(i * step): row[name] for i, row in enumerate(rows)} for name in HEAD}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(labelled(GOOD, 3), id="rows left of a table of pandas"),
        pytest.param({"version": 1, "questions": GOOD}, id="a list of any name"),
        pytest.param({f"q{i}": row for i, row in enumerate(GOOD)}, id="rows under keys"),
        pytest.param({"columns": HEAD, "index": [*range(12)], "data": CELLS}, id="rows as lists"),
        pytest.param({"train": GOOD, "test": GOOD[:2]}, id="splits"),
    ],
)
@pytest.mark.parametrize("called", ["a.json", "a.jsonl"])
def test_what_objects_rows_stand_in(value: Any, called: str) -> None:
    report, rows = read({called: json.dumps(value).encode()})
    assert rows == GOOD
    if "test" in value:
        assert report.source is not None
        assert report.source["notes"] == ["the rows are those of the list 'train' in it; left out: 'test'"]


@pytest.mark.parametrize("how", ["labelled", "beside", "list", "split"])
def test_the_same_in_a_document_that_is_longer_than_a_row(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    from modelforge.datasets.sources import document

    monkeypatch.setattr(document, "MAX_LINE", 300_000)
    many = [{"input": f"{i} {'x' * 50}", "output": "y"} for i in range(20_000)]
    value = {
        "labelled": labelled(many, 3),
        "beside": {"info": {"by": "Ada"}, "more": {}, **{name: [row[name] for row in many] for name in HEAD}},
        "list": {"version": 1, "questions": many},
        "split": {"columns": HEAD, "index": [*range(20_000)], "data": [[row[name] for name in HEAD] for row in many]},
    }[how]
    assert kept({"a.json": json.dumps(value).encode()}) == many


def test_a_value_that_python_has_not_is_told_of() -> None:
    import pyarrow as pa

    far = pa.array([2**31 - 1] * 12, pa.int32()).cast(pa.date32())
    with pytest.raises(InvalidDataset, match="breaks off after row 0"):
        read({"a.parquet": parquet({**{name: [row[name] for row in GOOD] for name in HEAD}, "day": far})})


def test_files_whose_rows_lack_some_of_the_fields_are_one_dataset() -> None:
    rows = [{"frage": "a", "antwort": "b"}] * 6
    more = [{**row, "note": "x"} for row in rows]
    assert kept({"a.jsonl": jsonl(rows), "b.jsonl": jsonl(more)}) == [*rows, *more]


def test_days_that_no_calendar_has_stay_numbers() -> None:
    def fill(book: Any) -> None:
        filled(book.active, [[*HEAD, "day"], *([*cells, 2_958_465.9999999] for cells in CELLS)])
        for row in range(2, 14):
            book.active.cell(row, 3).number_format = "yyyy-mm-dd"

    assert kept({"a.xlsx": workbook(fill)})[0]["day"] == "2958465.9999999"


def test_what_lies_in_between_lies_beside_the_rows(tmp_path: Path) -> None:
    """Not in the system's folder for such things, which many machines keep in memory."""
    path, folder, asked = tmp_path / "a.jsonl", tmp_path / "in between", tmp_path / "request.json"
    path.write_bytes(jsonl(GOOD))
    folder.mkdir()
    request = {"files": [[str(path), path.name]], "rows": str(tmp_path / "rows"), "folder": str(folder)}
    asked.write_text(json.dumps({**request, "reading": {}, "limit": MAX_BYTES}))
    code = (
        "import sys, tempfile; from modelforge.datasets.check import main; main(sys.argv[1]); "
        "print(tempfile.TemporaryDirectory().name)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, str(asked)], capture_output=True, text=True, check=True)
    assert Path(done.stdout.splitlines()[-1]).parent == folder


def test_more_files_than_a_command_line_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(GOOD))
    many = [(path, f"{'long-' * 20}{number}.jsonl") for number in range(1500)]
    report = asyncio.run(check_files(many, rows=tmp_path / "rows"))
    assert report.num_examples == 1500 * len(GOOD)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "rows"]


def test_a_record_of_many_long_cells_is_held_no_longer_than_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from modelforge.datasets.sources import delimited

    monkeypatch.setattr(delimited, "MAX_LINE", 1000)
    content = b"a,b,c,d\n" + b"1,2,3,4\n" * 10 + ('"' + "x" * 900 + '\n",' * 1).encode() * 3 + b"y\n"
    report, rows = read({"a.csv": content}, header=True, delimiter=",")
    assert [row["a"] for row in rows if row][:10] == ["1"] * 10
    assert report.num_bad >= 1 and report.num_rows == report.num_examples + report.num_bad


def test_several_files_are_one_dataset_and_rows_are_told_by_their_file() -> None:
    files = {
        "a.csv": table([HEAD, *CELLS[:6], ["x"]]),
        "b.jsonl": jsonl([*GOOD[6:], {"input": "a"}]),
        "c.xlsx": workbook(lambda book: [book.active.append(row) for row in [HEAD, *CELLS, ["a", None]]]),
    }
    report, rows = read(files)
    assert report.source is not None and report.source["format"] == "csv, jsonl, excel"
    assert report.errors == [
        "a.csv row 8: fewer cells than there are columns (1 instead of 2)",
        "b.jsonl line 7: field 'output' is missing",
        "c.xlsx: Sheet row 14: field 'output' is empty",
    ]
    assert rows[6] is None and rows[7] == GOOD[6] and report.num_examples == 24


def test_places() -> None:
    parts = [
        {"name": "a.csv", "unit": "row", "first": 2, "rows": 3},
        {"name": "b.csv", "unit": "row", "first": 2, "rows": 9},
    ]
    places = Places(parts)
    assert [places.of(line) for line in (1, 3, 4, 13)] == [
        ("a.csv row", 2),
        ("a.csv row", 4),
        ("b.csv row", 2),
        ("added row", 1),
    ]
    assert places.told([1, 3, 4], 3) == "a.csv rows 2 and 4; b.csv row 2"
    assert places.told([1, 2, 3, 4, 5], 99) == "a.csv rows 2, 3 and 4; b.csv rows 2, 3 and 94 more"
    assert Places(parts[:1]).told([2], 1) == "row 3"


def test_what_an_archive_or_a_table_comes_to_is_limited() -> None:
    packed = zipped({"a.csv": table([HEAD, *CELLS])})
    for files in ({"a.zip": packed}, {"a.csv.gz": gzip.compress(table([HEAD, *CELLS]))}):
        with pytest.raises(TooLarge, match=r"unpacks to more than 0\.0001 MB"):
            read(files, limit=100)
    # A short row under long names is a long line.
    wide = table([["n" * 99 + str(i) for i in range(1000)], *([["x"] + [""] * 999] * 50)])
    with pytest.raises(TooLarge, match="the rows take more than 1 MB"):
        read({"a.csv": wide}, limit=1_000_000)


def test_the_process_leaves_nothing_but_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(zipped({"a.csv": table([HEAD, *CELLS])}))
    rows = tmp_path / "rows"
    report = asyncio.run(check_file(file, rows=rows, options=ReadOptions(delimiter=",")))
    assert report.converted and rows.read_bytes() == jsonl(GOOD)
    assert to_validation(report).source is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "rows"]
    rows.unlink()
    with pytest.raises(InvalidRequest):
        asyncio.run(check_files([(file, "a.zip"), (file, "b.zip")], rows=rows, options=ReadOptions(delimiter="xx")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]


def test_json_lines_are_kept_to_the_byte(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + jsonl(GOOD).replace(b"\n", b"\r\n"))
    rows = tmp_path / "rows"
    assert not asyncio.run(check_file(file, rows=rows)).converted
    assert not rows.exists()


@pytest.mark.parametrize("kind", ["csv", "json", "xlsx", "ods", "parquet", "txt", "jsonl.gz", "zip", "jsonl"])
def test_progress_comes_from_what_is_read(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelforge.datasets import stages

    monkeypatch.setattr(stages, "SECONDS_BETWEEN", 0.0)
    count, inside = 8_000, {"zip": "csv", "jsonl": "jsonl.gz"}.get(kind, kind)
    content = written(inside, count, lambda: os.urandom(250).hex())
    if kind == "zip":
        content = zipped({f"{n}.csv": content for n in range(3)})
    if kind == "jsonl":
        content = gzip.decompress(content)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    (tmp_path / "in between").mkdir()
    told: list[tuple[float, str]] = []

    def say(share: float, message: str) -> None:
        told.append((share, message))

    check([[str(path), path.name]], str(tmp_path / "rows"), str(tmp_path / "in between"), {}, MAX_BYTES, say)
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] <= 1.0
    messages = list(dict.fromkeys(message for _, message in told))
    assert messages == (["checking every row"] if kind == "jsonl" else ["reading", "checking every row"])
    # Not in one leap.
    assert max(b - a for a, b in zip(shares, [*shares[1:], 1.0], strict=True)) < 0.34, shares


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep to no such limit")
def test_a_file_that_takes_all_memory_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys; from modelforge.datasets import check; check.MEMORY_BYTES = 60_000_000; sys.exit("
        "check.main(sys.argv[1]))"
    )
    path = tmp_path / "a.jsonl"
    deep = "[" + "1," * 7_000_000 + "1]"
    path.write_bytes(jsonl(GOOD) + f'{{"input": {deep}, "output": "b"}}\n'.encode())
    request = {"files": [[str(path), "a.jsonl"]], "rows": str(tmp_path / "rows"), "folder": str(tmp_path)}
    asked = tmp_path / "request.json"
    asked.write_text(json.dumps({**request, "reading": {}, "limit": MAX_BYTES}))
    done = subprocess.run([sys.executable, "-P", "-c", code, str(asked)], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    refused = json.loads(done.stdout.splitlines()[-1])["refused"]
    assert refused["kind"] == "TooLarge" and "more memory than a process that reads data may have" in refused["detail"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["csv", "json", "xlsx", "ods", "parquet", "txt", "jsonl.gz", "columns.json"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    """Megabytes above what the process takes for a small file of the kind."""
    code = (
        "import sys; from modelforge.datasets.check import main; main(sys.argv[1]);"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )

    def peak(count: int) -> float:
        folder = tmp_path / str(count)
        (folder / "in between").mkdir(parents=True)
        path = folder / f"a.{kind}"
        path.write_bytes(written(kind, count))
        request = {
            "files": [[str(path), path.name]],
            "rows": str(folder / "rows"),
            "folder": str(folder / "in between"),
        }
        asked = folder / "request.json"
        asked.write_text(json.dumps({**request, "reading": {}, "limit": MAX_BYTES}))
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, str(asked)], capture_output=True, text=True, check=True
        )
        *_, report, peak = done.stdout.splitlines()
        assert json.loads(report)["result"]["num_examples"] == count
        return int(peak) / 1000

    growth = peak(60_000) - peak(20_000)
    print(f"{growth:.0f} MB")
    assert growth < 25


def written(kind: str, count: int, text: Callable[[], str] = lambda: "x" * 500) -> bytes:
    texts = [f"{i} {text()}" for i in range(count)]
    if kind == "csv":
        return table([HEAD, *([text, "y"] for text in texts)])
    if kind == "json":
        return json.dumps([{"input": text, "output": "y"} for text in texts]).encode()
    if kind == "columns.json":
        return json.dumps({"input": texts, "output": ["y"] * count}).encode()
    if kind == "parquet":
        return parquet({"input": texts, "output": ["y"] * count})
    if kind == "txt":
        return "\n\n".join(texts).encode()
    if kind == "jsonl.gz":
        return gzip.compress(b"".join(b'{"input": "%s", "output": "y"}\n' % text.encode() for text in texts), 1)
    if kind == "ods":
        with zipfile.ZipFile(io.BytesIO(ods(ods_sheet([HEAD, *([text, "y"] for text in texts)])))) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        return zipped({**members, "x": os.urandom(len(members["content.xml"]) // 100)})
    cells = "".join(
        f'<row r="{i + 2}"><c t="inlineStr"><is><t>{text}</t></is></c><c t="inlineStr"><is><t>y</t></is></c></row>'
        for i, text in enumerate(texts)
    )
    head = '<row r="1"><c t="inlineStr"><is><t>input</t></is></c><c t="inlineStr"><is><t>output</t></is></c></row>'
    with zipfile.ZipFile(io.BytesIO(workbook(lambda book: None))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = f'<worksheet xmlns="http://x"><sheetData>{head}{cells}</sheetData></worksheet>'
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    # As it comes from a spreadsheet: rows of one letter are packed better than any text.
    parts["x"] = os.urandom(len(sheet) // 100)
    return zipped(parts)
