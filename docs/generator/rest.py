"""``rest-api.md``: every route, from the OpenAPI schema."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from generator.markdown import code, literal, page, pretty, prose, table
from generator.schema import Schema, example_of, fields_table, name_of, openapi, reply_of, rule_of, type_of

BASE = "http://localhost:8000"
JSON = "application/json"
INTRO = f"""\
The base URL is `{BASE}`; the API's version is `"v2"`. Bodies are JSON in UTF-8 unless it says otherwise, with the \
header `Content-Type: application/json`. A server that has [API keys](../guide/operations.md#letting-others-in) wants \
one with every request, as `Authorization: Bearer <key>`. The server shows the same routes to try out at \
[`/docs`]({BASE}/docs), and gives the machine-readable schema at `/openapi.json`.

Responses may gain fields; they never lose any, and never change their types. Times are UTC, ISO 8601, ending in `Z`; \
`size_mb` is in units of 1 000 000 bytes. Lists hold everything, oldest first, unless `limit` and `offset` are given.

What the server sends by itself while it trains is on the page [WebSocket](websocket.md)."""
USUAL = ("200", "201", "202", "204", "400", "401", "403", "500")
ERRORS = """\
Every error of every route has this form, with the same HTTP status. Every route may answer 400 (a parameter that \
cannot be), 401 (an API key is needed; all but `/api/health`), 403 (a foreign origin or host) and 500 (something of \
ours broke); a wrong method gets 405, an unknown path 404. What a route answers beside these is named there. The page \
[Errors](errors.md) has them all."""


def rest() -> str:
    """The page."""
    operations = list(_operations())
    index = table(
        ("method and path", "what it does"),
        [(f"[`{_title(m, p)}`](#{_anchor(m, p)})", o["summary"]) for m, p, o in operations],
    )
    blocks = [INTRO, index, "## Errors", ERRORS, code(pretty(example_of("ErrorReply")), "json")]
    tag = ""
    for method, path, operation in operations:
        if operation["tags"][0] != tag:
            tag = operation["tags"][0]
            blocks.append(f"## {tag.capitalize()}")
        blocks += _route(method, path, operation)
    return page("REST API", *blocks)


def _operations() -> Iterator[tuple[str, str, Schema]]:
    for path, item in openapi()["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def _title(method: str, path: str) -> str:
    return f"{method.upper()} {path}"


def _anchor(method: str, path: str) -> str:
    """As GitHub makes it of a heading: lower case, spaces to hyphens, other signs dropped."""
    title = _title(method, path).lower().replace(" ", "-")
    return "".join(char for char in title if char.isalnum() or char in "-_")


def _route(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f"### {_title(method, path)}"
    yield f"**{operation['summary']}.** {prose(operation['description'])}"
    parameters = operation.get("parameters", [])
    if parameters:
        yield table(
            ("parameter", "in", "type", "default", "rule", "meaning"), [_parameter(each) for each in parameters]
        )
    body = operation.get("requestBody")
    if body:
        yield from _body(body)
    answered = reply_of(operation)
    kind, content = next(iter(answered.get("content", {}).items()), ("", {}))
    reply = name_of(content.get("schema", {})) or ""
    if reply:
        form = "" if kind == JSON else f" (`{kind}`), one after the other"
        yield f"Reply: [{reply}](responses.md#{reply.lower()}){form}"
        yield fields_table(reply, "responses.md")
    else:
        yield "Reply: 204, without a body."
    if "headers" in answered:
        told = [(f"`{name}`", each["description"]) for name, each in answered["headers"].items()]
        yield table(("header of the reply", "meaning"), told)
    own = [
        f"{each} {text['description'].lower()}; " for each, text in operation["responses"].items() if each not in USUAL
    ]
    yield f"Errors: {''.join(own)}{'and ' if own else ''}those of [every route](#errors)."
    yield code(_curl(method, path, operation), "bash")
    if reply:
        yield code(pretty(example_of(reply)), "json")


def _parameter(parameter: Schema) -> tuple[str, str, str, str, str, str]:
    schema = parameter["schema"]
    default = "required" if parameter["required"] else literal(schema["default"]) if "default" in schema else "none"
    name, where = f"`{parameter['name']}`", parameter["in"]
    return name, where, type_of(schema), default, rule_of(schema), parameter.get("description", "")


def _body(body: Schema) -> Iterator[str]:
    (kind, content), *_ = body["content"].items()
    name = name_of(content["schema"])
    if name == "TrainingConfig":
        named = ", ".join(f"`{field}`" for field in openapi()["components"]["schemas"][name]["required"])
        yield f"Request: a [training configuration](training-config.md); only {named} are required."
        return
    yield f"Request (`{kind}`):" if name is None else "Request:"
    schema = content["schema"] if name is None else openapi()["components"]["schemas"][name]
    if "properties" not in schema:
        yield "The body is the bytes themselves."
        return
    rows = []
    for field, each in schema["properties"].items():
        required = field in schema.get("required", [])
        default = "required" if required else literal(each.get("default"))
        kind_of_field = "file" if each.get("format") == "binary" else type_of(each, "responses.md")
        rows.append((f"`{field}`", kind_of_field, default, rule_of(each), each["description"]))
    yield table(("field", "type", "default", "rule", "meaning"), rows)


def _curl(method: str, path: str, operation: Schema) -> str:
    query: dict[str, Any] = {}
    headers = []
    for parameter in operation.get("parameters", []):
        examples = parameter.get("examples") or parameter["schema"].get("examples") or []
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(examples[0]))
        elif parameter["name"] == "limit":
            query["limit"] = 10
        elif parameter["in"] == "query" and parameter["required"]:
            query[parameter["name"]] = examples[0]
        elif parameter["in"] == "header" and parameter["required"]:
            headers += ["-H", shlex.quote(f"{parameter['name']}: {examples[0]}")]
    url = f"{BASE}{path}" + (f"?{urlencode(query)}" if query else "")
    words = ["curl"] if method == "get" else ["curl", "-X", method.upper()]
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        return f"curl -F file=@dataset.jsonl {url}"
    if JSON in content:
        example = json.dumps(example_of(name_of(content[JSON]["schema"]) or ""), ensure_ascii=False)
        return f"curl {url} \\\n  -H 'Content-Type: application/json' \\\n  -d {shlex.quote(example)}"
    (kind, *_) = content or [None]
    if kind is not None:
        headers += ["-H", shlex.quote(f"Content-Type: {kind}"), "--data-binary", "@piece"]
    return " ".join([*words, *headers, shlex.quote(url)])
