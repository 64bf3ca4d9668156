"""The life of one home folder on a simulated machine: what its owner does, what befalls it, and what always holds.

Real are the supervisor, the ledger, the database, the preflight, the local runner and its handles, the WebSocket's
sender, the worker's report and the checkpoints' seals. Simulated are time, processes, and what the attendant and the
worker compute.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import shutil
import sqlite3
import sys
from collections.abc import Coroutine, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import create_engine, func, select

from modelforge import processes
from modelforge.api.stream import _send
from modelforge.catalogue import STARTER
from modelforge.contracts.base import now
from modelforge.contracts.job import OPEN_STATES, Cause, JobState
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import ModelForgeError, StoreFault
from modelforge.files import write_atomic
from modelforge.hardware import Hardware, detect
from modelforge.jobs import supervisor as supervising
from modelforge.jobs.probing import Probe
from modelforge.jobs.states import ENDED, RESUMABLE, TRANSITIONS
from modelforge.jobs.supervisor import Supervisor
from modelforge.lease import DeviceLease
from modelforge.settings import Settings, load_settings
from modelforge.store import database as storing
from modelforge.store.database import Database
from modelforge.store.tables import DatasetRow, EventRow, JobRow, MetricRow, ModelRow
from modelforge.worker import checkpoints
from modelforge.worker.report import Report, StopRequested
from tests.jobs.machine import KILLED, Life, Machine, MachineLoop, Process, iter_life, run_sync
from tests.live import jsonl, rows

PATIENCE = 600.0
"""Seconds of the machine's that a client waits for an answer."""
SAVE_STEPS = 4
Cut = tuple[int, str] | None
"""What comes in the middle of a request, and after how many rounds of the loop: ``kill`` the server, ``lock`` its
database, ``fill`` the disk."""


def loss_of(job_id: str, step: int) -> float:
    """What an undisturbed run measures at a step."""
    return round(1 / step + int(job_id[-4:], 16) / 1e6, 9)


@cache
def hardware() -> Hardware:
    return detect()


class Server:
    """A supervisor on a loop of its own, and one listener at its WebSocket."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.loop = MachineLoop(world.machine)
        self.loop.set_exception_handler(lambda *_: None)
        self.database = Database(world.settings.database)
        self._fill_up(world.disk_full)
        lease = DeviceLease("cpu")
        probe = Probe(world.settings, lease)
        self.supervisor = Supervisor(world.settings, self.database, hardware(), lease, probe)
        self.loop.run_until_complete(self.supervisor.start())
        after = world.heard_up_to
        listening = _send(world, self.supervisor.broadcast, self.database, after)  # type: ignore[arg-type]
        self._listener = self.loop.create_task(listening)
        self._abandoned: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self._abandoned.add(task)
        return task

    def answer(self, work: Coroutine[Any, Any, Any] | asyncio.Task[Any], patience: float) -> None:
        """Wait for the request's answer, as long as its client does; it may well be refused."""
        task = work if isinstance(work, asyncio.Task) else self.begin(work)
        self.loop.run_until_complete(asyncio.wait([task], timeout=patience))
        if not task.done():
            return
        try:
            task.result()
        except ModelForgeError:
            pass
        except OSError as error:
            assert error.errno == errno.ENOSPC

    def fill_up(self, full: bool) -> None:
        self._fill_up(full)

    def _fill_up(self, full: bool) -> None:
        """SQLite may have no page more than it has: to it, a full disk."""
        with self.database.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={1 if full else 1_000_000}")

    def check(self) -> None:
        """Its listener has not come to grief: its complaint is the test's."""
        if self._listener.done():
            self._listener.result()

    def close(self) -> None:
        """As by Ctrl-C."""
        self._listener.cancel()
        self.loop.run_until_complete(self.supervisor.close())
        self.loop.run_until_complete(asyncio.gather(self._listener, return_exceptions=True))
        self.database.close()

    def drop(self) -> list[asyncio.Task[Any]]:
        """As by ``kill -9``: nothing of it goes on, not even what stands in a ``finally``. Its tasks, for as long as
        they are held."""
        self.database.engine.dispose()
        return list(asyncio.all_tasks(self.loop))


class World:
    """The machine, the home folder, its server or none, and all that is known of its jobs."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.settings: Settings = load_settings(home=folder / "home", stop_timeout=5.0, stall_timeout=30.0)
        self.settings.make_folders()
        shutil.copy(template, Path(self.settings.database))
        self.machine = Machine()
        self.machine.program = self._program
        self.server: Server | None = None
        self.disk_full = False
        self.jobs: list[str] = []
        self.strangers: list[Process] = []
        self.heard: set[int] = set()
        self.heard_up_to = 0
        self._named = 0
        self.counts: dict[str, int] = {}
        self._locked: sqlite3.Connection | None = None
        self._states: dict[str, str] = {}
        self._checked = 0
        self._graves: list[tuple[MachineLoop, list[asyncio.Task[Any]]]] = []
        self._reader = create_engine(f"sqlite:///{self.settings.database}")
        self._patches = pytest.MonkeyPatch()
        self._patch()
        logging.disable(logging.CRITICAL)
        self._add_dataset()
        self.start_server()

    def _patch(self) -> None:
        patch = self._patches.setattr
        for name in ("spawn", "start_identity", "carries", "find_by_environment", "kill_tree"):
            patch(processes, name, getattr(self.machine, name))
        patch(anyio.to_thread, "run_sync", run_sync)
        patch(supervising, "time", SimpleNamespace(monotonic=lambda: self.machine.now))
        for name, module in list(sys.modules.items()):
            if name.startswith("modelforge.") and vars(module).get("write_atomic") is write_atomic:
                patch(module, "write_atomic", self._write_atomic)
        patch(storing, "BUSY_SECONDS", 0)
        patch(os, "fsync", lambda _: None)

    def _write_atomic(self, path: Path, text: str) -> None:
        self._need_room()
        write_atomic(path, text)

    def _add_dataset(self) -> None:
        path = self.settings.datasets / "rows.jsonl"
        path.write_bytes(jsonl(rows(20)))
        database = Database(self.settings.database)
        with database.session() as session:
            session.add(
                DatasetRow(
                    filename="rows.jsonl", version=1, num_examples=20, size_mb=0.1, uploaded_at=now(), path=str(path),
                    sha256="0" * 64, shape="input_output", report={"num_bad": 0, "errors": []},
                )
            )  # fmt: skip
        database.close()

    def close(self) -> None:
        self.unlock_database()
        self._reader.dispose()
        if self.server is not None:
            self._bury(self.server)
        for process in self.machine.living:
            process.life.close()
        # What the dead servers' ``finally`` would do now must find nothing.
        shutil.rmtree(self.settings.home)
        for loop, tasks in self._graves:
            for task in tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                task.get_coro().close()  # type: ignore[union-attr]
            loop.close()
        self._patches.undo()
        logging.disable(logging.NOTSET)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # What its owner does.

    def submit(self, steps: int, cut: Cut = None) -> None:
        """Start a run of so many steps."""
        if self.server is not None:
            self._ask(self.server.supervisor.submit(self._config(steps), []), cut)

    def enqueue(self, steps: int, cut: Cut = None) -> None:
        """The same, whenever its turn comes."""
        if self.server is not None:
            self._count("put into the queue")
            self._ask(self.server.supervisor.enqueue(self._config(steps), []), cut)

    def _config(self, steps: int) -> TrainingConfig:
        self._named += 1
        return TrainingConfig(
            task="text-generation", model_name=STARTER, dataset="rows.jsonl", name=f"run-{self._named}", max_steps=steps
        )

    def move(self, job: int, position: int, cut: Cut = None) -> None:
        if self.server is not None and self.jobs:
            self._ask(self.server.supervisor.move(self.jobs[job % len(self.jobs)], position), cut)

    def cancel(self, job: int, cut: Cut = None) -> None:
        """Stop a job by its id, which may wait in the queue."""
        if self.server is not None and self.jobs:
            self._ask(self.server.supervisor.stop(self.jobs[job % len(self.jobs)]), cut)

    def resume(self, job: int, cut: Cut = None) -> None:
        if self.server is not None and self.jobs:
            self._ask(self.server.supervisor.resume(self.jobs[job % len(self.jobs)]), cut)

    def stop(self, *, force: bool, cut: Cut = None) -> None:
        if self.server is not None:
            self._ask(self.server.supervisor.stop(force=force), cut)

    def _ask(self, work: Coroutine[Any, Any, Any], cut: Cut) -> None:
        assert self.server is not None
        if cut is None:
            self.server.answer(work, PATIENCE)
            return
        rounds, harm = cut
        task = self.server.begin(work)
        self.server.loop.iterate(rounds)
        if harm == "kill":
            self.kill_server()
        elif harm == "lock":
            self.lock_database()
        else:
            self.fill_disk(True)
        if self.server is not None:
            self.server.answer(task, 5.0)

    def wait(self, seconds: float) -> None:
        if self.server is None:
            self.machine.advance(self.machine.now + seconds)
        else:
            self.server.loop.run_until_complete(asyncio.sleep(seconds))

    def close_server(self) -> None:
        if self.server is not None:
            self.server.close()
            self._bury(self.server)
            self.server = None

    def start_server(self) -> None:
        if self.server is None:
            try:
                self.server = Server(self)
            except StoreFault:
                return  # the database is locked: it says so and ends

    async def send_text(self, text: str) -> None:
        """The listener hears a message."""
        message = json.loads(text)
        for point in message["points"]:
            assert self.heard_up_to < point["seq"] <= message["seq"], "each point is heard once, in order"
            self.heard.add(point["seq"])
        assert message["seq"] >= self.heard_up_to
        self.heard_up_to = message["seq"]

    # What befalls it.

    def kill_server(self) -> None:
        if self.server is not None:
            self._count("servers killed")
            self._bury(self.server)
            self.server = None

    def _bury(self, server: Server) -> None:
        self._graves.append((server.loop, server.drop()))

    def kill_workers(self, *, attendant: bool, worker: bool, torn: bool) -> None:
        """Kill what runs of them; ``torn``: in the middle of a line."""
        for process in self.machine.living:
            is_worker = process.parent is not None
            if process in self.strangers or not (worker if is_worker else attendant):
                continue
            self._count("workers killed" if is_worker else "attendants killed")
            self.machine.end(process, KILLED)
            if is_worker and torn:
                self._append(process, b'{"v":1,"line":7,"attempt":1,"kin')

    def reboot(self) -> None:
        self._count("reboots")
        if self.server is not None:
            self._bury(self.server)
            self.server = None
        self.strangers.clear()
        self.machine.reboot()

    def take_pids(self) -> None:
        """Strangers get the numbers of processes that have ended."""
        for path in self.settings.runs.glob("*/process.json"):
            record = json.loads(path.read_text())
            for pid in (record["pid"], record["attendant_pid"]):
                if self.machine.start_identity(pid) is None:
                    self._count("pids taken")
                    self.strangers.append(self.machine.start_as(pid, iter_life(), {}))

    def stall(self, seconds: float) -> None:
        for process in self.machine.living:
            if process.parent is not None:
                self._count("stalls")
                process.due += seconds

    def write_line(self, *, again: bool) -> None:
        """The last line of the file stands there twice, or one that says nothing."""
        for process in self.machine.living:
            if process.parent is not None:
                path = self._run_dir(process) / "events.jsonl"
                whole = path.read_bytes().splitlines(keepends=True) if path.exists() else []
                self._count("odd lines")
                self._append(process, whole[-1] if again and whole else b"\xff{]\n")

    def damage_checkpoint(self, job: int) -> None:
        if self.jobs:
            folder = self.settings.runs / self.jobs[job % len(self.jobs)] / "checkpoints"
            for path in sorted(folder.glob("*/state.json"))[-1:]:
                self._count("checkpoints damaged")
                path.write_text("{")

    def lock_database(self) -> None:
        if self._locked is None:
            self._count("databases locked")
            self._locked = sqlite3.connect(self.settings.database, timeout=0, isolation_level=None)
            self._locked.execute("BEGIN IMMEDIATE")

    def unlock_database(self) -> None:
        if self._locked is not None:
            self._locked.close()
            self._locked = None

    def fill_disk(self, full: bool) -> None:
        if full:
            self._count("disks filled")
        self.disk_full = full
        if self.server is not None:
            self.server.fill_up(full)

    # What runs on the machine.

    def _program(self, process: Process, argv: Sequence[str]) -> Life:
        assert argv[1:3] == ["-m", "modelforge.jobs.runners.attend"]
        return self._attend(process, Path(argv[3]), int(argv[4]))

    def _attend(self, own: Process, run_dir: Path, attempt: int) -> Life:
        """As ``runners/attend.py``."""
        yield 0.05
        worker = self.machine.start(iter_life(), own.environment, parent=own)
        worker.life = self._work(worker, run_dir, attempt)
        yield 0.02
        record = {
            "attempt": attempt,
            "pid": worker.pid,
            "identity": worker.identity if worker.ended is None else None,
            "attendant_pid": own.pid,
            "attendant_identity": own.identity,
        }
        self._write_atomic(run_dir / "process.json", json.dumps(record))
        yield worker
        yield 0.01
        assert worker.ended is not None
        killed = worker.ended < 0
        ended = {
            "attempt": attempt,
            "code": None if killed else worker.ended,
            "signal": processes.signal_name(-worker.ended) if killed else None,
        }
        self._write_atomic(run_dir / "exit.json", json.dumps(ended))
        return 0

    def _work(self, own: Process, run_dir: Path, attempt: int) -> Life:
        """As ``worker/__main__.py`` and ``worker/train.py``, as far as others hear of it."""
        assert own.environment["MODELFORGE_ATTEMPT"] == str(attempt)
        yield 0.3
        report = Report(run_dir, attempt)
        try:
            report.state(JobState.STARTING, "Loading the training libraries")
            yield 1.0
            yield from self._train(report, run_dir)
        except StopRequested:
            report.ended_early()
        except OSError as error:
            if self.disk_full:  # not even this can be said
                return 1
            report.state(JobState.FAILED, "Failed", error=str(error), cause=Cause.DISK_FULL)
            return 1
        yield 0.2
        return 0

    def _train(self, report: Report, run_dir: Path) -> Life:
        job_id = run_dir.name
        spec = json.loads((run_dir / "spec.json").read_text())
        steps = spec["config"]["max_steps"]
        kept, said = checkpoints.latest_valid(run_dir / "checkpoints")
        for text in said:
            report.message(text)
        first = checkpoints.manifest_of(kept)["step"] if kept else 0
        report.state(JobState.TRAINING, "Training", total_steps=steps, total_epochs=1)
        for step in range(first + 1, steps + 1):
            yield 0.2
            self._need_room()
            report.metrics(step, step / steps, {"loss": loss_of(job_id, step)})
            yield 0.001
            report.progress(step, steps, step / steps, 1, None)
            stopped = report.should_stop
            if step % SAVE_STEPS == 0 or step == steps or stopped:
                yield from self._save(report, run_dir / "checkpoints", step)
            if stopped:
                raise StopRequested
        report.state(JobState.SAVING, "Saving the model")
        yield 0.3
        self._need_room()
        output = Path(spec["output_dir"])
        output.mkdir(exist_ok=True)
        shutil.copy(run_dir / "spec.json", output)
        yield 0.1
        report.state(JobState.COMPLETED, "Training completed", metrics={"final_loss": 0.5})
        return 0

    def _save(self, report: Report, folder: Path, step: int) -> Life:
        target = folder / f"checkpoint-{step}"
        target.mkdir(parents=True, exist_ok=True)
        (target / "state.json").write_text(json.dumps({"step": step}))
        yield 0.05
        self._need_room()
        checkpoints.seal(target, step, 0.2 * step)
        yield 0.01
        report.checkpoint(step, target)
        return 0

    def _need_room(self) -> None:
        if self.disk_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _run_dir(self, process: Process) -> Path:
        runs = self.settings.runs.iterdir()
        with sqlite3.connect(self.settings.database) as connection:
            tokens = dict(connection.execute("SELECT token, id FROM jobs"))
        job_id = tokens.get(process.environment["MODELFORGE_RUN_TOKEN"])
        return next(path for path in runs if path.name == job_id)

    def _append(self, process: Process, data: bytes) -> None:
        with (self._run_dir(process) / "events.jsonl").open("ab") as file:
            file.write(data)

    # What always holds.

    def check(self) -> None:
        """After whatever happened."""
        with self._reader.connect() as connection:
            self.jobs = list(connection.scalars(select(JobRow.id).order_by(JobRow.number)))
            self._check_transitions(connection)
            self._check_metrics(connection)
            self._check_models(connection)
        if self.server is not None:
            self.server.check()
        assert all(stranger.ended is None for stranger in self.strangers), "a stranger was killed"
        training = {process.environment["MODELFORGE_RUN_TOKEN"] for process in self._ours()}
        assert len(training) <= 1, "two runs at once"

    def _ours(self) -> list[Process]:
        return [process for process in self.machine.living if process not in self.strangers]

    def _check_transitions(self, connection: Any) -> None:
        chosen = select(EventRow.seq, EventRow.job_id, EventRow.status).where(EventRow.seq > self._checked)
        for seq, job_id, status in connection.execute(chosen.order_by(EventRow.seq)):
            assert status["seq"] == seq
            state, before = JobState(status["status"]), self._states.get(job_id)
            if before is None:
                assert state == JobState.QUEUED
            elif state != before:
                assert state in TRANSITIONS[JobState(before)], f"{job_id}: {before} → {state}"
            self._states[job_id], self._checked = state, seq
        for job_id, state in connection.execute(select(JobRow.id, JobRow.status)):
            assert self._states[job_id] == state, "a change of state that no event tells of"

    def _check_metrics(self, connection: Any) -> None:
        chosen = select(MetricRow.job_id, func.count(), func.min(MetricRow.step), func.max(MetricRow.step))
        for job_id, count, first, last in connection.execute(chosen.group_by(MetricRow.job_id)):
            assert (first, last) == (1, count), f"{job_id} has {count} points from step {first} to {last}"

    def _check_models(self, connection: Any) -> None:
        made = list(connection.execute(select(ModelRow.job_id, ModelRow.id)))
        ended = list(connection.execute(select(JobRow.id, JobRow.model_id).where(JobRow.status == JobState.COMPLETED)))
        assert sorted(made) == sorted(ended), "each completed job has one model, and no other has one"

    def settle(self) -> None:
        """The harm ends. Everything comes to rest, no process is left, and whoever heard all heard all."""
        self.unlock_database()
        if self.disk_full:
            self.fill_disk(False)
        self.start_server()
        assert self.server is not None
        for _ in range(100):
            self.wait(60)
            if not self.server.supervisor.busy and JobState.QUEUED not in self._states.values():
                break
            self.check()
        else:
            raise AssertionError("a run comes to no end")
        self.check()
        self._check_at_rest()

    def _check_at_rest(self) -> None:
        assert self.server is not None
        assert self._ours() == [], "an orphan is left"
        with self.server.database.session() as session:
            rows = list(session.scalars(select(JobRow)))
            numbers = list(session.scalars(select(MetricRow.seq).order_by(MetricRow.seq)))
        for row in rows:
            assert row.status in ENDED and row.status not in OPEN_STATES, f"{row.id} is {row.status} for ever"
        assert [seq for seq in numbers if seq not in self.heard] == [], "the listener missed points"
        # What becomes of a job before its turn is not told.
        newest = max((row for row in rows if row.started_at is not None), key=lambda row: row.seq, default=None)
        told = self.server.supervisor.broadcast.status
        assert newest is None or ((told.job_id, told.status) == (newest.id, newest.status) and told.seq >= newest.seq)

    def finish(self) -> None:
        """Nothing is lost: whatever has not come to its end yet does so when it is asked to."""
        self.settle()
        assert self.server is not None
        for job_id in self.jobs:
            if self._states[job_id] in RESUMABLE:
                self.server.answer(self.server.supervisor.resume(job_id), PATIENCE)
                self.settle()
            assert self._states[job_id] == JobState.COMPLETED, f"{job_id} is {self._states[job_id]}"
        with self.server.database.session() as session:
            for job_id, name in session.execute(select(JobRow.id, JobRow.config)):
                points = session.execute(select(MetricRow.step, MetricRow.values).where(MetricRow.job_id == job_id))
                losses = {step: values["loss"] for step, values in points}
                wanted = range(1, name["max_steps"] + 1)
                assert losses == {step: loss_of(job_id, step) for step in wanted}, "not as an undisturbed run's"
