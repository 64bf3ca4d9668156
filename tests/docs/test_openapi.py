"""The OpenAPI schema is whole, true to OpenAPI 3.1 as far as its form goes, and shows every route by example."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from modelforge.api.errors import BODIES
from modelforge.contracts.info import ErrorReply
from modelforge.contracts.training import GROUPS, PLAIN
from tests.live import LiveServer

generated = importlib.import_module("generator.schema")
SCHEMA: dict[str, Any] = generated.openapi()
TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, each) for path, item in SCHEMA["paths"].items() for method, each in item.items()]


@pytest.fixture(params=operations(), ids=lambda case: f"{case[0].upper()} {case[1]}")
def operation(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param[2]
    return found


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def test_the_frame() -> None:
    assert re.fullmatch(r"3\.1\.\d+", SCHEMA["openapi"])
    assert {"title", "version"} <= SCHEMA["info"].keys()
    assert all(path.startswith("/") for path in SCHEMA["paths"])
    known = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    assert {method for method, _, _ in operations()} <= known


def test_every_reference_leads_somewhere() -> None:
    for node in nodes(SCHEMA):
        if isinstance(reference := node.get("$ref"), str):
            found: Any = SCHEMA
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]


def test_every_type_is_one_of_json() -> None:
    schemas = [node for part in (SCHEMA["components"]["schemas"], SCHEMA["paths"]) for node in nodes(part)]
    said = {node["type"] for node in schemas if isinstance(node.get("type"), str) and node.keys() & {"title", "items"}}
    assert said <= TYPES
    assert said


def test_ids_of_operations_are_unique() -> None:
    counted = Counter(each.get("operationId") for _, _, each in operations())
    assert None not in counted
    assert max(counted.values()) == 1


def test_it_has_the_routes_of_the_contract() -> None:
    wanted = """get /api/info, get /api/health, post /api/start_training, get /api/training_status,
        post /api/stop_training, get /api/models, get /api/models/{model_id}, delete /api/models/{model_id},
        post /api/upload_dataset, get /api/datasets, post /api/playground/generate"""
    there = {f"{method} {path}" for method, path, _ in operations()}
    assert {" ".join(route.split()) for route in wanted.split(",")} <= there


def test_it_says_what_it_is(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]


def test_its_reply_is_a_named_type_with_an_example(operation: dict[str, Any]) -> None:
    reply = generated.reply_of(operation)
    if "204" in operation["responses"]:
        assert "content" not in reply and reply["description"]
        return
    (kind,) = reply["content"]
    if kind == "application/zip":
        assert reply["content"][kind] == {"schema": {"type": "string", "format": "binary"}}
        return
    assert kind in ("application/json", "text/event-stream")
    name = generated.name_of(reply["content"][kind]["schema"])
    assert name
    assert generated.components()[name]["examples"]
    for field, schema in generated.components()[name]["properties"].items():
        assert schema.get("description"), f"{name}.{field} has no docstring"


def test_its_errors_have_the_one_form(operation: dict[str, Any]) -> None:
    errors = {status: reply for status, reply in operation["responses"].items() if not status.startswith("2")}
    assert {"400", "403", "500"} <= errors.keys()
    assert "422" not in errors
    for reply in errors.values():
        assert reply["description"]
        assert generated.name_of(reply["content"]["application/json"]["schema"]) == ErrorReply.__name__


def test_its_parameters_are_explained(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        assert parameter["in"] in ("path", "query", "header")
        assert parameter.get("description"), parameter["name"]
        assert "schema" in parameter
        if parameter["in"] == "path":
            assert parameter["required"]
            assert parameter.get("examples") or parameter["schema"].get("examples"), parameter["name"]


def test_its_body_is_shown_by_example(operation: dict[str, Any]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        name = generated.name_of(content["schema"])
        assert name is None or generated.components()[name]["examples"]


def test_path_parameters_are_those_of_the_path() -> None:
    for _, path, each in operations():
        named = {parameter["name"] for parameter in each.get("parameters", []) if parameter["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), path


def with_examples() -> list[str]:
    return sorted(name for name, kind in generated.contracts().items() if "examples" in _extra(kind))


def _extra(kind: Any) -> dict[str, Any]:
    extra = kind.model_config.get("json_schema_extra")
    return extra if isinstance(extra, dict) else {}


@pytest.mark.parametrize("name", with_examples())
def test_examples_are_what_they_show(name: str) -> None:
    """An example is valid, and a reply's has every field: one that a class inherits lacks its own."""
    kind = generated.contracts()[name]
    for example in _extra(kind)["examples"]:
        checked = TypeAdapter(kind).validate_python(example)
        if kind not in BODIES.values():
            dumped = checked.model_dump(mode="json", round_trip=True)
            assert {key: dumped[key] for key in example} == example
            assert dumped.keys() == example.keys()


class Assets(HTMLParser):
    """The addresses that a page loads or leads to, and those in its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.script = ""
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.loaded += [value for name, value in attrs if name in ("src", "href", "action") and value]

    def handle_data(self, data: str) -> None:
        self.script += data if self._in_script else ""


@pytest.mark.parametrize("root_path", ["", "/studio"])
def test_docs_need_no_network(tmp_path: Path, root_path: str) -> None:
    """Behind a proxy that shows the server under a path, too: the proxy takes the path off."""
    server = LiveServer(tmp_path / "home", MODELFORGE_ROOT_PATH=root_path).start()
    try:
        with httpx.Client(base_url=server.url) as client:
            page = client.get("/docs").raise_for_status()
            assets = Assets(page.text)
            loaded = [address for address in assets.loaded if not address.startswith("data:")]
            assert len(loaded) >= 2
            for address in loaded:
                assert address.startswith(f"{root_path}/"), address
                assert not address.startswith("//"), address
                reply = client.get(address.removeprefix(root_path))
                assert reply.status_code == 200, f"{address}: {reply.text}"
                assert len(reply.content) > 1000
            assert re.findall(r"https?://|[\"']//", assets.script) == []
            assert f"'{root_path}/openapi.json'" in assets.script
            schema = client.get("/openapi.json").raise_for_status().json()
            assert schema["paths"] == SCHEMA["paths"]
            assert [each["url"] for each in schema.get("servers", [])] == ([root_path] if root_path else [])
    finally:
        server.close()


FIELDS: dict[str, dict[str, Any]] = generated.components()["TrainingConfig"]["properties"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_form_can_be_made_of_every_field(name: str) -> None:
    """What it means, what it is when it is left out, between which bounds it lies, and where it stands."""
    field = FIELDS[name]
    assert field["description"]
    # FastAPI leaves a default of null out: the field takes null then.
    may_be_left_out = "default" in field or {"type": "null"} in field.get("anyOf", [])
    assert may_be_left_out != (name in generated.components()["TrainingConfig"]["required"])
    assert field["x-group"] in GROUPS.values()
    assert field["x-advanced"] is (name not in PLAIN)
    for node in nodes(field):
        kind = node.get("type")
        if kind in ("integer", "number"):
            assert node.keys() & {"minimum", "exclusiveMinimum"} and node.keys() & {"maximum", "exclusiveMaximum"}
        if kind == "string":
            assert node.keys() & {"enum", "maxLength", "const"}
        if kind == "array":
            assert "maxItems" in node


def test_groups_begin_with_fields_that_there_are() -> None:
    assert GROUPS.keys() <= FIELDS.keys() and FIELDS.keys() >= PLAIN
    assert list(dict.fromkeys(field["x-group"] for field in FIELDS.values())) == list(GROUPS.values())
