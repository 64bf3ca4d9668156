"""The table of transitions."""

from __future__ import annotations

import itertools

import pytest

from modelforge.contracts.job import JobState
from modelforge.jobs.states import ENDED, TRANSITIONS, IllegalTransition, check_transition


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(JobState)


def test_a_good_run_goes_through() -> None:
    path = ["queued", "starting", "training", "saving", "completed"]
    for current, wanted in itertools.pairwise(path):
        check_transition(JobState(current), JobState(wanted))


def test_every_state_but_completed_can_end_badly_and_go_on() -> None:
    for state in JobState:
        for end in ("failed", "stopped", "interrupted"):
            if state not in ENDED:
                check_transition(state, JobState(end))
    for end in ("failed", "stopped", "interrupted"):
        check_transition(JobState(end), JobState.QUEUED)


def test_a_run_can_begin_again_by_itself() -> None:
    for state in ("starting", "training", "saving"):
        check_transition(JobState(state), JobState.QUEUED)


@pytest.mark.parametrize(
    ("current", "wanted"),
    [("completed", "queued"), ("queued", "completed"), ("training", "completed"), ("failed", "training")],
)
def test_what_cannot_be_names_both(current: str, wanted: str) -> None:
    with pytest.raises(IllegalTransition, match=f"{current} cannot become {wanted}"):
        check_transition(JobState(current), JobState(wanted))
