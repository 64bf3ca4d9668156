"""``modelforge models``: what was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelforge.cli.console import print_fields, print_json, print_measures, print_table, say, size
from modelforge.cli.session import Json, client_of
from modelforge.contracts.model import ModelDeleted, ModelDetail, ModelList, ModelSummary
from modelforge.errors import NotFound, did_you_mean

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
def rm(ctx: typer.Context, model: Model, json: Json = False) -> None:
    """Delete a model and its folder."""
    with client_of(ctx, supervise=False) as client:
        found = find(client, model)
        deleted = client.delete(f"/api/models/{found.id}", ModelDeleted)
    if json:
        print_json(deleted)
    else:
        say(f"Deleted model {found.name} ({size(found.size_mb)}).")


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
