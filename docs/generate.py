"""Writes the reference pages from the code.

::

    python docs/generate.py            write docs/reference/ and docs/data-problems.md
    python docs/generate.py --check    write nothing; exit code 1 and the differences where a page is stale
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable
from pathlib import Path

from generator.cli import cli
from generator.data_problems import data_problems
from generator.errors import errors
from generator.responses import responses
from generator.rest import rest
from generator.settings import settings
from generator.training_config import training_config
from generator.websocket import websocket

REFERENCE = Path(__file__).parent / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "rest-api.md": rest,
    "websocket.md": websocket,
    "training-config.md": training_config,
    "responses.md": responses,
    "errors.md": errors,
    "settings.md": settings,
    "cli.md": cli,
    "../data-problems.md": data_problems,
}
SHOWN = 40
"""Lines of a difference that are printed."""


def stale(folder: Path = REFERENCE) -> dict[str, str]:
    """Pages that are not what the code says, pages that nothing makes included, each with its difference."""
    found = {}
    made = {name: make() for name, make in PAGES.items()}
    for name in sorted({*made, *(path.name for path in folder.glob("*.md"))}):
        path = folder / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        wanted = made.get(name, "")
        if there != wanted:
            lines = difflib.unified_diff(
                there.splitlines(), wanted.splitlines(), f"{name} now", f"{name} made", lineterm=""
            )
            found[name] = "\n".join(list(lines)[:SHOWN])
    return found


def write(folder: Path = REFERENCE) -> None:
    """Make all pages anew, and remove what is none."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in PAGES:
            path.unlink()
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the reference pages from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a page is stale")
    if not parser.parse_args().check:
        write()
        return 0
    found = stale()
    for difference in found.values():
        print(difference)
    if found:
        print(f"\nStale: {', '.join(found)}. Run `make docs` and commit what it writes.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
