"""Running the program as its users do: as a process, on a home folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.live import jsonl, rows

PROGRAM = (sys.executable, "-m", "modelforge")


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "MODELFORGE_HOME": str(home), "COLUMNS": "100", "HF_HUB_OFFLINE": "1", **more}


def modelforge(
    *words: str, home: Path, cwd: Path | None = None, stdin: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words],
        env=environment(home, **more),
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def document(*words: str, home: Path, cwd: Path | None = None) -> Any:
    """What a command with ``--json`` says: one document, and a good end."""
    done = modelforge(*words, "--json", home=home, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    [found] = documents(done.stdout)
    return found


def write_rows(path: Path, count: int = 12) -> Path:
    path.write_bytes(jsonl(rows(count)))
    return path
