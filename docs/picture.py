"""Turn a command's coloured output into a picture for the README.

FORCE_COLOR=1 COLUMNS=100 .venv/bin/modelforge demo | .venv/bin/python docs/picture.py docs/images/demo.svg
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 100
_MOVES = re.compile(r"(\n|\r|\x1b\[\d*A|\x1b\[2K|\x1b\[\?25[hl])")


def last_screen(output: str) -> list[str]:
    """The lines that stand at the end, after everything that was drawn over (progress bars, spinners)."""
    lines, row = [""], 0
    for piece in _MOVES.split(output):
        if piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece in ("\r", "\x1b[2K"):
            lines[row] = ""
        elif piece.endswith("A") and piece.startswith("\x1b["):
            row = max(0, row - int(piece[2:-1] or 1))
        elif not piece.startswith("\x1b[?"):
            lines[row] += piece
    return lines


def main(target: Path, title: str) -> None:
    """Write what stands on stdin to an SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in last_screen(sys.stdin.buffer.read().decode().replace("\r\n", "\n")):
        console.print(Text.from_ansi(line), soft_wrap=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(console.export_svg(title=title, theme=MONOKAI), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "modelforge demo")
