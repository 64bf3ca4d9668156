"""Encoding by several processes: the same rows in the same order, the same errors, and an end when one is asked for."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Fault, InvalidRequest
from modelforge.tasks.base import Head
from modelforge.worker import data, pool
from modelforge.worker.report import StopRequested
from tests.tiny import make_tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "BLOCK_BYTES", 4096)


def write(path: Path, rows: int) -> Path:
    """Rows that are cut, dropped and no rows at all among them."""
    lines = [{"input": f"question {i}", "output": f"answer {i} " * (1 + i % 40)} for i in range(rows)]
    text = [json.dumps(line) for line in lines]
    text[3], text[rows // 2] = json.dumps({"input": "word " * 200, "output": "x"}), '{"input": "no answer"}'
    path.write_text("\n".join(text))
    return path


def prepare(
    path: Path, tokenizer: Any, cache: Path, processes: int | None, check_stop: Callable[[], None] = lambda: None
) -> data.Prepared:
    config = TrainingConfig(
        task="text-generation", model_name="m", dataset="d", max_seq_length=100, seed=3, max_eval_samples=7
    )
    encoding = data.Encoding.of(config, "input_output", tokenizer, Head.CAUSAL)
    return data.prepare(path, encoding, cache=cache, shared=None, check_stop=check_stop, processes=processes)


def test_as_many_processes_as_there_are_make_the_same(tmp_path: Path, tokenizer: Any) -> None:
    path = write(tmp_path / "rows.jsonl", 700)
    alone, together = (prepare(path, tokenizer, tmp_path / str(n), n) for n in (1, 2))
    assert len(alone.train) > 400 and alone.held_out is not None and together.held_out is not None
    assert alone.train.to_list() == together.train.to_list()
    assert alone.held_out.to_list() == together.held_out.to_list()
    assert alone.held_out_rows == together.held_out_rows and len(alone.held_out_rows) == 7
    assert (alone.cut, list(alone.dropped)) == (together.cut, list(together.dropped))
    assert alone.cut > 0 and list(alone.dropped) == [4]
    for name in (data.TRAIN, data.HELD_OUT, data.ABOUT, data.DROPPED):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_little_work_starts_no_process(tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_Pool", None)
    assert len(prepare(write(tmp_path / "rows.jsonl", 100), tokenizer, tmp_path / "cache", None).train) > 50


def test_much_work_goes_to_others_while_it_runs(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    real = pool._Pool

    def counted(processes: int, payload: bytes) -> Any:
        started.append(processes)
        return real(processes, payload)

    monkeypatch.setattr(pool, "_Pool", counted)
    monkeypatch.setattr(pool, "threads", lambda: 2)
    for name in ("TRIAL_SECONDS", "WORTH_SECONDS"):
        monkeypatch.setattr(pool, name, 0.0)
    path = write(tmp_path / "rows.jsonl", 300)
    together = prepare(path, tokenizer, tmp_path / "2", None)
    assert started == [2]
    assert together.train.to_list() == prepare(path, tokenizer, tmp_path / "1", 1).train.to_list()


def test_the_first_rows_error_is_raised(tmp_path: Path) -> None:
    tokenizer = make_tiny_tokenizer(chat_template=None)
    tokenizer.eos_token = None
    with pytest.raises(InvalidRequest, match="no end token"):
        prepare(write(tmp_path / "rows.jsonl", 300), tokenizer, tmp_path / "cache", 2)


def test_a_killed_process_is_told(tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Struck(pool._Pool):
        def __init__(self, processes: int, payload: bytes) -> None:
            super().__init__(processes, payload)
            os.kill(next(iter(self._processes.values())).pid or 0, signal.SIGKILL)

    monkeypatch.setattr(pool, "_Pool", Struck)
    with pytest.raises(Fault, match="ended by SIGKILL"):
        prepare(write(tmp_path / "rows.jsonl", 700), tokenizer, tmp_path / "cache", 2)


def test_a_stop_ends_it_at_once_and_nothing_is_left(tmp_path: Path, tokenizer: Any) -> None:
    import multiprocessing

    looks = iter(range(1_000))

    def check_stop() -> None:
        if next(looks) >= 2:
            raise StopRequested

    with pytest.raises(StopRequested):
        prepare(write(tmp_path / "rows.jsonl", 3000), tokenizer, tmp_path / "cache", 2, check_stop)
    assert not multiprocessing.active_children()
    assert len(prepare(write(tmp_path / "rows.jsonl", 100), tokenizer, tmp_path / "cache", 1).train) > 50


def test_a_tokenizer_that_cannot_be_handed_on_encodes_here(tmp_path: Path, tokenizer: Any) -> None:
    other = make_tiny_tokenizer()
    other.hook = lambda: None
    path = write(tmp_path / "rows.jsonl", 100)
    both = [prepare(path, each, tmp_path / name, 2).train.to_list() for each, name in ((other, "a"), (tokenizer, "b"))]
    assert both[0] == both[1]


def test_an_encoding_process_loads_no_torch(tokenizer: Any) -> None:
    import pickle
    import subprocess
    import sys

    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", max_seq_length=100)
    encoding = data.Encoding.of(config, "input_output", tokenizer, Head.CAUSAL)
    code = (
        "import pickle, sys; encoding = pickle.load(sys.stdin.buffer)\n"
        'assert encoding.block(1, b\'{"input": "a", "output": "b"}\').columns["labels"].values\n'
        "assert not {'torch', 'pyarrow', 'datasets', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(encoding), check=True)
