from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from modelforge.api.upload import Received, receive
from modelforge.errors import Fault, InvalidRequest, ModelForgeError, TooLarge, UnsupportedMedia

FORM = "multipart/form-data; boundary=B"
LIMIT = 5_000_000


def part(content: bytes, disposition: str = 'name="file"; filename="a.jsonl"', more: bytes = b"") -> bytes:
    return (
        b"--B\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n" + more + b"\r\n" + content + b"\r\n"
    )


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--B--\r\n"


def request(
    chunks: list[bytes], content_type: str | None = FORM, *, disconnects: bool = False, **headers: str
) -> Request:
    sent = [
        name_value for name_value in [("content-type", content_type), *headers.items()] if name_value[1] is not None
    ]
    waiting = list(chunks)

    async def messages() -> dict[str, object]:
        await asyncio.sleep(0)
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or disconnects}
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent if value is not None],
    }
    return Request(scope, messages)


def received(
    folder: Path, body: bytes, content_type: str | None = FORM, limit: int = LIMIT, **headers: str
) -> Received:
    [file] = asyncio.run(receive(request([body], content_type, **headers), folder, limit))
    return file


def refused(folder: Path, body: bytes, content_type: str | None = FORM, limit: int = LIMIT, **headers: str) -> str:
    """What the refusal says; nothing of the upload stays."""
    with pytest.raises(ModelForgeError) as refusal:
        received(folder, body, content_type, limit, **headers)
    assert not list(folder.iterdir())
    return f"{refusal.value.status_code}: {refusal.value.detail}"


def test_a_file_comes_whole_and_other_fields_are_skipped(tmp_path: Path) -> None:
    body = form(part(b"note", 'name="note"'), part(b'{"a": 1}\n'), part(b"x" * 3000, 'name="other"; filename="b.bin"'))
    got = received(tmp_path, body)
    assert (got.filename, got.size, got.path.parent) == ("a.jsonl", 9, tmp_path)
    assert got.path.read_bytes() == b'{"a": 1}\n'
    assert list(tmp_path.iterdir()) == [got.path]


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_several_files_come_in_their_order(tmp_path: Path, cut: int) -> None:
    contents = [b"first\n" * 20, b"", b"third", b""]
    parts = [part(content, f'name="file"; filename="{at}.csv"') for at, content in enumerate(contents)]
    body = form(*parts[:2], part(b"note", 'name="note"'), *parts[2:])
    got = asyncio.run(receive(request([body[at : at + cut] for at in range(0, len(body), cut)]), tmp_path, LIMIT))
    assert [(file.filename, file.size, file.path.read_bytes()) for file in got] == [
        (f"{at}.csv", len(content), content) for at, content in enumerate(contents)
    ]


def test_the_limit_is_that_of_all_files_together(tmp_path: Path) -> None:
    assert "413" in refused(tmp_path, form(part(b"x" * 600), part(b"y" * 600)), limit=1000)


def test_the_folder_is_made_and_an_empty_file_is_a_file(tmp_path: Path) -> None:
    got = received(tmp_path / "new" / "datasets", form(part(b"")))
    assert (got.size, got.path.read_bytes()) == (0, b"")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="file"; filename="Größe 漢.jsonl"', "Größe 漢.jsonl"),
        ("name=file; filename=plain.jsonl", "plain.jsonl"),
        ('filename="first;name=x.jsonl"; name="file"', "first;name=x.jsonl"),
        ('name="file"; filename="say \\"hi\\".jsonl"', "say _hi_.jsonl"),
        ('name="file"; filename="C:\\data\\x.jsonl"', "x.jsonl"),
        ('name="file"; filename="../../x.jsonl"', "x.jsonl"),
        ("name=\"file\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%E2%82%AC.jsonl", "Größe €.jsonl"),
        ('name="file"; filename="fallback.jsonl"; filename*=utf-8\'de\'%C3%BC.jsonl', "ü.jsonl"),
        ("name=\"file\"; FILENAME*=ISO-8859-1''%FC.jsonl", "ü.jsonl"),
        ('name="file"; filename="a; filename*=UTF-8\'\'evil.jsonl"', "a; filename_=UTF-8''evil.jsonl"),
    ],
)
def test_filenames(tmp_path: Path, disposition: str, name: str) -> None:
    assert received(tmp_path, form(part(b"x", disposition))).filename == name


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "400: the form was cut short"),
        (form(), "400: the form has no field 'file'"),
        (form(part(b"x", 'name="data"; filename="a.jsonl"')), "400: the form has no field 'file'"),
        (form(part(b"x", 'name="file"')), "400: the field 'file' holds no file, or one without a filename"),
        (form(part(b"x", 'name="file"; filename=""')), "400: the field 'file' holds no file"),
        (form(part(b"x", 'name="file"; filename="..."')), "400: the file has no name"),
        (form(part(b"x", "name=\"file\"; filename*=KOI8-R''%C1.jsonl")), "400: the filename is written in 'KOI8-R'"),
        (form(part(b"x", "name=\"file\"; filename*=UTF-8''%FF.jsonl")), "400: the filename is not UTF-8"),
        (form(*[part(b"")] * 201), "400: the form holds more than 200 files"),
        (form(part(b"x", 'filename="a.jsonl"')), "400: a part of the form has no name"),
        (
            form(part(b"eA==", more=b"Content-Transfer-Encoding: base64\r\n")),
            "400: the file comes in the encoding base64",
        ),
        (form(part(b"x", 'name="file"; filename="a.odt"')), "415: files ending in '.odt' cannot be read"),
        (part(b'{"a": 1}\n'), "400: the form was cut short"),
        (form(part(b'{"a": 1}\n'))[:-4], "400: the form was cut short"),
        (b"nonsense" + form(part(b"x")), "400: the body is no well-formed multipart form"),
        (form(part(b"x", more=b"bad header\r\n")), "400: the body is no well-formed multipart form"),
        (form(part(b"x", more=b"X-Long: " + b"y" * 10_000 + b"\r\n")), "Maximum header size exceeded"),
        (form(part(b"x", more=b"X-Many: y\r\n" * 50)), "Maximum header count exceeded"),
    ],
)
def test_bad_forms_are_refused_and_leave_nothing(tmp_path: Path, body: bytes, words: str) -> None:
    assert words in refused(tmp_path, body)


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        (None, "415: the request's body is nothing that says what it is"),
        ("application/json", "415: the request's body is application/json. Send the file as multipart/form-data"),
        ("multipart/mixed; boundary=B", "415: the request's body is multipart/mixed"),
        ("multipart/form-data", "400: the Content-Type header names no boundary"),
        ('multipart/form-data; boundary=""', "400: the Content-Type header names no boundary"),
        ("multipart/form-data; boundary=" + "B" * 300, "400: the body is no well-formed multipart form"),
    ],
)
def test_other_bodies_are_refused(tmp_path: Path, content_type: str | None, words: str) -> None:
    assert words in refused(tmp_path, form(part(b"x")), content_type)


def test_a_compressed_body_is_refused(tmp_path: Path) -> None:
    assert "415: the request's body is compressed (gzip)" in refused(tmp_path, b"\x1f\x8b", content_encoding="gzip")


def test_the_limit_is_the_files_and_holds_to_the_byte(tmp_path: Path) -> None:
    assert received(tmp_path / "exact", form(part(b"x" * 1000)), limit=1000).size == 1000
    folder = tmp_path / "over"
    folder.mkdir()
    assert refused(folder, form(part(b"x" * 1001)), limit=1000).startswith("413: the upload has more than 0.001 MB.")
    # What is skipped is not endless, either.
    assert refused(folder, form(part(b"x"), part(b"y" * 2_000_000, 'name="other"')), limit=1000).startswith("413")


@pytest.mark.parametrize("announced", ["9000000", "9" * 5000])
def test_an_announced_size_is_refused_before_anything_is_read(tmp_path: Path, announced: str) -> None:
    asked = request([], content_length=announced)  # whoever reads from it finds a client that went away
    with pytest.raises(TooLarge):
        asyncio.run(receive(asked, tmp_path, LIMIT))


def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    body = part(b"x" * 3_000_000)
    chunks = [body[start : start + 60_000] for start in range(0, len(body), 60_000)]
    with pytest.raises(InvalidRequest, match="the connection ended"):
        asyncio.run(receive(request(chunks, disconnects=True), tmp_path, LIMIT))
    assert not list(tmp_path.iterdir())


def test_a_cancelled_upload_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        body = part(b"x" * 2_000_000)
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", FORM.encode())]}
        waiting = [body]

        async def messages() -> dict[str, object]:
            if not waiting:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": waiting.pop(), "more_body": True}

        upload = asyncio.create_task(receive(Request(scope, messages), tmp_path, LIMIT))
        while not any(path.stat().st_size > 1_000_000 for path in tmp_path.iterdir()):
            await asyncio.sleep(0.01)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload

    asyncio.run(story())
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a POSIX process")
def test_a_disk_without_room_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
    try:
        with pytest.raises(Fault, match="the disk that uploads are kept on is full"):
            received(tmp_path, form(part(b"x" * 2_000_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Fault, match="could not be written: Permission denied"):
        received(tmp_path, form(part(b"x")))


def split(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)
NEAR_BOUNDARY = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--B", b"\r\n--", b"\r\n--C", b"B", b"x"]), max_size=30)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | NEAR_BOUNDARY.map(b"".join), cuts=CUTS)
def test_any_content_comes_as_it_was_however_it_is_cut(tmp_path: Path, content: bytes, cuts: list[int]) -> None:
    boundary = b"a-boundary-that-no-content-holds"
    names = (b'name="note"', b'name="file"; filename="a.jsonl"', b'name="other"; filename="b"')
    head = b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n"
    body = b"".join(head % (boundary, name, content) for name in names) + b"--%b--\r\n" % boundary
    asked = request(split(body, cuts), f"multipart/form-data; boundary={boundary.decode()}")
    [got] = asyncio.run(receive(asked, tmp_path, LIMIT))
    assert got.path.read_bytes() == content
    assert got.size == len(content)
    got.path.unlink()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200)
    | st.lists(
        st.binary(max_size=20) | st.sampled_from(split(form(part(b"x"), part(b"y", "name=z")), [*range(0, 300, 7)]))
    ).map(b"".join),
    cuts=CUTS,
    content_type=st.sampled_from([FORM])
    | st.text(st.characters(max_codepoint=255), max_size=40).map(lambda text: f"multipart/form-data; boundary={text}"),
)
def test_no_body_breaks_it(tmp_path: Path, body: bytes, cuts: list[int], content_type: str) -> None:
    asked = request(split(body, cuts), content_type)
    with suppress(InvalidRequest, UnsupportedMedia):
        for file in asyncio.run(receive(asked, tmp_path, LIMIT)):
            file.path.unlink()
    assert not list(tmp_path.iterdir())


# Over a real socket.


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    async def upload(request: Request) -> Response:
        try:
            [got] = await receive(request, tmp_path, LIMIT)
        except ModelForgeError as error:
            return JSONResponse({"detail": error.detail}, error.status_code)
        return JSONResponse({"filename": got.filename, "path": str(got.path), "size": got.size})

    async def alive(request: Request) -> Response:
        return JSONResponse({"alive": True})

    app = Starlette(routes=[Route("/upload", upload, methods=["POST"]), Route("/alive", alive)])
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join()


def test_an_upload_of_a_real_client(server: str, tmp_path: Path) -> None:
    content = os.urandom(3_500_000)
    answer = httpx.post(f"{server}/upload", files={"file": ("Größe.jsonl", content)}, data={"note": "x"})
    assert answer.status_code == 200
    assert (answer.json()["filename"], answer.json()["size"]) == ("Größe.jsonl", len(content))
    assert Path(answer.json()["path"]).read_bytes() == content


def test_a_real_client_sees_why_it_is_refused(server: str, tmp_path: Path) -> None:
    answer = httpx.post(f"{server}/upload", files={"file": ("a.jsonl", b"x" * 20_000_000)})
    assert (answer.status_code, answer.json()["detail"][:31]) == (413, "the upload has more than 5 MB. ")

    async def endless() -> AsyncIterator[bytes]:
        yield part(b"")[:-2]
        for _ in range(200):
            yield b"x" * 100_000

    async def chunked() -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.post(f"{server}/upload", content=endless(), headers={"content-type": FORM})

    assert asyncio.run(chunked()).status_code == 413
    assert not list(tmp_path.iterdir())


def test_a_real_client_that_hangs_up_leaves_nothing(server: str, tmp_path: Path) -> None:
    host, _, port = server.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\nContent-Type: "
            + FORM.encode()
            + b"\r\n\r\n"
        )
        client.sendall(part(b"x" * 2_000_000))
        while not any(path.stat().st_size > 1_000_000 for path in tmp_path.iterdir()):
            time.sleep(0.01)
        assert httpx.get(f"{server}/alive").json() == {"alive": True}
    end = time.monotonic() + 10
    while list(tmp_path.iterdir()) and time.monotonic() < end:
        time.sleep(0.01)
    assert not list(tmp_path.iterdir())
