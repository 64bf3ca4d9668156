"""Paths that people name, and logs that are longer than memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.errors import InvalidRequest, NotFound
from modelforge.files import last_lines, local_path, read_lines


def test_a_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "file"
    file.touch()
    assert local_path("~/file", "dataset") == file
    assert not local_path(str(tmp_path / "none"), "dataset").exists()
    assert not local_path(f"{file}/below", "dataset").exists()
    assert local_path("some/model", "model_name") == Path("some/model")


def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for text in ("x" * 300, "/" + "x" * 300, "a/" * 3000, "a\0b", str(tmp_path / "loop"), "\ud800"):
        with pytest.raises(InvalidRequest, match=r"^dataset: ") as refusal:
            local_path(text, "dataset")
        assert len(refusal.value.detail) < 250
    with pytest.raises(NotFound, match="model_name"):
        local_path("~nosuchuser/x", "model_name")


@given(st.text("ab\n\r", max_size=40), st.integers(0, 12), st.none() | st.integers(0, 12))
def test_lines_are_those_of_the_whole_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, start: int, end: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "some.log"
    path.write_bytes(text.encode())
    whole = text.removesuffix("\n").split("\n") if text else []
    assert read_lines(path, start, end) == (whole[start:end], len(whole))
    assert last_lines(path, start + 1) == (whole[-start - 1 :], len(whole))


def test_lines_of_a_long_file_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    line = b"x" * 99 + b"\n"
    path.write_bytes(line * 200_000 + b"y" * 4_000_000 + b"\n\xff end")
    tracemalloc.start()
    lines, total = read_lines(path, 150_000, 150_002)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (lines, total) == (["x" * 99] * 2, 200_002)
    assert peak < 5_000_000
    assert read_lines(path, 200_001, None) == (["\ufffd end"], 200_002)
    assert read_lines(path, 200_000, 200_001) == (["y" * 4_000_000], 200_002)
    assert read_lines(tmp_path / "none", 0, None) == ([], 0)
