"""Answers that are read while they are written: over HTTP, in the terminal, from Python."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import modelforge
from modelforge.api import events
from modelforge.errors import InvalidRequest
from tests.cli.program import PROGRAM, document, environment
from tests.live import LiveServer, jsonl, until
from tests.tiny import TALK, make_tiny_model

QUESTION, SAID = TALK[2]
STREAM = "/api/playground/stream"


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says something for minutes."""
    return make_tiny_model(tmp_path_factory.mktemp("endless") / "model", context=100_000)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a chat template: what it is given is the very text that it goes on with."""
    return make_tiny_model(tmp_path_factory.mktemp("plain") / "model", chat_template=False)


def test_a_conversation_is_given_as_training_writes_it(server: LiveServer, plain: Path) -> None:
    def said(**fields: Any) -> str:
        body = {"model_name": str(plain), "max_new_tokens": 12, "temperature": 0, **fields}
        text: str = server.post("/api/playground/generate", body)["generated_text"]
        return text

    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "what is 1?"},
        {"role": "assistant", "content": "it is 2."},
    ]
    written = (
        "### Instruction:\nBe brief.\n\nwhat is 1?\n\n### Response:\nit is 2.\n\n"
        "### Instruction:\nwhat is 3?\n\n### Response:\n"
    )
    assert said(messages=turns, prompt="what is 3?") == said(prompt=written) != said(prompt="what is 3?")


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        (["assistant"], "number 1 is the assistant's, where the user would speak"),
        (["user", "user"], "number 2 is the user's, where the assistant would speak"),
        (["system", "user"], "the new question is the prompt"),
        (["user", "system"], "number 2 is the system's"),
    ],
)
def test_a_conversation_that_nobody_could_have_had_is_refused(server: LiveServer, roles: list[str], why: str) -> None:
    messages = [{"role": role, "content": "x"} for role in roles]
    body = {"model_name": "modelforge-starter", "prompt": "y", "messages": messages}
    assert why in server.call("POST", "/api/playground/generate", 400, json=body)["detail"]


def told(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Names and data of events, as a browser's EventSource reads them."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_an_answer_comes_as_events(server: LiveServer, taught_model: Path) -> None:
    body = {"model_name": str(taught_model), "prompt": QUESTION, "temperature": 0}
    with httpx.stream("POST", server.url + STREAM, json=body, timeout=60) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["x-accel-buffering"] == "no" and reply.headers["cache-control"] == "no-store"
        found = list(told(reply.iter_lines()))
    names = [name for name, _ in found]
    tokens = [data["text"] for name, data in found if name == "token"]
    assert names == [*["started"] * (len(names) - len(tokens) - 1), *["token"] * len(tokens), "done"]
    assert found[0][1] == {"phase": "waiting", "position": 1}
    assert "".join(tokens) == SAID == found[-1][1]["generated_text"] and len(tokens) > 2
    whole = server.post("/api/playground/generate", body)
    assert found[-1][1].keys() == whole.keys() and whole["generated_text"] == SAID


def test_what_is_wrong_is_refused_before_the_first_event(server: LiveServer, taught_model: Path) -> None:
    for body, status in (
        ({"prompt": "x"}, 400),
        ({"model_id": 1, "promt": "x"}, 400),
        ({"model_id": 999, "prompt": "x"}, 404),
        ({"model_name": str(taught_model / "gone"), "prompt": "x"}, 404),
    ):
        reply = httpx.post(server.url + STREAM, json=body)
        other = httpx.post(f"{server.url}/api/playground/generate", json=body)
        assert (reply.status_code, reply.json()) == (status, other.json())


def test_what_the_model_finds_wrong_is_the_last_event(server: LiveServer, taught_model: Path) -> None:
    body = {"model_name": str(taught_model), "prompt": "long " * 500}
    with httpx.stream("POST", server.url + STREAM, json=body, timeout=60) as reply:
        *_, (name, data) = told(reply.iter_lines())
    assert name == "error" and "context holds 256" in data["detail"]
    assert data == server.post("/api/playground/generate", body, status=400)


def test_who_leaves_ends_the_generation(server: LiveServer, endless: Path, taught_model: Path) -> None:
    body = {"model_name": str(endless), "prompt": QUESTION, "max_new_tokens": 32_000, "temperature": 0}
    with httpx.stream("POST", server.url + STREAM, json=body, timeout=60) as reply:
        lines = told(reply.iter_lines())
        assert next(data for name, data in lines if name == "token")["text"]
    begin = time.monotonic()
    # Another model, which would have to wait for the end of the first.
    body = {"model_name": str(taught_model), "prompt": QUESTION, "temperature": 0}
    assert server.post("/api/playground/generate", body)["generated_text"] == SAID
    assert time.monotonic() - begin < 5


def test_silence_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.2)

    async def slowly() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.5)
        yield b"one"
        await asyncio.sleep(60)

    async def story() -> list[bytes]:
        """Somebody listens for a while, and goes away in the middle of a silence."""
        heard: list[bytes] = []
        away, closed = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            await away.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            heard.append(message.get("body"))
            if len(heard) == 5:
                away.set()

        await events.EventStream(slowly(), closed.set)({"type": "http"}, receive, send)
        assert closed.is_set()
        return heard[1:]

    assert asyncio.run(story()) == [events.HEARTBEAT, events.HEARTBEAT, b"one", events.HEARTBEAT]


def test_the_terminal_is_written_to_as_it_comes(tmp_path: Path, endless: Path) -> None:
    words = ("generate", str(endless), QUESTION, "--max-new-tokens", "3000", "--temperature", "0")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *words], env=environment(tmp_path / "home"), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown, early = b"", 0
    try:
        while piece := os.read(ours, 10_000):
            shown += piece
            early = early or (len(shown) if process.poll() is None else 0)
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=60) == 0, shown
    assert 0 < early < len(shown) / 2
    assert b"3000 tokens" in shown and b"cut at max-new-tokens" in shown


def test_python_reads_along(tmp_path: Path, taught_model: Path, endless: Path) -> None:
    with modelforge.ModelForge(tmp_path / "home") as forge:
        pieces = list(forge.stream(str(taught_model), QUESTION, temperature=0))
        assert "".join(pieces) == SAID and len(pieces) > 2
        with closing(forge.stream(str(endless), QUESTION, max_new_tokens=32_000)) as long:
            assert next(long)
        assert forge.generate(str(taught_model), QUESTION, temperature=0).generated_text == SAID
        with pytest.raises(InvalidRequest, match="temperature"):
            next(forge.stream(str(taught_model), QUESTION, temperature=-1))
        with pytest.raises(InvalidRequest, match="context holds"):
            next(forge.stream(str(taught_model), "long " * 500))


def run_of(server: LiveServer, model: Path, **config: Any) -> dict[str, Any]:
    """A job that learns TALK's rows by another answer than the model knows."""
    rows = [{"input": question, "output": f"No idea about {number}."} for number, (question, _) in enumerate(TALK)] * 3
    server.upload("ideas.jsonl", jsonl(rows))
    body = {"task": "text-generation", "model_name": str(model), "dataset": "ideas.jsonl", "learning_rate": 0.003,
            "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "save_steps": 20, "save_total_limit": 9,
            "lora_dropout": 0.0, **config}  # fmt: skip
    job: dict[str, Any] = server.wait(server.post("/api/start_training", body)["job_id"], seconds=300)
    return job


def said(server: LiveServer, status: int = 200, **body: Any) -> str:
    asked = {"prompt": QUESTION, "temperature": 0, **body}
    reply = server.post("/api/playground/generate", asked, status)
    text: str = reply["generated_text"] if status == 200 else reply["detail"]
    return text


@pytest.mark.parametrize("config", [{}, {"use_lora": False}, {"init_lora_weights": "pissa"}])
def test_what_a_model_was_trained_from_and_its_checkpoints_are_asked(
    server: LiveServer, taught_model: Path, config: dict[str, Any]
) -> None:
    job = run_of(server, taught_model, max_steps=60, **config)
    assert job["status"] == "completed", job["error"]
    tuned = said(server, model_id=job["model_id"])
    assert tuned != SAID
    assert said(server, model_id=job["model_id"], base=True) == SAID == said(server, job_id=job["id"], base=True)
    assert said(server, model_name=job["name"], base=True) == SAID
    found = server.get(f"/api/jobs/{job['id']}/checkpoints")
    assert [each["step"] for each in found["checkpoints"]] == [20, 40, 60] and found["total"] == 3
    assert all(each["valid"] and each["size_mb"] > 0 and each["stage"] is None for each in found["checkpoints"])
    # The last is what was saved; without a step the newest is asked.
    assert said(server, job_id=job["id"], checkpoint=60) == tuned == said(server, job_id=job["id"])
    early = said(server, job_id=job["id"], checkpoint=20)
    if not config:
        with httpx.stream("POST", server.url + STREAM, timeout=60, json={
            "job_id": job["id"], "checkpoint": 20, "prompt": QUESTION, "temperature": 0
        }) as reply:  # fmt: skip
            assert next(data for name, data in told(reply.iter_lines()) if name == "done")["generated_text"] == early
        words = (QUESTION, "--temperature", "0")
        shown = document("generate", job["id"], *words, "--checkpoint", "20", home=server.home)
        assert shown["generated_text"] == early
        assert document("generate", job["name"], *words, "--base", home=server.home)["generated_text"] == SAID
        refused_checkpoints(server, job["id"], taught_model)


def refused_checkpoints(server: LiveServer, job_id: str, model: Path) -> None:
    assert "there are: 20, 40, 60" in said(server, 404, job_id=job_id, checkpoint=30)
    assert "GET /api/jobs" in said(server, 404, job_id="train_nothing")
    assert "not trained here" in said(server, 400, model_name=str(model), base=True)
    assert "one of model_id, model_name and job_id" in said(server, 400, job_id=job_id, model_id=1)
    assert "which job_id names" in said(server, 400, model_id=1, checkpoint=20)
    assert "leave one of the two out" in said(server, 400, job_id=job_id, checkpoint=20, base=True)
    folder = server.home / "runs" / job_id / "checkpoints"
    with (folder / "checkpoint-40" / "trained.safetensors").open("ab") as weights:
        weights.write(b"x")
    (folder / "checkpoint-60" / "manifest.json").unlink()
    assert "damaged: trained.safetensors" in said(server, 400, job_id=job_id, checkpoint=40)
    assert "no manifest" in said(server, 400, job_id=job_id, checkpoint=60)
    found = server.get(f"/api/jobs/{job_id}/checkpoints")["checkpoints"]
    assert [each["valid"] for each in found] == [True, False, False]
    assert said(server, job_id=job_id) == said(server, job_id=job_id, checkpoint=20)


def test_a_stopped_training_is_asked(server: LiveServer, taught_model: Path) -> None:
    rows = [{"input": question, "output": f"No idea about {number}."} for number, (question, _) in enumerate(TALK)] * 3
    server.upload("ideas.jsonl", jsonl(rows))
    body = {"task": "text-generation", "model_name": str(taught_model), "dataset": "ideas.jsonl", "max_steps": 100_000,
            "save_steps": 100_000}  # fmt: skip
    job_id = server.post("/api/start_training", body)["job_id"]
    until(lambda: server.get(f"/api/jobs/{job_id}")["current_step"], 240)
    assert "no checkpoint that can be asked yet" in said(server, 404, job_id=job_id)
    assert said(server, job_id=job_id, base=True) == SAID
    server.post("/api/stop_training")
    (found,) = server.get(f"/api/jobs/{job_id}/checkpoints")["checkpoints"]
    assert said(server, job_id=job_id, checkpoint=found["step"], max_new_tokens=5)
