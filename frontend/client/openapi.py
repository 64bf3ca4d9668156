"""The API's schema as the studio's client is made from it, on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelforge.api.app import create_app
from modelforge.contracts.base import Contract
from modelforge.settings import Settings

Schema = dict[str, Any]


def client_schema() -> Schema:
    """Replies always have all their fields, which FastAPI's schema does not say of those with a default. Examples,
    which would be half of the client, are left out."""
    schema = create_app(Settings(home=Path("/nowhere"))).openapi()
    types: dict[str, Schema] = schema["components"]["schemas"]
    sent = set(_named_in([item.get("requestBody") for path in schema["paths"].values() for item in path.values()]))
    waiting = list(sent)
    while waiting:
        for name in set(_named_in(types[waiting.pop()])) - sent:
            sent.add(name)
            waiting.append(name)
    omitted = dict(_sometimes_left_out(Contract))
    for name, each in types.items():
        each.pop("examples", None)
        if name not in sent and "properties" in each:
            each["required"] = [field for field in each["properties"] if field not in omitted.get(name, ())]
    return schema


def _named_in(part: Any) -> Iterator[str]:
    """The types that it refers to."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        for each in part.values():
            yield from _named_in(each)
    elif isinstance(part, list):
        for each in part:
            yield from _named_in(each)


def _sometimes_left_out(kind: type[Contract]) -> Iterator[tuple[str, set[str]]]:
    for narrower in kind.__subclasses__():
        fields = narrower.model_fields.items()
        yield narrower.__name__, {name for name, field in fields if field.exclude_if is not None}
        yield from _sometimes_left_out(narrower)


if __name__ == "__main__":
    json.dump(client_schema(), sys.stdout)
