"""The program ``modelforge``: its commands, and the one place where an error becomes two lines and an exit code."""

from __future__ import annotations

import io
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from modelforge import __version__
from modelforge.cli import clean, datasets, demo, doctor, generate, jobs, keys, models, providers, serve, train
from modelforge.cli.console import print_error, print_failure
from modelforge.cli.help import Grouped
from modelforge.errors import ModelForgeError

NARROW = 64
"""Columns below which help is set plainly: in a table's column the flags' names would be cut."""

app = typer.Typer(
    name="modelforge",
    help="Fine-tune language models on your own machine, without code. Begin with 'modelforge demo'.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if shutil.get_terminal_size().columns >= NARROW else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"modelforge {__version__}\n")
        raise typer.Exit


@app.callback()
def _before(
    home: Annotated[
        Path | None,
        typer.Option(help="The folder of the database, datasets, runs and models; else MODELFORGE_HOME names it."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Words before the command; session.settings_of reads the home folder from here."""


app.command()(demo.demo)
app.command(cls=Grouped)(serve.serve)
app.command(cls=Grouped)(train.train)
app.command()(generate.generate)
app.command()(doctor.doctor)
app.command()(clean.clean)
app.add_typer(datasets.app, name="datasets")
app.add_typer(models.app, name="models")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(providers.app, name="providers")


def main() -> None:
    """Run the command that the process was started with, and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows '?', and the run goes on
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A polite end from outside is treated as Ctrl-C: a training run stops and saves."""
    raise KeyboardInterrupt


def run(arguments: list[str]) -> int:
    """The exit code: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    as_json = "--json" in arguments
    try:
        return app(arguments, prog_name="modelforge", standalone_mode=False) or 0
    except ModelForgeError as error:
        print_failure(error, as_json=as_json)
        return 1
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help, where it was not printed already
            sys.stderr.write(error.format_message() + "\n")
            return 2
        print_error("Wrong usage", _usage(error), 400, as_json=as_json)
        return getattr(error, "exit_code", 1)
    except (Abort, KeyboardInterrupt):
        sys.stderr.write("\n")
        return 130
    except OSError as error:  # what the system refuses this command: a full disk, a file that may not be read
        where = f" ({error.filename})" if error.filename else ""
        print_error("System error", f"{error.strerror or error}{where}", 500, as_json=False)
        return 1
    except Exception as error:  # noqa: BLE001 - the process's edge
        print_error("Internal error", _keep_trace(error), 500, as_json=as_json)
        return 1


def _keep_trace(error: Exception) -> str:
    """What to tell of an error that nobody foresaw; its trace goes to a file."""
    with tempfile.NamedTemporaryFile("w", prefix="modelforge-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.writelines(traceback.format_exception(error))
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}. This is a fault in ModelForge; please report it with {file.name}"


def _usage(error: TyperException) -> str:
    ctx = getattr(error, "ctx", None)
    command = ctx.command_path if ctx is not None else "modelforge"
    message = error.format_message()
    return f"{message}{'' if message.endswith(('.', '?')) else '.'} See '{command} --help'."
