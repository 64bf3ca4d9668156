"""A process of its own for work on data, seen from the one that asks: its crash is one failed answer.

What it says is written by ``reply``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from modelforge.datasets.reply import REFUSALS
from modelforge.datasets.stages import Progress, untold
from modelforge.errors import Fault
from modelforge.processes import signal_name

_LINE_BYTES = 1 << 26
"""Of the longest line that a child may say."""


async def ask(
    module: str,
    arguments: Sequence[str],
    progress: Progress = untold,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """What ``python -m modelforge.<module> <arguments>`` gives as its result. A cancelled call ends it at once.
    ``environment`` of None is this process's.

    Raises the ModelForgeError that the process was refused with, Fault when it broke.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Without the working directory on its path: a json.py that lies there is not ours.
        "-P",
        "-m",
        f"modelforge.{module}",
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    assert process.stdout is not None and process.stderr is not None
    complaints = asyncio.create_task(process.stderr.read())
    try:
        answer: dict[str, Any] = {}
        async for line in process.stdout:
            answer = _message(line)
            if "progress" in answer:
                progress(answer["progress"], answer["message"])
        await process.wait()
        complained = await complaints
    finally:
        complaints.cancel()
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    if "result" in answer:
        return answer["result"]
    if "refused" in answer:
        raise REFUSALS[answer["refused"]["kind"]](answer["refused"]["detail"])
    raise _broken(complained, process.returncode)


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _broken(complained: bytes, status: int | None) -> Fault:
    end = f"by {signal_name(-status)}" if status is not None and status < 0 else f"with exit code {status}"
    last = complained.decode(errors="replace").strip().rpartition("\n")[2][:300]
    return Fault(
        f"the process that reads datasets ended {end}{f' ({last})' if last else ''}. Try again; where memory is short, "
        "close other programs"
    )
