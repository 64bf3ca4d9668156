"""C++ that is compiled where it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelforge import native
from modelforge.files import read_text_or_none
from modelforge.native import code
from tests.compilers import needs_compiler
from tests.live import until

pytestmark = needs_compiler

SOURCE = 'extern "C" int answer() { return 42; }'


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kept"))
    file = tmp_path / "answer.cpp"
    file.write_text(SOURCE)
    return file


def test_code_is_compiled_once_and_kept(source: Path, tmp_path: Path) -> None:
    library = code(source).library
    assert library is not None
    assert library.answer() == 42
    (kept,) = (tmp_path / "kept").iterdir()
    written = kept.stat().st_mtime_ns

    native._code.cache_clear()
    again = code(source).library
    assert again is not None
    assert again.answer() == 42
    assert kept.stat().st_mtime_ns == written


def test_it_is_compiled_beside_other_work_and_loaded_later(source: Path, tmp_path: Path) -> None:
    native.prepare(native.FLOAT, source)
    until(lambda: (tmp_path / "kept").is_dir() and any((tmp_path / "kept").glob("*.so")), 30)
    assert str(tmp_path) not in (read_text_or_none(Path("/proc/self/maps")) or "")
    (kept,) = (tmp_path / "kept").glob("*.so")
    written = kept.stat().st_mtime_ns
    assert code(source).library is not None
    assert kept.stat().st_mtime_ns == written


def test_without_a_folder_nothing_is_left(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    library = code(source).library
    assert library is not None
    assert library.answer() == 42
    assert not list((tmp_path / "temporary").iterdir())


def test_without_a_compiler_it_says_so(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert code(source).fault == "there is no C++ compiler (g++ or clang++)"


def test_what_the_compiler_says_is_told(source: Path, tmp_path: Path) -> None:
    source.write_text("nonsense")
    made = code(source)
    assert made.library is None
    assert made.fault is not None
    assert made.fault.startswith("the compiler fails: ")
    assert "nonsense" in made.fault
    assert not list((tmp_path / "kept").iterdir())
