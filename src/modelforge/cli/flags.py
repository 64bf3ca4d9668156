"""Flags made from the fields of a contract type: their names, types and help are never written by hand."""

from __future__ import annotations

import contextlib
import inspect
import json
import types
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

F = TypeVar("F", bound=Callable[..., Any])


def flag_of(field_name: str) -> str:
    """``--lora-r`` for ``lora_r``."""
    return "--" + field_name.replace("_", "-")


def with_flags(
    model: type[BaseModel], *, skip: Collection[str] = (), panels: Mapping[str, str] | None = None
) -> Callable[[F], F]:
    """Give a command one flag per field of ``model``, in the place of its ``**flags``; a flag not given is None.

    ``panels`` maps a field's name to the title of the help panel that starts with it and goes on to the next one.
    """

    def decorate(command: F) -> F:
        own = inspect.signature(command, eval_str=True)
        parameters = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        panel = None
        for name, field in model.model_fields.items():
            panel = (panels or {}).get(name, panel)
            if name not in skip:
                parameters.append(_parameter(name, field, panel))
        command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def given(model: type[BaseModel], flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that were given, as values of the model's fields; a list is written ``q_proj,v_proj``, and one of
    objects as a flag for each, ``dataset=more.jsonl,weight=0.5``."""
    values = {name: value for name, value in flags.items() if value is not None}
    for name, value in values.items():
        items = _items(model.model_fields[name].annotation)
        if _is_model(items):
            values[name] = [_object(items, flag_of(name), text) for text in value]
        if items is None or not isinstance(value, str):
            continue
        parts = value.split(",")
        if items is float:
            with contextlib.suppress(ValueError):  # the API says what is wrong with it
                values[name] = [float(part) for part in parts]
        # Names of layers make a list; anything else (all-linear, a regular expression) stays one text.
        elif all(part.isidentifier() for part in parts):
            values[name] = parts
    return values


def _object(model: type[BaseModel], flag: str, text: str) -> dict[str, Any]:
    """``dataset=more.jsonl,weight=0.5`` as values of the model's fields. Raises typer.BadParameter."""
    values: dict[str, Any] = {}
    for part in text.split(","):
        name, sign, value = part.partition("=")
        if sign and name not in model.model_fields:
            raise typer.BadParameter(
                f"there is no field '{name}' in '{text}'; its fields are {', '.join(model.model_fields)}",
                param_hint=flag,
            )
        if not sign and not values:
            raise typer.BadParameter(f"'{text}' is not written as {_example(model)}", param_hint=flag)
        if not sign:  # a comma in the value before
            name = next(reversed(values))
            value = f"{values[name]},{part}"
        values[name] = value
    return {name: _number(model.model_fields[name], value) for name, value in values.items()}


def _number(field: FieldInfo, text: str) -> Any:
    """The text as the field's number, where it takes one; the API says what is wrong with other texts."""
    for kind in (int, float):
        if kind in _members(field.annotation):
            with contextlib.suppress(ValueError):
                return kind(text)
    return text


def _example(model: type[BaseModel]) -> str:
    return ",".join(f"{name}={name.upper()}" for name in model.model_fields)


def _is_model(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, BaseModel)


def _parameter(name: str, field: FieldInfo, panel: str | None) -> inspect.Parameter:
    plain = _plain(field.annotation)
    flag = flag_of(name)
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if plain is bool else flag,
        help=_help(field, plain),
        rich_help_panel=panel,
        show_default=False,  # the flag's own is None, not given; the field's stands in the help
        metavar=_metavar(field, plain),
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[plain | None, option]
    )


def _help(field: FieldInfo, plain: Any) -> str:
    parts = [" ".join((field.description or "").split())]
    choices = _choices(field.annotation)
    if choices:
        parts.append(f"{'One' if get_origin(plain) is Literal else 'Any'} of {', '.join(choices)}.")
    default = None if field.is_required() else field.get_default()
    if default not in (None, "", PydanticUndefined):
        parts.append(f"Default: {default if isinstance(default, str) else json.dumps(default)}.")
    return " ".join(parts)


def _metavar(field: FieldInfo, plain: Any) -> str | None:
    items = _items(field.annotation)
    if _is_model(items):
        return _example(items)
    if items is not None:
        return "NUMBER,NUMBER…" if items is float else "NAME,NAME…"
    return "CHOICE" if get_origin(plain) is Literal else None


def _members(annotation: Any) -> list[Any]:
    """The types of a union, None left out; of anything else the type itself."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part) if member is not types.NoneType]
    return [annotation]


def _items(annotation: Any) -> Any:
    """What a list in a field holds: ``float`` for numbers, a model for objects, else ``str`` for names; None for a
    field without lists."""
    lists = [member for member in _members(annotation) if get_origin(member) is list]
    if not lists:
        return None
    inner = _members(get_args(lists[0])[0])
    return inner[0] if inner == [float] or _is_model(inner[0]) else str


def _choices(annotation: Any) -> tuple[str, ...]:
    """The values that a field takes, or the items of a list in it, where they are a choice."""
    for member in _members(annotation):
        items = _members(get_args(member)[0]) if get_origin(member) is list else [member]
        for item in items:
            if get_origin(item) is Literal:
                return get_args(item)
    return ()


def _plain(annotation: Any) -> Any:
    """The type that a flag's text is read as: a scalar or a choice; what is more than that is read as text, and a list
    of objects as several."""
    members = _members(annotation)
    if _is_model(_items(annotation)):
        return list[str]
    if len(members) == 1 and (members[0] in (bool, int, float, str, Path) or get_origin(members[0]) is Literal):
        return members[0]
    return str
