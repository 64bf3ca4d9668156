"""``modelforge train``: a run from flags, or from a file and flags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelforge.cli.configfile import absolute_paths, read_config
from modelforge.cli.flags import given, with_flags
from modelforge.cli.follow import run_to_end
from modelforge.cli.preflight import show_preflight
from modelforge.cli.session import Json, client_of, program_of
from modelforge.contracts.job import TrainingStarted
from modelforge.contracts.preflight import Preflight
from modelforge.contracts.training import GROUPS, TrainingConfig

if TYPE_CHECKING:
    from modelforge.cli.client import Client

Check = Annotated[
    bool, typer.Option("--check", help="Start nothing: say what the run comes to, and whether it can run here.")
]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Return when the run has begun; it goes on by itself.")]


ConfigFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CONFIG]",
        help="A YAML or JSON file with the same fields, or the spec.json beside a trained model. Flags win.",
        exists=True,
        dir_okay=False,
    ),
]


def config_of(client: Client, file: Path | None, flags: dict[str, Any]) -> dict[str, Any]:
    """What a file and flags ask for, as the API takes it; names mean a server's own files where that is elsewhere."""
    config = {**(read_config(file) if file else {}), **given(TrainingConfig, flags)}
    return config if client.elsewhere else absolute_paths(config)


@with_flags(TrainingConfig, panels=GROUPS)
def train(
    ctx: typer.Context,
    config_file: ConfigFile = None,
    json: Json = False,
    check: Check = False,
    detach: Detach = False,
    **flags: Any,
) -> None:
    """Fine-tune a model, and watch it.

    Ctrl-C stops the run and saves a checkpoint, from which 'modelforge jobs resume' goes on.

    Example: modelforge train --task text-generation --model-name modelforge-starter --dataset my.jsonl --preset best
    """
    if check:
        with client_of(ctx) as client:
            found = client.post("/api/preflight", Preflight, config_of(client, config_file, flags))
        show_preflight(found, as_json=json)
        return
    with client_of(ctx, supervise=True) as client:
        started = client.post("/api/start_training", TrainingStarted, config_of(client, config_file, flags))
        run_to_end(client, started, program_of(ctx), as_json=json, detach=detach)
