"""The OpenAPI schema, and how its types are said in words."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import modelforge.contracts
from generator.markdown import literal, table
from modelforge.api.app import create_app
from modelforge.contracts.base import Contract
from modelforge.settings import Settings

Schema = dict[str, Any]

_WORDS = {"integer": "integer", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}


@functools.cache
def openapi() -> Schema:
    """The schema of the whole API. Its home folder is named and never made."""
    return create_app(Settings(home=Path("/nowhere"))).openapi()


def components() -> dict[str, Schema]:
    """The named types."""
    found: dict[str, Schema] = openapi()["components"]["schemas"]
    return found


def name_of(schema: Schema) -> str | None:
    """The name of the type that a schema refers to."""
    reference: str | None = schema.get("$ref")
    return reference.rpartition("/")[2] if reference else None


def reply_of(operation: Schema) -> Schema:
    """What a route answers where all is well: at once, or that it has begun."""
    found: Schema = next(reply for status, reply in operation["responses"].items() if status.startswith("2"))
    return found


def type_of(schema: Schema, link: str = "") -> str:
    """A schema in words; named types are links into the page ``link`` (empty: this page)."""
    name = name_of(schema)
    if name is not None:
        known = components()[name]
        return values_of(known) if "enum" in known else f"[{name}]({link}#{name.lower()})"
    if "anyOf" in schema:
        kinds = [type_of(each, link) for each in schema["anyOf"] if each.get("type") != "null"]
        joined = (", " if all(kind.startswith("`") for kind in kinds) else " or ").join(kinds)
        return joined if len(kinds) == len(schema["anyOf"]) else f"{joined} or null"
    if "enum" in schema or "const" in schema:
        return values_of(schema)
    kind = schema.get("type")
    if kind == "array":
        return f"list of {type_of(schema['items'], link)}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"object of {type_of(values, link)}s by name" if isinstance(values, dict) and values else "object"
    if schema.get("format") == "date-time":
        return "time"
    if schema.get("format") == "path":
        return "path"
    return _WORDS.get(str(kind), "any value")


def values_of(schema: Schema) -> str:
    """The values that an enumeration allows."""
    values = schema.get("enum", [schema.get("const")])
    return ", ".join(literal(value) for value in values)


def rule_of(schema: Schema) -> str:
    """The bounds of a value, in words."""
    for each in [schema, *schema.get("anyOf", []), schema.get("items", {})]:
        rules = []
        if "minimum" in each or "exclusiveMinimum" in each:
            low = f"≥ {_number(each['minimum'])}" if "minimum" in each else f"> {_number(each['exclusiveMinimum'])}"
            rules.append(low)
        if "maximum" in each or "exclusiveMaximum" in each:
            high = f"≤ {_number(each['maximum'])}" if "maximum" in each else f"< {_number(each['exclusiveMaximum'])}"
            rules.append(high)
        if "maxLength" in each:
            least = f"{each['minLength']} to " if "minLength" in each else "at most "
            rules.append(f"{least}{_number(each['maxLength'])} characters")
        if "pattern" in each:
            rules.append(f"matches `{each['pattern']}`")
        if rules:
            return ", ".join(rules)
    return ""


def fields_table(name: str, link: str = "") -> str:
    """The fields of a named type: name, type, meaning."""
    rows = []
    for field, schema in components()[name].get("properties", {}).items():
        rows.append((f"`{field}`", type_of(schema, link), schema.get("description", "")))
    return table(("field", "type", "meaning"), rows)


def example_of(name: str) -> Any:
    """The first example of a named type, as its class has it: FastAPI leaves nulls out of the schema's own."""
    extra: Any = contracts()[name].model_config["json_schema_extra"]
    return extra["examples"][0]


@functools.cache
def contracts() -> dict[str, type[Contract]]:
    """All public types by their names."""
    for module in pkgutil.iter_modules(modelforge.contracts.__path__, "modelforge.contracts."):
        importlib.import_module(module.name)
    return {kind.__name__: kind for kind in _below(Contract)}


def _below(kind: type[Contract]) -> Iterator[type[Contract]]:
    for narrower in kind.__subclasses__():
        if narrower.__module__.startswith("modelforge.contracts."):
            yield narrower
        yield from _below(narrower)


def _number(value: float) -> str:
    if value == int(value):
        whole = int(value)
        powers = {2**32 - 1: "2³² − 1", 2**53: "2⁵³"}
        return powers.get(whole, f"{whole:,}".replace(",", " ") if whole >= 10_000 else str(whole))
    return str(value)
