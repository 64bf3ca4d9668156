"""``modelforge datasets import`` and ``samples``: data that lies elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from modelforge.cli.console import print_json, print_table, say, show_command
from modelforge.cli.findings import examples_of, print_found, print_next
from modelforge.cli.flags import given, with_flags
from modelforge.cli.operations import result_of
from modelforge.cli.session import Json, client_of, program_of
from modelforge.contracts.dataset import DatasetUploaded
from modelforge.contracts.imports import ImportRequest, SampleList
from modelforge.contracts.operation import Operation

app = typer.Typer()

Source = Annotated[
    str | None,
    typer.Argument(
        help="A dataset on the Hugging Face hub, as owner/name, or a file or a folder on the server's machine.",
        show_default=False,
    ),
]


@app.command("import")
@with_flags(ImportRequest, skip=["hub", "path"])
def import_(ctx: typer.Context, source: Source = None, json: Json = False, **flags: Any) -> None:
    """Bring a dataset in: from the Hugging Face hub, from a file or a folder, or one of the samples (--sample NAME)."""
    request = given(ImportRequest, flags)
    with client_of(ctx) as client:
        if source is not None:
            request |= _place(source, here=not client.elsewhere)
        operation = client.post("/api/datasets/import", Operation, request)
        brought = result_of(client, operation, DatasetUploaded)
    if json:
        print_json(brought)
        return
    version = f", version {brought.version}" if brought.version > 1 else ""
    say(f"Imported {brought.filename}{version}: {examples_of(brought)}.")
    print_found(brought.validation)
    print_next(brought.filename, brought.validation, program_of(ctx))


@app.command()
def samples(ctx: typer.Context, json: Json = False) -> None:
    """List the datasets that ship with ModelForge."""
    with client_of(ctx) as client:
        found = client.get("/api/samples", SampleList)
    if json:
        print_json(found)
        return
    print_table(
        ["Name", "What it is", "Task", "Strategies", "Rows"],
        [(each.name, each.title, each.task, ", ".join(each.strategies), each.rows) for each in found.samples],
        numbers=["Rows"],
    )
    say("")
    show_command("Import one:", f"{program_of(ctx)} datasets import --sample {found.samples[0].name}")


def _place(source: str, *, here: bool) -> dict[str, str]:
    """What is there as a path is meant as one; a name with one slash in it that isn't, as the hub's."""
    path = Path(source).expanduser()
    if here and path.exists():
        return {"path": str(path.absolute())}
    named = source.count("/") <= 1 and not source.startswith((".", "~", "/")) and "\\" not in source
    return {"hub": source} if named else {"path": str(path.absolute()) if here else source}
