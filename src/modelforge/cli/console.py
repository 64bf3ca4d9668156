"""What the commands print: people's text and tables, machines' JSON, and errors in two lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from modelforge.contracts.info import ErrorReply
from modelforge.errors import ModelForgeError

UNLIMITED = 100_000
"""Columns of a terminal on which every table fits."""
COLUMN_WIDTH = 16
"""Columns of the terminal for each of a table's, below which folding makes it unreadable."""

UNITS = (("_mb", "MB"), ("_seconds", "s"), ("_s", "s"))
"""Endings of the names of measures, and the units that they stand for."""
TITLES = {
    "kl": "KL",
    "f1": "F1",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "has_ans_exact": "Exact, answerable",
    "has_ans_f1": "F1, answerable",
    "no_ans_exact": "Exact, unanswerable",
    "no_ans_f1": "F1, unanswerable",
}
"""Measures whose names are not said as they are written."""
BEFORE = "base_"
"""What the name of a measure begins with that is of the model from which a training started."""
WHOLE = 10_000
"""From here on a measure is a count: of tokens, of MB."""


def out() -> Console:
    """The console of results. Rich leaves colour out where it is piped or NO_COLOR is set, and heeds COLUMNS."""
    return Console(highlight=False)


def err() -> Console:
    """The console of notes and errors: stderr, so that stdout stays clean."""
    return Console(stderr=True, highlight=False)


def say(text: str, style: str | None = None) -> None:
    """A line of text for people, wrapped at words, its brackets taken literally."""
    out().print(Text(text), style=style)


def write(text: str) -> None:
    """Part of a text for people that comes bit by bit; the terminal breaks its lines."""
    out().print(Text(text), end="", soft_wrap=True)


def note(text: str, style: str | None = None) -> None:
    """A line for people beside the results."""
    err().print(Text(text), style=style)


def show_command(what: str, line: str) -> None:
    """A command, or a path, to be copied: never broken over lines by us."""
    console = out()
    console.print(Text(what, style="bold"))
    console.print(Text(f"  {line}", style="cyan"), soft_wrap=True)


def print_json(document: BaseModel | dict[str, Any]) -> None:
    """One JSON document on one line of stdout, in ASCII, so that no terminal's encoding can break it."""
    values = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def print_error(title: str, detail: str, status_code: int, *, as_json: bool) -> None:
    """Two lines on stderr: what kind of error, and what is wrong, where, and what to do."""
    console = err()
    console.print(Text(title, style="bold red"))
    console.print(Text(detail), soft_wrap=True)
    if as_json:
        print_json(ErrorReply(error=title, detail=detail, status_code=status_code))


def print_failure(error: ModelForgeError, *, as_json: bool) -> None:
    print_error(error.error, error.detail, error.status_code, as_json=as_json)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()) -> None:
    """A table that folds long values and never cuts them; on a narrow terminal, one block of lines a row."""
    console = out()
    cells = [[_cell(value) for value in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in numbers else "left")
    for row in cells:
        table.add_row(*map(Text, row))
    needed = Measurement.get(console, console.options.update(max_width=UNLIMITED), table).maximum
    if needed <= console.width or console.width >= COLUMN_WIDTH * len(columns):
        console.print(table)
        return
    for index, row in enumerate(cells):
        if index:
            console.print()
        print_fields(dict(zip(columns, row, strict=True)))


def print_fields(fields: dict[str, Any] | Sequence[tuple[str, Any]]) -> None:
    """Names and values, one a line; values fold, and what is None is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in fields.items() if isinstance(fields, dict) else fields:
        if value is not None:
            grid.add_row(name, value if isinstance(value, Text) else Text(_cell(value)))
    out().print(grid)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, float):
        return number(value)
    return str(value)


def number(value: float) -> str:
    """Four significant digits, without an exponent where that is readable."""
    return f"{value:.4g}"


def percent(progress: float) -> str:
    """Whole per cent, rounded down: 100 is only said of what is complete."""
    return f"{int(progress)} %"


def title(measure: str) -> str:
    """A measure's name for people: ``Peak memory (MB)`` for ``peak_memory_mb``."""
    if measure in TITLES:
        return TITLES[measure]
    stem, unit = next(
        ((measure.removesuffix(end), f" ({unit})") for end, unit in UNITS if measure.endswith(end)), (measure, "")
    )
    words = stem.replace("_", " ")
    return words[:1].upper() + words[1:] + unit


def print_measures(metrics: dict[str, float] | None) -> None:
    """What was measured: a table of what there is of the model and of what it was trained from, then the rest."""
    metrics = metrics or {}
    before = {name.removeprefix(BEFORE): value for name, value in metrics.items() if name.startswith(BEFORE)}
    if before:
        print_table(
            ["Measured", "Before", "After"],
            [(title(name), value, metrics.get(name)) for name, value in before.items()],
            numbers=["Before", "After"],
        )
        out().print()
    alone = {name: value for name, value in metrics.items() if name not in before and not name.startswith(BEFORE)}
    print_fields({title(name): f"{value:.0f}" if value >= WHOLE else value for name, value in alone.items()})


def duration(seconds: float) -> str:
    """``1h 02m``, ``3m 20s`` or ``12s``."""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 60}m {whole % 60:02d}s" if whole >= 60 else f"{whole}s"


def size(megabytes: float) -> str:
    """``5.2 MB``, ``1.3 GB``; units of 1000."""
    for unit, scale in (("GB", 1000.0), ("MB", 1.0)):
        if megabytes >= scale:
            return f"{megabytes / scale:.1f} {unit}"
    return f"{megabytes * 1000:.1f} kB"
