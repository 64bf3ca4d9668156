"""Two files of rows side by side: counts are exact, whatever the order and however rows are written."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.datasets.compare import By, Counts, compare, read_differences
from modelforge.datasets.rewrite import canonical
from tests.fuzz import fuzzed

LINES = st.lists(
    st.sampled_from([b"", b'{"a":1}', b'{ "a": 1 }', b'{"a":1,"b":2}', b'{"b":2,"a":1}', b"[", b'{"a":true}', b"  "]),
    max_size=9,
)


def compared(folder: Path, first: list[bytes], second: list[bytes], by: By) -> tuple[Counts, list[tuple[int, int]]]:
    paths = [folder / "first", folder / "second"]
    for path, lines in zip(paths, (first, second), strict=True):
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    counts = compare(*paths, by, folder / "differences")
    again, pairs = read_differences(folder / "differences", 0, 10_000)
    assert again == counts and len(pairs) == counts.total
    assert sorted(path.name for path in folder.iterdir()) == ["differences", "first", "second"]
    return counts, pairs


def said(line: bytes) -> bytes:
    return canonical(line.strip())


@fuzzed(150)
@given(first=LINES, second=LINES)
def test_contents_are_counted_exactly(
    tmp_path_factory: pytest.TempPathFactory, first: list[bytes], second: list[bytes]
) -> None:
    counts, pairs = compared(tmp_path_factory.mktemp("compare"), first, second, "content")
    one, other = (Counter(said(line) for line in lines if line.strip()) for lines in (first, second))
    assert counts.same == (one & other).total()
    assert counts.removed + counts.changed == (one - other).total()
    assert counts.added + counts.changed == (other - one).total()
    gone = Counter(said(first[row - 1]) for row, _ in pairs if row)
    come = Counter(said(second[row - 1]) for _, row in pairs if row)
    assert (gone, come) == (one - other, other - one)


@fuzzed(150)
@given(first=LINES, second=LINES)
def test_rows_are_counted_exactly(
    tmp_path_factory: pytest.TempPathFactory, first: list[bytes], second: list[bytes]
) -> None:
    counts, pairs = compared(tmp_path_factory.mktemp("compare"), first, second, "row")
    length = max(len(first), len(second))
    one, other = ([said(line) for line in lines] + [b""] * (length - len(lines)) for lines in (first, second))
    assert counts.same == sum(a == b != b"" for a, b in zip(one, other, strict=True))
    expected = [
        (at * (a != b""), at * (b != b"")) for at, (a, b) in enumerate(zip(one, other, strict=True), 1) if a != b
    ]
    assert pairs == expected


def test_a_row_that_was_written_anew_counts_as_changed(tmp_path: Path) -> None:
    first = [json.dumps({"q": i}).encode() for i in range(10)]
    second = [b'{"q":0}', b'{"new":1}', *first[2:5], b'{"typo":5}', *first[6:]]
    counts, pairs = compared(tmp_path, first, second, "content")
    assert counts == Counts(same=8, changed=2) and pairs == [(2, 2), (6, 6)]
    more = [*second[:3], b'{"come":1}', *second[3:]]
    counts, pairs = compared(tmp_path, first, more, "content")
    assert counts == Counts(same=8, changed=2, added=1) and pairs == [(2, 2), (0, 4), (6, 7)]


def test_what_has_nothing_in_common_is_not_changed(tmp_path: Path) -> None:
    counts, _ = compared(tmp_path, [b'{"a":1}'] * 3, [b'{"b":1}'] * 3, "content")
    assert (counts.changed, counts.removed, counts.added) == (0, 3, 3)


def test_pages_of_differences(tmp_path: Path) -> None:
    compared(tmp_path, [b'{"a":%d}' % i for i in range(50)], [b'{"b":%d}' % i for i in range(50)], "row")
    assert read_differences(tmp_path / "differences", 48, 10)[1] == [(49, 49), (50, 50)]
    assert read_differences(tmp_path / "differences", 99, 10)[1] == []
    with pytest.raises(FileNotFoundError):
        read_differences(tmp_path / "other", 0, 1)
