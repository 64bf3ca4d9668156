"""``modelforge keys``: who may use the server. Made and revoked in the database, whether a server runs or not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from modelforge.cli.console import note, print_json, print_table, say
from modelforge.cli.session import Json, settings_of
from modelforge.contracts.key import ApiKeyList

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

app = typer.Typer(help="API keys: who may use the server.", no_args_is_help=True)

Name = Annotated[
    str | None, typer.Option(help="What it is for, to know it again by.", metavar="TEXT", show_default=False)
]
Key = Annotated[str, typer.Argument(help="The key's id, or how it begins, as the list shows it.")]


@app.command()
def create(ctx: typer.Context, name: Name = None, json: Json = False) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from modelforge.store.keys import create_key  # noqa: PLC0415 - not needed to show help

    with _session(ctx) as session:
        made = create_key(session, name)
    if json:
        print_json(made)
        return
    sys.stdout.write(f"{made.key}\n")  # never broken over lines
    note(made.message)


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the keys, oldest first, by how they begin."""
    from modelforge.store.keys import list_keys, shown  # noqa: PLC0415

    with _session(ctx) as session:
        keys = [shown(row) for row in list_keys(session)]
    if json:
        print_json(ApiKeyList(keys=keys, total=len(keys)))
    elif not keys:
        say("No keys. Make one: modelforge keys create")
    else:
        print_table(
            ["Id", "Begins with", "Name", "Created", "Revoked"],
            [(key.id, f"{key.prefix}…", key.name, key.created_at, key.revoked_at) for key in keys],
            numbers=["Id"],
        )


@app.command()
def revoke(ctx: typer.Context, key: Key, json: Json = False) -> None:
    """Make a key open nothing any more. A running server heeds it within a second or two."""
    from modelforge.store.keys import LAST, revoke_key  # noqa: PLC0415

    with _session(ctx) as session:
        revoked = revoke_key(session, key.removesuffix("…"))
    if json:
        print_json(revoked)
        return
    say(f"Revoked {revoked.prefix}… (id {revoked.id}).")
    if revoked.message == LAST:
        note(revoked.message)


@contextmanager
def _session(ctx: typer.Context) -> Iterator[Session]:
    from modelforge.store.database import Database  # noqa: PLC0415

    os.umask(0o077)  # as a server: what is written is its owner's alone
    settings = settings_of(ctx)
    settings.make_folders()
    database = Database(settings.database)
    try:
        with database.session() as session:
            yield session
    finally:
        database.close()
