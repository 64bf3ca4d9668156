"""``modelforge models``: what was trained."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelforge.archive import zipped
from modelforge.cli.console import print_fields, print_json, print_measures, print_table, say, show_command, size
from modelforge.cli.session import Json, client_of, program_of
from modelforge.contracts.model import ModelDeleted, ModelDetail, ModelList, ModelSummary, ModelUsage, Trash
from modelforge.errors import Conflict, NotFound, did_you_mean
from modelforge.files import size_mb

if TYPE_CHECKING:
    from modelforge.cli.client import Client

app = typer.Typer(help="The models that were trained.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="The model's name or id.")]


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the trained models, oldest first."""
    with client_of(ctx) as client:
        found = client.get("/api/models", ModelList)
    if json:
        print_json(found)
    elif not found.models:
        say("No models yet. Make one: modelforge demo, or modelforge train --help")
    else:
        print_table(
            ["Id", "Name", "Base model", "Task", "Size", "Created"],
            [(m.id, m.name, m.base_model, m.task, size(m.size_mb), m.created_at) for m in found.models],
            numbers=["Id", "Size"],
        )


@app.command()
def show(ctx: typer.Context, model: Model, json: Json = False) -> None:
    """Show a model, its settings and its measures."""
    with client_of(ctx) as client:
        detail = client.get(f"/api/models/{find(client, model).id}", ModelDetail)
    if json:
        print_json(detail)
        return
    print_fields(
        {
            "Name": detail.name,
            "Id": detail.id,
            "Base model": detail.base_model,
            "Lineage": _descent(detail),
            "Task": detail.task,
            "Strategy": f"{detail.strategy} ({detail.provider})",
            "Dataset": detail.dataset,
            "Created": detail.created_at,
            "Size": size(detail.size_mb),
            "Folder": detail.path,
            "Job": detail.job_id,
        }
    )
    if detail.metrics:
        say("")
        print_measures(detail.metrics)
    say("\nSettings", "bold")
    settings = detail.training_params.model_dump(mode="json")
    print_fields({name: value for name, value in settings.items() if value is not None})


def _descent(detail: ModelDetail) -> str | None:
    """``starter → notes (sft) → polite (dpo)``, the model itself last; None where its beginning is not known."""
    chain = [(ancestor.name, ancestor.strategy) for ancestor in detail.lineage]
    steps = [name if strategy is None else f"{name} ({strategy})" for name, strategy in chain]
    return " → ".join([*steps, f"{detail.name} ({detail.strategy})"]) if steps else None


@app.command()
def usage(ctx: typer.Context, model: Model, json: Json = False) -> None:
    """Show how to use a model from Python and with curl."""
    with client_of(ctx) as client:
        found = client.get(f"/api/models/{find(client, model).id}/usage", ModelUsage)
    if json:
        print_json(found)
        return
    for title, code in (("Python", found.python), ("curl", found.curl), ("transformers alone", found.transformers)):
        if code is not None:
            say(title, "bold")
            sys.stdout.write(f"{code.rstrip()}\n\n")  # never broken over lines


@app.command()
def download(
    ctx: typer.Context,
    model: Model,
    to: Annotated[Path | None, typer.Option(help="The file to write; by default NAME.zip here.")] = None,
    json: Json = False,
) -> None:
    """Save a model's folder as a zip."""
    with client_of(ctx) as client:
        found = find(client, model)
        path = f"/api/models/{found.id}"
        target = to or Path(f"{found.name}.zip")
        if target.exists():
            raise Conflict(f"{target} exists already: remove it, or name another file with --to")
        blocks: Iterable[bytes]
        if client.elsewhere:
            blocks = client.download(f"{path}/download")
        else:  # the folder is on this machine, and no server needs to read it for us
            blocks = zipped(Path(client.get(path, ModelDetail).path), found.name)
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as out:
                out.writelines(blocks)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    if json:
        print_json({"path": str(target.absolute()), "size_mb": size_mb(target)})
    else:
        say(f"Saved {found.name} to {target} ({size(size_mb(target))}).")


@app.command()
def rename(
    ctx: typer.Context, model: Model, name: Annotated[str, typer.Argument(help="The new name.")], json: Json = False
) -> None:
    """Call a model otherwise. Its folder stays where it is."""
    with client_of(ctx) as client:
        found = find(client, model)
        renamed = client.patch(f"/api/models/{found.id}", ModelDetail, {"name": name})
    if json:
        print_json(renamed)
    else:
        say(f"Model {found.name} is called {renamed.name} now.")


@app.command()
def rm(
    ctx: typer.Context,
    model: Model,
    for_good: Annotated[bool, typer.Option("--for-good", help="Keep nothing in the trash.")] = False,
    json: Json = False,
) -> None:
    """Delete a model and its folder; for some days it can be restored."""
    with client_of(ctx) as client:
        found = find(client, model)
        deleted = client.delete(f"/api/models/{found.id}", ModelDeleted)
        if for_good and deleted.restorable_until is not None:
            deleted = client.delete(f"/api/trash/{found.id}", ModelDeleted)
    if json:
        print_json(deleted)
        return
    say(f"Deleted model {found.name} ({size(found.size_mb)}).")
    if deleted.restorable_until is not None:
        until = deleted.restorable_until.astimezone().strftime("%Y-%m-%d %H:%M")
        show_command(
            f"It lies in the trash until {until}. Bring it back:", f"{program_of(ctx)} models restore {found.id}"
        )


@app.command()
def trash(ctx: typer.Context, json: Json = False) -> None:
    """List the deleted models that can be restored."""
    with client_of(ctx) as client:
        found = client.get("/api/trash", Trash)
    if json:
        print_json(found)
    elif not found.models:
        say("The trash is empty.")
    else:
        print_table(
            ["Id", "Name", "Size", "Deleted", "Goes for good"],
            [(m.id, m.name, size(m.size_mb), m.deleted_at, m.restorable_until) for m in found.models],
            numbers=["Id", "Size"],
        )


@app.command()
def restore(ctx: typer.Context, model: Model, json: Json = False) -> None:
    """Bring a deleted model back from the trash."""
    with client_of(ctx) as client:
        deleted = client.get("/api/trash", Trash).models
        # Of several that had the name, the one that was deleted last.
        known = {**{each.name: each for each in deleted}, **{str(each.id): each for each in deleted}}
        if model not in known:
            raise NotFound(
                f"there is no model '{model}' in the trash; see 'modelforge models trash'.{did_you_mean(model, known)}"
            )
        restored = client.post(f"/api/trash/{known[model].id}/restore", ModelDetail)
    if json:
        print_json(restored)
    else:
        say(f"Restored model {restored.name} ({size(restored.size_mb)}).")


def find(client: Client, wanted: str) -> ModelSummary:
    """The model of that name, or of that id; raises NotFound with the nearest name."""
    models = client.get("/api/models", ModelList).models
    by_name = {model.name: model for model in models}
    by_id = {str(model.id): model for model in models}
    found = by_name.get(wanted) or by_id.get(wanted)
    if found is None:
        raise NotFound(
            f"there is no trained model '{wanted}'; see 'modelforge models list'.{did_you_mean(wanted, by_name)}"
        )
    return found
