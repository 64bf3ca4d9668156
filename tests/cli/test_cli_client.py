"""The way from the command line to the product: errors keep their class, a dead server is not taken for a live one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from modelforge import errors
from modelforge.cli.client import error_of, running_server
from modelforge.errors import ModelForgeError


def every_kind(kind: type[ModelForgeError] = ModelForgeError) -> Iterator[type[ModelForgeError]]:
    if kind.__module__ == errors.__name__:
        yield kind
    for narrower in kind.__subclasses__():
        yield from every_kind(narrower)


@pytest.mark.parametrize("kind", list(every_kind()))
def test_a_refusal_arrives_as_the_error_that_was_raised(kind: type[ModelForgeError]) -> None:
    envelope = {"error": kind.error, "detail": "what is wrong", "status_code": kind.status_code}
    raised = error_of(httpx.Response(kind.status_code, json=envelope))
    assert (raised.status_code, raised.error, raised.detail) == (kind.status_code, kind.error, "what is wrong")


def test_an_answer_that_is_not_ours_is_said_to_be_so() -> None:
    request = httpx.Request("GET", "http://127.0.0.1:8000/api/info")
    raised = error_of(httpx.Response(502, text="<html>", request=request))
    assert "502" in raised.detail and "127.0.0.1:8000" in raised.detail


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"url": 3}', '{"url": "nowhere"}'])
def test_a_server_file_that_says_nothing_means_no_server(tmp_path: Path, content: str) -> None:
    assert running_server(tmp_path) is None
    (tmp_path / "server.json").write_text(content)
    assert running_server(tmp_path) is None


def test_a_server_that_was_killed_is_not_running(tmp_path: Path) -> None:
    # Port 9 (discard) of this machine: nothing answers there.
    (tmp_path / "server.json").write_text(json.dumps({"pid": 1, "url": "http://127.0.0.1:9"}))
    assert running_server(tmp_path) is None
