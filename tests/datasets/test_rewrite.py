"""Rows written anew: what nobody touched stays byte for byte, and every row keeps its number."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.datasets.fixes import FIXES, Mender
from modelforge.datasets.formats import SHAPES, Shape
from modelforge.datasets.rewrite import Outcome, canonical, replace, rewrite, to_line
from modelforge.datasets.rows import MAX_LINE, BadLine, Row, open_regular, read_rows
from tests.fuzz import fuzzed

TEXT = st.text(max_size=12) | st.sampled_from(
    ["", " ", " a ", "\ufeffa", "Ã©t\u00c3\u00a9", "\ud83d", "a\x07\x85b", "mail me@example.org now", "+49 170 1234567",
     "&amp;amp;lt;", "&copy; &Atilde;&copy; &nosuch; &#0;", "&nbsp;", "#REF!", "&#35;N/A"]
)  # fmt: skip
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


def fixed(source: Path, target: Path, names: Collection[str], shape: Shape | None = None) -> Outcome:
    mender = Mender(names, shape)
    return rewrite(source, target, mender, nothing, mender.begin)


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
    outcome = fixed(source, once, names, shape)
    after = read(once)
    assert len(before) == len(after) + outcome.removed.count
    gone = usable - after.keys()
    assert {row for row in usable - gone if not shape.read(after[row])} == set()
    assert not gone or "drop_spreadsheet_errors" in names
    for row, value in after.items():
        assert row in outcome.changed.rows or same(value, before[row])
    again = fixed(once, twice, names, shape)
    assert not again.touched and twice.read_bytes() == once.read_bytes()


def test_what_is_left_stays_as_it_is_written(tmp_path: Path, target: Path) -> None:
    lines = [b'{"input" :1,"a":2,  "a":3}', b"\xff\xfe", b"", b"   ", b'{"output": "x "}']
    fixed(written(tmp_path, lines), target, ["trim_whitespace"])
    assert target.read_bytes().split(b"\n") == [*lines[:4], b'{"output": "x"}', b""]


@pytest.mark.parametrize(
    ("fix", "before", "after"),
    [
        (
            "redact_personal_data",
            "write to bob@example.org, or call +49 170 1234567.",
            "write to [EMAIL], or call [PHONE].",
        ),
        ("redact_personal_data", "card 4111 1111 1111 1111", "card [CARD]"),
        ("redact_personal_data", "key hf_abcdefghijklmnopqrstuvwxyzABCDEFGH12 here", "key [SECRET] here"),
        ("redact_personal_data", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nx", "[SECRET]\nx"),
        ("redact_personal_data", "-----BEGIN RSA PRIVATE KEY-----\nMIIE", "[SECRET]"),
        ("redact_personal_data", "on 2024-01-15 at 10:30, 3.14159265358979", None),
        ("repair_mojibake", "Caf\u00c3\u00a9 \u00e2\u20ac\u201c na\u00c3\u00afve", "Café – naïve"),
        ("repair_mojibake", "Café – naïve, ÃRVÍZ", None),
        ("remove_control_characters", "\ufeffa\x00b\x1b[0m\x85c\ud83d\n\td", "ab[0m\nc\n\td"),
        ("remove_control_characters", "plain\ttext\r\n", None),
        ("trim_whitespace", "\u00a0\n a b\t", "a b"),
        ("decode_html_entities", "R&amp;D &lt;b&gt; &eacute;&#233;&#xE9; &#128512;", "R&D <b> ééé 😀"),
        ("decode_html_entities", "&amp;quot;twice&amp;quot;", '"twice"'),
        ("decode_html_entities", "a & b; &nosuch; AT&T; ?x=1&copy=2 &#0; &#xD800; &#7; &#99999999; &;", None),
    ],
)
@pytest.mark.parametrize("escaped", [True, False])
def test_texts_are_mended_wherever_they_stand(
    tmp_path: Path, target: Path, fix: str, before: str, after: str | None, escaped: bool
) -> None:
    row = {"text": before, "deep": [{"x": [before, 1, None]}]}
    line = json.dumps(row).replace("@", "\\u0040").encode() if escaped else to_line(row)
    fixed(written(tmp_path, [line]), target, [fix])
    expected = before if after is None else after
    assert read(target)[1] == {"text": expected, "deep": [{"x": [expected, 1, None]}]}
    assert after is not None or target.read_bytes() == line + b"\n"


def test_rows_with_a_spreadsheets_errors_are_removed_where_they_are_learnt_from(tmp_path: Path, target: Path) -> None:
    rows = [
        {"input": "a", "output": "#REF!"},
        {"input": "what is #REF!?", "output": "an error"},
        {"input": "a", "output": "b", "note": "#N/A"},
        {"input": "a", "output": " #DIV/0!\n"},
        {"input": "#NAME?"},
    ]
    outcome = fixed(
        written(tmp_path, list(map(to_line, rows))), target, ["drop_spreadsheet_errors"], SHAPES.get("input_output")
    )
    assert outcome.removed.rows == [1, 4, 5] and list(read(target)) == [2, 3]
    target.unlink()
    chat = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "#VALUE!"}]}
    outcome = fixed(written(tmp_path, [to_line(chat)]), target, ["drop_spreadsheet_errors"], SHAPES.get("messages"))
    assert outcome.removed.rows == [1]
    target.unlink()
    # What the one fix brings to light the other sees.
    names = ["drop_spreadsheet_errors", "decode_html_entities"]
    source = written(tmp_path, [to_line({"input": "a", "output": "&#35;REF!"})])
    assert fixed(source, target, names, SHAPES.get("input_output")).removed.rows == [1]


def test_an_answer_moves_with_what_is_decoded_before_it(tmp_path: Path, target: Path) -> None:
    row = {"context": "R&amp;D opens at nine", "question": "When?", "answer": "nine", "answer_start": 17}
    source = written(tmp_path, [to_line(row)])
    fixed(source, target, ["decode_html_entities"], SHAPES.get("context_question_answer"))
    assert read(target)[1] == {**row, "context": "R&D opens at nine", "answer_start": 13}


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


def test_nothing_is_left_of_what_failed(tmp_path: Path, target: Path) -> None:
    def broken(number: int, row: Row | BadLine) -> Row:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
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
