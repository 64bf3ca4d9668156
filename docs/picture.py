"""Turn a command's coloured output into a picture for the README.

FORCE_COLOR=1 COLUMNS=100 .venv/bin/modelforge demo | .venv/bin/python docs/picture.py docs/images/demo.svg
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 100


def main(target: Path, title: str) -> None:
    """Write what stands on stdin to an SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in sys.stdin.read().splitlines():
        console.print(Text.from_ansi(line), soft_wrap=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(console.export_svg(title=title, theme=MONOKAI), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "modelforge demo")
