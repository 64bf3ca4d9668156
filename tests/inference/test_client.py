"""The inference process through its client: its life, its deaths, and what the api process sees of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from modelforge.contracts.playground import GenerateReply, GenerateRequest, GenerationStarted, GenerationToken
from modelforge.errors import Conflict, InferenceFault, InvalidRequest, NotFound
from modelforge.inference.client import InferenceClient, Listener
from modelforge.inference.protocol import ModelTarget
from modelforge.lease import DeviceLease
from tests.tiny import TALK, make_tiny_model

QUESTION, SAID = TALK[2]


@pytest.fixture
def taught(taught_model: Path) -> Path:
    return taught_model


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says something for minutes."""
    return make_tiny_model(tmp_path_factory.mktemp("endless") / "model", context=100_000)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "inference.log"


@pytest.fixture(scope="module")
def client(runner: asyncio.Runner, log: Path) -> Iterator[InferenceClient]:
    async def make() -> InferenceClient:
        return InferenceClient(log, DeviceLease("cpu"), 0)

    client = runner.run(make())
    yield client
    runner.run(client.close())


def ask(
    client: InferenceClient, folder: Path, *, timeout: float = 60, tell: Listener | None = None, **options: Any
) -> Any:
    request = GenerateRequest(model_id=1, **{"prompt": QUESTION, "temperature": 0, **options})
    target = ModelTarget(path=str(folder), provider="huggingface", task="text-generation", tuned=True)
    return client.generate(target, request, timeout, tell)


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def says(log: Path, text: str) -> Callable[[], bool]:
    """Whether the log got the text after now."""
    before = log.stat().st_size if log.exists() else 0
    return lambda: log.exists() and text.encode() in log.read_bytes()[before:]


def test_requests_are_answered_by_one_process(runner: asyncio.Runner, client: InferenceClient, taught: Path) -> None:
    async def story() -> list[GenerateReply]:
        return await asyncio.gather(*(ask(client, taught, prompt=question) for question, _ in TALK))

    replies = runner.run(story())
    assert [reply.generated_text for reply in replies] == [said for _, said in TALK]
    assert all(reply.generation_time_ms < 5000 for reply in replies)  # loading is left out
    assert client.pid is not None
    pid = client.pid
    assert runner.run(ask(client, taught)).generated_text == SAID
    assert client.pid == pid


def test_refusals_come_back_as_what_they_are(runner: asyncio.Runner, client: InferenceClient, taught: Path) -> None:
    with pytest.raises(InvalidRequest, match="context holds 256"):
        runner.run(ask(client, taught, prompt="long " * 500))
    with pytest.raises(NotFound, match="no model in the folder"):
        runner.run(ask(client, taught / "gone"))
    assert runner.run(ask(client, taught)).generated_text == SAID


def test_a_request_that_is_given_up_makes_way(
    runner: asyncio.Runner, client: InferenceClient, taught: Path, endless: Path, log: Path
) -> None:
    async def story() -> tuple[GenerateReply, float]:
        generating = says(log, f"loaded {endless}")
        long = asyncio.create_task(ask(client, endless, max_new_tokens=30_000))
        await until(generating)
        waiting = asyncio.create_task(ask(client, endless, max_new_tokens=30_000))  # given up before its turn
        next_one = asyncio.create_task(ask(client, taught))
        await asyncio.sleep(0.2)
        assert not next_one.done()
        given_up = time.monotonic()
        long.cancel()
        waiting.cancel()
        return await next_one, time.monotonic() - given_up

    pid = client.pid
    reply, seconds = runner.run(story())
    assert reply.generated_text == SAID
    assert seconds < 3
    assert client.pid == pid


def test_requests_to_one_model_run_together_each_by_its_own_settings(
    runner: asyncio.Runner, client: InferenceClient, endless: Path, log: Path
) -> None:
    async def story() -> tuple[list[GenerateReply], list[GenerateReply], bool]:
        settings: list[dict[str, Any]] = [
            {"max_new_tokens": 20},
            {"max_new_tokens": 9, "temperature": 1.0, "seed": 5},
            {"max_new_tokens": 30_000, "timeout": 0.5},
        ]
        alone = [await ask(client, endless, **one) for one in settings]
        long = asyncio.create_task(ask(client, endless, max_new_tokens=30_000))
        await asyncio.sleep(0.2)
        together = await asyncio.gather(*(ask(client, endless, **one) for one in settings))
        runs_on = not long.done()
        long.cancel()
        return alone, list(together), runs_on

    alone, together, runs_on = runner.run(story())
    assert runs_on
    assert [reply.finish_reason for reply in together] == ["length", "length", "timeout"]
    assert [reply.generated_text for reply in together[:2]] == [reply.generated_text for reply in alone[:2]]


def test_an_answer_is_told_while_it_is_written(
    runner: asyncio.Runner, client: InferenceClient, taught: Path, endless: Path
) -> None:
    async def story() -> tuple[list[list[Any]], list[GenerateReply]]:
        heard: list[list[Any]] = [[] for _ in TALK]
        asked = [ask(client, taught, prompt=TALK[at][0], tell=heard[at].append) for at in range(len(TALK))]
        return heard, await asyncio.gather(*asked)

    heard, replies = runner.run(story())
    for told, reply, (_, said) in zip(heard, replies, TALK, strict=True):
        assert reply.generated_text == said
        phases = [each.phase for each in told if isinstance(each, GenerationStarted)]
        assert phases[0] == "waiting" and phases[-2:] == ["loading", "answering"]
        pieces = [each.text for each in told if isinstance(each, GenerationToken)]
        assert "".join(pieces) == said and len(pieces) > 2
        assert told[len(phases) :] == [GenerationToken(text=piece) for piece in pieces]

    async def read_and_leave() -> tuple[list[str], list[int | None]]:
        """Two wait behind a long answer that somebody reads the beginning of."""
        pieces: list[str] = []
        places: list[int | None] = []
        long = asyncio.create_task(
            ask(client, endless, max_new_tokens=30_000, tell=lambda told: pieces.append(getattr(told, "text", "")))
        )
        await until(lambda: len(pieces) > 20)
        first = asyncio.create_task(ask(client, taught))
        await asyncio.sleep(0)
        second = asyncio.create_task(
            ask(client, taught, tell=lambda told: places.append(getattr(told, "position", None)))
        )
        await until(lambda: places)
        first.cancel()
        await until(lambda: len(places) > 1)
        long.cancel()
        left = time.monotonic()
        assert (await second).generated_text == SAID
        assert time.monotonic() - left < 3
        return pieces, places

    pieces, places = runner.run(read_and_leave())
    assert places[:3] == [2, 1, None]
    assert len(pieces) < 29_000


def test_a_model_that_is_evicted_while_it_answers_goes_on_and_is_loaded_anew_after(
    runner: asyncio.Runner, client: InferenceClient, endless: Path, log: Path
) -> None:
    async def story() -> GenerateReply:
        await ask(client, endless, max_new_tokens=1)
        long = asyncio.create_task(ask(client, endless, max_new_tokens=30_000, timeout=2))
        await asyncio.sleep(0.2)
        evicted, loaded = says(log, f"evicted {endless}"), says(log, f"loaded {endless}")
        await client.evict(str(endless))
        await until(evicted)
        after = asyncio.create_task(ask(client, endless, max_new_tokens=1))
        await asyncio.sleep(0.2)
        assert not loaded()  # not two of them in memory
        reply: GenerateReply = await long
        await after
        assert loaded()
        return reply

    assert runner.run(story()).finish_reason == "timeout"


def test_the_timeout_ends_with_what_there_is(runner: asyncio.Runner, client: InferenceClient, endless: Path) -> None:
    reply = runner.run(ask(client, endless, max_new_tokens=30_000, timeout=0.5))
    assert reply.finish_reason == "timeout"
    assert reply.tokens_generated > 0


def test_a_model_is_evicted_on_request(
    runner: asyncio.Runner, client: InferenceClient, taught: Path, log: Path
) -> None:
    async def story() -> None:
        await ask(client, taught)
        evicted = says(log, f"evicted {taught}")
        await client.evict(str(taught))
        await until(evicted)
        loaded = says(log, f"loaded {taught}")
        await ask(client, taught)
        assert loaded()

    runner.run(story())


def test_a_crash_is_one_clear_error_and_those_in_the_queue_are_answered(
    runner: asyncio.Runner, client: InferenceClient, taught: Path, endless: Path, log: Path
) -> None:
    async def story() -> tuple[Any, Any]:
        await client.evict(str(endless))
        generating = says(log, f"loaded {endless}")
        long = asyncio.create_task(ask(client, endless, max_new_tokens=30_000))
        waiting = asyncio.create_task(ask(client, taught))
        await until(generating)
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)
        return await asyncio.gather(long, waiting, return_exceptions=True)

    pid = client.pid
    fault, reply = runner.run(story())
    assert isinstance(fault, InferenceFault)
    assert "SIGKILL" in fault.detail
    assert f"loaded {endless}" in fault.detail  # the log's last line
    assert str(log) in fault.detail
    assert reply.generated_text == SAID
    assert client.pid not in (None, pid)


def test_a_process_that_hangs_is_ended(runner: asyncio.Runner, log: Path, endless: Path) -> None:
    async def story() -> None:
        client = InferenceClient(log, DeviceLease("cpu"), 0, grace_s=0.5)
        generating = says(log, f"loaded {endless}")
        asking = asyncio.create_task(ask(client, endless, max_new_tokens=30_000, timeout=1))
        await until(generating)
        assert client.pid is not None
        process = psutil.Process(client.pid)
        process.suspend()
        with pytest.raises(InferenceFault, match=r"no answer came within 1 s and 0\.5 s of grace"):
            await asking
        assert client.pid is None
        assert not process.is_running()

    runner.run(story())


def test_loading_has_a_bound_of_its_own(runner: asyncio.Runner, log: Path, taught: Path) -> None:
    async def story() -> None:
        client = InferenceClient(log, DeviceLease("cpu"), 0, loading_s=0.2)
        with pytest.raises(InferenceFault, match=r"loading .* took longer than 0.2 s"):
            await ask(client, taught)  # importing torch takes longer
        assert client.pid is None

    runner.run(story())


def test_release_ends_the_process_and_requests_go_on_in_a_new_one(
    runner: asyncio.Runner, client: InferenceClient, taught: Path, endless: Path, log: Path
) -> None:
    async def story() -> tuple[GenerateReply, float]:
        generating = says(log, f"loaded {endless}")
        long = asyncio.create_task(ask(client, endless, max_new_tokens=30_000, timeout=2))
        await until(generating)
        started = time.monotonic()
        await client.release()
        seconds = time.monotonic() - started
        return await long, seconds

    runner.run(ask(client, taught))
    pid = client.pid
    assert pid is not None
    reply, seconds = runner.run(story())
    assert reply.finish_reason == "timeout"
    assert seconds < 3
    assert client.pid != pid and not psutil.pid_exists(pid)
    runner.run(client.release())
    assert client.pid is None
    assert runner.run(ask(client, taught)).generated_text == SAID


def test_a_run_takes_the_device_and_gives_it_back(runner: asyncio.Runner, tmp_path: Path, taught: Path) -> None:
    """With a device that this machine need not have: where it may be used is what the process is told."""

    async def story() -> None:
        lease = DeviceLease("mps")
        client = InferenceClient(tmp_path / "inference.log", lease, 0)
        assert lease.for_inference == "mps"
        await lease.take("train_1")
        with pytest.raises(Conflict, match="train_1"):
            await lease.take("train_2")
        assert (await ask(client, taught)).generated_text == SAID
        pid = client.pid
        assert pid is not None and told(pid) == "cpu"
        assert (await ask(client, taught)).generated_text == SAID and client.pid == pid
        lease.give_back("train_1")
        again = asyncio.create_task(ask(client, taught))
        await until(lambda: client.pid not in (None, pid))
        assert client.pid is not None and told(client.pid) == "mps" and not psutil.pid_exists(pid)
        await lease.take("train_2")
        assert (await again).generated_text == SAID
        await client.close()

    def told(pid: int) -> str:
        words = psutil.Process(pid).cmdline()
        return words[words.index("--device") + 1]

    runner.run(story())


ORPHAN = """
import asyncio, sys
from pathlib import Path
from modelforge.contracts.playground import GenerateRequest
from modelforge.inference.client import InferenceClient, Listener
from modelforge.inference.protocol import ModelTarget
from modelforge.lease import DeviceLease

async def main():
    client = InferenceClient(Path(sys.argv[1]), DeviceLease("cpu"), 0)
    target = ModelTarget(path=sys.argv[2], provider="huggingface", task="text-generation", tuned=True)
    request = GenerateRequest(model_id=1, prompt="x", temperature=0, max_new_tokens=30000)
    asking = asyncio.create_task(client.generate(target, request, 600))
    while client.pid is None:
        await asyncio.sleep(0.01)
    print(client.pid, flush=True)
    assert "torch" not in sys.modules
    await asking

asyncio.run(main())
"""


def test_the_process_does_not_outlive_its_server(tmp_path: Path, endless: Path) -> None:
    log = tmp_path / "inference.log"
    with subprocess.Popen([sys.executable, "-c", ORPHAN, str(log), str(endless)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        process = psutil.Process(int(server.stdout.readline()))
        asyncio.run(until(lambda: b"loaded" in log.read_bytes()))
        assert process.is_running()
        server.kill()
    process.wait(timeout=2)


def test_a_large_log_is_begun_anew(runner: asyncio.Runner, client: InferenceClient, taught: Path, log: Path) -> None:
    async def story() -> None:
        await client.release()
        with log.open("ab") as stream:
            stream.truncate(6_000_000)
        await ask(client, taught)

    runner.run(story())
    assert log.stat().st_size < 100_000
    assert log.with_name("inference.log.old").stat().st_size == 6_000_000


def test_after_close_nothing_is_started(runner: asyncio.Runner, client: InferenceClient, taught: Path) -> None:
    runner.run(client.close())
    with pytest.raises(InferenceFault, match="shuts down"):
        runner.run(ask(client, taught))
    assert client.pid is None
