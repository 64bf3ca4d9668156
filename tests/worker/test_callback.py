"""When a run saves, whatever its options say: early, and then now and then."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from modelforge.worker import callback, checkpoints
from modelforge.worker.callback import FIRST_SAVE_SECONDS, SAVE_SECONDS, Pace, ReportCallback
from modelforge.worker.report import Report
from tests.workers import events


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        raise AssertionError("nothing is measured by a clock that can be set")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(callback, "time", clock)
    return clock


class Steps:
    """A training whose steps take as long as the test says, and that saves where it is told."""

    def __init__(self, folder: Path, clock: Clock, **options: Any) -> None:
        self.clock = clock
        self.args = TrainingArguments(output_dir=str(folder / "checkpoints"), save_steps=10**6, use_cpu=True)
        self.state = TrainerState(max_steps=10**6, num_train_epochs=1)
        given = {"requested_at": clock.now - 5, "earlier_seconds": 0.0, "pace": Pace(total=10**6), "keep": 2, **options}
        self.callback = ReportCallback(Report(folder, attempt=1), **given)

    def step(self, seconds: float) -> bool:
        """Whether it saved."""
        control = TrainerControl()
        self.callback.on_step_begin(self.args, self.state, control)
        self.clock.now += seconds
        self.state.global_step += 1
        self.callback.on_step_end(self.args, self.state, control)
        if control.should_save:
            folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
            folder.mkdir(parents=True)
            (folder / "weights").write_bytes(b"1")
            self.callback.on_save(self.args, self.state, control, model=torch.nn.Linear(2, 2))
        return control.should_save


def test_the_first_checkpoint_comes_early_and_the_others_by_time(tmp_path: Path, clock: Clock) -> None:
    run = Steps(tmp_path, clock)
    saved = [run.step(7.0) for _ in range(200)]
    at = [7.0 * (number + 1) for number, each in enumerate(saved) if each]
    assert FIRST_SAVE_SECONDS <= at[0] < FIRST_SAVE_SECONDS + 7
    assert [second - first >= SAVE_SECONDS for first, second in pairwise(at)] == [True, True]
    steps = [number + 1 for number, each in enumerate(saved) if each]
    assert checkpoints.sealed_steps(tmp_path / "checkpoints") == steps[-2:]


def test_a_step_longer_than_that_is_saved_at_once(tmp_path: Path, clock: Clock) -> None:
    run = Steps(tmp_path, clock, keep=1)
    assert run.step(FIRST_SAVE_SECONDS + 1) and not run.step(FIRST_SAVE_SECONDS + 1)
    assert checkpoints.sealed_steps(tmp_path / "checkpoints") == [1]


def test_seconds_are_the_machines_own(tmp_path: Path, clock: Clock) -> None:
    run = Steps(tmp_path, clock, earlier_seconds=3.0)
    run.step(2.0)
    run.step(2.0)
    assert (run.callback.train_seconds, run.callback.time_to_first_step) == (7.0, 7.0)
    unknown = Steps(tmp_path, clock, requested_at=None)
    unknown.step(2.0)
    assert unknown.callback.time_to_first_step is None


def test_a_point_tells_how_fast_its_steps_were_and_what_memory_they_take(tmp_path: Path, clock: Clock) -> None:
    run = Steps(tmp_path, clock)
    control = TrainerControl()
    run.state.num_input_tokens_seen = 1000  # of the attempt before
    run.callback.on_train_begin(run.args, run.state, control)
    told = []
    for tokens, seconds, evaluation in ((100, 2.0, 0.0), (300, 4.0, 50.0)):
        run.state.num_input_tokens_seen += tokens
        run.step(seconds)
        run.callback.on_log(run.args, run.state, control, logs={"loss": 1.0})
        clock.now += evaluation
        run.callback.on_log(run.args, run.state, control, logs={"eval_loss": 1.0})
        told += [event["values"] for event in events(tmp_path) if event["kind"] == "metrics"][-2:]
    assert [point.get("tokens_per_second") for point in told] == [50.0, None, 75.0, None]
    assert all(point["memory_mb"] > 10 for point in told if "loss" in point)
