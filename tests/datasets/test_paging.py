"""Rows by their numbers: what an index gives is what reading from the beginning gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.datasets import paging
from modelforge.datasets.paging import excerpt, index_of, lines_from, page, rows_at
from modelforge.datasets.rows import MAX_LINE, open_regular, read_rows
from tests.fuzz import fuzzed

LINE = st.sampled_from([b"", b"  ", b'{"a": 1}', b"[1]", b'{"b": "' + b"x" * 30 + b'"}', b"\xff", b"\xef\xbb\xbf{}"])


@fuzzed(150)
@given(lines=st.lists(LINE, max_size=20), end=st.sampled_from([b"", b"\n"]), stride=st.integers(1, 60), data=st.data())
def test_an_index_is_only_quicker(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], end: bytes, stride: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("paging") / "rows.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "_STRIDE", stride)
        index = index_of(path)
        assert index_of(path) == index
    with open_regular(path) as stream:
        whole = list(read_rows(stream))
    content = path.read_bytes()
    assert index.last == content.count(b"\n") + (content != b"" and not content.endswith(b"\n"))
    first = data.draw(st.integers(1, 25))
    assert [(at, row) for at, _, row in lines_from(path, index, first)] == [each for each in whole if each[0] >= first]
    offset, numbers = 0, []
    while True:
        records, more = page(path, None, offset, data.draw(st.integers(1, 5)), index)
        numbers += [record["row"] for record in records]
        if more is None:
            break
        offset = more
    assert numbers == [at for at, _ in whole]
    wanted = data.draw(st.lists(st.integers(1, 25), max_size=8))
    found = rows_at(path, wanted)
    known = dict(whole)
    assert found.keys() == known.keys() & set(wanted)
    assert all(found[at] == known[at] for at in found if isinstance(known[at], dict))


def test_large_rows_do_not_fill_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_BYTES", 1000)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": "x" * 600}) + "\n" for _ in range(4)))
    records, more = page(path, None, 0, 10)
    assert [record["row"] for record in records] == [1] and more == 1
    found = rows_at(path, [1, 2, 4])
    assert isinstance(found[1], dict) and isinstance(found[2], str) and isinstance(found[4], str)


def test_a_line_that_nothing_can_read_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + b"x" * (MAX_LINE + 1) + b'\n{"a": 3}\n')
    records, _ = page(path, None, 0, 10)
    assert [(record["row"], record.get("value")) for record in records] == [(1, {"a": 1}), (2, None), (3, {"a": 3})]
    assert records[1]["problems"] == ["longer than 16 MB"]
    assert rows_at(path, [2, 3]) == {2: "", 3: {"a": 3}}
    assert len(excerpt(b"x" * 10_000)) == 2000
