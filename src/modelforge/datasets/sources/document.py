"""JSON that is no JSON Lines: a list of objects, an object of columns, SQuAD's nested form, objects one after another.

Read value by value with the decoder that reads lines, over text that comes in pieces. Nothing longer than the longest
line is ever held; a value that cannot be read is skipped by its brackets, and told of by its number.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from modelforge.datasets.problems import shown, type_name
from modelforge.datasets.rows import MAX_LINE
from modelforge.datasets.sources.base import Item, Reading, Table
from modelforge.datasets.sources.encoding import MARK, detect, open_text
from modelforge.datasets.sources.faults import (
    NOT_SQUAD,
    TOO_DEEP,
    TOO_LONG,
    TOO_MANY_DIGITS,
    TORN,
    Fault,
    not_json,
    too_few,
    too_many,
    undecodable,
)
from modelforge.datasets.sources.spool import Spool
from modelforge.errors import InvalidDataset

WRAPPERS = ("data", "rows", "train", "examples", "records", "items", "instances", "dataset")
"""Fields in which an object holds a list of rows: SQuAD's ``data``, and those of other collections. Any other name will
do where there is no second such list, and the object is no row itself."""
_SPLIT = {"columns", "data"}
_ROWS_OF_CHATS = {"messages", "conversations", "prompt", "chosen", "rejected", "tools"}
"""Fields that are lists of objects in a row."""
_COLUMNS = 200
"""That an object of columns may have: each lies in a file of its own while they are read."""
_PIECE = 1 << 18
_SPACE = re.compile(r"[ \t\r\n\ufeff]*")
_OUTSIDE = re.compile(r'["\[\]{},]')
_INSIDE = re.compile(r'["\\\n]')
"""No text goes on after the end of a line: where a quote is missing, only that line is misread."""
_SCAN = json.JSONDecoder().raw_decode


class _Torn(Exception):
    """The text ended within a value."""


def read(path: Path, reading: Reading) -> Iterator[Table]:
    encoding = detect(path, reading.encoding)
    notes = [encoding.note] if encoding.note else []
    with open_text(path, encoding.name) as stream:
        document = _Document(stream, encoding.name, notes)
        yield Table(document.items(), "element", 1, "", encoding.name, None, notes)


class _Document:
    def __init__(self, stream: TextIO, encoding: str, notes: list[str]) -> None:
        self._stream = stream
        self._encoding = encoding
        self._notes = notes
        self._text = ""
        self._at = 0
        self._ended = False
        self._squad = False

    def items(self) -> Iterator[Item]:
        """Every row, whichever way the document holds them."""
        try:
            first = True
            while self._peek():
                if self._peek() == "[":
                    yield from self._list(self._unfold)
                elif self._peek() == "{":
                    yield from self._object(first=first)
                elif self._peek() == ",":
                    self._at += 1
                else:
                    yield not_json("neither a list nor an object")
                    return
                first = False
        except _Torn:
            yield TORN

    # Values.

    def _object(self, *, first: bool) -> Iterator[Item]:
        """An object at the top: a row among others; or the only one, which holds the rows or consists of columns."""
        value = self._value()
        if value is TOO_LONG:
            # It was not skipped: what is longer than a row can be must be a whole dataset.
            yield from self._large()
        elif isinstance(value, Fault) or not first or self._peek():
            yield value
        elif _is_split(value):
            yield from self._split(value["columns"], value["data"])
        elif (name := _list_of_rows(value)) is not None:
            others = [shown(other) for other in value if other != name and is_rows(value[other])]
            more = f"; left out: {', '.join(others)}" if others else ""
            self._notes.append(f"the rows are those of the list {shown(name)} in it{more}")
            for row in value[name]:
                yield from self._unfold(row)
        elif (rows := _keyed(value)) is not None:
            self._notes.append("an object of rows, each under a key of its own, which is left out")
            yield from rows
        elif columns := _columns(value):
            self._notes.append("an object of columns, each a list: its n-th values are row n")
            lengths = {len(values) for values in columns.values()}
            if len(lengths) > 1:
                raise InvalidDataset(_unequal({name: len(values) for name, values in columns.items()}))
            for cells in zip(*columns.values(), strict=True):
                yield dict(zip(columns, cells, strict=True))
        else:
            yield value

    def _large(self) -> Iterator[Item]:
        """An object that is too long to be a row, read field by field."""
        spools: dict[str, Spool] = {}
        labels: dict[str, str] = {}
        try:
            for name in self._names():
                # Behind the names of columns may come rows that are lists.
                if name in WRAPPERS and self._peek() == "[" and "columns" not in spools:
                    self._notes.append(
                        f"the rows are those of the list {shown(name)} in it; what stands behind it is not read"
                    )
                    yield from self._list(self._unfold)
                    self._text, self._at, self._ended = "", 0, True
                    return
                if self._peek() in "[{":
                    if len(spools) == _COLUMNS:
                        raise InvalidDataset(
                            f"the file is an object of more than {_COLUMNS} columns; write it as a list of objects"
                        )
                    if name in spools:
                        raise InvalidDataset(f"the file is an object of JSON with two fields {shown(name)}")
                    spools[name] = spool = Spool()
                    if self._peek() == "[":
                        self._spool(spool, name, self._list(lambda value: iter([value])))
                    else:
                        labels[name] = self._labelled(spool, name)
                elif isinstance(self._value(), Fault):
                    raise InvalidDataset(f"the file is one object of JSON, and its field {shown(name)} cannot be read")
            if labels.keys() != spools.keys():  # objects beside columns say something of the file
                for name in labels:
                    spools.pop(name).close()
                labels.clear()
            if not spools or len(set(labels.values())) > 1:
                raise InvalidDataset(
                    "the file is one object of JSON, and no field of it is a list of rows; write it as such a list"
                )
            whole = "data" if spools.keys() >= _SPLIT else next(iter(spools)) if len(spools) == 1 else ""
            begins = spools[whole][0][:1] if whole and len(spools[whole]) else b""
            if begins == b"[" and whole == "data":
                yield from self._split(map(json.loads, spools["columns"]), map(json.loads, spools["data"]))
                return
            if begins == b"{":
                self._notes.append(f"the rows are those of the list {shown(whole)} in it")
                for cell in spools[whole]:
                    yield from self._unfold(json.loads(cell))
                return
            if len({len(spool) for spool in spools.values()}) > 1:
                raise InvalidDataset(_unequal({name: len(spool) for name, spool in spools.items()}))
            self._notes.append("an object of columns, each a list: its n-th values are row n")
            for cells in zip(*spools.values(), strict=True):
                yield dict(zip(spools, map(json.loads, cells), strict=True))
        finally:
            for spool in spools.values():
                spool.close()

    def _split(self, columns: Iterable[Any], data: Iterable[Any]) -> Iterator[Item]:
        """Pandas' third way: the names of the columns once, and each row a list."""
        self._notes.append("an object with the names of columns, and rows that are lists")
        names = [name if isinstance(name, str) else json.dumps(name) for name in columns]
        for cells in data:
            if type(cells) is not list:
                yield Fault("not_an_object", f"{type_name(cells)}, not an object")
            elif len(cells) != len(names):
                yield (too_many if len(cells) > len(names) else too_few)(len(cells), len(names))
            else:
                yield dict(zip(names, cells, strict=True))

    def _names(self) -> Iterator[str]:
        """The names of an object's fields. Who asks for the next one has read the value of the one before."""
        self._take("{")
        while self._peek() not in ("}", ""):
            name = self._value()
            if not isinstance(name, str):
                raise InvalidDataset("the file is an object of JSON whose fields cannot be read")
            self._take(":")
            yield name
            if self._peek() == ",":
                self._take(",")
        self._take("}")

    def _spool(self, spool: Spool, name: str, values: Iterator[Any]) -> None:
        for value in values:
            if isinstance(value, Fault):
                raise InvalidDataset(f"column {shown(name)} has a value that cannot be read: {value.message}")
            spool.add(json.dumps(value).encode())

    def _labelled(self, spool: Spool, name: str) -> str:
        """Take the values of a column as pandas writes it, an object; a digest of the labels of its rows."""
        digest = hashlib.blake2b()

        def values() -> Iterator[Any]:
            for label in self._names():
                digest.update(json.dumps(label).encode())
                yield self._value(skipping=True)

        self._spool(spool, name, values())
        return digest.hexdigest()

    def _list(self, each: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
        """What ``each`` makes of every element of the list that begins here."""
        self._take("[")
        while True:
            sign = self._peek()
            if not sign:
                raise _Torn
            if sign == "]":
                self._at += 1
                return
            if sign in ",}":
                self._at += 1
                if sign == "}":
                    yield not_json("a bracket closes that was not opened")
                continue
            value = self._value(skipping=True)
            if isinstance(value, Fault):
                yield value
            else:
                yield from each(value)

    def _unfold(self, value: Any) -> Iterator[Item]:
        if type(value) is not dict:
            yield Fault("not_an_object", f"{type_name(value)}, not an object")
        elif "paragraphs" in value and "context" not in value:
            if not self._squad:
                self._squad = True
                self._notes.append("SQuAD's nested form: each of its questions is a row, counted from the first")
            yield from _questions(value)
        else:
            yield value

    def _value(self, *, skipping: bool = False) -> Any:
        """The value that begins here, or why it cannot be read, with what follows it next. One that is too long is left
        where it is, unless it is to be skipped."""
        self._peek()
        while True:
            try:
                value, end = _SCAN(self._text, self._at)
            except json.JSONDecodeError as error:
                # What is cut off fails at its end, or is a text without one.
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - 12
                if not cut or self._ended:
                    return self._skip(not_json(error.msg))
            except RecursionError:
                return self._skip(TOO_DEEP)
            except ValueError:
                return self._skip(TOO_MANY_DIGITS)
            else:
                # A number at the end of what was read may go on.
                if end < len(self._text) or self._ended:
                    piece = self._text[self._at : end]
                    self._at = end
                    return self._judged(value, piece)
            if len(self._text) - self._at > MAX_LINE:
                return self._skip(TOO_LONG) if skipping else TOO_LONG
            self._more(len(self._text) - self._at)

    def _judged(self, value: Any, piece: str) -> Any:
        mark = None if piece.isascii() else MARK.search(piece)
        return value if mark is None else undecodable(self._encoding, mark[0])

    def _skip(self, why: Fault) -> Fault:
        """Pass the value that begins here, by its brackets and quotes alone."""
        depth, quoted = 0, False
        while True:
            found = (_INSIDE if quoted else _OUTSIDE).search(self._text, self._at)
            if found is None:
                if self._ended:
                    raise _Torn
                self._at = len(self._text)
                self._more()
                continue
            sign, self._at = found[0], found.end()
            if quoted:
                if sign == "\\":
                    self._at += 1  # past the sign after it, which may not be read yet
                else:
                    quoted = False
            elif sign == '"':
                quoted = True
            elif sign in "[{":
                depth += 1
            elif depth == 0:
                self._at -= 1  # the comma or bracket belongs to what holds the value
                return why
            elif sign in "]}":
                depth -= 1
                if depth == 0:
                    return why

    # Text.

    def _peek(self) -> str:
        """The next sign that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._more()

    def _take(self, sign: str) -> None:
        if self._peek() != sign:
            if not self._peek():
                raise _Torn
            raise InvalidDataset(f"the file is JSON in which a '{sign}' is missing")
        self._at += 1

    def _more(self, size: int = 0) -> None:
        """Read on; what was passed is forgotten."""
        piece = self._stream.read(max(_PIECE, size))
        self._ended = not piece
        passed = max(0, self._at - len(self._text))
        self._text = self._text[self._at :] + piece
        self._at = passed


def is_rows(value: object) -> bool:
    """Whether it is a list that begins with an object."""
    return type(value) is list and bool(value) and type(value[0]) is dict


def _is_split(value: dict[str, Any]) -> bool:
    return value.keys() >= _SPLIT and all(type(value[name]) is list for name in _SPLIT) and not is_rows(value["data"])


def _list_of_rows(value: dict[str, Any]) -> str | None:
    """The field in which an object holds the rows."""
    held = [name for name, each in value.items() if is_rows(each)]
    usual = next((name for name in WRAPPERS if name in held), None)
    return usual or (held[0] if len(held) == 1 and held[0] not in _ROWS_OF_CHATS else None)


def holds_rows(value: dict[str, Any]) -> bool:
    """Whether an object is a whole dataset: it has a list of rows in it, or consists of columns, or of rows."""
    return _is_split(value) or any(look(value) is not None for look in (_list_of_rows, _columns, _keyed))


def _columns(value: dict[str, Any]) -> dict[str, list[Any]] | None:
    """Columns as lists, or as pandas writes them: objects from a row's label, which is a number, to its value."""
    values = list(value.values())
    if values and all(type(column) is list for column in values) and not any(map(is_rows, values)):
        return value
    labels = list(values[0]) if values and type(values[0]) is dict else []
    if (
        all(map(str.isdecimal, labels))
        and labels
        and all(type(each) is dict and list(each) == labels for each in values)
    ):
        return {name: list(column.values()) for name, column in value.items()}
    return None


def _keyed(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Rows of the same fields, each under a key: ``{"q1": {"question": …}, "q2": …}``."""
    rows = list(value.values())
    alike = len(rows) > 1 and all(type(row) is dict and row and row.keys() == rows[0].keys() for row in rows)
    return rows if alike and not all(map(str.isdecimal, rows[0])) else None


def _unequal(lengths: dict[str, int]) -> str:
    told = ", ".join(f"'{name[:60]}' has {count}" for name, count in list(lengths.items())[:5])
    return f"the file is an object of columns that are not equally long: {told}"


def _questions(article: dict[str, Any]) -> Iterator[Item]:
    """The questions of one of SQuAD's articles, as the hub has them."""
    paragraphs = article["paragraphs"]
    if type(paragraphs) is not list:
        yield NOT_SQUAD
        return
    for paragraph in paragraphs:
        asked = paragraph.get("qas") if type(paragraph) is dict else None
        if type(asked) is not list or "context" not in paragraph:
            yield NOT_SQUAD
            continue
        for question in asked:
            if type(question) is not dict:
                yield NOT_SQUAD
                continue
            row = {"context": paragraph["context"], **question}
            if "title" in article:
                row.setdefault("title", article["title"])
            answers = question.get("answers")
            if type(answers) is list and all(type(answer) is dict for answer in answers):
                row["answers"] = {
                    "text": [answer.get("text") for answer in answers],
                    "answer_start": [answer.get("answer_start") for answer in answers],
                }
            row.pop("plausible_answers", None)  # what version 2 says might be mistaken for an answer
            yield row
