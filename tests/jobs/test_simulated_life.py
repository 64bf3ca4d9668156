"""Whatever happens in whatever order, no run is lost, none is shown as what it is not, and no process is left behind.

``MODELFORGE_LONG_LIFE=1`` looks at ten times as many short lives, and at 24 hours of one, with hundreds of runs.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from modelforge.store.database import Database
from tests.jobs.life import Cut, World

LONG = os.environ.get("MODELFORGE_LONG_LIFE") == "1"
HOURS = 24.0 if LONG else 0.25

HARMS = ("kill", "lock", "fill")
CUT = st.none() | st.tuples(st.integers(0, 60), st.sampled_from(HARMS))


@cache
def empty_database() -> Path:
    """A database of this version, to be copied: making one takes longer than many a life."""
    folder = Path(tempfile.mkdtemp(prefix="modelforge-empty-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Database(folder / "empty.db").close()
    return folder / "empty.db"


class LifeMachine(RuleBasedStateMachine):
    """Hypothesis looks for the shortest life in which a promise is broken."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="modelforge-life-")
        self.world = World(Path(self.folder.name), empty_database())

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self.world.finish()
            finally:
                self.world.close()
                self.folder.cleanup()

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    @rule(steps=st.integers(1, 12), cut=CUT)
    def submit(self, steps: int, cut: Cut) -> None:
        self.world.submit(steps, cut)

    @rule(steps=st.integers(1, 12), cut=CUT)
    def enqueue(self, steps: int, cut: Cut) -> None:
        self.world.enqueue(steps, cut)

    @rule(job=st.integers(0, 9), position=st.integers(1, 4), cut=CUT)
    def move(self, job: int, position: int, cut: Cut) -> None:
        self.world.move(job, position, cut)

    @rule(job=st.integers(0, 9), cut=CUT)
    def cancel(self, job: int, cut: Cut) -> None:
        self.world.cancel(job, cut)

    @rule(job=st.integers(0, 9), cut=CUT)
    def resume(self, job: int, cut: Cut) -> None:
        self.world.resume(job, cut)

    @rule(force=st.booleans(), cut=CUT)
    def stop(self, force: bool, cut: Cut) -> None:
        self.world.stop(force=force, cut=cut)

    @rule(seconds=st.floats(0.0, 5.0))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule()
    def start_server(self) -> None:
        self.world.start_server()

    @rule(kindly=st.booleans())
    def end_server(self, kindly: bool) -> None:
        if kindly:
            self.world.close_server()
        else:
            self.world.kill_server()

    @rule(attendant=st.booleans(), worker=st.booleans(), torn=st.booleans())
    def kill_workers(self, attendant: bool, worker: bool, torn: bool) -> None:
        self.world.kill_workers(attendant=attendant, worker=worker, torn=torn)

    @rule()
    def reboot(self) -> None:
        self.world.reboot()

    @rule()
    def take_pids(self) -> None:
        self.world.take_pids()

    @rule(seconds=st.floats(0.0, 60.0))
    def stall(self, seconds: float) -> None:
        self.world.stall(seconds)

    @rule(again=st.booleans())
    def write_line(self, again: bool) -> None:
        self.world.write_line(again=again)

    @rule(job=st.integers(0, 9))
    def damage_checkpoint(self, job: int) -> None:
        self.world.damage_checkpoint(job)

    @rule(locked=st.booleans())
    def lock_database(self, locked: bool) -> None:
        if locked:
            self.world.lock_database()
        else:
            self.world.unlock_database()

    @rule(full=st.booleans())
    def fill_disk(self, full: bool) -> None:
        self.world.fill_disk(full)


LifeMachine.TestCase.settings = settings(
    max_examples=300 if LONG else 20,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestShortLives = LifeMachine.TestCase


@pytest.mark.parametrize("rounds", range(2, 13))
def test_a_database_that_is_locked_in_the_middle_of_a_start_loses_no_run(tmp_path: Path, rounds: int) -> None:
    world = World(tmp_path, empty_database())
    try:
        world.submit(6, (rounds, "lock"))
        world.wait(3)
        world.unlock_database()
        world.settle()
        world.stop(force=True)
        world.submit(6)
        world.wait(1.8)
        world.stop(force=True)
        world.check()
        world.resume(len(world.jobs) - 1, (rounds, "lock"))
        world.wait(3)
        world.finish()
    finally:
        world.close()


def test_a_day(tmp_path: Path) -> None:
    """One long life, in which harm comes at random and what has come to its end stays so."""
    chance = random.Random(20261127)
    world = World(tmp_path, empty_database())
    try:
        while world.machine.now < 1000 + 3600 * HOURS:
            befall(world, chance)
            world.check()
        world.finish()
    finally:
        world.close()
    print({"hours": HOURS, "jobs": len(world.jobs), **world.counts})
    assert len(world.jobs) > 10 * HOURS


def befall(world: World, chance: random.Random) -> None:
    """What comes next: a run is started, somebody waits, or there is harm and some of it is made good."""
    world.unlock_database()
    world.fill_disk(False)
    world.start_server()
    cut = (chance.randrange(60), chance.choice(HARMS)) if chance.random() < 0.1 else None
    harm = chance.randrange(23)
    if harm >= 20:
        for _ in range(chance.randint(1, 4)):
            world.enqueue(chance.randint(1, 60), cut)
        if harm == 21:
            world.move(len(world.jobs) - 1 - chance.randrange(4), chance.randint(1, 3), cut)
        elif harm == 22:
            world.cancel(len(world.jobs) - 1 - chance.randrange(4), cut)
    elif harm < 8:
        world.submit(chance.randint(1, 60), cut)
        world.wait(chance.expovariate(1 / 10))
    elif harm == 8:
        world.kill_workers(attendant=chance.random() < 0.5, worker=chance.random() < 0.8, torn=chance.random() < 0.5)
    elif harm == 9:
        world.kill_server()
        world.wait(chance.expovariate(1 / 5))
    elif harm == 10:
        world.reboot()
    elif harm == 11:
        world.take_pids()
    elif harm == 12:
        world.stall(chance.uniform(0, 90))
    elif harm == 13:
        world.write_line(again=chance.random() < 0.5)
    elif harm == 14:
        world.damage_checkpoint(len(world.jobs) - 1)
    elif harm == 15:
        world.lock_database()
        world.wait(chance.expovariate(1 / 5))
        world.unlock_database()
    elif harm == 16:
        world.fill_disk(True)
        world.wait(chance.expovariate(1 / 5))
        world.fill_disk(False)
    elif harm == 17:
        world.stop(force=chance.random() < 0.5, cut=cut)
    elif harm == 18:
        world.resume(chance.randrange(1000), cut)
    else:
        world.wait(chance.expovariate(1 / 600))
