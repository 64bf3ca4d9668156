"""What workers say is stored once, in order, whatever is killed when."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from modelforge.contracts.job import JobState, RunSpec
from modelforge.errors import Conflict
from modelforge.jobs import ledger
from modelforge.jobs.ledger import Ledger
from modelforge.jobs.runners.base import Exit
from modelforge.store.jobs import list_jobs, list_metrics, newest_events
from modelforge.store.models import model_named
from tests.ledgers import JOB, Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_long_file_is_read_in_parts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "BATCH_BYTES", 1000)
    run.event("state", state="training", message="Training", total_steps=40)
    for step in range(40):
        run.event("metrics", step=step, epoch=0.1, values={"loss": 0.5})
        run.event("metrics", step=step, epoch=0.1, values={"eval_loss": step / 100})
    taken = [run.ledger.ingest(JOB)]
    while taken[-1].more:
        taken.append(run.ledger.ingest(JOB))
    assert len(taken) > 5 and all(each.news for each in taken)
    assert sum(len(each.changes.points) for each in taken) == 80
    with run.database.session() as session:
        points, _ = list_metrics(session, JOB, None, 0)
    assert [(point.step, point.loss, point.eval_loss) for point in points] == [(n, 0.5, n / 100) for n in range(40)]


def test_a_good_run_makes_a_model(run: Run) -> None:
    run.event("state", state="training", message="Training", total_steps=4)
    run.event("progress", step=2, total_steps=4, epoch=1.5, total_epochs=2, eta_seconds=3.0)
    run.event("metrics", step=2, epoch=1.5, values={"loss": 0.5, "learning_rate": 0.1})
    status, changes, news, more = run.ledger.ingest(JOB)
    assert (
        news
        and not more
        and (status.status, status.progress, status.current_epoch, status.total_epochs)
        == (
            "training",
            50.0,
            2,
            2,
        )
    )
    assert (status.loss, status.learning_rate, status.current_step, status.total_steps) == (0.5, 0.1, 2, 4)
    assert [point.step for point in changes.points] == [2] and [state.status for state in changes.states] == [
        "training"
    ]
    run.event("progress", step=4, total_steps=4, epoch=2.0, total_epochs=2)
    assert run.ledger.ingest(JOB)[0].progress == 99.9
    run.event("state", state="saving", message="Saving")
    run.event("state", state="completed", message="Done", metrics={"final_loss": 0.25})
    status = run.ledger.ingest(JOB)[0]
    assert (status.status, status.progress) == ("completed", 100.0)
    status, changes = run.ledger.settle(JOB, Exit(code=0), was_watched=True, next_token="n")
    assert status.status == "completed" and not changes.states
    with run.database.session() as session:
        model = model_named(session, "MADE")
        assert model is not None and model.id == run.job().model_id
        assert (model.base_model, model.size_mb, model.metrics) == ("base", 2.0, {"final_loss": 0.25})
        params = model.training_params
        assert (params["num_epochs"], params["batch_size"], params["learning_rate"]) == (1, 2, 0.1)


def test_half_a_line_waits_for_its_rest(run: Run) -> None:
    run.say('{"v":1,"line":1,"attempt":1,"kind":"message","at":"2026-01-01T00:00:00Z","te')
    assert run.ledger.ingest(JOB)[2] is False
    run.say('xt":"whole"}\n')
    assert run.ledger.ingest(JOB)[2] is True
    assert run.said()[-1] == "whole"


def test_a_torn_line_is_said_and_the_rest_is_read(run: Run) -> None:
    run.say(b'{"v":1,"line":1,"atte\n')
    run.say(b"\xff\xfe\n")
    run.say(b'{"v":99,"kind":"message","text":"from the future","at":"2026-01-01T00:00:00Z"}\n')
    run.event("message", text="after")
    run.ledger.ingest(JOB)
    said = run.said()
    assert said[-1] == "after"
    assert sum("could not be read" in text for text in said) == 3


def test_a_file_that_lost_its_end_is_read_from_there(run: Run) -> None:
    """As after a power cut: what was stored stays, and what comes is not taken for it."""
    run.event("state", state="training", message="Training")
    run.event("metrics", step=1, epoch=0.1, values={"loss": 1.0})
    run.ledger.ingest(JOB)
    path = run.folder / "events.jsonl"
    path.write_bytes(path.read_bytes()[:20])
    run.ledger.settle(JOB, Exit(), was_watched=False, next_token="n")
    run.ledger.requeue(JOB, "u")
    assert "have lost their last" in run.said()[-2]
    run.ledger.enter(JOB, JobState.STARTING, "Starting")
    run.say(b"\n")  # the worker ends the torn line
    run.event("state", attempt=2, state="training", message="Training")
    run.event("metrics", attempt=2, step=2, epoch=0.1, values={"loss": 2.0})
    assert run.ledger.ingest(JOB)[0].status == "training"
    assert [(point["step"], point["loss"]) for point in run.metrics()] == [(1, 1.0), (2, 2.0)]


def test_a_line_is_what_stands_between_line_feeds(run: Run) -> None:
    run.say(b"torn\rtorn\n")
    run.event("message", text="after")
    run.ledger.ingest(JOB)
    assert ["could not be read" in text for text in run.said()[-2:]] == [True, False]


def test_what_no_database_holds_is_no_event(run: Run) -> None:
    run.event("state", state="training", message="Training")
    run.event("metrics", step=10**30, epoch=0.1, values={"loss": 1.0})
    run.event("metrics", step=1, epoch=0.1, values={"seq": 1.0})
    run.event("metrics", step=1, epoch=0.1, values={"loss": float("nan")})
    for epoch in (float("inf"), -(2.0**63)):
        run.event("progress", step=1, total_steps=2, epoch=epoch, total_epochs=1)
    run.event("message", text="a\0b")
    run.ledger.ingest(JOB)
    assert sum("could not be read" in text for text in run.said()) == 5
    assert run.said()[-1] == "a\N{REPLACEMENT CHARACTER}b" and run.metrics() == []


def test_of_each_value_the_newest_stands(run: Run) -> None:
    run.event("state", state="training", message="Training")
    for step in (1, 2, 3):
        run.event("metrics", step=step, epoch=0.1, values={"loss": float(step)})
    run.event("metrics", step=3, epoch=0.1, values={"eval_loss": 9.0})
    run.ledger.ingest(JOB)
    run.ledger.settle(JOB, Exit(signal="SIGKILL"), was_watched=True, next_token="n")
    run.ledger.requeue(JOB, "u")
    run.ledger.enter(JOB, JobState.STARTING, "Starting")
    run.event("state", attempt=2, state="training", message="Training")
    run.event("metrics", attempt=2, step=3, epoch=0.1, values={"loss": 30.0})
    run.ledger.ingest(JOB)
    points = run.metrics()
    assert [(point["step"], point["attempt"], point["loss"]) for point in points] == [
        (1, 1, 1.0),
        (2, 1, 2.0),
        (3, 2, 30.0),
    ]
    assert points[2]["eval_loss"] == 9.0  # an evaluation that the later attempt did not make again


def test_progress_never_falls_within_an_attempt(run: Run) -> None:
    run.event("state", state="training", message="Training")
    for step in (5, 3):
        run.event("progress", step=step, total_steps=10, epoch=0.1, total_epochs=1)
        assert run.ledger.ingest(JOB)[0].progress == 50.0


def test_an_attempt_begins_without_the_steps_of_the_one_before(run: Run) -> None:
    run.event("state", state="training", message="Training")
    run.event("progress", step=5, total_steps=10, epoch=0.5, total_epochs=1)
    run.ledger.ingest(JOB)
    run.ledger.settle(JOB, Exit(signal="SIGKILL"), was_watched=True, next_token="n")
    status = run.ledger.requeue(JOB, "u")
    assert (status.progress, status.current_step, status.current_epoch, status.total_steps) == (0.0, None, None, 10)


def test_what_cannot_be_is_said_and_changes_nothing(run: Run) -> None:
    run.event("state", state="completed", message="Done")
    assert run.ledger.ingest(JOB)[0].status == "starting"
    assert "cannot become completed" in run.said()[-1]


@pytest.mark.parametrize(
    ("ended", "watched", "stop", "state", "cause", "words"),
    [
        (Exit(signal="SIGKILL"), True, False, "failed", "killed", "SIGKILL"),
        (Exit(signal="SIGSEGV"), False, False, "failed", "killed", "SIGSEGV"),
        (Exit(signal="SIGKILL", out_of_memory=True), True, False, "failed", "oom_host", "memory ran out"),
        (Exit(code=3), True, False, "failed", "error", "exit code 3"),
        (Exit(code=0), True, False, "failed", "error", "without saying how"),
        (Exit(), False, False, "interrupted", "server_restart", "machine"),
        (Exit(signal="SIGKILL"), True, True, "stopped", "user", None),
    ],
)
def test_an_end_without_a_word(
    run: Run, ended: Exit, watched: bool, stop: bool, state: str, cause: str, words: str | None
) -> None:
    (run.folder / "worker.log").write_text("\n".join(f"line {i}" for i in range(100)) + "\nBoom!\n")
    run.event("state", state="training", message="Training")
    run.ledger.ingest(JOB)
    if stop:
        run.ledger.request_stop(JOB)
    status, changes = run.ledger.settle(JOB, ended, was_watched=watched, next_token="n")
    assert (status.status, status.cause) == (state, cause)
    assert [change.status for change in changes.states] == [state]
    job = run.job()
    assert (job.exit_code, job.signal) == (ended.code, ended.signal)
    assert job.log_tail is not None and len(job.log_tail) == 20 and job.log_tail[-1] == "Boom!"
    assert words is None or words in (status.error or "")


def test_a_clock_that_is_set_back_changes_no_order_and_no_duration(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = (datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=hour) for hour in itertools.count())
    monkeypatch.setattr("modelforge.jobs.ledger.now", lambda: next(moments))
    run.event("state", state="training", message="Training")
    for step in range(1, 4):
        run.event("metrics", step=step, epoch=0.1, values={"loss": float(step)})
        run.event("message", text=f"step {step}")
        run.ledger.ingest(JOB)
    run.event("state", state="failed", message="Failed", error="no", cause="error")
    run.ledger.ingest(JOB)
    job = run.job()
    assert job.started_at is not None and job.ended_at is not None and job.started_at <= job.ended_at
    status = run.ledger.settle(JOB, Exit(code=1), was_watched=True, next_token="n")[0]
    job = run.job()
    assert job.started_at is not None and job.ended_at is not None and job.started_at <= job.ended_at
    with run.database.session() as session:
        events = newest_events(session, JOB)
        jobs = list_jobs(session, None, 0)[0]
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    assert [event.text for event in events if event.text.startswith("step")] == ["step 1", "step 2", "step 3"]
    assert [point["step"] for point in run.metrics()] == [1, 2, 3]
    assert status.seq == events[-1].seq
    assert [each.number for each in jobs] == sorted(each.number for each in jobs)


def freeze(run: Run, **config: Any) -> None:
    path = run.folder / "spec.json"
    spec = RunSpec.model_validate_json(path.read_text())
    own = spec.config.model_copy(update={"gradient_accumulation_steps": 1, "per_device_eval_batch_size": 1, **config})
    path.write_text(spec.model_copy(update={"frozen": True, "config": own}).model_dump_json())


@pytest.mark.parametrize("said", [True, False])
def test_memory_that_ran_out_is_no_end_while_there_is_a_smaller_batch(run: Run, said: bool) -> None:
    freeze(run)
    run.event("state", state="training", message="Training")
    if said:
        run.event("state", state="failed", message="Failed", error="CUDA: no more", cause="oom_gpu")
        ended = Exit(code=1)
    else:
        ended = Exit(signal="SIGKILL", out_of_memory=True)
    assert run.ledger.ingest(JOB)[0].status == "training"
    status, changes = run.ledger.settle(JOB, ended, was_watched=True, next_token="next")
    assert (status.status, status.cause, status.error) == ("queued", None, None)
    assert [change.status for change in changes.states] == ["queued"]
    job = run.job()
    assert (job.attempt, job.token, job.exit_code) == (2, "next", None)
    assert not any(text.startswith("failed") for text in run.said())
    whose = "GPU" if said else "machine"
    assert run.said()[-1].startswith(
        f"The {whose}'s memory ran out: going on from the last checkpoint with per_device_train_batch_size 1 instead "
        "of 2, gradient_accumulation_steps 2 instead of 1"
    )


@pytest.mark.parametrize("smallest", [True, False])
def test_memory_that_ran_out_at_the_smallest_batch_is_the_end(run: Run, smallest: bool) -> None:
    freeze(run, **{"per_device_train_batch_size": 1} if smallest else {"auto_batch": False})
    run.event("state", state="training", message="Training")
    run.event("state", state="failed", message="Failed", error="CUDA: no more", cause="oom_gpu")
    status = run.ledger.ingest(JOB)[0]
    assert (status.status, status.cause, status.error) == ("failed", "oom_gpu", "CUDA: no more")


def test_a_stop_wins_over_a_smaller_batch(run: Run) -> None:
    freeze(run)
    run.event("state", state="training", message="Training")
    run.event("state", state="failed", message="Failed", error="CUDA: no more", cause="oom_gpu")
    run.ledger.ingest(JOB)
    run.ledger.request_stop(JOB)
    status = run.ledger.settle(JOB, Exit(code=1), was_watched=True, next_token="n")[0]
    assert (status.status, status.cause, status.error) == ("stopped", "user", None)


@pytest.mark.parametrize(
    ("log", "ended", "cause"),
    [
        ("Traceback …\nMemoryError\n", Exit(code=1), "oom_host"),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n", Exit(signal="SIGABRT"), "oom_host"),
        ("torch.OutOfMemoryError: CUDA out of memory.\n", Exit(code=1), "oom_gpu"),
        ("Traceback …\nKeyError: 'x'\n", Exit(code=1), "error"),
        ("MemoryError\n", Exit(signal="SIGKILL"), "killed"),
    ],
)
def test_a_worker_with_no_memory_left_to_say_so(run: Run, log: str, ended: Exit, cause: str) -> None:
    (run.folder / "worker.log").write_text(log)
    run.event("state", state="training", message="Training")
    run.ledger.ingest(JOB)
    status = run.ledger.settle(JOB, ended, was_watched=True, next_token="n")[0]
    assert (status.status, status.cause) == ("failed", cause)


@pytest.mark.parametrize(("full", "cause"), [(True, "disk_full"), (False, "error")])
def test_a_worker_with_no_room_left_to_say_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, full: bool, cause: str
) -> None:
    monkeypatch.setattr("modelforge.jobs.ledger.is_full", lambda folder: full and folder == run.folder)
    run.event("state", state="training", message="Training")
    run.ledger.ingest(JOB)
    status = run.ledger.settle(JOB, Exit(code=1), was_watched=True, next_token="n")[0]
    assert (status.status, status.cause) == ("failed", cause)


def test_only_an_ended_job_begins_anew(run: Run) -> None:
    with pytest.raises(Conflict, match="is starting: only a failed, stopped or interrupted job"):
        run.ledger.requeue(JOB, "u")


def test_a_change_that_is_not_stored_leaves_the_queue_as_it_was(run: Run) -> None:
    run.event("state", state="failed", message="Failed", error="no", cause="error")
    run.ledger.ingest(JOB)
    before = run.ledger.queue_seq
    run.ledger._seq = 0  # a number that is taken
    with pytest.raises(IntegrityError):
        run.ledger.requeue(JOB, "u")
    assert run.ledger.queue_seq == before
    run.ledger._seq = before + 10
    run.ledger.requeue(JOB, "u")
    assert run.ledger.queue_seq == before + 11


def test_what_the_model_says_leaves_room_for_what_happened(run: Run) -> None:
    run.event("state", state="training", message="Training")
    for step in range(150):
        run.event("sample", step=step, prompt="p", completion="c")
    run.ledger.ingest(JOB)
    assert run.said()[-1] == "training: Training"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 400), max_size=12), restarts=st.sets(st.integers(0, 11)))
def test_every_line_is_stored_once_however_reading_is_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], restarts: set[int]
) -> None:
    """The file grows by pieces of any length, and the server dies between some of them."""
    run = Run(tmp_path_factory.mktemp("ledger"))
    run.event("state", state="training", message="Training")
    for step in range(12):
        run.event("metrics", step=step, epoch=0.1, values={"loss": float(step)})
    path = run.folder / "events.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"")
    seqs: list[int] = []
    for number, cut in enumerate([*cuts, len(whole)]):
        piece, whole = whole[:cut], whole[cut:]
        run.say(piece)
        if number in restarts:
            run.ledger = Ledger(run.database, run.folder.parent)
        seqs += [point.seq for point in run.ledger.ingest(JOB)[1].points]
    assert [point["loss"] for point in run.metrics()] == [float(step) for step in range(12)]
    assert seqs == sorted(set(seqs)) and len(seqs) == 12
