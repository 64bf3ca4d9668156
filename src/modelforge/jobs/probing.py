"""The probe, seen from the server."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from modelforge.computing import computing_environment
from modelforge.datasets.child import ask
from modelforge.errors import InvalidRequest
from modelforge.probe.order import Order
from modelforge.settings import Settings

SECONDS = 60.0
"""For one answer. A tokenizer from the hub comes first; a chat template that goes in circles never ends."""


async def probe(what: str, order: Order, settings: Settings, seconds: float) -> Any:
    """What a probe answers within so many seconds. Raises what it is refused with, InvalidRequest where it takes
    longer, Fault where it breaks."""
    environment = {
        **computing_environment(os.environ, settings.home),
        # That torch is missing, which it was made to.
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    }
    try:
        async with asyncio.timeout(seconds):
            return await ask("probe", [what, order.model_dump_json()], environment=environment)
    except TimeoutError:
        raise InvalidRequest(
            f"the tokenizer of '{order.model.name}' gave no answer within {seconds:g} s: look at fewer or shorter "
            "rows, and at the model's chat template"
        ) from None
