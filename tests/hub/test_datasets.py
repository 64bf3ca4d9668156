"""Datasets of a hub, over HTTP: found, chosen from, refused with the reason, fetched, trained on."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from modelforge.hub.splits import CONVERTED
from tests.hub.small_hub import COMMIT, TOKEN, small_hub
from tests.live import LiveServer, jsonl, rows, until

CARD = {
    "configs": [
        {
            "config_name": "plain",
            "default": True,
            "data_files": [{"split": "train", "path": ["a.jsonl", "b.jsonl"]}, {"split": "test", "path": "test.jsonl"}],
        },
        {"config_name": "other", "data_files": "other.jsonl"},
    ]
}


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By their ids on the hub."""
    root = tmp_path_factory.mktemp("hub")

    def made(name: str, **files: bytes) -> Path:
        folder = root / name
        for path, content in files.items():
            place = folder / path.replace("__", "/").replace("_", ".")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return folder

    card = f"---\n{yaml.safe_dump(CARD)}---\n# Questions\n".encode()
    lines = {"a_jsonl": jsonl(rows(30)), "b_jsonl": jsonl(rows(50)[30:]), "other_jsonl": jsonl(rows(11))}
    faq = made("faq", test_jsonl=jsonl(rows(12)), **lines)
    (faq / "README.md").write_bytes(card)
    return {
        "ada/faq": faq,
        "ada/plain": made("plain", data__train_jsonl=jsonl(rows(20))),
        "ada/locked": made("locked", train_jsonl=jsonl(rows(20))),
        "ada/private": made("private", train_jsonl=jsonl(rows(20))),
        "ada/script": made("script", script_py=b"print('never run')"),
        "ada/broken": made("broken", train_jsonl=jsonl(rows(20))),
        "ada/few": made("few", train_jsonl=jsonl(rows(3))),
        "ada/slow": made("slow", train_jsonl=jsonl(rows(20))),
        "ada/converted": made("converted", one__train__0000_jsonl=jsonl(rows(14)), two__test__0000_jsonl=b""),
    }


@pytest.fixture(scope="module")
def hub(repositories: dict[str, Path]) -> Iterator[tuple[str, list[str]]]:
    closed = {"gated": {"ada/locked"}, "private": {"ada/private"}, "broken": {"ada/broken"}, "slow": {"ada/slow"}}
    with small_hub(datasets=repositories, **closed) as hub:
        yield hub


def serve(home: Path, url: str, **environment: str) -> LiveServer:
    own = {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home / "cache"), "HF_TOKEN": ""}
    return LiveServer(home, **{**own, **environment}).start()


@pytest.fixture(scope="module")
def server(hub: tuple[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    live = serve(tmp_path_factory.mktemp("home"), hub[0])
    yield live
    live.close()


def bring(server: LiveServer, **request: Any) -> dict[str, Any]:
    """The operation, when it has ended."""
    operation: dict[str, Any] = server.post("/api/datasets/import", request, status=202)
    end = time.monotonic() + 60
    while operation["status"] == "running":
        assert time.monotonic() < end
        time.sleep(0.05)
        operation = server.get(f"/api/operations/{operation['id']}")
    return operation


def change_of(server: LiveServer, filename: str) -> dict[str, Any]:
    """How the dataset's newest version was made, as the database has it."""
    with sqlite3.connect(server.home / "modelforge.db") as connection:
        query = "SELECT change FROM datasets WHERE filename = ? ORDER BY version DESC LIMIT 1"
        (text,) = connection.execute(query, (filename,)).fetchone()
    change: dict[str, Any] = json.loads(text)
    return change


def test_a_split_is_fetched_at_a_commit(server: LiveServer) -> None:
    operation = bring(server, hub="ada/faq")
    assert operation["status"] == "completed", operation["error"]
    assert (operation["result"]["filename"], operation["result"]["num_examples"]) == ("faq-plain-train.jsonl", 50)
    change = change_of(server, "faq-plain-train.jsonl")
    assert change["how"] == "import" and "ada/faq" in change["summary"]
    assert change["details"] == {
        "hub": "ada/faq", "config": "plain", "split": "train", "revision": COMMIT, "files": ["a.jsonl", "b.jsonl"],
    }  # fmt: skip
    path = Path(server.get("/api/datasets/faq-plain-train.jsonl")["path"])
    kept = [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    assert kept == rows(50)
    assert list((server.home / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("request_", "filename", "count"),
    [
        ({"hub": "ada/plain"}, "plain-train.jsonl", 20),
        ({"hub": "ada/faq", "config": "other"}, "faq-other-train.jsonl", 11),
        ({"hub": "ada/faq", "split": "test", "revision": "v1"}, "faq-plain-test.jsonl", 12),
        ({"hub": "ada/converted", "config": "one", "revision": CONVERTED}, "converted-one-train.jsonl", 14),
        ({"hub": "ada/faq", "name": "my questions.jsonl"}, "my questions.jsonl", 50),
    ],
)
def test_what_can_be_chosen(server: LiveServer, request_: dict[str, str], filename: str, count: int) -> None:
    operation = bring(server, **request_)
    assert operation["status"] == "completed", operation["error"]
    assert (operation["result"]["filename"], operation["result"]["num_examples"]) == (filename, count)


def test_files_of_other_kinds_are_read_as_any_that_come(
    server: LiveServer, repositories: dict[str, Path], tmp_path: Path
) -> None:
    import pyarrow
    from pyarrow import parquet

    (tmp_path / "data").mkdir()
    for number, part in enumerate((rows(25)[:15], rows(25)[15:])):
        parquet.write_table(pyarrow.Table.from_pylist(part), tmp_path / f"data/train-0000{number}-of-00002.parquet")
    repositories["ada/parquet"] = tmp_path
    operation = bring(server, hub="ada/parquet")
    assert operation["status"] == "completed", operation["error"]
    result = operation["result"]
    assert (result["filename"], result["num_examples"]) == ("parquet-train.jsonl", 25)
    told = result["validation"]["source"]
    assert (told["format"], [part["rows"] for part in told["parts"]]) == ("parquet", [15, 10])
    path = Path(server.get("/api/datasets/parquet-train.jsonl")["path"])
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows(25)


def test_files_are_read_as_the_card_says_unless_the_request_does(
    server: LiveServer, repositories: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("input|output\n" + "".join(f"a{i}|x;b\n" for i in range(12)))
    (tmp_path / "b.json").write_text(json.dumps({"data": rows(3), "mine": rows(11)}))
    configs = [
        {"config_name": "table", "data_files": "a.csv", "sep": "|", "header": 0},
        {"config_name": "wrong", "data_files": "a.csv", "sep": ";"},
        {"config_name": "document", "data_files": "b.json", "field": "mine"},
        {"config_name": "odd", "data_files": "a.csv", "skiprows": 3},
    ]
    (tmp_path / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    repositories["ada/told"] = tmp_path
    operation = bring(server, hub="ada/told", config="table")
    assert operation["status"] == "completed", operation["error"]
    assert operation["result"]["validation"]["source"]["delimiter"] == "|"
    operation = bring(server, hub="ada/told", config="wrong", delimiter="|")
    assert operation["result"]["validation"]["source"]["delimiter"] == "|"
    operation = bring(server, hub="ada/told", config="document")
    assert operation["result"]["num_examples"] == 11
    operation = bring(server, hub="ada/told", config="odd")
    assert operation["status"] == "failed" and "is to be read with skiprows: 3" in operation["error"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"hub": "ada/none"}, "Not found: the hub has no dataset 'ada/none', or it is private: then set HF_TOKEN"),
        ({"hub": "ada/private"}, "or it is private"),
        ({"hub": "ada/locked"}, "Forbidden: dataset 'ada/locked' is gated: accept its terms"),
        (
            {"hub": "ada/faq", "config": "plane"},
            "no configuration 'plane'. Did you mean 'plain'? It has 'plain', 'other'",
        ),
        ({"hub": "ada/faq", "split": "dev"}, "no split 'dev'. It has 'train', 'test'"),
        ({"hub": "ada/faq", "revision": "v2"}, "no branch, tag or commit 'v2'"),
        ({"hub": "ada/script"}, "a script (script.py)"),
        ({"hub": "ada/broken"}, "answered with status 503"),
        ({"hub": "ada/few"}, "Invalid dataset: 3 usable examples"),
    ],
)
def test_what_cannot_be_had_is_told_in_words(server: LiveServer, request_: dict[str, str], said: str) -> None:
    before = server.get("/api/datasets")["total"]
    operation = bring(server, **request_)
    assert operation["status"] == "failed" and said in operation["error"], operation
    assert server.get("/api/datasets")["total"] == before
    assert list((server.home / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "one of hub, path, sample; here is none of them"),
        ({"hub": "ada/faq", "sample": "demo"}, "here is hub and sample"),
        ({"sample": "demo", "split": "train"}, "split: only a dataset of the hub has one"),
        ({"hub": "a/b/c"}, "cannot be a name on the hub"),
        ({"hub": "../etc"}, "cannot be a name on the hub"),
        ({"hubb": "ada/faq"}, "Did you mean 'hub'?"),
    ],
)
def test_what_is_no_request(server: LiveServer, request_: dict[str, str], said: str) -> None:
    assert said in server.post("/api/datasets/import", request_, status=400)["detail"]


def test_a_token_opens_what_is_closed_and_is_told_to_nobody(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    for variable in ("HF_TOKEN", "HUGGINGFACE_TOKEN"):
        home = tmp_path / variable
        environment = {"HUGGINGFACE_TOKEN": TOKEN} if variable == "HUGGINGFACE_TOKEN" else {"HF_TOKEN": TOKEN}
        own = {"HF_ENDPOINT": hub[0], "HF_HUB_OFFLINE": "0", "HF_HOME": str(home / "cache")}
        server = LiveServer(home, **own, **environment).start()
        for name in ("ada/locked", "ada/private"):
            assert bring(server, hub=name)["status"] == "completed"
        told = json.dumps([bring(server, hub="ada/none"), server.get("/api/operations"), server.get("/api/datasets")])
        server.close()
        assert server.process is not None and server.process.stdout is not None
        assert TOKEN not in told + server.process.stdout.read().decode()
        files = [path for path in home.rglob("*") if path.is_file()]
        assert files and not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_a_server_that_may_ask_no_hub_says_so(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    server = serve(tmp_path / "home", hub[0], HF_HUB_OFFLINE="1")
    asked = len(hub[1])
    assert "HF_HUB_OFFLINE is set" in bring(server, hub="ada/faq")["error"]
    assert len(hub[1]) == asked
    server.close()
    server = serve(tmp_path / "home", "http://127.0.0.1:9")
    assert "the hub cannot be reached" in bring(server, hub="ada/faq")["error"]
    server.close()


def test_a_hub_that_lies_about_names_gets_nowhere() -> None:
    from modelforge.hub.datasets import _is_plain

    told = ("train.jsonl", "data/a..b.jsonl", "../up.jsonl", "a/../../up.jsonl", "/etc/up.jsonl", "a\\..\\up.jsonl")
    assert [name for name in told if _is_plain(name)] == ["train.jsonl", "data/a..b.jsonl"]


def test_how_much_has_come_is_told(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    wanted = {"id": "ada/faq", "config": None, "split": None, "revision": None, "folder": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "modelforge.hub.datasets", json.dumps({**wanted, "max_bytes": 10**9})],
        env={**os.environ, "HF_ENDPOINT": hub[0], "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0", "HF_TOKEN": ""},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    *progress, end = [json.loads(line) for line in done.stdout.splitlines()]
    shares = [each["progress"] for each in progress]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert any(each["message"].startswith("downloading") and 0 < each["progress"] < 1 for each in progress)
    assert [Path(path).read_bytes() for path in end["result"]["paths"]] == [jsonl(rows(30)), jsonl(rows(50)[30:])]


def test_one_that_is_cancelled_ends_at_once_and_leaves_nothing(server: LiveServer) -> None:
    assert server.process is not None
    operation = server.post("/api/datasets/import", {"hub": "ada/slow"}, status=202)
    at = f"/api/operations/{operation['id']}"
    until(lambda: server.get(at)["message"] == "asking the hub", 20)
    assert server.post(f"{at}/cancel")["status"] == "cancelled"
    assert list((server.home / "scratch").iterdir()) == []
    lines = [" ".join(each.cmdline()) for each in psutil.Process(server.process.pid).children(recursive=True)]
    assert not [line for line in lines if "hub.datasets" in line]


def test_no_more_comes_than_may(hub: tuple[str, list[str]], repositories: dict[str, Path], tmp_path: Path) -> None:
    large = repositories["ada/plain"].parent / "large"
    large.mkdir()
    (large / "train.jsonl").write_bytes(jsonl(rows(40_000)))
    repositories["ada/large"] = large
    server = serve(tmp_path / "home", hub[0], MODELFORGE_MAX_UPLOAD_MB="1")
    try:
        assert "Too large: the split has" in bring(server, hub="ada/large")["error"]
        assert not any("/resolve/" in path for path in hub[1] if "large" in path)
    finally:
        server.close()
        del repositories["ada/large"]
