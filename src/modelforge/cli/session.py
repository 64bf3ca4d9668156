"""What a command gets from the words before it: the settings, and a client."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

if TYPE_CHECKING:
    from modelforge.cli.client import Client
    from modelforge.settings import Settings

Dataset = Annotated[str, typer.Argument(metavar="FILENAME", help="The dataset's filename.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for machines.", show_default=False)]


def place_of(filename: str) -> str:
    """A dataset's path in the API."""
    return f"/api/datasets/{quote(filename, safe='')}"


def settings_of(ctx: typer.Context) -> Settings:
    """The settings, with the ``--home`` that was given before the command."""
    from modelforge.settings import load_settings  # noqa: PLC0415 - not needed to show help

    return load_settings(home=ctx.find_root().params.get("home"))


def program_of(ctx: typer.Context) -> str:
    """How to call this program on the same home folder, for commands that are shown to be copied."""
    home = ctx.find_root().params.get("home")
    return f"{_program()} --home {shlex.quote(str(home))}" if home else _program()


def _program() -> str:
    """``modelforge`` where the shell finds it, else where it lies: ``make demo`` runs it out of its environment."""
    called = Path(sys.argv[0])
    if shutil.which("modelforge") or called.name != "modelforge":
        return "modelforge"
    inside = called.is_relative_to(Path.cwd()) if called.is_absolute() else True
    return shlex.quote(str(called.relative_to(Path.cwd()) if called.is_absolute() and inside else called))


@contextmanager
def client_of(ctx: typer.Context, *, supervise: bool = False) -> Iterator[Client]:
    """A client on the home folder; ``supervise`` for commands that start, stop or resume a training."""
    from modelforge.cli.client import connect  # noqa: PLC0415

    with connect(settings_of(ctx), supervise=supervise) as client:
        yield client
