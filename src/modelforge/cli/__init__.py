"""The command line: thin commands over the REST contract."""

from modelforge.cli.app import main

__all__ = ["main"]
