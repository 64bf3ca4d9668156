"""``modelforge datasets``: the data to learn from."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from modelforge.cli import imports, versions
from modelforge.cli.console import print_fields, print_json, print_table, say, show_command, size
from modelforge.cli.examination import FOR_DATASETS, examine_file, print_examination
from modelforge.cli.findings import UNMAPPED, examples_of, print_found, print_next
from modelforge.cli.flags import flag_of, given, with_flags
from modelforge.cli.operations import result_of
from modelforge.cli.preview import preview
from modelforge.cli.session import Dataset, Json, client_of, place_of, program_of
from modelforge.contracts.dataset import (
    Checkup,
    DatasetDeleted,
    DatasetDetail,
    DatasetList,
    DatasetUploaded,
    ReadOptions,
)
from modelforge.contracts.examination import Examination, ExaminationRequest
from modelforge.contracts.operation import Operation
from modelforge.datasets.formats import MIN_EXAMPLES
from modelforge.datasets.ingest import check_files, to_validation
from modelforge.errors import NotFound

app = typer.Typer(help="The data to learn from.", no_args_is_help=True)
app.add_typer(imports.app)
app.add_typer(versions.app)

Files = Annotated[
    list[Path],
    typer.Argument(
        help="Files of examples that make one dataset: JSON Lines, JSON, CSV, TSV, Parquet, Excel, text, or a zip or "
        "gzip of these.",
        exists=True,
        dir_okay=False,
    ),
]
Checked = Annotated[list[Path], typer.Argument(help="Files that make one dataset, or a dataset's filename.")]


@app.command()
@with_flags(ReadOptions)
def add(ctx: typer.Context, files: Files, json: Json = False, **flags: Any) -> None:
    """Copy files into ModelForge and check them. A large one that is added again goes on where it stopped."""
    from modelforge.cli import pieces  # noqa: PLC0415 - what it takes to send is not needed to show help

    options = given(ReadOptions, flags)
    with client_of(ctx) as client:
        if client.url is not None and len(files) == 1 and pieces.is_large(files[0]):
            uploaded = result_of(client, pieces.send(client, files[0], **options), DatasetUploaded)
        else:
            uploaded = client.upload("/api/upload_dataset", files, DatasetUploaded, **options)
    if json:
        print_json(uploaded)
        return
    version = f", version {uploaded.version}" if uploaded.version > 1 else ""
    say(f"Added {uploaded.filename}{version}: {examples_of(uploaded)}.")
    print_found(uploaded.validation)
    print_next(uploaded.filename, uploaded.validation, program_of(ctx))


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the datasets, oldest first."""
    with client_of(ctx) as client:
        found = client.get("/api/datasets", DatasetList)
    if json:
        print_json(found)
    elif not found.datasets:
        say("No datasets yet. Add one: modelforge datasets add FILE")
    else:
        print_table(
            ["Filename", "Examples", "Size", "Fields", "Valid", "Uploaded"],
            [(d.filename, d.num_examples, size(d.size_mb), d.shape, d.valid, d.uploaded_at) for d in found.datasets],
            numbers=["Examples", "Size"],
        )


@app.command()
@with_flags(ReadOptions, skip=["name"])
@with_flags(ExaminationRequest)
def check(ctx: typer.Context, files: Checked, json: Json = False, **flags: Any) -> None:
    """Check files without adding them, or a dataset. The exit code is 1 where something is wrong.

    Each of the options about duplicates, models and other datasets asks for a closer look at all rows together.
    """
    closer = {name: flags.pop(name) for name in ExaminationRequest.model_fields}
    request = given(ExaminationRequest, closer)
    if len(files) == 1 and not files[0].exists() and files[0].name == str(files[0]):
        _check_dataset(ctx, str(files[0]), request, json=json)
        return
    for file in files:
        if not file.is_file():
            raise typer.BadParameter(f"there is no file '{file}'")
    for name in FOR_DATASETS:
        if name in request:
            raise typer.BadParameter(f"{flag_of(name)} is for datasets that were added, not for files")
    options = ReadOptions(**given(ReadOptions, flags))
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows") if request else None
        report = asyncio.run(check_files([(file, file.name) for file in files], rows=rows, options=options))
        lines = rows if rows is not None and report.converted else files[0]
        looked = examine_file(lines, files[0].name, report, ExaminationRequest(**request)) if request else None
    found = to_validation(report)
    usable = found.num_rows - found.num_bad
    if usable < MIN_EXAMPLES:
        few = f"{usable} usable examples, at least {MIN_EXAMPLES} are needed"
        found = found.model_copy(update={"valid": False, "errors": [*found.errors, few]})
    if json:
        print_json(found if looked is None else Checkup(**found.model_dump(), examination=looked))
    else:
        print_fields(
            {
                "File": ", ".join(map(str, files)),
                "Rows": found.num_rows,
                "Usable": usable if found.shape is not None else UNMAPPED,
                "Fields": found.shape,
                "Valid": found.valid,
            }
        )
        print_found(found)
        if looked is not None:
            print_examination(looked)
        if usable >= MIN_EXAMPLES:
            show_command("Keep it:", f"{program_of(ctx)} datasets add {shlex.join(map(str, files))}")
    if not found.valid:
        raise typer.Exit(1)


def _check_dataset(ctx: typer.Context, name: str, request: dict[str, Any], *, json: bool) -> None:
    """What was found when it came; with a request what a closer look finds."""
    with client_of(ctx) as client:
        try:
            found = client.get(place_of(name), DatasetDetail, version=request.get("version"))
        except NotFound as error:
            raise NotFound(f"there is no file '{name}' here, and {error.detail}") from None
        looked = found.examination
        if request:
            looked = result_of(client, client.post(f"{place_of(name)}/check", Operation, request), Examination)
    if json:
        print_json(Checkup(**found.validation.model_dump(), examination=looked))
    else:
        usable = found.num_examples if found.shape is not None else UNMAPPED
        print_fields({"Dataset": name, "Usable": usable, "Fields": found.shape, "Valid": found.valid})
        print_found(found.validation)
        if looked is not None:
            print_examination(looked)
    if not found.valid:
        raise typer.Exit(1)


@app.command()
def rm(ctx: typer.Context, filename: Dataset, json: Json = False) -> None:
    """Delete a dataset, all its versions included. Models that learned from it stay."""
    with client_of(ctx) as client:
        deleted = client.delete(place_of(filename), DatasetDeleted)
    if json:
        print_json(deleted)
    else:
        say(f"Deleted {filename}.")


app.command()(preview)
