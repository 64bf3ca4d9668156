"""``modelforge serve``: the server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import typer

from modelforge.cli.flags import with_flags
from modelforge.settings import NO_FLAG, Settings, load_settings


@with_flags(Settings, skip=NO_FLAG)
def serve(ctx: typer.Context, **flags: Any) -> None:
    """Start the server: REST API, WebSocket and their documentation."""
    if flags["home"] is None:
        flags["home"] = ctx.find_root().params.get("home")
    settings = load_settings(**flags)
    from modelforge.api.server import run  # noqa: PLC0415 - the web framework is for this command alone

    with suppress(KeyboardInterrupt):  # the normal end of a server
        raise typer.Exit(run(settings))
