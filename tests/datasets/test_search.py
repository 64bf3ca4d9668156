"""Searching large files: honest about how far it came, and on with the next call."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from modelforge.datasets.search import readable, search
from tests.fuzz import fuzzed


@fuzzed(300)
@given(text=st.text())
def test_escapes_are_undone(text: str) -> None:
    """What people see is the text, however it is escaped."""
    assert readable(json.dumps(text)) == readable(json.dumps(text, ensure_ascii=False)) == f'"{text}"'


def test_a_search_that_runs_out_of_time_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": f"{'x' * 1000} row {i}"}) + "\n" for i in range(5000)))
    offset: int | None = 0
    found, calls = [], 0
    while offset is not None:
        told = search(path, "text", offset, 10, 0.0, "ROW 4999")
        assert told["searched_to"] == (told["next_offset"] or 5000)
        found += [row["row"] for row in told["rows"]]
        offset, calls = told["next_offset"], calls + 1
    assert found == [5000] and 4 <= calls <= 8


def test_a_page_that_is_full_goes_on_after_its_last_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b"}\n' * 5 + '{"text": "a"')
    first = search(path, "text", 0, 4, 9, "a")
    assert [row["row"] for row in first["rows"]] == [1, 3, 5, 7] and first["next_offset"] == 7
    rest = search(path, None, 7, 4, 9, "A")
    assert [row["row"] for row in rest["rows"]] == [9, 11] and rest["next_offset"] is None
    assert rest["rows"][1]["problems"] and rest["rows"][1]["text"] == '{"text": "a"'
