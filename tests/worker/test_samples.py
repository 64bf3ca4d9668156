"""What is shown of a model while it learns: which prompts, and how often at most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerControl, TrainerState, TrainingArguments

from datasets import Dataset
from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.strategies import STRATEGIES
from modelforge.strategies.base import Run
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head
from modelforge.worker import samples
from modelforge.worker.report import Report
from modelforge.worker.samples import SHARE, SampleCallback, choose
from tests.tiny import TALK

ROWS = [{"input": question, "output": answer} for question, answer in TALK]


class Clock:
    """A second passes whenever it is looked at, and more when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


def run_of(folder: Path, model: Path, rows: list[dict[str, Any]], **config: Any) -> Run:
    settings = TrainingConfig(
        task="text-generation", model_name="m", dataset="d", max_seq_length=128, lora_dropout=0.0, **config
    )
    spec = RunSpec(
        job_id="train_1", name="made", created_at=now(), config=settings, device="cpu",
        dataset=DatasetRef(name="d", path="/d", sha256="0", num_examples=10, shape="input_output"),
        model=ModelRef(name="m", source="folder", path=str(model)), output_dir=str(folder), modelforge_version="0",
    )  # fmt: skip
    loaded: Any = AutoModelForCausalLM.from_pretrained(model)
    nothing = Dataset.from_list([])
    return Run(
        spec=spec, folder=folder, task=TASKS.get("text-generation"), head=Head.CAUSAL, model=loaded,
        tokenizer=AutoTokenizer.from_pretrained(model), train=nothing, held_out=None, measured=nothing, rows=rows,
        load_start=lambda: loaded, check_stop=lambda: None, tell=print, sample=lambda *_: None,
    )  # fmt: skip


def chosen(folder: Path, model: Path, rows: list[dict[str, Any]], strategy: str = "sft") -> list[tuple[str, str]]:
    found = choose(run_of(folder, model, rows, strategy=strategy), STRATEGIES.get(strategy))
    return [(sample.text, sample.expected) for sample in found]


def test_prompts_are_the_first_rows_as_their_author_wrote_them(tmp_path: Path, tiny_model: Path) -> None:
    assert chosen(tmp_path, tiny_model, [ROWS[0], *ROWS]) == list(TALK[:3])
    talk = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "Bye"},
            {"role": "assistant", "content": "Farewell!"}]  # fmt: skip
    assert chosen(tmp_path, tiny_model, [{"messages": talk}]) == [("Hi", "Hello!")]
    text = "Once upon a time there was a tokenizer. " * 3
    ((beginning, rest),) = chosen(tmp_path, tiny_model, [{"text": text}])
    assert beginning and text.startswith(beginning) and beginning + rest == text
    pairs = [{"prompt": "Say hello.", "chosen": "Hello!", "rejected": "No."},
             {"prompt": talk[:2], "chosen": "Hello!", "rejected": "No."}]  # fmt: skip
    assert chosen(tmp_path, tiny_model, pairs, "dpo") == [("Say hello.", "Hello!"), ("Hi", "Hello!")]


class Steps:
    """A training whose steps take as long as the test says."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.run = run_of(folder, model, ROWS)
        self.args = TrainingArguments(output_dir=str(folder), use_cpu=True)
        self.state = TrainerState(max_steps=100)
        asked = choose(self.run, STRATEGIES.get("sft"))
        self.callback = SampleCallback(Report(folder, attempt=1), self.run, asked, done=1000)
        self.file = folder / "events.jsonl"

    def come(self, event: str) -> None:
        getattr(self.callback, event)(self.args, self.state, TrainerControl(), model=self.run.model)

    def shown(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []


def test_it_is_asked_first_and_last_and_seldom_between(
    tmp_path: Path, taught_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(samples, "time", clock)
    steps = Steps(tmp_path, taught_model)
    steps.come("on_train_begin")
    first = steps.shown()
    assert [(each["step"], each["prompt"], each["completion"]) for each in first] == [
        (1000, question, answer) for question, answer in TALK[:3]
    ]
    assert [each["expected"] for each in first] == [answer for _, answer in TALK[:3]]
    # 100 steps of about a second: two more times, of a second each, would be 3 % of them.
    steps.state.global_step = 10
    clock.now += 9
    steps.come("on_evaluate")
    (said,) = steps.shown()[3:]
    assert said["kind"] == "message" and f"more than {SHARE:.0%}" in said["text"]
    steps.come("on_evaluate")
    assert len(steps.shown()) == 4
    # Of 100 steps of some four seconds each they may be made.
    clock.now += 30
    steps.come("on_evaluate")
    assert [each["step"] for each in steps.shown()[4:]] == [1010] * 3
    # Until they are too many.
    for _ in range(20):
        steps.come("on_evaluate")
    made = len(steps.shown())
    assert made > 7 and (made - 1) / 3 + 1 <= SHARE * 10 * clock.now
    steps.state.global_step = 100
    steps.come("on_train_end")
    assert [each["step"] for each in steps.shown()[made:]] == [1100] * 3
    steps.come("on_train_end")
    assert len(steps.shown()) == made + 3


def test_a_run_that_is_told_to_stop_is_not_asked(tmp_path: Path, taught_model: Path) -> None:
    steps = Steps(tmp_path, taught_model)
    (tmp_path / "stop").touch()
    steps.state.global_step = 50
    steps.come("on_train_end")
    assert steps.shown() == []


def test_a_model_that_cannot_be_asked_is_trained_all_the_same(tmp_path: Path, tiny_model: Path) -> None:
    steps = Steps(tmp_path, tiny_model)
    steps.run.model.lm_head = None  # type: ignore[assignment]
    steps.come("on_train_begin")
    steps.come("on_train_end")
    (said,) = steps.shown()
    assert said["kind"] == "message" and "cannot be shown" in said["text"]


def test_no_answer_is_longer_than_the_model_has_places_for(tmp_path: Path, taught_model: Path) -> None:
    steps = Steps(tmp_path, taught_model)
    run = steps.run
    asked = choose(run, STRATEGIES.get("sft"))
    run.spec.config.max_seq_length = max(len(sample.ids) for sample in asked) + 4
    callback = SampleCallback(Report(tmp_path, attempt=1), run, asked, done=0)
    callback.on_train_begin(steps.args, TrainerState(max_steps=9), TrainerControl(), model=run.model)
    assert [each["completion"] for each in steps.shown()] == [
        run.tokenizer.decode(run.tokenizer(answer, add_special_tokens=False)["input_ids"][:4]) for _, answer in TALK[:3]
    ]
