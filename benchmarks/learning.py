"""What every strategy and task learns, on held-out questions, through the product: ``make bench-learning``.

::

    python -m benchmarks.learning --only dpo --seeds 1,2,3 --out learning.md

Starts the real server in a home folder of its own, uploads the bundled data, trains, asks the playground before and
after, and prints the table; with ``--out`` it is also written as markdown, for LOG.md. On the data that have no
held-out file of their own, the last tenth of the texts is left out of the upload and asked for.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import scores, scratch
from benchmarks.product import Product, Trained
from benchmarks.runs import RUNS, Run
from benchmarks.scores import Row, Scores
from modelforge.catalogue import ASSETS

DATA = ASSETS / "datasets"
HELD_OUT_SHARE = 0.1
SEEDS = (1, 2, 3)
MADE = {"t5": scratch.make_t5, "bert": scratch.make_bert}
"""Models that are made here, of random weights."""


PERCENT = ("f1", "exact_match")
"""The job's names for figures from 0 to 100, as SQuAD defines them; here all are from 0 to 1."""
JOB_METRICS = {"F1": "f1", "exact match": "exact_match", "ROUGE-L": "rougeL"}
"""The job's names for the figures that the playground's answers give, too; the base's are there when it isn't asked."""


@dataclass
class Outcome:
    """One run with one seed."""

    before: Scores
    after: Scores
    trained: Trained


@dataclass
class Bench:
    """Runs the trainings, each once for a seed, and keeps what they came to."""

    product: Product
    folder: Path
    console: Console
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)

    def outcome(self, run: Run, seed: int) -> Outcome:
        """Train and measure, or what was measured before."""
        if (run.name, seed) not in self.outcomes:
            self.outcomes[run.name, seed] = self._run(run, seed)
        return self.outcomes[run.name, seed]

    def _run(self, run: Run, seed: int) -> Outcome:
        trained_rows, held_out = rows_of(run)
        start = self._model(run, trained_rows, seed)
        file = self.folder / f"{run.name.replace(' ', '-').replace(',', '')}-{run.dataset}"
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in trained_rows), encoding="utf-8")
        settings = {**run.settings, "model_name": start, "dataset": self.product.upload(file), "seed": seed}
        before = run.probe(partial(self.product.ask, start), trained_rows, held_out) if run.before else {}
        trained = self.product.train(settings)
        after = run.probe(partial(self.product.ask, trained.model), trained_rows, held_out)
        for goal in run.goals:
            metric = JOB_METRICS.get(goal.what, goal.what)
            scale = 100 if metric in PERCENT else 1
            if goal.what not in after:
                after[goal.what] = trained.metrics[metric] / scale
            if goal.what not in before and f"base_{metric}" in trained.metrics:
                before[goal.what] = trained.metrics[f"base_{metric}"] / scale
        self.console.print(f"{run.name}, seed {seed}: {trained.seconds:.0f} s, {_said(after)}")
        if trained.lineage:
            self.console.print(f"  from {' → '.join(trained.lineage)}")
        return Outcome(before, after, trained)

    def _model(self, run: Run, rows: Sequence[Row], seed: int) -> str:
        """What the request names as its model."""
        earlier = next((other for other in RUNS if other.name == run.model), None)
        if earlier is not None:
            return self.outcome(earlier, seed).trained.model
        if run.model in MADE:
            folder = self.folder / run.model
            if not folder.exists():
                MADE[run.model](folder, [str(value) for row in rows for value in row.values()])
            return str(folder)
        return run.model


def rows_of(run: Run) -> tuple[list[Row], list[Row]]:
    """What is trained on, and what is held out from that."""
    rows = scores.read(DATA / run.dataset)
    if run.held_out is not None:
        return rows, scores.read(DATA / run.held_out)
    if run.split_by is None:
        return rows, []
    texts = list(dict.fromkeys(row[run.split_by] for row in rows))
    kept = set(texts[: len(texts) - max(1, int(HELD_OUT_SHARE * len(texts)))])
    return [row for row in rows if row[run.split_by] in kept], [row for row in rows if row[run.split_by] not in kept]


def lines_of(run: Run, outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The table's lines for a run: the mean over its seeds with the least and the most; met is for every seed."""
    lines = []
    for goal in run.goals:
        before = [outcome.before.get(goal.what) for outcome in outcomes]
        after = [outcome.after[goal.what] for outcome in outcomes]
        met = all(goal.met(b, a) for b, a in zip(before, after, strict=True))
        known = [figure for figure in before if figure is not None]
        verdict = "" if goal.wanted() == "reported" else "yes" if met else "NO"
        lines.append((run.name, goal.what, _figures(known), _figures(after), goal.wanted(), verdict))
    seconds = [outcome.trained.seconds for outcome in outcomes]
    return [*lines, (run.name, "seconds of training", "", f"{mean(seconds):.0f}", "reported", "")]


HEADINGS = ("run", "figure", "before", "after", "wanted", "met")


def markdown(lines: Sequence[Sequence[str]]) -> str:
    table = [HEADINGS, ["---"] * len(HEADINGS), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in table)


def _said(figures: Scores) -> str:
    return ", ".join(f"{name} {_figures([figure])}" for name, figure in figures.items())


def _figures(figures: Sequence[float]) -> str:
    """Shares and other figures alike with three digits: reward and KL are no shares."""
    if not figures:
        return ""
    spread = f" ({min(figures):.3g}–{max(figures):.3g})" if len(figures) > 1 else ""
    return f"{mean(figures):.3g}{spread}"


def main() -> None:
    """Parse the command line, train, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[run.name for run in RUNS], help="a run; can be repeated")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="divided by commas")
    parser.add_argument("--out", type=Path, help="a file for the table as markdown")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    console, lines = Console(highlight=False), list[tuple[str, ...]]()
    with tempfile.TemporaryDirectory(prefix="modelforge-learning-") as folder, Product(Path(folder, "home")) as product:
        bench = Bench(product, Path(folder), console)
        for run in RUNS:
            if options.only is None or run.name in options.only:
                lines += lines_of(run, [bench.outcome(run, seed) for seed in seeds])
                if options.out:
                    options.out.write_text(markdown(lines), encoding="utf-8")
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    for line in lines:
        table.add_row(*line)
    console.print(table)
    raise SystemExit(any(line[-1] == "NO" for line in lines))


if __name__ == "__main__":
    main()
