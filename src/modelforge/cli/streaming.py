"""A streamed answer, for the command and for Python."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from modelforge.cli.client import Client, error_told
from modelforge.contracts.playground import GenerateReply, GenerationToken
from modelforge.errors import Fault


def streamed(client: Client, request: dict[str, Any]) -> Generator[str | GenerateReply]:
    """The text of an answer in pieces, as it is written, and the whole answer at last. Raises what a refusal or an
    error tells of. Closed early, it ends the generation."""
    with closing(client.events("/api/playground/stream", request)) as events:
        for name, data in events:
            if name == "token":
                yield GenerationToken.model_validate_json(data).text
            elif name == "done":
                yield GenerateReply.model_validate_json(data)
                return
            elif name == "error":
                raise error_told(data)
    raise Fault("the connection ended before the answer did; the server's terminal may tell why")
