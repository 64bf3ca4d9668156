"""Bringing data in by the command line; large files over connections that break."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from modelforge.api import tus
from modelforge.cli import pieces
from modelforge.cli.client import Unreachable, connect
from modelforge.cli.operations import result_of
from modelforge.contracts.dataset import DatasetUploaded
from modelforge.contracts.upload import UploadList
from modelforge.errors import InvalidDataset
from modelforge.settings import load_settings
from tests.cli.program import document, modelforge, write_rows
from tests.live import LiveServer, jsonl, rows


class Relay:
    """A way to the server that can be cut: connections end when so many bytes have gone through."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._to = (address.hostname or "", address.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.left = 1 << 60
        """Bytes until the next cut."""
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(self._to)
                threading.Thread(target=self._carry, args=(here, there, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(there, here, False), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
                if counted:
                    self.left -= len(data)
                    if self.left < 0:
                        self.left = 1 << 60
                        self.cuts += 1
                        break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    server = LiveServer(tmp_path / "home").start()
    relay = Relay(server.url)
    yield relay
    relay.close()
    server.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pieces, "LARGE", 1_000_000)
    monkeypatch.setattr(pieces, "PIECE", 400_000)
    path = tmp_path / "large.jsonl"
    path.write_bytes(jsonl(rows(60_000)))
    assert pieces.is_large(path) and path.stat().st_size > 5 * pieces.PIECE
    return path


def test_a_large_file_outlives_lost_connections(
    relay: Relay, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(load_settings(home=tmp_path / "client", server_url=relay.url), supervise=False) as client:
        relay.left = 1_500_000
        uploaded = result_of(client, pieces.send(client, file), DatasetUploaded)
        assert (relay.cuts, uploaded.num_examples) == (1, 60_000)
        assert "broke off" in capsys.readouterr().err
        assert client.get("/api/uploads", UploadList).total == 0


def test_another_try_goes_on_where_the_first_one_ended(
    relay: Relay, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pieces, "PATIENCE", 0.0)
    settings = load_settings(home=tmp_path / "client", server_url=relay.url)
    with connect(settings, supervise=False) as client:
        relay.left = 1_500_000
        monkeypatch.setattr(pieces, "_ask_again", lambda *_: (_ for _ in ()).throw(Unreachable("gone")))
        with pytest.raises(Unreachable):
            pieces.send(client, file)
        [begun] = client.get("/api/uploads", UploadList).uploads
        assert begun.offset == 3 * pieces.PIECE
    with connect(settings, supervise=False) as client:
        uploaded = result_of(client, pieces.send(client, file), DatasetUploaded)
        assert uploaded.num_examples == 60_000
        assert "Going on at 1 of" in capsys.readouterr().err
    # A file that was changed since is another one.
    before = pieces.fingerprint(file)
    file.write_bytes(file.read_bytes()[:-1] + b" ")
    assert pieces.fingerprint(file) != before


def test_what_is_refused_is_the_error_that_the_server_raised(relay: Relay, file: Path, tmp_path: Path) -> None:
    file.write_bytes(b'{"input": "x", "output": ""}\n' * 80_000)
    settings = load_settings(home=tmp_path / "client", server_url=relay.url)
    with connect(settings, supervise=False) as client, pytest.raises(InvalidDataset, match="no usable examples"):
        result_of(client, pieces.send(client, file), DatasetUploaded)


def test_add_sends_a_large_file_in_pieces(tmp_path: Path) -> None:
    """And goes on with what an earlier command left."""
    server = LiveServer(tmp_path / "home").start()
    path = tmp_path / "large.jsonl"
    path.write_bytes(jsonl([{"input": f"say {i}", "output": "x" * 40_000} for i in range(1700)]))
    assert pieces.is_large(path)
    metadata = {"filename": path.name, "fingerprint": pieces.fingerprint(path)}
    headers = {
        "Upload-Length": str(path.stat().st_size),
        "Upload-Metadata": ",".join(f"{name} {tus.encode(value)}" for name, value in metadata.items()),
    }
    begun = server.call("POST", "/api/uploads", status=201, headers=headers)
    bytes_ = {"Content-Type": tus.BYTES, "Upload-Offset": "0"}
    content = path.read_bytes()[:30_000_000]
    httpx.patch(f"{server.url}/api/uploads/{begun['id']}", headers=bytes_, content=content).raise_for_status()
    done = modelforge("datasets", "add", str(path), home=server.home)
    assert "Added large.jsonl: 1700 usable examples." in done.stdout, done.stderr
    assert "Going on at 30 of 68 MB" in done.stderr
    assert list((server.home / "uploads").iterdir()) == []
    assert Path(server.get("/api/datasets/large.jsonl")["path"]).read_bytes() == path.read_bytes()
    server.close()


def test_import_from_a_file_a_folder_and_the_samples(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "folder"
    folder.mkdir()
    write_rows(folder / "a.jsonl", 12)
    write_rows(folder / "b.jsonl", 13)
    brought = document("datasets", "import", "folder/a.jsonl", home=home, cwd=tmp_path)
    assert (brought["filename"], brought["num_examples"]) == ("a.jsonl", 12)
    brought = document("datasets", "import", "folder", "--name", "both.jsonl", home=home, cwd=tmp_path)
    assert (brought["filename"], brought["num_examples"]) == ("both.jsonl", 25)
    said = modelforge("datasets", "import", "--sample", "qa", home=home)
    assert "Imported qa.jsonl: 798 usable examples." in said.stdout, said.stderr
    listed = modelforge("datasets", "samples", home=home).stdout
    assert "preferences" in listed and "dpo, rlhf" in listed
    assert document("datasets", "samples", home=home)["total"] >= 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sample", "demoo"], "Did you mean 'demo'?"),
        ([], "here is none of them"),
        (["./none.jsonl"], "no file or folder"),
        (["ada/faq"], "HF_HUB_OFFLINE"),
        (["ada/faq", "--sample", "demo"], "hub and sample"),
    ],
)
def test_what_cannot_be_imported_is_told(words: list[str], said: str, tmp_path: Path) -> None:
    done = modelforge("datasets", "import", *words, home=tmp_path / "home", cwd=tmp_path)
    assert done.returncode == 1 and said in done.stderr, done.stderr
