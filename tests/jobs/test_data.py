"""A run's files are its own, and none is held in memory as a whole."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from modelforge.contracts.job import DatasetRef
from modelforge.errors import InvalidDataset, NotFound
from modelforge.files import sha256
from modelforge.jobs import data
from modelforge.settings import load_settings


def test_a_run_gets_its_own_copy_of_its_data(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    settings.make_folders()
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")
    ref = DatasetRef(name="rows", path=str(path), sha256=sha256(path), num_examples=10, shape="input_output")
    placed = data.place_dataset(ref, tmp_path / "copy.jsonl", settings)
    path.write_text("changed\n")
    assert Path(placed.path).read_text() == "{}\n"
    with pytest.raises(InvalidDataset, match="changed while it was read"):
        data.place_dataset(ref, tmp_path / "copy2.jsonl", settings)
    assert not (tmp_path / "copy2.jsonl").exists()


def test_data_that_is_deleted_meanwhile_is_told_of(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    path = settings.datasets / "gone" / "rows.jsonl"
    ref = DatasetRef(name="rows", path=str(path), sha256="", num_examples=10, shape="input_output")
    with pytest.raises(NotFound, match="'rows' was deleted while the run was being made"):
        data.place_dataset(ref, tmp_path / "copy.jsonl", settings)


def test_one_line_may_be_the_whole_file(tmp_path: Path) -> None:
    """It is not read, so it is not held either."""
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.write(b'{"input": "x"}\n' * 10 + b"y" * 99 + b"\n")
        file.truncate(600_000_000)
    tracemalloc.start()
    try:
        assert data.longest_line(path) == 99
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_two_requests_convert_beside_each_other(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    settings.make_folders()

    async def run() -> Path:
        async with data.conversions(settings) as first:
            async with data.conversions(settings) as second:
                assert not first.exists() and not second.exists()  # made when something is converted
                for folder in (first, second):
                    folder.mkdir()
                    (folder / "rows").write_text("{}\n")
            assert not second.exists()
            ref = DatasetRef(name="d", path=str(first / "rows"), sha256="", num_examples=1, shape="text")
            placed = data.place_dataset(ref, tmp_path / "own.jsonl", settings)
            assert not (first / "rows").exists()  # moved: nobody else has it
        assert not first.exists()
        return Path(placed.path)

    assert asyncio.run(run()).read_text() == "{}\n"
