"""A worker's attendant: starts it, waits, writes down how it ended. The standard library only.

A process learns the exit of its children alone, so a restarted server could never tell how a worker ended that an
earlier server started. The attendant outlives the server and can: ``process.json`` says who runs, ``exit.json`` how
it ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from modelforge import reserve
from modelforge.environments import foreign_environment
from modelforge.files import write_atomic
from modelforge.processes import ended_for_memory, lower_priority, signal_name, start_identity


def main(run_dir: Path, attempt: int, python: str) -> None:
    """Run the worker of the run folder to its end under the interpreter ``python``, its output appended to the run's
    log."""
    argv = [python, "-m", "modelforge.worker", run_dir.name]
    environment = dict(os.environ) if python == sys.executable else foreign_environment(dict(os.environ))
    reserve.keep(run_dir)
    before = ended_for_memory()
    with (run_dir / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_first
        )
    record = {
        "attempt": attempt,
        "pid": worker.pid,
        "identity": start_identity(worker.pid),
        "attendant_pid": os.getpid(),
        "attendant_identity": start_identity(os.getpid()),
    }
    write_atomic(run_dir / "process.json", json.dumps(record))
    code = worker.wait()
    after = ended_for_memory()
    ended = {
        "attempt": attempt,
        "code": code if code >= 0 else None,
        "signal": signal_name(-code) if code < 0 else None,
        "out_of_memory": code == -_KILL and before is not None and after is not None and after > before,
    }
    reserve.release(run_dir)
    write_atomic(run_dir / "exit.json", json.dumps(ended))


_KILL = 9
"""SIGKILL, which Windows has no name for."""
_first = None if sys.platform == "win32" else lower_priority

if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
