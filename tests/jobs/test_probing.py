"""The process that reads with a model's tokenizer: its life, its end, and what the server sees of them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from modelforge.contracts.job import ModelRef
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Fault, InvalidRequest, NotFound, TooLarge
from modelforge.jobs import probing
from modelforge.jobs.probing import Probe
from modelforge.lease import DeviceLease
from modelforge.probe.order import Order
from modelforge.settings import load_settings
from tests.live import jsonl, rows
from tests.tiny import make_tiny_tokenizer

STARTER = ModelRef(name="modelforge-starter", source="bundled", path="modelforge-starter")


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def lease() -> DeviceLease:
    return DeviceLease("cpu")


@pytest.fixture
def probe(runner: asyncio.Runner, tmp_path: Path, lease: DeviceLease) -> Iterator[Probe]:
    probe = Probe(load_settings(home=tmp_path), lease)
    yield probe
    runner.run(probe.close())
    assert probe.pid is None


@pytest.fixture
def order(tmp_path: Path) -> Order:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(rows(12)))
    return order_of(path)


def order_of(path: Path, model: ModelRef = STARTER, **options: Any) -> Order:
    config = TrainingConfig(
        task="text-generation", model_name="m", dataset="d", eval_split=0.0, seed=1, max_seq_length=64, **options
    )
    return Order(path=str(path), shape="input_output", config=config, model=model, rows=[1])


@pytest.fixture
def endless(tmp_path: Path) -> ModelRef:
    """A model whose template never ends."""
    from transformers import LlamaConfig

    folder = tmp_path / "endless"
    lap = "{% for b in range(99999) %}" * 4 + "{% endfor %}" * 4
    make_tiny_tokenizer(chat_template=lap).save_pretrained(folder)
    LlamaConfig(vocab_size=400).save_pretrained(folder)
    return ModelRef(name="endless", source="folder", path=str(folder))


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def test_one_process_answers_and_its_death_is_one_failed_answer(
    runner: asyncio.Runner, probe: Probe, order: Order, endless: ModelRef, lease: DeviceLease, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    hangs = order.model_copy(update={"model": endless})

    async def story() -> None:
        first, second = await asyncio.gather(*(probe.ask("preview", order, 60) for _ in range(2)))
        assert first == second and first["rows"][0]["used"]
        pid = probe.pid
        assert pid is not None
        with pytest.raises(NotFound, match="no line 99"):
            await probe.ask("preview", order.model_copy(update={"rows": [99]}), 60)
        assert probe.pid == pid

        # One whose client goes away is answered nonetheless; the next waits for its turn.
        gone = asyncio.create_task(probe.ask("preview", order, 60))
        await asyncio.sleep(0)
        gone.cancel()
        assert await probe.ask("preview", order, 60) == first and probe.pid == pid

        # A training takes the memory of a process that has much alone.
        await lease.take("train_1")
        assert probe.pid == pid
        monkeypatch.setattr(probing, "MUCH", 0)
        await lease.take("train_1")
        assert probe.pid is None and not psutil.pid_exists(pid)
        assert await probe.ask("preview", order, 60) == first

        # One that is under way is asked again.
        asked = asyncio.create_task(probe.ask("preview", hangs, 60))
        pid = probe.pid
        await asyncio.sleep(0.3)
        await lease.take("train_1")
        await until(lambda: probe.pid not in (None, pid))
        assert not asked.done()
        os.kill(probe.pid or 0, signal.SIGKILL)
        with pytest.raises(Fault, match=r"SIGKILL.*probe\.log"):
            await asked
        assert await probe.ask("preview", order, 60) == first

        # What takes too long is ended.
        pid = probe.pid
        with pytest.raises(InvalidRequest, match="'endless' gave no answer within 1 s"):
            await probe.ask("preview", hangs, 1)
        assert probe.pid is None and pid is not None and not psutil.pid_exists(pid)

    runner.run(story())


def test_it_ends_when_nobody_asks(runner: asyncio.Runner, tmp_path: Path, order: Order) -> None:
    async def story() -> None:
        probe = Probe(load_settings(home=tmp_path, probe_idle_seconds=0.5), DeviceLease("cpu"))
        await probe.ask("tools", order, 60)
        pid = probe.pid
        await asyncio.sleep(0.2)
        await probe.ask("tools", order, 60)
        assert probe.pid == pid
        await until(lambda: probe.pid is None, 5)
        await probe.ask("tools", order, 60)
        assert probe.pid not in (None, pid)
        await probe.close()

    runner.run(story())


def test_a_models_own_code_has_a_process_of_its_own(runner: asyncio.Runner, probe: Probe, order: Order) -> None:
    async def story() -> None:
        await probe.ask("tools", order, 60)
        pid = probe.pid
        own = order.model_copy(update={"config": order.config.model_copy(update={"trust_remote_code": True})})
        asked = asyncio.create_task(probe.ask("tools", own, 60))
        await until(lambda: probe.pid not in (None, pid))
        await asked
        assert probe.pid is None

    runner.run(story())


def test_memory_that_it_may_not_have_is_one_refused_answer(
    runner: asyncio.Runner, probe: Probe, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(rows(12)))
    greedy = tmp_path / "greedy"
    from transformers import LlamaConfig

    make_tiny_tokenizer(chat_template="{{ 'x' * 9000000000 }}").save_pretrained(greedy)
    LlamaConfig(vocab_size=400).save_pretrained(greedy)
    order = order_of(path, ModelRef(name="greedy", source="folder", path=str(greedy)))

    async def story() -> None:
        with pytest.raises((TooLarge, Fault, InvalidRequest)):
            await probe.ask("preview", order, 60)
        assert (await probe.ask("preview", order_of(path), 60))["rows"][0]["used"]

    runner.run(story())


def test_after_close_nothing_is_started(runner: asyncio.Runner, probe: Probe, order: Order, endless: ModelRef) -> None:
    async def story() -> None:
        asked = [
            asyncio.create_task(probe.ask("preview", order.model_copy(update={"model": endless}), 60)) for _ in range(2)
        ]
        await until(lambda: probe.pid is not None)
        await probe.close()
        for each in asked:
            with pytest.raises(Fault, match="shuts down"):
                await each
        with pytest.raises(Fault, match="shuts down"):
            await probe.ask("preview", order, 60)

    runner.run(story())
