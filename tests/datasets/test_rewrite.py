"""Rows written anew: what nobody touched stays byte for byte, and every row keeps its number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.datasets.fixes import FIXES, Mender
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.rewrite import canonical, replace, rewrite, to_line
from modelforge.datasets.rows import MAX_LINE, BadLine, Row, open_regular, read_rows
from modelforge.errors import DiskFull
from tests.fuzz import fuzzed

TEXT = st.text(max_size=12) | st.sampled_from(
    ["", " ", " a ", "\ufeffa", "Ã©t\u00c3\u00a9", "\ud83d", "a\x07\x85b", "mail me@example.org now", "+49 170 1234567"]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["input", "output", "context", "question", "answer", "answer_start", "messages", "text", "x"])
ROWS = st.dictionaries(FIELDS, VALUE, max_size=5)
LINES = st.lists(
    ROWS.map(to_line) | st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")) | st.just(b""), max_size=6
)


def nothing(share: float) -> None:
    pass


def read(path: Path) -> dict[int, Row | BadLine]:
    with open_regular(path) as stream:
        return dict(read_rows(stream))


def same(one: object, other: object) -> bool:
    if isinstance(one, BadLine) or isinstance(other, BadLine):
        return one == other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)  # NaN is NaN, 1 is not True


def written(folder: Path, lines: list[bytes], name: str = "source") -> Path:
    path = folder / name
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


@fuzzed(100)
@given(lines=LINES, data=st.data())
def test_what_is_written_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: Any
) -> None:
    folder = tmp_path_factory.mktemp("rewrite")
    source, target = written(folder, lines), folder / "target"
    before = read(source)
    edits = data.draw(
        st.dictionaries(st.integers(1, len(lines)), ROWS | st.none(), max_size=4) if lines else st.just({})
    )
    appends = data.draw(st.lists(ROWS, max_size=3))
    asked = {row: b"" if value is None else to_line(value) for row, value in edits.items()}
    outcome, last = replace(source, target, asked, [to_line(row) for row in appends], nothing)
    after = read(target)
    expected = {**before, **edits, **dict(enumerate(appends, last + 1))}
    expected = {row: value for row, value in expected.items() if value is not None}
    assert last == len(lines) and after.keys() == expected.keys()
    for row, value in expected.items():
        assert same(after[row], value)
    assert len(after) == len(before) + outcome.added.count - outcome.removed.count


@fuzzed(100)
@given(lines=LINES, names=st.sets(st.sampled_from(FIXES.names())), shape=st.sampled_from([None, *SHAPES]))
def test_a_second_fix_finds_nothing_and_no_row_is_lost_uncounted(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], names: set[str], shape: Any
) -> None:
    folder = tmp_path_factory.mktemp("rewrite")
    source, once, twice = written(folder, lines), folder / "once", folder / "twice"
    before = read(source)
    usable = {row for row, value in before.items() if isinstance(value, dict) and shape and shape.read(value)}
    outcome = rewrite(source, once, Mender(names, shape), nothing)
    after = read(once)
    assert len(before) == len(after) + outcome.removed.count
    assert {row for row in usable if not shape.read(after.get(row, {}))} == set()
    for row, value in after.items():
        assert row in outcome.changed.rows or same(value, before[row])
    again = rewrite(once, twice, Mender(names, shape), nothing)
    assert not again.touched and twice.read_bytes() == once.read_bytes()


def test_what_is_left_stays_as_it_is_written(tmp_path: Path, target: Path) -> None:
    lines = [b'{"input" :1,"a":2,  "a":3}', b"\xff\xfe", b"", b"   ", b'{"output": "x "}']
    rewrite(written(tmp_path, lines), target, Mender(["trim_whitespace"], None), nothing)
    assert target.read_bytes().split(b"\n") == [*lines[:4], b'{"output": "x"}', b""]


def test_a_line_that_nothing_reads_leaves_its_number(tmp_path: Path, target: Path) -> None:
    lines = [b'{"text": "a"}', b"x" * (MAX_LINE + 1), b'{"text": "b"}']
    outcome = rewrite(written(tmp_path, lines), target, lambda _, row: row, nothing)
    assert outcome.too_long.rows == [2] and target.read_bytes() == b'{"text": "a"}\n\n{"text": "b"}\n'


def test_a_removed_row_can_be_filled_in_again(tmp_path: Path, target: Path) -> None:
    outcome, _ = replace(written(tmp_path, [b"", b'{"a": 1}']), target, {1: b'{"b": 2}', 2: b""}, [], nothing)
    assert (outcome.added.rows, outcome.removed.rows) == ([1], [2])
    assert target.read_bytes() == b'{"b": 2}\n\n'


def test_an_edit_that_says_the_same_is_none(tmp_path: Path, target: Path) -> None:
    source = written(tmp_path, [b'{"a":1, "b":true}'])
    outcome, _ = replace(source, target, {1: b'{"b": true, "a": 1}'}, [], nothing)
    assert not outcome.touched and target.read_bytes() == source.read_bytes()
    target.unlink()
    outcome, _ = replace(source, target, {1: b'{"b": 1, "a": 1}'}, [], nothing)
    assert outcome.changed.rows == [1]


def test_nothing_is_left_of_what_failed(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(number: int, row: Row | BadLine) -> Row:
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFull):
        rewrite(written(tmp_path, [b"{}"]), target, broken, nothing)
    assert not target.exists()


def test_progress_is_told(tmp_path: Path, target: Path) -> None:
    told: list[float] = []
    line = to_line({"text": "x" * 1000})
    rewrite(written(tmp_path, [line] * 40_000), target, lambda _, row: row, told.append)
    assert len(told) >= 2 and told == sorted(told) and told[-1] <= 1


def test_halves_of_emoji_stay_what_they_are() -> None:
    row = {"text": "\ud83d", "ü": "é"}
    assert json.loads(to_line(row)) == row and json.loads(to_line({"ü": "é"}).decode()) == {"ü": "é"}
    assert canonical(b'{"a":1,"b":2}') == canonical(b'{"b": 2, "a": 1}') != canonical(b'{"b": 2, "a": true}')
