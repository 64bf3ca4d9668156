"""``modelforge datasets preview``: rows as a model sees them, on a terminal."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from modelforge.cli.configfile import model_reference
from modelforge.cli.console import note, out, print_json, say
from modelforge.cli.flags import given, with_flags
from modelforge.cli.session import Dataset, Json, client_of, place_of
from modelforge.contracts.preview import DatasetPreview, PreviewExample, PreviewRequest, PreviewRow, PreviewSequence

TRAINED, READ = "bold green", "dim"

Rows = Annotated[
    list[int] | None,
    typer.Option("--row", metavar="LINE", help="A row, by its line in the dataset; may be given several times."),
]
Tokens = Annotated[
    bool, typer.Option("--tokens", help="One token a line: its number, whether it is trained, its text.")
]


@with_flags(PreviewRequest, skip={"rows"}, panels={"task": "As in a training"})
def preview(
    ctx: typer.Context,
    filename: Dataset,
    row: Rows = None,
    tokens: Tokens = False,
    json: Json = False,
    **flags: Any,
) -> None:
    """Show rows as a model sees them: what it learns to write is bright, what it only reads is dim.

    Example: modelforge datasets preview my.jsonl --task text-generation --model-name modelforge-starter --row 7
    """
    asked = {**given(PreviewRequest, flags), **({"rows": row} if row else {})}
    if not {"task", "model_name"} <= asked.keys():
        raise typer.BadParameter(
            "say which model reads them, and what it is to learn: --model-name modelforge-starter --task "
            "text-generation"
        )
    with client_of(ctx) as client:
        if not client.elsewhere and "model_name" in asked:
            asked["model_name"] = model_reference(asked["model_name"])
        seen = client.post(f"{place_of(filename)}/preview", DatasetPreview, asked)
    if json:
        print_json(seen)
        return
    for each in seen.rows:
        _show(each, as_tokens=tokens)
    stats = seen.stats
    note(
        f"{stats.used} of {stats.rows} rows are used, {stats.held_out} of them held out: {stats.examples} examples, "
        f"{stats.tokens} tokens, {stats.trained} of them trained, {stats.cut} cut (max_seq_length "
        f"{seen.max_seq_length})."
    )


def _show(row: PreviewRow, *, as_tokens: bool) -> None:
    if not row.used:
        say(f"Row {row.line}: left out: {row.why}", "yellow")
        return
    for number, each in enumerate(row.examples, 1):
        of = f", example {number} of {len(row.examples)}" if len(row.examples) > 1 else ""
        say(f"Row {row.line}{of}: {_about(row, each)}", "bold")
        for sequence in each.sequences:
            if sequence.name != "text":
                say(f"{sequence.name}:", "cyan")
            out().print(_lines(sequence) if as_tokens else _text(sequence), soft_wrap=not as_tokens)


def _about(row: PreviewRow, example: PreviewExample) -> str:
    told = [f"{sum(each.num_tokens for each in example.sequences)} tokens"]
    told.append(f"{sum(each.num_trained for each in example.sequences)} trained")
    if example.cut:
        told.append(f"{example.cut} cut off")
    if row.held_out:
        told.append("held out")
    if example.packed_row is not None:
        told.append(f"step {example.step}, packed row {example.packed_row} from token {example.packed_at}")
    return ", ".join(told)


def _text(sequence: PreviewSequence) -> Text:
    text = Text()
    for token in sequence.tokens:
        text.append(token.text, TRAINED if token.trained else READ)
    if not sequence.tokens:
        text.append(f"({sequence.num_tokens} tokens, not shown)", READ)
    return text


def _lines(sequence: PreviewSequence) -> Text:
    text = Text()
    for token in sequence.tokens:
        mark = "trained" if token.trained else "read"
        text.append(f"{token.id:>8} {mark:8}{token.text!r}\n", TRAINED if token.trained else READ)
    return text
