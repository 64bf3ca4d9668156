"""What differs between operating systems about processes: identity, sessions, killing a whole tree.

The standard library alone is imported at module level, because the attendant of a worker must start in milliseconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from modelforge.files import read_text_or_none

KILL_ROUNDS = 100
"""One that cannot be killed (the kernel holds it) is left after so many."""
STACK_SIGNAL: int | None = getattr(signal, "SIGUSR1", None)
"""Asks a worker to write where it is; Windows has none."""


def start_identity(pid: int) -> str | None:
    """What tells this process from another that gets the same pid later; None when there is no such process.

    On Linux the boot's id and the start in clock ticks since boot, which no change of the wall clock moves
    (``proc(5)``); elsewhere the creation time that psutil reports.
    """
    if sys.platform == "linux":
        stat = read_text_or_none(Path(f"/proc/{pid}/stat"))
        boot = read_text_or_none(Path("/proc/sys/kernel/random/boot_id"))
        if stat is None or boot is None:
            return None
        # The command's name, in brackets, may hold spaces and brackets itself: count from the last one.
        fields = stat[stat.rindex(")") + 2 :].split()
        return None if fields[0] in "ZX" else f"{boot.strip()}:{fields[19]}"
    import psutil  # noqa: PLC0415 - not in the attendant's way on Linux

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def limit_memory(more: int) -> None:
    """Let this process have so many bytes of address space more than it has, and no more than that; a child of its own
    has as much in all. Only Linux keeps to such a limit."""
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - Windows has none

        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        with suppress(ValueError, OSError):  # one that is lower is set already
            resource.setrlimit(resource.RLIMIT_AS, (held + more, held + more))


def memory_held(pid: int) -> int:
    """Bytes of main memory that a process holds; 0 for one that is gone."""
    import psutil  # noqa: PLC0415

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def is_running(pid: int, identity: str | None) -> bool:
    """Whether the very process that had this identity still runs; one that had none was dead when it was looked at."""
    return identity is not None and start_identity(pid) == identity


def carries(pid: int, name: str, value: str) -> bool:
    """Whether the process was started with ``name=value`` in its environment."""
    import psutil  # noqa: PLC0415

    try:
        return psutil.Process(pid).environ().get(name) == value
    except (psutil.Error, OSError):
        # Gone, or somebody else's: the environment of one's own processes can be read.
        return False


def find_by_environment(name: str, value: str) -> list[int]:
    """The pids of all processes of ours that were started with ``name=value``; looks at every process, so rarely."""
    import psutil  # noqa: PLC0415

    return [process.pid for process in psutil.process_iter() if carries(process.pid, name, value)]


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    own_session: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a child; in a session of its own it outlives the terminal and the server that started it."""
    flags = 0
    if sys.platform == "win32" and own_session:
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
    return subprocess.Popen(
        list(argv),
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        close_fds=True,
        start_new_session=own_session and sys.platform != "win32",
        creationflags=flags,
    )


def ask_for_stack(pid: int, identity: str | None) -> None:
    """Have the very process that had this identity write where each of its threads is, if it listens for that."""
    if STACK_SIGNAL is None:
        return
    with suppress(OSError):
        if sys.platform != "linux":
            if is_running(pid, identity):
                os.kill(pid, STACK_SIGNAL)
            return
        handle = os.pidfd_open(pid)  # this process, whoever gets its number after it
        try:
            # One that does not listen yet would be ended by the signal.
            if is_running(pid, identity) and _listens(pid, STACK_SIGNAL):
                signal.pidfd_send_signal(handle, STACK_SIGNAL)
        finally:
            os.close(handle)


def _listens(pid: int, number: int) -> bool:
    status = read_text_or_none(Path(f"/proc/{pid}/status")) or ""
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def kill_tree(pid: int) -> None:
    """Kill a process and all that descend from it. The caller has checked its identity."""
    import psutil  # noqa: PLC0415

    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [*root.children(recursive=True), root]:
            with suppress(psutil.Error):
                process.kill()


def kill_by_environment(name: str, value: str) -> None:
    """Kill every process of ours that was started with ``name=value``, wherever it hangs in the tree: one whose parent
    ended, and one that made a session of its own, are found too. Returns when none is left."""
    for _ in range(KILL_ROUNDS):  # a process may have had a child between the look and its end
        found = [pid for pid in find_by_environment(name, value) if pid != os.getpid()]
        if not found:
            return
        for pid in found:
            kill_tree(pid)
        time.sleep(0.01)


def ended_for_memory(root: Path = Path("/")) -> int | None:
    """How many processes Linux has ended because memory ran out, in this process's group of them as far as that is
    counted apart, else on the whole machine. None where nobody counts.

    Version 2 of cgroups counts in ``memory.events``, version 1 in ``memory.oom_control``. Within a container the
    group's folder is often the mount itself, whatever ``/proc/self/cgroup`` calls it.
    """
    groups = [line.split(":", 2) for line in (read_text_or_none(root / "proc/self/cgroup") or "").splitlines()]
    mount = root / "sys/fs/cgroup"
    files = [mount / path.lstrip("/") / "memory.events" for _, controllers, path in groups if not controllers]
    for _, controllers, path in groups:
        if "memory" in controllers.split(","):
            own = mount / "memory" / path.lstrip("/")
            files += [own / "memory.oom_control", mount / "memory" / "memory.oom_control"]
    for file in [*files, mount / "memory.events", root / "proc/vmstat"]:
        for line in (read_text_or_none(file) or "").splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill" and number.strip().isdigit():
                return int(number)
    return None


def lower_priority() -> None:
    """Let the server and the user's own programs go first; training takes what is left, which is nearly all."""
    with suppress(OSError, AttributeError):
        os.nice(5)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; ``signal 77`` where the number has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
