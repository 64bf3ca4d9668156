"""What the trainer tells while it trains, turned into events; and the places where a run can be told to end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from modelforge.contracts.job import JobState
from modelforge.strategies.stage import Training
from modelforge.worker.checkpoints import prune, seal
from modelforge.worker.failures import NanLoss
from modelforge.worker.report import Report

PROGRESS_SECONDS = 0.2
"""Between two events of progress: five a second are more than anybody sees."""
FIRST_SAVE_SECONDS = 60.0
"""A run that is killed loses at most its first minute …"""
SAVE_SECONDS = 600.0
"""… and later at most ten minutes, however long its steps are."""

_RENAMED = {
    "mean_token_accuracy": "token_accuracy",
    "num_input_tokens_seen": "train_tokens",
    "rewards/accuracies": "reward_accuracy",
    "rewards/margins": "reward_margin",
    "completions/mean_length": "completion_length",
    "completions/clipped_ratio": "clipped_ratio",
    "accuracy": "reward_model_accuracy",
}
_LEFT_OUT = ("epoch", "num_tokens", "total_flos", "_runtime", "_per_second", "step_time")


class NothingLeft(Exception):
    """What a run goes on with had come to its end already: it was stopped after its last step."""


@dataclass(frozen=True)
class Pace:
    """Where a stage stands among all of a run's."""

    done: int = 0
    """Optimizer steps of the stages before it."""
    total: int = 0
    """Optimizer steps of all stages."""
    rest: float = 0.0
    """The stages after it, in steps of this one that would take about as long."""

    @classmethod
    def of(cls, stages: Sequence[Training], number: int) -> Pace:
        """That of the stage of this number, from 0."""
        after = sum(stage.steps * stage.step_cost for stage in stages[number + 1 :])
        return cls(
            sum(stage.steps for stage in stages[:number]),
            sum(stage.steps for stage in stages),
            after / stages[number].step_cost,
        )


class ReportCallback(TrainerCallback):
    """One attempt of a run. ``train_seconds`` counts from its first step's start, plus what earlier attempts took."""

    def __init__(
        self,
        report: Report,
        requested_at: float | None,
        earlier_seconds: float,
        pace: Pace,
        *,
        keep: int,
        patience: int | None = None,
        resumed: bool = False,
    ) -> None:
        """``requested_at`` by the machine's monotonic clock, None where that is not known; ``keep`` checkpoints;
        ``patience`` in evaluations without a lower loss."""
        self._keep = keep
        self._report = report
        self._pace = pace
        self._patience = patience
        self.resumed = resumed
        self._requested_at = requested_at
        self._earlier_seconds = earlier_seconds
        self._started: float | None = None
        self._first_step_done: float | None = None
        self._first_step = 0
        self._step_begun = 0.0
        self._last_step_done = 0.0
        self._tokens = 0.0
        self._busy = 0.0
        self._last_progress = 0.0
        self._last_save = time.monotonic()
        self._save_after = FIRST_SAVE_SECONDS
        self.time_to_first_step: float | None = None
        self.stopped = False
        self.evaluate: Callable[[], object] | None = None
        """Measures the loss on the held-out rows, where there are some."""

    @property
    def train_seconds(self) -> float:
        """Seconds from the first step's start to the last step's end, over all attempts."""
        own = self._last_step_done - self._started if self._started is not None and self._last_step_done else 0.0
        return self._earlier_seconds + own

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._first_step = state.global_step
        self._tokens = float(state.num_input_tokens_seen)
        self._report.state(
            JobState.TRAINING,
            "Training",
            total_steps=self._pace.total,
            total_epochs=math.ceil(state.num_train_epochs),
        )
        self.tell_progress(state)
        evaluated = any("eval_loss" in entry and entry["step"] == state.global_step for entry in state.log_history)
        ended = state.global_step >= state.max_steps
        due = ended or (state.global_step > 0 and state.global_step % int(args.eval_steps or 1) == 0)
        if self.evaluate is not None and due and not evaluated:
            self.evaluate()  # the stop came before it
        if ended or self._enough(state):
            raise NothingLeft

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._step_begun = time.monotonic()
        if self._started is None:
            self._started = self._step_begun

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        moment = self._last_step_done = time.monotonic()
        self._busy += moment - self._step_begun
        if self._first_step_done is None:
            self._first_step_done = moment
            if self._requested_at is not None:
                self.time_to_first_step = moment - self._requested_at
        self.stopped = self._report.should_stop
        last = self.stopped or state.global_step == state.max_steps
        if last:
            control.should_log = True  # the end of the curve, whatever logging_steps divides
        if last or moment - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = moment
            self.tell_progress(state)
        if moment - self._last_save >= self._save_after:
            control.should_save = True
        if self.stopped:
            # An evaluation that is due is owed to the resume.
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        if "train_loss" in logs:  # the trainer's own summary, whose figures are wrong after a resume
            return
        for name in ("loss", "eval_loss", "final_loss"):
            if name in logs and not math.isfinite(logs[name]):
                raise NanLoss(f"The {name} became {logs[name]} at step {state.global_step}.")
        values = {
            _RENAMED.get(name, name): float(value)
            for name, value in logs.items()
            # What TRL tells beside that, by names with a slash, is for the developers of trainers.
            if value is not None and not name.endswith(_LEFT_OUT) and ("/" not in name or name in _RENAMED)
        }
        if "loss" in values:
            values |= self._takes(args, state)
        if values:
            self._report.metrics(self._pace.done + state.global_step, float(state.epoch or 0.0), values)
        if "eval_loss" in logs and self._enough(state):
            self._report.message(
                f"The loss on the held-out rows has not fallen for {self._patience} evaluations: that is enough"
            )
            self.tell_progress(state)
            control.should_training_stop = control.should_save = True

    def _takes(self, args: TrainingArguments, state: TrainerState) -> dict[str, float]:
        """Tokens per second of the steps since the point before, and the memory that the worker holds, in units of
        1 000 000 bytes: on the GPU where it trains there."""
        held = torch.cuda.memory_reserved() if args.device.type == "cuda" else psutil.Process().memory_info().rss
        takes = {"memory_mb": round(held / 1e6, 1)}
        tokens, busy = float(state.num_input_tokens_seen), self._busy
        if busy > 0 and tokens > self._tokens:
            takes["tokens_per_second"] = (tokens - self._tokens) / busy
        self._tokens, self._busy = tokens, 0.0
        return takes

    def _enough(self, state: TrainerState) -> bool:
        """Whether the patience is at its end; by the history, which a resume knows, too."""
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        waited = len(losses) - 1 - losses.index(min(losses)) if losses else 0
        return self._patience is not None and waited >= self._patience

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        _check_finite(kwargs["model"], state.global_step)
        self.sealed(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}", state)

    def sealed(self, folder: Path, state: TrainerState) -> None:
        """The folder is written: make it count, say so, and remove older ones: not before, or there might be none."""
        step = self._pace.done + state.global_step
        seal(folder, step, self.train_seconds)
        self._report.checkpoint(step, folder)
        prune(folder.parent, self._keep, best=state.best_global_step)
        self._last_save = time.monotonic()
        self._save_after = SAVE_SECONDS

    def tell_progress(self, state: TrainerState) -> None:
        """Say how many steps are done, and how long the rest will take."""
        done = state.global_step - self._first_step - 1
        eta = None
        # The first step, which warms everything up, says nothing of the speed.
        if self._first_step_done is not None and done > 0:
            left = state.max_steps - state.global_step + self._pace.rest
            eta = left * (self._last_step_done - self._first_step_done) / done
        total_epochs = math.ceil(state.num_train_epochs)
        step = self._pace.done + state.global_step
        self._report.progress(step, self._pace.total, float(state.epoch or 0.0), total_epochs, eta)


def _check_finite(model: torch.nn.Module, step: int) -> None:
    """A checkpoint of weights that are no numbers would be resumed from for ever."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not torch.isfinite(parameter).all():
            raise NanLoss(f"The weights of {name} are no numbers any more at step {step}.")
