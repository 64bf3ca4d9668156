"""``modelforge datasets show``, ``rows``, ``versions``, ``fix``, ``map``, ``edit`` and ``compare``: the rows, and what
becomes of them."""

from __future__ import annotations

import json as json_module
import shlex
from typing import Annotated, Any

import typer

from modelforge.cli.console import note, print_fields, print_json, print_table, say, show_command, size
from modelforge.cli.findings import UNMAPPED, print_next
from modelforge.cli.operations import result_of
from modelforge.cli.session import Dataset, Json, client_of, place_of, program_of
from modelforge.contracts.dataset import DatasetDetail
from modelforge.contracts.operation import Operation
from modelforge.contracts.version import (
    DatasetComparison,
    DatasetRevised,
    DatasetRows,
    DatasetVersions,
    FixOffers,
    SuggestedMappings,
)
from modelforge.errors import InvalidRequest

app = typer.Typer()

Version = Annotated[int | None, typer.Option(help="Which version; the newest when not given.", show_default=False)]
PageLimit = Annotated[int, typer.Option(help="At most so many.")]

_COLORS = {"error": "red", "warning": "yellow", "note": "dim"}
_CELL = 500
"""Characters of a value that are shown; ``--json`` has all."""
_BEFORE = 60
"""Characters that are shown before a difference."""


@app.command()
def show(ctx: typer.Context, filename: Dataset, version: Version = None, json: Json = False) -> None:
    """Show what a dataset holds, and what was found in it."""
    with client_of(ctx) as client:
        detail = client.get(place_of(filename), DatasetDetail, version=version)
    if json:
        print_json(detail)
        return
    print_fields(
        {
            "Dataset": detail.filename,
            "Version": detail.version,
            "Rows": detail.validation.num_rows,
            "Usable": detail.num_examples if detail.shape is not None else UNMAPPED,
            "Fields": detail.shape,
            "Valid": detail.valid,
            "Size": size(detail.size_mb),
            "Made": detail.uploaded_at,
            "File": detail.path,
        }
    )
    for finding in detail.validation.findings:
        note(f"{finding.severity}: {finding.message} ({_rows(finding.count)})", _COLORS[finding.severity])
    if not detail.validation.findings:
        for problem in detail.validation.errors:
            note(problem, "yellow")


@app.command()
def versions(ctx: typer.Context, filename: Dataset, json: Json = False) -> None:
    """List the versions of a dataset, oldest first."""
    with client_of(ctx) as client:
        found = client.get(f"{place_of(filename)}/versions", DatasetVersions)
    if json:
        print_json(found)
        return
    print_table(
        ["Version", "Of", "Made by", "What", "Examples", "Size", "Made"],
        [
            (
                each.version,
                each.parent,
                each.change and each.change.how,
                each.change and each.change.summary,
                each.num_examples,
                size(each.size_mb),
                each.uploaded_at,
            )
            for each in found.versions
        ],
        numbers=["Version", "Of", "Examples", "Size"],
    )


@app.command()
def rows(
    ctx: typer.Context,
    filename: Dataset,
    version: Version = None,
    search: Annotated[
        str | None, typer.Option(help="Only rows in which this stands, whatever the capitals.", show_default=False)
    ] = None,
    offset: Annotated[int, typer.Option(help="Begin after the row of this number.")] = 0,
    limit: PageLimit = 10,
    json: Json = False,
) -> None:
    """Show rows of a dataset, by their numbers."""
    query = {"version": version, "search": search, "offset": offset, "limit": limit}
    with client_of(ctx) as client:
        found = client.get(f"{place_of(filename)}/rows", DatasetRows, **query)
    if json:
        print_json(found)
        return
    for at, record in enumerate(found.rows):
        if at:
            say("")
        say(f"Row {record.row}", "bold")
        print_fields({name: _cell(value) for name, value in (record.value or {"": record.text}).items()})
        for problem in record.problems:
            note(problem, "yellow")
    if found.next_offset is not None:
        what = f"Searched up to row {found.searched_to} of {found.last_row}. " if search else ""
        note(f"{what}Go on with --offset {found.next_offset}", "dim")
    elif not found.rows:
        say("Nothing found." if search else "There are no rows after that.")


@app.command()
def fix(
    ctx: typer.Context,
    filename: Dataset,
    fixes: Annotated[
        list[str] | None,
        typer.Argument(help="The fixes to apply, in any order. Without any they are listed, and nothing is changed."),
    ] = None,
    version: Version = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would change.")] = False,
    json: Json = False,
) -> None:
    """Mend a dataset in a new version, or list the fixes."""
    with client_of(ctx) as client:
        if not fixes:
            offers = client.get(f"{place_of(filename)}/fixes", FixOffers, version=version)
            if json:
                print_json(offers)
                return
            _print_offers(offers, f"{program_of(ctx)} datasets", shlex.quote(filename))
            return
        body = {"version": version, "fixes": fixes, "dry_run": dry_run}
        begun = client.post(f"{place_of(filename)}/fixes", Operation, body)
        revised = result_of(client, begun, DatasetRevised)
    _print_revised(revised, program_of(ctx), json=json, dry_run=dry_run)


@app.command("map")
def map_(
    ctx: typer.Context,
    filename: Dataset,
    apply: Annotated[
        int | None, typer.Option(help="Apply the suggestion of this number.", min=1, show_default=False)
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="What the rows are to be, with --field for each field.", show_default=False)
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(help="A field, and the column for it in braces: --field 'input={question}'.", show_default=False),
    ] = None,
    version: Version = None,
    json: Json = False,
) -> None:
    """Map a table's columns to the fields of a known shape in a new version, or suggest how."""
    with client_of(ctx) as client:
        path = f"{place_of(filename)}/mapping"
        mapping: dict[str, Any]
        if shape is not None:
            mapping = {"shape": shape, "fields": dict(map(_pair, field or []))}
        else:
            if field:
                raise InvalidRequest("--field needs --shape: say what the rows are to be")
            found = client.get(path, SuggestedMappings, version=version)
            if apply is None:
                _print_suggestions(found, f"{program_of(ctx)} datasets map {shlex.quote(filename)}", json=json)
                return
            if apply > len(found.suggestions):
                raise InvalidRequest(f"there are {len(found.suggestions)} suggestions, and none has the number {apply}")
            mapping = found.suggestions[apply - 1].mapping.model_dump()
        begun = client.post(path, Operation, {"version": version, **mapping})
        revised = result_of(client, begun, DatasetRevised)
    _print_revised(revised, program_of(ctx), json=json)


@app.command()
def edit(
    ctx: typer.Context,
    filename: Dataset,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A row's number and what it is to be: --set '7={…}'.", show_default=False),
    ] = None,
    delete: Annotated[list[int] | None, typer.Option(help="The number of a row to remove.", show_default=False)] = None,
    append: Annotated[list[str] | None, typer.Option(help="A row to add, in JSON.", show_default=False)] = None,
    version: Annotated[
        int | None,
        typer.Option(help="The version that was looked at: refused where there is a newer one.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Change, remove and add rows, all in one new version."""
    edits = [{"row": _number(row), "value": _row(text)} for row, text in map(_pair, set_ or [])]
    appends = [_row(text) for text in append or []]
    with client_of(ctx) as client:
        if version is None:
            version = client.get(place_of(filename), DatasetDetail).version
        body = {"version": version, "edits": edits, "deletes": delete or [], "appends": appends}
        begun = client.post(f"{place_of(filename)}/edits", Operation, body)
        revised = result_of(client, begun, DatasetRevised)
    _print_revised(revised, program_of(ctx), json=json)


@app.command()
def compare(
    ctx: typer.Context,
    filename: Dataset,
    first: Annotated[int, typer.Argument(metavar="FROM", help="A version.")],
    second: Annotated[int, typer.Argument(metavar="TO", help="Another version.")],
    offset: Annotated[int, typer.Option(help="Leave out so many differences.")] = 0,
    limit: PageLimit = 10,
    json: Json = False,
) -> None:
    """Show what is different between two versions of a dataset."""
    query = {"from": first, "to": second, "offset": offset, "limit": limit}
    with client_of(ctx) as client:
        found = client.get(f"{place_of(filename)}/comparison", DatasetComparison, **query)
    if json:
        print_json(found)
        return
    say(f"{found.same} the same, {found.changed} changed, {found.added} added, {found.removed} removed.")
    for each in found.differences:
        say("")
        say(f"{each.kind.capitalize()}: row {each.from_row if each.to_row is None else each.to_row}", "bold")
        _print_change(each.before, each.after)
    left = found.total - offset - len(found.differences)
    if left > 0:
        note(f"{left} more. Go on with --offset {offset + len(found.differences)}", "dim")


def _print_revised(revised: DatasetRevised, program: str, *, json: bool, dry_run: bool = False) -> None:
    if json:
        print_json(revised)
        return
    if dry_run:
        say(f"Would be: {revised.summary}; {revised.num_examples} usable examples.")
    elif revised.made:
        say(f"Made version {revised.version} of {revised.filename}: {revised.summary}.")
        say(f"{revised.num_examples} usable examples.")
    else:
        say(f"Nothing to change: {revised.filename} stays at version {revised.version}.")
    for step in revised.steps:
        if step.spared:
            note(f"{step.name} left {_rows(step.spared)} as they were: nothing could be learnt from them after it.")
    for each in revised.examples if dry_run else []:
        say("")
        say(f"Row {each.row}", "bold")
        _print_change(each.before, each.after)
    if dry_run and revised.steps:
        say("")
        say("Nothing was changed. The same without --dry-run makes a new version; this one stays.")
    elif revised.made:
        print_next(revised.filename, revised.validation, program)


def _print_change(before: dict[str, Any] | str | None, after: dict[str, Any] | str | None) -> None:
    """What is different, field by field."""
    one, other = _fields(before), _fields(after)
    for name in {**one, **other}:
        # 1 and True are equal to Python, and not to JSON.
        if repr(one.get(name)) != repr(other.get(name)):
            was, is_ = _beside(one.get(name), other.get(name))
            print_fields([(f"- {name}", was), (f"+ {name}", is_)])


def _print_offers(offers: FixOffers, command: str, name: str) -> None:
    print_table(
        ["Fix", "What it does", "Rows"],
        [(each.name, each.title, "?" if each.rows is None else each.rows) for each in offers.fixes],
        numbers=["Rows"],
    )
    say("")
    if any(each.rows is None for each in offers.fixes):
        show_command("To count rows that are alike, too:", f"{command} check {name} --near-duplicates all")
    wanted = [each.name for each in offers.fixes if each.rows]
    if wanted:
        show_command("To see what would change:", f"{command} fix {name} {' '.join(wanted)} --dry-run")
        say("The same without --dry-run makes a new version; this one stays.")


def _print_suggestions(found: SuggestedMappings, command: str, *, json: bool) -> None:
    if json:
        print_json(found)
        return
    print_table(
        ["Column", "Holds", "Filled", "Example"],
        [(each.name, each.kind, f"{100 * each.filled:.0f} %", each.example) for each in found.columns],
        numbers=["Filled"],
    )
    for number, each in enumerate(found.suggestions, 1):
        say("")
        say(f"{number}. {each.mapping.shape}: {each.reason}", "bold")
        print_fields(each.mapping.fields)
        note(f"{each.usable} of the first {each.looked_at} rows would be usable.", "dim")
    say("")
    how = "Say which column holds what, field by field:"
    if found.suggestions:
        show_command("Apply one by its number:", f"{command} --apply 1")
        how = "Or say it yourself, field by field:"
    show_command(how, f"{command} --shape input_output --field 'input={{COLUMN}}' --field 'output={{COLUMN}}'")


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json_module.dumps(value, ensure_ascii=False)


def _cell(value: object) -> str:
    text = _text(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _fields(value: dict[str, Any] | str | None) -> dict[str, Any]:
    return value if isinstance(value, dict) else {} if value is None else {"": value}


def _beside(one: object, other: object) -> tuple[str | None, str | None]:
    """Two values as texts, shortened to where they begin to differ; None for what is not there."""
    if one is None or other is None:
        return None if one is None else _cell(one), None if other is None else _cell(other)
    was, now = _text(one), _text(other)
    if was == now:  # a number, and the same in quotes
        was, now = json_module.dumps(one), json_module.dumps(other)
    if max(len(was), len(now)) <= _CELL:
        return was, now
    same = next((at for at, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
    start = max(0, same - _BEFORE)
    mark = "…" if start else ""
    return _cell(mark + was[start:]), _cell(mark + now[start:])


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidRequest(f"'{text}' lacks a '=' between what is set and what it is to be")
    return name.strip(), value


def _number(text: str) -> int:
    if not text.isdecimal():
        raise InvalidRequest(f"'{text}' is no row's number")
    return int(text)


def _row(text: str) -> dict[str, Any]:
    try:
        row = json_module.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"the row is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise InvalidRequest('a row is a JSON object: {"input": "…", "output": "…"}')
    return row
