"""``cli.md``: every command, its arguments and its options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from generator.markdown import literal, page, table
from modelforge.cli.app import app
from modelforge.contracts.training import TrainingConfig
from modelforge.settings import NO_FLAG, Settings

INTRO = """\
Every command speaks to the server that runs on the home folder; where none runs, it does the same work in its own \
process, with the same code. Output is for people; with `--json` it is JSON on stdout, and notes go to stderr. \
The exit code is 0, or 1 for an error, 2 for a command that was not understood, 130 after Ctrl-C."""
BY_FIELDS = (
    (TrainingConfig, "one per field of the [training configuration](training-config.md), such as `--lora-r`"),
    (Settings, "one per [setting](settings.md), such as `--max-upload-mb`"),
)
"""Classes whose fields a command takes as flags; those have a page of their own."""
TYPERS_OWN = ("install_completion", "show_completion")


def cli() -> str:
    """The page."""
    root = typer.main.get_command(app)
    commands = list(_commands(root, "modelforge"))
    index = [(f"[`{path}`](#{path.replace(' ', '-')})", _help(command)[0]) for path, command in commands]
    blocks = [INTRO, "## Before every command", _options(root.params), table(("command", "what it does"), index)]
    for path, command in commands:
        blocks += _section(path, command)
    return page("Command line", *blocks)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _help(command: Any) -> list[str]:
    """The paragraphs of a command's help."""
    return [" ".join(part.split()) for part in (command.help or "").split("\n\n")]


def _section(path: str, command: Any) -> Iterator[str]:
    yield f"## {path}"
    yield from _help(command)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    shown = " ".join(_argument_name(each) for each in arguments)
    yield f"`{' '.join(filter(None, (path, shown, '[OPTIONS]' if options else '')))}`"
    if arguments:
        yield table(("argument", "", "meaning"), [_argument(each) for each in arguments])
    for model, words in BY_FIELDS:
        if set(model.model_fields) - set(NO_FLAG) <= {each.name for each in options}:
            options = [each for each in options if each.name not in model.model_fields]
            yield f"Flags: {words}."
    if options:
        yield _options(options)


def _argument(argument: Any) -> tuple[str, str, str]:
    needed = "required" if argument.required else "may be left out"
    return f"`{_argument_name(argument)}`", needed, argument.help or ""


def _argument_name(argument: Any) -> str:
    name: str = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _options(options: list[Any]) -> str:
    rows = []
    for option in options:
        if option.param_type_name == "option" and option.name not in TYPERS_OWN:
            names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
            default = "" if option.default in (None, False) else literal(option.default)
            rows.append((names, default, option.help or ""))
    return table(("option", "default", "meaning"), rows)
