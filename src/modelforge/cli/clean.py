"""``modelforge clean``: room in the home folder."""

from __future__ import annotations

from typing import Annotated

import typer

from modelforge.cli.console import print_json, print_table, say, size
from modelforge.cli.session import Json, client_of
from modelforge.errors import InvalidRequest, did_you_mean


def clean(
    ctx: typer.Context,
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to remove: trash, checkpoints, resumable_checkpoints, uploads, caches, logs. When not given, "
            "all but resumable_checkpoints.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Show what the home folder holds, and remove what can go; what waiting and running jobs need stays."""
    from modelforge.contracts.system import CLEANABLE, Cleaned, System  # noqa: PLC0415 - not needed to show help

    wanted = list(dict.fromkeys(kinds or [kind for kind in CLEANABLE if kind != "resumable_checkpoints"]))
    for kind in wanted:
        if kind not in CLEANABLE:
            raise InvalidRequest(f"'{kind}' is nothing that can be cleaned.{did_you_mean(kind, CLEANABLE)}")
    with client_of(ctx) as client:
        stored = client.get("/api/system", System).storage
        if not json:
            print_table(
                ["Kind", "Size", "Can go", "What it is"],
                [(each.kind, size(each.size_mb), size(each.freeable_mb), each.about) for each in stored],
                numbers=["Size", "Can go"],
            )
        free = sum(each.freeable_mb for each in stored if each.kind in wanted)
        if not yes:
            typer.confirm(f"\nRemove {', '.join(wanted)} ({size(free)})?", abort=True, err=True)
        cleaned = client.post("/api/system/clean", Cleaned, {"kinds": wanted})
    if json:
        print_json(cleaned)
    else:
        say(f"{size(cleaned.size_mb)} came free.")
