"""The help of commands with many flags: in the same groups on every terminal, and no flag's name cut."""

from __future__ import annotations

import shutil
from typing import Any

from typer.core import TyperCommand

WIDE = 108
"""Columns from which on Typer's panels have room for the longest flag and its ``--no-…`` beside its help; below, it
cuts the names, and nobody can type what they read."""
OTHERS = "Options"


class Grouped(TyperCommand):
    """A command whose flags stand in panels on a wide terminal, and under the panels' titles on any other."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Typer's own, without its tables where those would cut."""
        mode = self.rich_markup_mode
        if shutil.get_terminal_size().columns < WIDE:
            self.rich_markup_mode = None
        try:
            super().format_help(ctx, formatter)
        finally:
            self.rich_markup_mode = mode

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then each group under its title, in the order of their first flags."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                argument = param.param_type_name == "argument"
                title = "Arguments" if argument else getattr(param, "rich_help_panel", None) or OTHERS
                groups.setdefault(title, []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)
