"""``errors.md``: the tree of errors, and which routes answer which status."""

from __future__ import annotations

import re
from collections.abc import Iterator

import modelforge.errors
from generator.markdown import code, page, pretty, table
from generator.schema import example_of, fields_table, openapi
from modelforge.errors import ModelForgeError

INTRO = """\
Every error of every route, unknown paths, wrong methods, malformed JSON and internal faults included, has one form, \
with the same HTTP status. `detail` says what is wrong, where, and what to do; it never shows a secret or a stack \
trace."""
CLASSES = """\
## The errors

The command line prints the same two lines, and ends with exit code 1 (2 where the command was not understood, 130 \
after Ctrl-C)."""
STATUSES = """\
## Who answers what

405 comes from every known path for a method that it does not take, 404 from every unknown one."""
SOCKET = """\
A WebSocket that is refused is answered alike, before it is opened: 401 where a key is needed, 403 for a foreign \
origin or host, 400 for an `after` that is no number, 404 for another path, 409 where as many listen as may."""

_LINE = re.compile(r"^[\s│├└─]*(?P<name>[A-Z]\w+)\s+(?P<status>\d{3})[ ]*(?P<meaning>.*)$", re.MULTILINE)


def errors() -> str:
    """The page."""
    told = {match["name"]: match["meaning"] for match in _LINE.finditer(modelforge.errors.__doc__ or "")}
    rows = [
        (str(kind.status_code), f'`"{kind.error}"`', told.get(kind.__name__, ""), f"`{kind.__name__}`")
        for kind in kinds(ModelForgeError)
    ]
    rows.sort(key=lambda row: row[0])
    by_status: dict[str, list[str]] = {}
    for path, item in openapi()["paths"].items():
        for method, operation in item.items():
            for status in operation["responses"]:
                if not status.startswith("2") and status not in ("400", "401", "403", "500"):
                    by_status.setdefault(status, []).append(f"`{method.upper()} {path}`")
    who = [(status, ", ".join(routes)) for status, routes in sorted(by_status.items())]
    return page(
        "Errors",
        INTRO,
        fields_table("ErrorReply", "responses.md"),
        code(pretty(example_of("ErrorReply")), "json"),
        CLASSES,
        table(("status", "`error`", "when", "class in `modelforge.errors`"), rows),
        STATUSES,
        table(("status", "routes"), [("400, 403, 500", "all"), ("401", "all but `GET /api/health`"), *who]),
        SOCKET,
    )


def kinds(kind: type[ModelForgeError]) -> Iterator[type[ModelForgeError]]:
    """A class of errors that the API answers with, and those below it."""
    if kind.__module__ == modelforge.errors.__name__:
        yield kind
    for narrower in kind.__subclasses__():
        yield from kinds(narrower)
