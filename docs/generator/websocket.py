"""``websocket.md``: prose from a template, the fields of a message from the code."""

from __future__ import annotations

from pathlib import Path

from generator.markdown import cell, code, page, pretty, table
from generator.schema import Schema, example_of, type_of
from modelforge.api.caller import KEY_SUBPROTOCOL, SUBPROTOCOL
from modelforge.api.stream import MESSAGE_SECONDS
from modelforge.contracts.job import MetricPoint, StreamMessage
from modelforge.jobs.broadcast import POINTS_PER_MESSAGE
from modelforge.settings import Settings

TEMPLATE = Path(__file__).parent.parent / "templates" / "websocket.md"


def websocket() -> str:
    """The page."""
    message, point = (each.model_json_schema(mode="serialization") for each in (StreamMessage, MetricPoint))
    parts = {
        "MESSAGES_PER_SECOND": str(round(1 / MESSAGE_SECONDS)),
        "POINTS_PER_MESSAGE": str(POINTS_PER_MESSAGE),
        "MAX_LISTENERS": str(Settings.model_fields["max_listeners"].default),
        "SUBPROTOCOL": SUBPROTOCOL,
        "KEY_SUBPROTOCOL": KEY_SUBPROTOCOL,
        "MESSAGE_FIELDS": _fields(message),
        "MESSAGE_EXAMPLE": code(pretty(example_of("StreamMessage")), "json"),
        "POINT_FIELDS": _fields(point),
    }
    text = TEMPLATE.read_text(encoding="utf-8").strip()
    for name, value in parts.items():
        if f"@{name}@" not in text:
            raise KeyError(f"{TEMPLATE} does not use @{name}@")
        text = text.replace(f"@{name}@", value)
    return page("WebSocket", text)


def _fields(schema: Schema) -> str:
    known = schema.get("$defs", {})
    rows = []
    for name, field in schema["properties"].items():
        # Its own named types are few: the states and causes, said as their values, and a point, which has its table.
        kinds = [known.get(str(each.get("$ref")).rpartition("/")[2], each) for each in field.get("anyOf", [field])]
        words = "list of [points](#points)" if name == "points" else type_of({**field, "anyOf": kinds})
        rows.append((f"`{name}`", words, cell(field["description"])))
    return table(("field", "type", "meaning"), rows)
