"""``modelforge keys``: who may use the server. Made and revoked by who can read the home folder, never over HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from modelforge.cli.console import note, print_json, print_table, say
from modelforge.cli.session import Json, settings_of
from modelforge.contracts.base import UtcTime

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from modelforge.store.tables import KeyRow

app = typer.Typer(help="API keys: who may use the server.", no_args_is_help=True)

Name = Annotated[
    str | None, typer.Option(help="What it is for, to know it again by.", metavar="TEXT", show_default=False)
]
Key = Annotated[str, typer.Argument(help="The key's id, or how it begins, as the list shows it.")]


class KeyShown(BaseModel):
    """A key, as it can be told."""

    id: int
    name: str | None
    prefix: str
    """How it begins; all else is known to its holder alone."""
    created_at: UtcTime
    revoked_at: UtcTime | None


class KeyMade(KeyShown):
    """A new key, told once."""

    key: str


class KeyList(BaseModel):
    keys: list[KeyShown]


@app.command()
def create(ctx: typer.Context, name: Name = None, json: Json = False) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from modelforge.store.keys import add_key  # noqa: PLC0415 - not needed to show help

    with _session(ctx) as session:
        row, key = add_key(session, name)
        made = KeyMade(**_shown(row).model_dump(), key=key)
    if json:
        print_json(made)
        return
    sys.stdout.write(f"{made.key}\n")  # never broken over lines
    note(
        "Keep it now: it is shown this once. From now on the server asks every client for a key, as "
        "'Authorization: Bearer <key>'; ModelForge's own commands on this home folder need none."
    )


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the keys, oldest first, by how they begin."""
    from modelforge.store.keys import list_keys  # noqa: PLC0415

    with _session(ctx) as session:
        keys = [_shown(row) for row in list_keys(session)]
    if json:
        print_json(KeyList(keys=keys))
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
    from modelforge.store.keys import revoke_key, valid_digests  # noqa: PLC0415

    with _session(ctx) as session:
        revoked = _shown(revoke_key(session, key.removesuffix("…")))
        session.flush()
        last = not valid_digests(session)
    if json:
        print_json(revoked)
        return
    say(f"Revoked {revoked.prefix}… (id {revoked.id}).")
    if last:
        note("It was the last one: a server on a loopback address asks for no key now, and any other answers nobody.")


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


def _shown(row: KeyRow) -> KeyShown:
    return KeyShown(**{name: getattr(row, name) for name in KeyShown.model_fields})
