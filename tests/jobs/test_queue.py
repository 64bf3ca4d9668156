"""The queue: jobs run one after the other, in order, each once, whatever ends and whatever is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelforge.api.stream import _stored
from modelforge.contracts.job import StreamMessage
from modelforge.errors import Conflict, InvalidRequest, NotFound
from modelforge.jobs.broadcast import Changes, messages
from modelforge.jobs.idempotency import Ticket
from modelforge.jobs.supervisor import Supervisor
from modelforge.store.jobs import events_after, newest_events
from tests.jobs.stage import ROOTS, Stage, until


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(tmp_path, monkeypatch)
    yield stage
    stage.close()


async def three(stage: Stage, supervisor: Supervisor) -> list[str]:
    """Three jobs, the first of which runs."""
    jobs = [(await supervisor.enqueue(stage.config(name=name), ROOTS)).job_id for name in "abc"]
    await stage.becomes(jobs[0], "training")
    return jobs


def test_jobs_run_in_order_and_a_failed_one_blocks_nobody(stage: Stage) -> None:
    async def story() -> None:
        async with stage.server() as supervisor:
            first = await supervisor.enqueue(stage.config(name="a"), ROOTS)
            assert (first.status, first.position, first.warnings) == ("queued", 1, [])
            await stage.becomes(first.job_id, "training")
            second = await supervisor.enqueue(stage.config(), ROOTS)
            third = await supervisor.enqueue(stage.config(), ROOTS)
            assert (second.position, third.position) == (1, 2)
            assert stage.queue() == [second.job_id, third.job_id]
            # What waits hides nothing of what runs.
            status = supervisor.broadcast.status
            assert (status.job_id, status.status) == (first.job_id, "training")
            stage.tell(first.job_id, "finish")
            await stage.becomes(second.job_id, "training")
            assert supervisor.broadcast.status.job_id == second.job_id
            assert stage.job(first.job_id).status == "completed" and stage.queue() == [third.job_id]
            stage.tell(second.job_id, "fail")
            await stage.becomes(third.job_id, "training")
            assert stage.job(second.job_id).status == "failed"
            stage.tell(third.job_id, "finish")
            await stage.becomes(third.job_id, "completed")
            assert [len(stage.starts(job.id)) for job in stage.jobs()] == [1, 1, 1]

    asyncio.run(story())


def test_a_job_whose_worker_cannot_be_started_blocks_nobody(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with stage.server() as supervisor:
            jobs = await three(stage, supervisor)
            start = supervisor._runner.start

            def broken(run_dir: Path, *rest: Any) -> Any:
                if run_dir.name == jobs[1]:
                    raise OSError(28, "No space left on device")
                return start(run_dir, *rest)

            monkeypatch.setattr(supervisor._runner, "start", broken)
            stage.tell(jobs[0], "finish")
            await stage.becomes(jobs[2], "training")
            assert "No space left" in (stage.job(jobs[1]).error or "")

    asyncio.run(story())


def test_what_cannot_run_never_enters(stage: Stage) -> None:
    async def story() -> None:
        async with stage.server() as supervisor:
            with pytest.raises(NotFound):
                await supervisor.enqueue(stage.config(dataset="gone.jsonl"), ROOTS)
            with pytest.raises(InvalidRequest):
                await supervisor.enqueue(stage.config(beta=0.5), ROOTS)
        assert stage.jobs() == [] and list(stage.settings.runs.iterdir()) == []

    asyncio.run(story())


def test_a_start_waits_for_nobody_and_overtakes_nobody(stage: Stage) -> None:
    async def story() -> None:
        async with stage.server(serves_queue=False) as command:
            waiting = (await command.enqueue(stage.config(name="a"), ROOTS)).job_id
            # Nobody serves the queue here: a command does what it was told.
            started = await command.submit(stage.config(name="b"), ROOTS)
            await stage.becomes(started.job_id, "training")
            with pytest.raises(Conflict, match="already in progress"):
                await command.submit(stage.config(name="c"), ROOTS)
            stage.tell(started.job_id, "finish")
            await command.wait(started.job_id)
            assert stage.queue() == [waiting]
            command._serves_queue = True  # a server, in the moment between two jobs
            with pytest.raises(Conflict, match="already in progress: jobs wait"):
                await command.submit(stage.config(name="c"), ROOTS)
        assert [job.name for job in stage.jobs()] == ["a", "b"]

    asyncio.run(story())


def test_a_name_is_reserved_while_its_job_waits(stage: Stage) -> None:
    async def story() -> None:
        async with stage.server() as supervisor:
            jobs = await three(stage, supervisor)
            refused = await asyncio.gather(
                *(supervisor.enqueue(stage.config(name=name), ROOTS) for name in ("A", "c", "new", "new")),
                return_exceptions=True,
            )
            assert [isinstance(one, Conflict) for one in refused] == [True, True, False, True]
            await supervisor.stop(jobs[1])
            await supervisor.enqueue(stage.config(name="b"), ROOTS)  # free again
            await supervisor.stop(jobs[0])
            await stage.becomes(jobs[2], "training")
            await supervisor.stop(jobs[2])
            assert not isinstance(refused[2], BaseException)
            await stage.becomes(refused[2].job_id, "training")
            with pytest.raises(Conflict, match="already in progress"):
                await supervisor.resume(jobs[1])
        async with stage.server(serves_queue=False) as command:
            await command.stop()
            with pytest.raises(Conflict, match="is to make 'b' now"):
                await command.resume(jobs[1])

    asyncio.run(story())


def test_a_waiting_job_is_cancelled_and_never_has_a_worker(stage: Stage) -> None:
    async def story() -> None:
        async with stage.server() as supervisor:
            jobs = await three(stage, supervisor)
            stopped = await supervisor.stop(jobs[1])
            assert (stopped.status, stopped.job_id) == ("stopped", jobs[1])
            row = stage.job(jobs[1])
            assert (row.status, row.cause, row.started_at) == ("stopped", "user", None)
            assert supervisor.broadcast.status.job_id == jobs[0]
            with pytest.raises(Conflict, match="nothing to stop"):
                await supervisor.stop(jobs[1])
            with pytest.raises(NotFound):
                await supervisor.stop("train_nobody")
            await supervisor.stop()  # the one that runs; then it is the third one's turn
            await stage.becomes(jobs[2], "training")
            await supervisor.stop(jobs[2], force=True)
            assert stage.starts(jobs[1]) == [] and stage.queue() == []
            await supervisor.resume(jobs[1])
            await stage.becomes(jobs[1], "training")
            assert [attempt for attempt, _ in stage.starts(jobs[1])] == [2]

    asyncio.run(story())


def test_the_order_can_be_changed(stage: Stage) -> None:
    async def story() -> None:
        async with stage.server() as supervisor:
            a, b, c = await three(stage, supervisor)
            d = (await supervisor.enqueue(stage.config(name="d"), ROOTS)).job_id
            assert (await supervisor.move(d, 1)).position == 1 and stage.queue() == [d, b, c]
            assert (await supervisor.move(d, 2)).position == 2 and stage.queue() == [b, d, c]
            assert (await supervisor.move(b, 99)).position == 3 and stage.queue() == [d, c, b]
            with pytest.raises(Conflict, match="is training"):
                await supervisor.move(a, 1)
            with pytest.raises(NotFound):
                await supervisor.move("train_nobody", 1)
            stage.tell(a, "finish")
            await stage.becomes(d, "training")
            assert stage.queue() == [c, b]

    asyncio.run(story())


def test_the_queue_outlives_its_server(stage: Stage) -> None:
    async def first() -> list[str]:
        async with stage.server() as supervisor:
            jobs = await three(stage, supervisor)
            await supervisor.move(jobs[2], 1)
            return jobs

    async def second(jobs: list[str]) -> None:
        async with stage.server() as supervisor:
            assert supervisor.broadcast.status.job_id == jobs[0]
            assert stage.queue() == [jobs[2], jobs[1]]
            stage.tell(jobs[0], "finish")
            await stage.becomes(jobs[2], "training")
            stage.tell(jobs[2], "finish")
            await stage.becomes(jobs[1], "training")
        assert [len(stage.starts(job)) for job in jobs] == [1, 1, 1]

    asyncio.run(second(asyncio.run(first())))


def test_what_ended_with_the_machine_comes_before_what_waits(stage: Stage) -> None:
    async def first() -> list[str]:
        async with stage.server() as supervisor:
            a, b, c = await three(stage, supervisor)
            await supervisor.move(c, 1)
            stage.tell(a, "finish")
            await stage.becomes(c, "training")
            await supervisor.move(b, 1)  # whatever its place was, the run had its turn
            return [c, b]

    async def second(run: str, waiting: str) -> None:
        async with stage.server() as supervisor:
            await until(lambda: len(stage.starts(run)) == 2)
            await stage.becomes(run, "training")
            assert stage.queue() == [waiting] and stage.starts(waiting) == []
            assert supervisor.broadcast.status.job_id == run

    run, waiting = asyncio.run(first())
    stage.kill(run)
    asyncio.run(second(run, waiting))


@pytest.mark.parametrize("point", ["claim", "start"])
def test_a_server_that_is_killed_between_queue_and_worker_starts_it_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Twice: the second time, there was no attempt that could have made a checkpoint."""

    async def killed(jobs: list[str]) -> list[str]:
        async with stage.server() as supervisor:
            here, never = asyncio.Event(), asyncio.Event()
            start = supervisor._start_worker

            async def die(*words: Any) -> None:
                if point == "start":
                    await start(*words)
                here.set()
                await never.wait()

            monkeypatch.setattr(supervisor, "_start_worker", die)
            monkeypatch.setattr(supervisor, "_settings", stage.settings.model_copy(update={"stop_timeout": 0.01}))
            jobs = jobs or [(await supervisor.enqueue(stage.config(name=name), ROOTS)).job_id for name in "ab"]
            await here.wait()
            return jobs

    async def after(jobs: list[str]) -> None:
        async with stage.server():
            await stage.becomes(jobs[0], "training")
            assert len(stage.starts(jobs[0])) == 1 and stage.queue() == [jobs[1]]
            stage.tell(jobs[0], "finish")
            await stage.becomes(jobs[1], "training")
        assert [len(stage.starts(job)) for job in jobs] == [1, 1]

    jobs = asyncio.run(killed([]))
    if point == "claim":
        asyncio.run(killed(jobs))
    asyncio.run(after(jobs))


def test_listeners_are_told_of_the_present_job_alone(stage: Stage) -> None:
    async def story() -> None:
        async with stage.server() as supervisor:
            jobs = await three(stage, supervisor)
            await supervisor.move(jobs[2], 1)
            await supervisor.stop(jobs[1])
            with stage.database.session() as session:
                told = {row.job_id for row in events_after(session, 0, 10_000, 1000)}
                kept = [event.text for event in newest_events(session, jobs[1])]
            assert told == {jobs[0]}
            assert kept == ["queued: Waiting to start", "stopped: Taken out of the queue"]

    asyncio.run(story())


def test_listeners_hear_that_the_queue_has_changed(stage: Stage) -> None:
    async def story() -> int:
        async with stage.server() as supervisor:
            broadcast = supervisor.broadcast
            jobs = await three(stage, supervisor)
            began = broadcast.seq

            async def heard(change: Awaitable[Any]) -> None:
                before = broadcast.status
                listener = asyncio.create_task(broadcast.wait_after(before.seq))
                await change
                await asyncio.wait_for(listener, 5)
                now = broadcast.status
                assert now.queue_seq > before.queue_seq
                assert (now.job_id, now.status) == (jobs[0], "training")
                changes = broadcast.since(before.seq)
                assert changes is not None and changes == Changes([], [])
                assert [message.queue_seq for message in messages(changes, now)] == [now.queue_seq]

            await heard(supervisor.enqueue(stage.config(name="d"), ROOTS))
            await heard(supervisor.move(jobs[2], 1))
            await heard(supervisor.stop(jobs[1]))
            same = broadcast.status.queue_seq
            with pytest.raises(NotFound):
                await supervisor.move("gone", 1)
            assert broadcast.status.queue_seq == same
            # One that is far behind hears the newest number too, whatever else it is told first.
            changes, status, _ = _stored(stage.database, 0, broadcast.seq, broadcast.status)
            assert {message.queue_seq for message in messages(changes, status)} == {same} and same > began
            stage.tell(jobs[0], "finish")
            await stage.becomes(jobs[2], "training")
            assert broadcast.status.queue_seq > same  # the others are nearer to their turn
            return broadcast.status.queue_seq

    async def killed(seen: int) -> None:
        async with stage.server(serves_queue=False) as supervisor:
            assert supervisor.broadcast.status.queue_seq >= seen
            supervisor.broadcast.queue_changed = lambda seq: None  # type: ignore[method-assign]
            told = supervisor.broadcast.status.queue_seq
            await supervisor.enqueue(stage.config(name="e"), ROOTS)
            assert supervisor.broadcast.status.queue_seq == told
        async with stage.server(serves_queue=False) as supervisor:
            assert supervisor.broadcast.status.queue_seq > told

    asyncio.run(killed(asyncio.run(story())))


def test_a_start_is_told_though_the_queue_changes_by_it(stage: Stage) -> None:
    async def story() -> None:
        async with stage.server() as supervisor:
            told: list[StreamMessage] = []

            async def listen() -> None:
                seen = supervisor.broadcast.seq
                while True:
                    await supervisor.broadcast.wait_after(seen)
                    changes = supervisor.broadcast.since(seen)
                    assert changes is not None
                    told.extend(messages(changes, supervisor.broadcast.status))
                    seen = supervisor.broadcast.seq

            listener = asyncio.create_task(listen())
            await asyncio.sleep(0)
            job = (await supervisor.submit(stage.config(), ROOTS)).job_id
            await stage.becomes(job, "training")
            stage.tell(job, "finish")
            await supervisor.wait(job)
            listener.cancel()
            states = [message.status for message in told if message.job_id == job]
            assert list(dict.fromkeys(states)) == ["queued", "starting", "training", "saving", "completed"]

    asyncio.run(story())


def test_listeners_hear_that_the_job_they_hear_of_was_cancelled(stage: Stage) -> None:
    """One that goes on after the machine's end waits as the present one, and may be cancelled before its turn."""

    async def first() -> str:
        async with stage.server() as supervisor:
            job = (await supervisor.enqueue(stage.config(), ROOTS)).job_id
            await stage.becomes(job, "training")
            return job

    async def second(job: str) -> int:
        async with stage.server(serves_queue=False) as supervisor:
            broadcast = supervisor.broadcast
            await until(lambda: (broadcast.status.job_id, broadcast.status.status) == (job, "queued"))
            seen = broadcast.seq
            await supervisor.stop(job)
            assert (broadcast.status.job_id, broadcast.status.status) == (job, "stopped")
            await asyncio.wait_for(broadcast.wait_after(seen), 5)
            changes = broadcast.since(seen)
            assert changes is not None and [state.status for state in changes.states] == ["stopped"]
            with stage.database.session() as session:
                assert [row.status["status"] for row in events_after(session, seen, 10_000, 10)] == ["stopped"]
            return broadcast.seq

    async def third(job: str, seen: int) -> None:
        async with stage.server(auto_resume=False) as supervisor:
            status = supervisor.broadcast.status
            assert (status.job_id, status.status, status.cause) == (job, "stopped", "user") and status.seq >= seen

    job = asyncio.run(first())
    stage.kill(job)
    asyncio.run(third(job, asyncio.run(second(job))))


def ticket(stage: Stage, path: str = "/api/jobs", key: str = "k", **fields: Any) -> Ticket:
    return Ticket.of(key, path, stage.config(**fields))


def test_a_request_with_a_key_makes_one_job(stage: Stage) -> None:
    async def first() -> str:
        async with stage.server() as supervisor:
            replies = await asyncio.gather(
                *(supervisor.enqueue(stage.config(), ROOTS, ticket(stage)) for _ in range(3))
            )
            assert len({reply.model_dump_json() for reply in replies}) == 1
            with pytest.raises(Conflict, match="another request"):
                await supervisor.enqueue(stage.config(seed=7), ROOTS, ticket(stage, seed=7))
            with pytest.raises(Conflict, match="another request"):
                await supervisor.submit(stage.config(), ROOTS, ticket(stage, "/api/start_training"))
            with pytest.raises(NotFound):
                await supervisor.enqueue(stage.config(dataset="gone"), ROOTS, ticket(stage, key="l", dataset="gone"))
            other = await supervisor.enqueue(
                stage.config(seed=7), ROOTS, ticket(stage, key="l", seed=7)
            )  # it was never used
            assert other.job_id != replies[0].job_id
            return replies[0].model_dump_json()

    async def second() -> str:
        async with stage.server() as supervisor:
            return (await supervisor.enqueue(stage.config(), ROOTS, ticket(stage))).model_dump_json()

    assert asyncio.run(first()) == asyncio.run(second())
    assert len(stage.jobs()) == 2


def test_a_start_with_a_key_is_one_start(stage: Stage) -> None:
    async def story() -> None:
        path = "/api/start_training"
        async with stage.server() as supervisor:
            replies = await asyncio.gather(
                *(supervisor.submit(stage.config(), ROOTS, ticket(stage, path)) for _ in range(3)),
                supervisor.submit(stage.config(), ROOTS, ticket(stage, path, key="other")),
                return_exceptions=True,
            )
            assert isinstance(replies[3], Conflict)
            assert len({str(reply) for reply in replies[:3]}) == 1
            [job] = stage.jobs()
            await stage.becomes(job.id, "training")
            # Also when it has ended: the key stands for that very job.
            await supervisor.stop(job.id)
            assert str(await supervisor.submit(stage.config(), ROOTS, ticket(stage, path))) == str(replies[0])

    asyncio.run(story())


def test_a_start_whose_server_is_killed_before_the_reply(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    async def die(*words: Any) -> None:
        raise Killed

    ours = ticket(stage, "/api/start_training")

    async def first() -> None:
        async with stage.server() as supervisor:
            monkeypatch.setattr(supervisor, "_launch", die)
            await supervisor.submit(stage.config(), ROOTS, ours)

    async def second() -> None:
        async with stage.server() as supervisor:
            reply = await supervisor.submit(stage.config(), ROOTS, ours)
            assert (reply.status, reply.job_id) == ("started", stage.jobs()[0].id)
            await stage.becomes(reply.job_id, "training")
            assert len(stage.starts(reply.job_id)) == 1

    with pytest.raises(Killed):
        asyncio.run(first())
    asyncio.run(second())
    assert len(stage.jobs()) == 1


@pytest.mark.parametrize("force", [False, True])
def test_a_stop_ends_all_that_the_worker_started(stage: Stage, force: bool) -> None:
    """A child that ignores SIGTERM, and one in a session of its own whose parent is gone."""
    (stage.home / "family").touch()

    async def story() -> None:
        async with stage.server() as supervisor:
            job = (await supervisor.enqueue(stage.config(), ROOTS)).job_id
            await stage.becomes(job, "training")
            await until(lambda: len(stage.left()) == 4)  # with the attendant; who made the orphan goes
            await supervisor.stop(job, force=force)
            assert stage.left() == []

    asyncio.run(story())


def test_a_worker_that_is_deaf_is_killed_with_all_that_it_started(stage: Stage) -> None:
    for word in ("family", "deaf"):
        (stage.home / word).touch()

    async def story() -> None:
        stage.settings = stage.settings.model_copy(update={"stop_timeout": 0.3})
        async with stage.server() as supervisor:
            job = (await supervisor.enqueue(stage.config(), ROOTS)).job_id
            await stage.becomes(job, "training")
            await supervisor.stop(job)
            assert stage.left() == [] and stage.job(job).status == "stopped"

    asyncio.run(story())


@pytest.mark.parametrize("end", ["finish", "fail"])
def test_a_run_that_ends_by_itself_leaves_nobody_either(stage: Stage, end: str) -> None:
    (stage.home / "family").touch()

    async def story() -> None:
        async with stage.server() as supervisor:
            job = (await supervisor.enqueue(stage.config(), ROOTS)).job_id
            await stage.becomes(job, "training")
            stage.tell(job, end)
            await supervisor.wait(job)
            assert stage.left() == []

    asyncio.run(story())
