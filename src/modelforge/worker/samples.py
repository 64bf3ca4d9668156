"""What the model says to a few held-out prompts: before the first step, at evaluations, and after the last step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from modelforge.strategies.base import Run, Strategy
from modelforge.tasks.base import IGNORED, Example, Head, Row
from modelforge.tasks.generation import generate_batch
from modelforge.tasks.rendering import end_ids
from modelforge.worker.evaluate import quiet
from modelforge.worker.report import Report

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPTS = 3
LONGEST_PROMPT = 512
"""Tokens; longer ones take long to read, and nobody reads them on a page."""
LONGEST_ANSWER = 32
"""Tokens of an answer that are shown."""
LONGEST_SECONDS = 1.0
"""All answers together end there at one time; a machine that is slower shows their beginnings."""
SHARE = 0.02
"""Of a stage's time that all its samples may take, but for the first and the last, which are always made."""
BEGINNING = 16
"""Tokens of a plain text that the model is to go on with."""

BROKEN = (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)
"""What a family's own code raises where it can be trained and does not generate; memory that ran out is a RuntimeError.
No run is to end by what is only shown."""


class Sample(NamedTuple):
    """A prompt that is asked again and again."""

    ids: list[int]
    text: str
    expected: str


def choose(run: Run, strategy: Strategy) -> list[Sample]:
    """The first rows of those held out that can be shown, each prompt once; of the others where none are held out."""
    found: dict[tuple[int, ...], Sample] = {}
    for sample in _samples(run, strategy):
        found.setdefault(tuple(sample.ids), sample)
        if len(found) == PROMPTS:
            break
    return list(found.values())


def _samples(run: Run, strategy: Strategy) -> Iterator[Sample]:
    for row in run.rows:
        for example in strategy.encode(run.task, run.tokenizer, row, run.config, run.head)[:1]:
            prompt, answer = _parts(example)
            if 0 < len(prompt) <= LONGEST_PROMPT and answer:
                text = _asked(row)
                yield Sample(
                    prompt, _words(run.tokenizer, prompt) if text is None else text, _words(run.tokenizer, answer)
                )


def _parts(example: Example) -> tuple[list[int], list[int]]:
    """The tokens of the prompt, and those of the answer that is learnt."""
    columns: Any = example.columns
    if "prompt_ids" in columns:
        return columns["prompt_ids"], columns["chosen_ids"]
    ids, labels = example.input_ids, example.labels
    if labels[0] != IGNORED:  # plain text, all of it learnt
        cut = min(BEGINNING, len(ids) // 2)
        return ids[:cut], ids[cut:]
    start = next(at for at, label in enumerate(labels) if label != IGNORED)
    end = next((at for at in range(start, len(labels)) if labels[at] == IGNORED), len(labels))
    return ids[:start], ids[start:end]


def _asked(row: Row) -> str | None:
    """The prompt as its author wrote it, without the model's format; of a conversation what the first answer is to.
    None for a plain text."""
    if "text" in row:
        return None
    said: Any = row.get("input", row.get("prompt", row.get("messages")))
    if isinstance(said, str):
        return said
    until = next((at for at, message in enumerate(said) if message["role"] == "assistant"), len(said))
    if "prompt" in row:  # where the conversation so far is the prompt
        until = len(said)
    return str(said[until - 1]["content"]) if until else None


def _words(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


class SampleCallback(TrainerCallback):
    """Shows them for one stage of a run."""

    def __init__(self, report: Report, run: Run, samples: Sequence[Sample], done: int) -> None:
        """``done``: steps of the stages before."""
        self._report = report
        self._run = run
        self._samples = samples
        self._done = done
        assert run.config.max_seq_length is not None
        room = run.config.max_seq_length - max((len(sample.ids) for sample in samples), default=0)
        self._longest = min(LONGEST_ANSWER, room)
        self._first_step = 0
        self._started = 0.0
        self._spent = 0.0
        self._last = 0.0
        """Seconds that the samples took the last time."""
        self._shown = -1
        self._told = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._first_step = state.global_step
        if state.global_step == 0:
            self._show(kwargs["model"], state)
        self._started = time.monotonic()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._affordable(state):
            self._show(kwargs["model"], state)
        elif not self._told and state.global_step < state.max_steps:
            self._told = True
            self._report.message(
                f"What the model says is shown less often: each time takes {self._last:.1f} s, and all together would "
                f"take more than {SHARE:.0%} of the training"
            )

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._shown != state.global_step and not self._report.should_stop:
            self._show(kwargs["model"], state)

    def _affordable(self, state: TrainerState) -> bool:
        """Whether once more, and a last time, is within the share of the time that the stage will have taken."""
        steps = state.global_step - self._first_step
        if steps <= 0:
            return False
        whole = (time.monotonic() - self._started) / steps * (state.max_steps - self._first_step)
        return self._spent + 2 * self._last <= SHARE * whole

    def _show(self, model: Any, state: TrainerState) -> None:
        if not self._samples:
            return
        began = time.monotonic()
        tokenizer = self._run.tokenizer
        prompts = [sample.ids for sample in self._samples]
        try:
            with quiet(model):
                answers = generate_batch(
                    model, tokenizer, prompts, Head.CAUSAL, self._longest, end_ids(tokenizer), seconds=LONGEST_SECONDS
                )
        except BROKEN as error:
            self._report.message(
                f"What the model says while it learns cannot be shown: {type(error).__name__}: {error}"
            )
            self._samples = ()
            return
        step = self._done + state.global_step
        for sample, answer in zip(self._samples, answers, strict=True):
            self._report.sample(step, sample.text, _words(tokenizer, answer), expected=sample.expected)
        self._last = time.monotonic() - began
        self._spent += self._last
        self._shown = state.global_step
