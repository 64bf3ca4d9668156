"""Workers as processes of this machine, each in a session of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from modelforge import processes
from modelforge.environments import find_environment
from modelforge.files import read_json_or_none
from modelforge.jobs.runners.base import Exit, Handle, worker_environment
from modelforge.providers import PROVIDERS

ENDING_SECONDS = 2.0
"""What an attendant gets to end by itself."""
TOKEN = "MODELFORGE_RUN_TOKEN"
"""The variable of the environment that a worker and what descends from it carry."""
ATTENDANT, WORKER = "attendant_", ""
"""How the fields of ``process.json`` begin that are about one of them."""


class LocalRunner:
    """Starts ``python -m modelforge.worker <job_id>`` under an attendant."""

    name: ClassVar[str] = "local"

    def start(self, run_dir: Path, home: Path, token: str, attempt: int) -> Handle:
        python = interpreter_of(run_dir, home)
        argv = [sys.executable, "-m", "modelforge.jobs.runners.attend", str(run_dir), str(attempt), python]
        environment = worker_environment(os.environ, home, token, attempt)
        with (run_dir / "worker.log").open("ab") as log:
            attendant = processes.spawn(argv, environment, stderr=log)
        return LocalHandle(run_dir, token, attempt, attendant)

    def find(self, run_dir: Path, token: str, attempt: int) -> Handle:
        return LocalHandle(run_dir, token, attempt, None)


def interpreter_of(run_dir: Path, home: Path) -> str:
    """The Python that the run's provider wants for its worker. Raises InvalidRequest where that is not installed."""
    spec = read_json_or_none(run_dir / "spec.json") or {}
    environment = PROVIDERS.get(spec["config"]["provider"]).environment if spec else None
    return str(find_environment(home, environment).interpreter()) if environment else sys.executable


class LocalHandle:
    """A worker and its attendant, known by pid, start and run token together: a stranger who got the pid is neither
    taken for it nor harmed."""

    def __init__(self, run_dir: Path, token: str, attempt: int, attendant: subprocess.Popen[bytes] | None) -> None:
        self._run_dir = run_dir
        self._token = token
        self._attempt = attempt
        self._attendant = attendant

    @property
    def pid(self) -> int | None:
        return self._alive(WORKER)

    def poll(self) -> Exit | None:
        ended = self._exit()
        if ended is not None:
            if self._attendant is not None:
                self._attendant.poll()  # no zombie
            return ended
        if self._attendant is not None and self._attendant.poll() is None:
            return None
        if self._living():
            return None
        # The attendant may have written it between the two looks.
        return self._exit() or self._attendants_end()

    def ask_for_stack(self) -> None:
        if (pid := self._alive(WORKER)) is not None:
            processes.ask_for_stack(pid, self._record("process.json")["identity"])

    def kill(self) -> None:
        for pid in self._living():
            processes.kill_tree(pid)
        if self._attendant is not None and self._attendant.poll() is None:
            processes.kill_tree(self._attendant.pid)
            self._attendant.wait()
        self.sweep()

    def sweep(self) -> None:
        if self._attendant is not None:
            # It ends by itself once it has written down how the worker did.
            with suppress(subprocess.TimeoutExpired):
                self._attendant.wait(ENDING_SECONDS)
        processes.kill_by_environment("MODELFORGE_RUN_TOKEN", self._token)

    def _exit(self) -> Exit | None:
        ended = self._record("exit.json")
        code, signal = ended.get("code"), ended.get("signal")
        if not isinstance(code, int) and not isinstance(signal, str):
            return None
        return Exit(code, signal, ended.get("out_of_memory") is True)

    def _attendants_end(self) -> Exit:
        """Worker and attendant went together, as when the whole group is killed: one's end is the other's."""
        code = self._attendant.poll() if self._attendant is not None else None
        if code is not None and code < 0:
            return Exit(signal=processes.signal_name(-code))
        return Exit(code=code or None)

    def _living(self) -> list[int]:
        """The pids of attendant and worker as far as they are alive and are who they should be.

        Before nobody is said to be there, every process is asked for the token: the record may be missing, or name a
        stranger, and a second worker over the same run would spoil it.
        """
        living = [pid for pid in (self._alive(ATTENDANT), self._alive(WORKER)) if pid is not None]
        return living or processes.find_by_environment(TOKEN, self._token)

    def _alive(self, who: str) -> int | None:
        """The pid that ``process.json`` has of one of them, if it is alive and who it should be."""
        record = self._record("process.json")
        pid, identity = record.get(f"{who}pid"), record.get(f"{who}identity")
        if not isinstance(pid, int) or not isinstance(identity, str):
            return None
        ours = processes.is_running(pid, identity) and processes.carries(pid, TOKEN, self._token)
        return pid if ours else None

    def _record(self, name: str) -> dict[str, Any]:
        """What was written down of this attempt; nothing where the file is missing, not whole, or another's."""
        record = read_json_or_none(self._run_dir / name)
        return record if isinstance(record, dict) and record.get("attempt") == self._attempt else {}
