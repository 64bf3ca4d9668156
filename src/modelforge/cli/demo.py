"""``modelforge demo``: a small model before and after fine-tuning, on this machine, in a few minutes."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from modelforge.catalogue import DEMO_DATASET, DEMO_HELDOUT, STARTER, bundled_model
from modelforge.cli.console import duration, out, print_json, say, show_command
from modelforge.cli.follow import follow, print_end
from modelforge.cli.progress import view_for
from modelforge.cli.session import Json, client_of, program_of
from modelforge.contracts.dataset import DatasetDetail, DatasetUploaded
from modelforge.contracts.job import JobDetail, JobState, TrainingStarted
from modelforge.contracts.playground import GenerateReply
from modelforge.errors import Fault, NotFound
from modelforge.files import sha256, size_mb

if TYPE_CHECKING:
    from modelforge.cli.client import Client

SETTINGS: dict[str, Any] = {
    "task": "text-generation",
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.0,
    "learning_rate": 3e-3,
    "lr_scheduler_type": "cosine",
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 1,
    "num_train_epochs": 20,
    "eval_split": 0.0,
}
"""What the demo trains with, as fields of the training configuration."""

SHOWN = 3
"""Questions that are asked before and after."""
HELD_OUT_SHOWN = 2
CHECK_SECONDS = 15.0
"""Time for asking the trained questions again; all of them where that is enough, else every so many-th."""
MAX_NEW_TOKENS = 96


@dataclass(frozen=True)
class Row:
    """A question of the demo's data and its answer there."""

    question: str
    answer: str


@dataclass(frozen=True)
class Comparison:
    """What the model said to a question before and after; ``expected`` is the answer in the data."""

    question: str
    expected: str
    before: str
    after: str

    @property
    def right(self) -> bool:
        return same(self.after, self.expected)


def demo(ctx: typer.Context, json: Json = False) -> None:
    """See it work: a small model before and after fine-tuning, on this machine, in a few minutes."""
    rows, held_out = _read(DEMO_DATASET), _read(DEMO_HELDOUT)
    if not (bundled_model(STARTER) / "config.json").is_file():
        raise Fault(f"the starter model is missing from this installation ({bundled_model(STARTER)}): install it anew")
    shown, unseen = spread(one_per_answer(rows), SHOWN), spread(one_per_answer(held_out), HELD_OUT_SHOWN)
    story, program = Silent() if json else Story(), program_of(ctx)
    with client_of(ctx, supervise=True) as client:
        story.begin(len(rows), len({row.answer for row in rows}))
        with story.busy(f"Loading {STARTER} …"):
            asked = [*shown, *unseen]
            before = [ask(client, STARTER, row.question) for row in asked]
        story.before(shown, before)
        job, by_user = _train(client, as_json=json)
        if job.status != JobState.COMPLETED:
            print_end(job, program)
            if json:
                print_json(job)
            raise typer.Exit(130 if by_user else 1)
        with story.busy(f"Loading {job.name} …"):
            after = [ask(client, job.name, row.question) for row in asked]
        compared = [
            Comparison(row.question, row.answer, said, says)
            for row, said, says in zip(asked, before, after, strict=True)
        ]
        story.after(compared[: len(shown)], compared[len(shown) :])
        with story.busy("Asking the trained questions again …"):
            count, right = _word_for_word(client, job.name, rows)
        story.end(job, count, right, rows, program)
    if json:
        print_json(
            {
                "job": job.model_dump(mode="json"),
                "trained_questions": [asdict(c) for c in compared[: len(shown)]],
                "unseen_phrasings": [asdict(c) for c in compared[len(shown) :]],
                "word_for_word": {"asked": count, "right": right, "of": len(rows)},
            }
        )


def _read(path: Path) -> list[Row]:
    if not path.is_file():
        raise Fault(f"the demo's data are missing from this installation ({path}): install it anew")
    lines = (jsonlib.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [Row(line["input"], line["output"]) for line in lines]


def one_per_answer(rows: Sequence[Row]) -> list[Row]:
    """The first phrasing of every question."""
    return list({row.answer: row for row in reversed(rows)}.values())[::-1]


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """At most ``count`` rows, evenly from the whole."""
    count = min(count, len(rows))
    return [rows[index * len(rows) // count] for index in range(count)]


def same(said: str, expected: str) -> bool:
    """Word for word; only white space around it is forgiven."""
    return said.strip() == expected.strip()


def ask(client: Client, model: str, question: str) -> str:
    """The model's likeliest answer."""
    body = {"model_name": model, "prompt": question, "temperature": 0.0, "max_new_tokens": MAX_NEW_TOKENS}
    return client.post("/api/playground/generate", GenerateReply, body).generated_text.strip()


def _train(client: Client, *, as_json: bool) -> tuple[JobDetail, bool]:
    config = {**SETTINGS, "model_name": STARTER, "dataset": _dataset(client)}
    started = client.post("/api/start_training", TrainingStarted, config)
    with view_for(as_json=as_json) as view:
        return follow(client, started.job_id, view)


def _dataset(client: Client) -> str:
    """The demo's data as an uploaded dataset; the bundled file itself where somebody's own data have that name."""
    name = DEMO_DATASET.name
    try:
        known = client.get(f"/api/datasets/{name}", DatasetDetail)
    except NotFound:
        return client.upload("/api/upload_dataset", [DEMO_DATASET], DatasetUploaded).filename
    return name if known.sha256 == sha256(DEMO_DATASET) else str(DEMO_DATASET)


def _word_for_word(client: Client, model: str, rows: Sequence[Row]) -> tuple[int, int]:
    """How many trained questions were asked, evenly from all, and how many of them the model answered as trained."""
    started = time.monotonic()
    probe = spread(rows, 5)
    for row in probe:
        ask(client, model, row.question)
    each = (time.monotonic() - started) / len(probe)
    sample = spread(rows, max(20, int(CHECK_SECONDS / each)))
    return len(sample), sum(same(ask(client, model, row.question), row.answer) for row in sample)


class Story:
    """What the demo tells people."""

    def __init__(self) -> None:
        self._console = out()

    def busy(self, text: str) -> AbstractContextManager[Any]:
        """A spinner, where there is a terminal for it."""
        return self._console.status(text)

    def begin(self, rows: int, answers: int) -> None:
        self._console.print()
        self._console.print(Text("ModelForge", style="bold magenta"), Text("fine-tuning on your own machine"))
        say(
            f"A small language model ({size_mb(bundled_model(STARTER)):.0f} MB) learns {answers} answers from {rows} "
            "examples. No account, no network and no GPU are needed.",
            "dim",
        )

    def before(self, rows: Sequence[Row], said: Sequence[str]) -> None:
        self._title("1", "Before", f"{STARTER} as it is")
        for row, answer in zip(rows, said, strict=False):
            self._console.print(Text(f"? {row.question}", style="bold"))
            self._console.print(Padding(Text(answer or "(nothing)", style="red"), (0, 0, 0, 2)))
        self._title("2", "Training", f"on {DEMO_DATASET.name}; Ctrl-C stops and saves")

    def after(self, trained: Sequence[Comparison], unseen: Sequence[Comparison]) -> None:
        self._title("3", "After", "the same questions to the tuned model")
        self._console.print(compared(trained, self._console.width))
        if unseen:
            self._console.print()
            say("Asked in words that were not in its data:", "bold")
            self._console.print(compared(unseen, self._console.width))

    def end(self, job: JobDetail, asked: int, right: int, rows: Sequence[Row], program: str) -> None:
        which = f"all {len(rows)}" if asked == len(rows) else f"{asked} of the {len(rows)}, evenly chosen,"
        self._console.print()
        self._console.print(
            Text.assemble(
                (f"{right} of {asked}", "bold green" if right >= 0.9 * asked else "bold yellow"),
                f" trained questions answered word for word ({which} were asked).",
            )
        )
        if job.metrics and "train_seconds" in job.metrics:
            say(f"Trained in {duration(job.metrics['train_seconds'])}.")
        self._title("4", "Yours now", "")
        question = one_per_answer(rows)[0].question
        for what, value in (
            ("The model", job.model_path),
            ("Talk to it", f'{program} generate {job.name} "{question}"'),
            (
                "Your own data",
                f"{program} train --task text-generation --model-name {STARTER} --dataset my.jsonl --preset balanced",
            ),
            ("The server", f"{program} serve"),
        ):
            show_command(what, value or "")

    def _title(self, number: str, title: str, more: str) -> None:
        self._console.print()
        self._console.print(Rule(Text.assemble((f"{number} {title}", "bold cyan"), (f"  {more}", "dim")), align="left"))


class Silent(Story):
    """Tells nothing: stdout is for machines."""

    def busy(self, text: str) -> AbstractContextManager[Any]:
        return nullcontext()

    def begin(self, rows: int, answers: int) -> None: ...
    def before(self, rows: Sequence[Row], said: Sequence[str]) -> None: ...
    def after(self, trained: Sequence[Comparison], unseen: Sequence[Comparison]) -> None: ...
    def end(self, job: JobDetail, asked: int, right: int, rows: Sequence[Row], program: str) -> None: ...


def compared(comparisons: Sequence[Comparison], width: int) -> RenderableType:
    """Before and after side by side; below each other where the terminal is narrow."""
    cells = [
        (
            Text(c.question, style="bold"),
            Text(c.before or "(nothing)", style="red"),
            Text.assemble(("✓ " if c.right else "✗ ", "bold"), c.after or "(nothing)", style=_style(c)),
        )
        for c in comparisons
    ]
    if width < 72:
        blocks = [
            Group(question, Padding(Text.assemble("before: ", before), (0, 0, 0, 2)), Padding(after, (0, 0, 0, 2)))
            for question, before, after in cells
        ]
        return Group(*blocks)
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_edge=False, pad_edge=False, show_lines=True)
    for heading in ("Question", "Before", "After"):
        table.add_column(heading, ratio=1, overflow="fold")
    for row in cells:
        table.add_row(*row)
    return table


def _style(comparison: Comparison) -> str:
    return "green" if comparison.right else "yellow"
