"""``modelforge providers``: the libraries that train, and the environments that some of them need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from modelforge.cli.console import err, print_json, print_table, say, size
from modelforge.cli.session import Json, settings_of
from modelforge.environments import Environment, find_environment
from modelforge.errors import InvalidRequest, NotFound
from modelforge.hardware import detect
from modelforge.providers import PROVIDERS
from modelforge.providers.base import Provider
from modelforge.readiness import ProviderState, state_of

app = typer.Typer(help="The libraries that train, and environments for those that need one.", no_args_is_help=True)

SHOWN = ("unsloth", "transformers", "trl", "torch")
"""Packages whose versions the table shows; --json has all."""

Name = Annotated[str, typer.Argument(help="The provider's name.")]


class ProviderStates(BaseModel):
    providers: list[ProviderState]


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the providers: which are ready, why others are not, and what is installed for them."""
    home, hardware = settings_of(ctx).home, detect()
    found = ProviderStates(providers=[state_of(provider, home, hardware) for provider in PROVIDERS])
    if json:
        print_json(found)
        return
    print_table(
        ["Provider", "Ready", "Why not", "Versions", "Interpreter", "Size"],
        [
            [
                state.name,
                state.ready,
                state.reason,
                ", ".join(f"{name} {state.versions[name]}" for name in SHOWN if name in state.versions) or None,
                state.interpreter or (None if state.own_environment else "the server's own"),
                size(state.size_mb) if state.size_mb else None,
            ]
            for state in found.providers
        ],
    )


@app.command()
def install(
    ctx: typer.Context,
    name: Name,
    torch: Annotated[
        str | None,
        typer.Option(help="The build of torch, as a requirement: 'torch==2.13.0+cu130'. Else the pinned one."),
    ] = None,
    torch_index: Annotated[
        str | None, typer.Option(help="The package index that torch comes from, as its makers' pages name it.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a provider's environment, or mend it: gigabytes, downloaded once. It can be run again after any end."""
    from modelforge.installation import install  # noqa: PLC0415 - the other commands don't need it

    provider, environment = _with_environment(ctx, name)
    settings_of(ctx).make_folders()
    with _told() as tell:
        install(environment, tell, torch=torch, index=torch_index)
    state = state_of(provider, settings_of(ctx).home, detect())
    if json:
        print_json(state)
        return
    say(f"The environment of '{name}' is ready: {environment.folder}, {size(state.size_mb or 0)}", "bold green")
    if state.reason:
        say(f"It cannot be used on this machine, though: {state.reason}", "yellow")


@app.command()
def remove(ctx: typer.Context, name: Name, json: Json = False) -> None:
    """Delete a provider's environment. Models that were trained with it stay, and can be talked to."""
    from modelforge.installation import remove  # noqa: PLC0415

    _, environment = _with_environment(ctx, name)
    if not environment.folder.exists():
        raise NotFound(f"the environment of provider '{name}' is not installed, so there is nothing to remove")
    taken = environment.manifest.get("size_mb")
    remove(environment)
    if json:
        print_json({"status": "removed", "name": name})
    else:
        say(f"The environment of '{name}' is gone{f': {size(taken)}' if taken else ''}")


def _with_environment(ctx: typer.Context, name: str) -> tuple[Provider, Environment]:
    provider = PROVIDERS.get(name)
    if provider.environment is None:
        raise InvalidRequest(f"provider '{name}' runs in ModelForge's own environment and needs no other")
    return provider, find_environment(settings_of(ctx).home, provider.environment)


@contextmanager
def _told() -> Iterator[Callable[[str], None]]:
    """Shows what happens: a line that changes on a terminal, else one line after the other; on stderr."""
    console = err()
    if not console.is_terminal:
        yield lambda text: console.print(Text(text), soft_wrap=True)
        return
    with Progress(
        SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False), console=console
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda text: progress.update(task, description=text)
