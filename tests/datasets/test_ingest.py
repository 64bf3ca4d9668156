from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.datasets.formats import SHAPES
from modelforge.datasets.ingest import (
    MAX_BYTES,
    check_ending,
    check_file,
    iter_rows,
    open_regular,
    require_examples,
    safe_filename,
    to_validation,
)
from modelforge.errors import Fault, InvalidDataset, InvalidRequest, NotFound, UnsupportedMedia

GOOD = b'{"input": "a", "output": "b"}\n'
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX system's files")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# Names.


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("data.jsonl", "data.jsonl"),
        ("Größe 漢字 (1).jsonl", "Größe 漢字 (1).jsonl"),
        ("../../etc/passwd.jsonl", "passwd.jsonl"),
        ("C:\\data\\my.jsonl", "my.jsonl"),
        ("/abs/x.jsonl", "x.jsonl"),
        ("Cafe\u0301.jsonl", "Café.jsonl"),
        ("a\0b\r\n\x1b[31mc.jsonl", "ab[31mc.jsonl"),
        ("photo\u202elnosj.exe", "photolnosj.exe"),
        ("..hidden.jsonl", "hidden.jsonl"),
        (" . \u00a0.x.jsonl. . ", "x.jsonl"),
        ('a<b>c:d"e|f?g*h.jsonl', "a_b_c_d_e_f_g_h.jsonl"),
        ("con.jsonl", "_con.jsonl"),
        ("LPT1", "_LPT1"),
        ("nul .tar.jsonl", "_nul .tar.jsonl"),
        ("console.jsonl", "console.jsonl"),
        ("x" * 300 + ".jsonl", "x" * 249 + ".jsonl"),
        ("é" * 300, "é" * 127),
        ("\ud800a.jsonl", "a.jsonl"),
    ],
)
def test_names_are_made_safe(raw: str, safe: str) -> None:
    assert safe_filename(raw) == safe


@pytest.mark.parametrize("raw", ["", " ", ".", "..", "a/", "..\\", "\0", "\u202e", "..."])
def test_a_name_of_nothing_is_refused(raw: str) -> None:
    with pytest.raises(InvalidRequest, match="has no name"):
        safe_filename(raw)


@given(st.text(max_size=400) | st.text("/\\.: \0nulcoéé\u0301", max_size=400) | st.text("\U0001f600. a", max_size=300))
def test_safe_names_are_safe_and_stay(raw: str) -> None:
    try:
        name = safe_filename(raw)
    except InvalidRequest:
        return
    assert safe_filename(name) == name
    assert 0 < len(name.encode()) <= 255
    assert not set('/\\<>:"|?*\0') & set(name)
    assert name[0] not in ". " and name[-1] not in ". "
    assert unicodedata.is_normalized("NFC", name)
    assert (Path("/folder") / name).resolve().parent == Path("/folder").resolve()


def test_endings() -> None:
    for name in ("a.jsonl", "a.JSONL", "a.ndjson", "b.tar.json", "a.csv", "a.xlsx", "a.jsonl.gz", "a.txt", "a.zip"):
        check_ending(name)
    for name in ("a.odt", "a.exe", "a.csv.bz2"):
        with pytest.raises(UnsupportedMedia, match=r"ending in '\.\w+' cannot be read.*can be read is JSON Lines"):
            check_ending(name)
    with pytest.raises(UnsupportedMedia, match="has no ending"):
        check_ending("data")


# Files.


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    file = write(tmp_path / "data.jsonl", GOOD)
    with open_regular(file) as stream:
        assert stream.read() == GOOD
        assert not stream.writable()
    with pytest.raises(NotFound, match=r"there is no file '.*none\.jsonl'"):
        open_regular(tmp_path / "none.jsonl")
    with pytest.raises(NotFound):
        open_regular(file / "below.jsonl")
    with pytest.raises(InvalidRequest, match="is a folder"):
        open_regular(tmp_path)
    with pytest.raises(InvalidRequest, match="no path can hold"):
        open_regular(Path("a\0b"))
    with pytest.raises(InvalidRequest, match="cannot be opened"):
        open_regular(tmp_path / ("x" * 300))


@POSIX
def test_links_are_followed_to_regular_files_only(tmp_path: Path) -> None:
    file = write(tmp_path / "data.jsonl", GOOD)
    (tmp_path / "link.jsonl").symlink_to(file)
    with open_regular(tmp_path / "link.jsonl") as stream:
        assert stream.read() == GOOD
    (tmp_path / "broken").symlink_to(tmp_path / "none")
    with pytest.raises(NotFound):
        open_regular(tmp_path / "broken")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(InvalidRequest, match="in a circle"):
        open_regular(tmp_path / "circle")
    os.mkfifo(tmp_path / "pipe")  # opening it for reading would wait for a writer for ever
    for name in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InvalidRequest, match="a device or a pipe"):
            open_regular(name)


@POSIX
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = write(tmp_path / "data.jsonl", GOOD)
    file.chmod(0)
    with pytest.raises(InvalidRequest, match="may not be read"):
        open_regular(file)


def test_rows_for_training_are_the_usable_ones(tmp_path: Path) -> None:
    content = (
        b"\xef\xbb\xbf"
        b'{"input": "a", "output": "b", "id": 7}\r\n\r\n'
        b'{"input": "", "output": "b"}\n'
        b"nonsense\n"
        b'{"output": "d\\n", "input": "c"}'
    )
    rows = list(iter_rows(write(tmp_path / "data.jsonl", content), SHAPES.get("input_output")))
    assert rows == [(1, {"input": "a", "output": "b"}), (5, {"input": "c", "output": "d\n"})]


# The checking process.


def test_a_file_is_checked_and_told_to_clients(tmp_path: Path) -> None:
    file = write(tmp_path / ".upload.partial", GOOD * 10 + b'{"input": "a"}\n')
    report = asyncio.run(check_file(file, "data.jsonl"))
    told = to_validation(report)
    assert told.model_dump(exclude={"findings", "source"}) == {
        "valid": False,
        "errors": ["line 11: field 'output' is missing"],
        "shape": "input_output",
        "num_rows": 11,
        "num_bad": 1,
    }
    assert told.source is not None and told.source.format == "jsonl"
    assert [(each.code, each.rows, each.fix) for each in told.findings] == [("missing_field", [11], "drop_bad_rows")]
    assert not report.converted
    with pytest.raises(UnsupportedMedia, match=r"'\.partial' cannot be read"):
        asyncio.run(check_file(file))


def test_refusals_come_through_the_process(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.jsonl"):
        asyncio.run(check_file(tmp_path / "none.jsonl"))
    with pytest.raises(UnsupportedMedia, match="a PNG picture"):
        asyncio.run(check_file(write(tmp_path / "png.jsonl", b"\x89PNG\r\n\x1a\n\0")))
    with pytest.raises(InvalidDataset, match="is empty"):
        asyncio.run(check_file(write(tmp_path / "-empty.jsonl", b"")))
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InvalidRequest, match="is a folder"):
        asyncio.run(check_file(tmp_path / "folder.jsonl"))


def test_fewer_than_ten_usable_examples_are_refused_with_the_count(tmp_path: Path) -> None:
    file = write(tmp_path / "data.jsonl", GOOD * 9 + b'{"input": "a"}\n{\n')
    with pytest.raises(InvalidDataset) as refusal:
        require_examples(asyncio.run(check_file(file)))
    assert refusal.value.detail == (
        "9 usable examples among 11 rows; at least 10 are needed. line 10: field 'output' is missing. "
        "line 11: not JSON: Expecting property name enclosed in double quotes (column 2)."
    )
    require_examples(asyncio.run(check_file(write(file, GOOD * 10))))


def test_the_working_directory_does_not_lend_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "json.py", b"raise RuntimeError('not this one')")
    write(tmp_path / "data.jsonl", GOOD * 10)
    monkeypatch.chdir(tmp_path)
    assert asyncio.run(check_file(Path("data.jsonl"))).valid


def checking() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "modelforge.datasets.check" in child.cmdline()]


async def appears() -> psutil.Process:
    while not (found := checking()):
        await asyncio.sleep(0.01)
    return found[0]


def test_a_cancelled_check_ends_its_process(tmp_path: Path) -> None:
    file = write(tmp_path / "data.jsonl", GOOD * 1_000_000)

    async def story() -> psutil.Process:
        check = asyncio.create_task(check_file(file))
        child = await appears()
        child.suspend()  # it would never end by itself
        check.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(check, 20)
        return child

    assert not asyncio.run(story()).is_running()


def test_a_crash_of_the_process_is_one_clear_error(tmp_path: Path) -> None:
    file = write(tmp_path / "data.jsonl", GOOD * 1_000_000)

    async def story() -> None:
        check = asyncio.create_task(check_file(file))
        (await appears()).kill()
        await check

    with pytest.raises(Fault, match="the process that reads datasets ended by SIGKILL"):
        asyncio.run(story())


def test_the_process_imports_next_to_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import modelforge.datasets.check;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    # multiprocessing knows the main module by a second name.
    assert set(done.stdout.split()) - {"__mp_main__"} == {"modelforge"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("content", "allowance"),
    [
        pytest.param(b'{"input": "%s", "output": "b"}\n' % (b"x" * 500) * 60_000, 25, id="32 MB of rows"),
        pytest.param(b'{"input": "' + b"x" * 64_000_000, 60, id="64 MB without an end of line"),
        pytest.param(b"".join(b'{"k%d": 1}\n' % n for n in range(400_000)), 25, id="ever new columns"),
    ],
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, content: bytes, allowance: int) -> None:
    """Megabytes above what the process takes for a small file."""
    code = (
        "import sys; from modelforge.datasets.check import main; main(sys.argv[1]);"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )

    def peak(path: Path) -> float:
        folder = tmp_path / f"{path.name} in between"
        folder.mkdir()
        request = {"files": [[str(path), path.name]], "rows": str(folder / "rows"), "folder": str(folder)}
        asked = folder / "request.json"
        asked.write_text(json.dumps({**request, "reading": {}, "limit": MAX_BYTES}))
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, str(asked)], capture_output=True, text=True, check=True
        )
        *_, report, peak = done.stdout.splitlines()
        assert "result" in json.loads(report)
        return int(peak) / 1000

    small, large = write(tmp_path / "small.jsonl", GOOD * 20), write(tmp_path / "large.jsonl", content)
    growth = peak(large) - peak(small)
    print(f"{growth:.0f} MB")
    assert growth < allowance
