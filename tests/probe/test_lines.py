"""Lines by their numbers, wherever they lie."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.datasets import paging, rows
from modelforge.probe.lines import lines_at
from tests.fuzz import fuzzed

LINES = st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line and b"\r" not in line), max_size=30)


@fuzzed(300)
@given(lines=LINES, end=st.sampled_from([b"", b"\n"]), wanted=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_they_are_the_files(tmp_path: Path, lines: list[bytes], end: bytes, wanted: list[int]) -> None:
    content = b"\n".join(lines) + end
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    (tmp_path / ".rows.jsonl.index").unlink(missing_ok=True)
    there = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if content.endswith(b"\n") or not content:
        there.pop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "_STRIDE", 16)
        patch.setattr(rows, "_BLOCK", 24)
        found = list(lines_at(path, wanted))
    assert found == [(number, there[number - 1]) for number in sorted(set(wanted)) if number <= len(there)]


def test_one_that_is_too_long_is_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + b"x" * 16_000_001 + b'\n{"b": 2}\n')
    assert list(lines_at(path, [3, 2, 1])) == [(1, b'{"a": 1}'), (2, None), (3, b'{"b": 2}')]
