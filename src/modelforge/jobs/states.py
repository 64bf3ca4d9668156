"""The one table of a job's transitions."""

from __future__ import annotations

from modelforge.contracts.job import OPEN_STATES, JobState

_ENDS = frozenset({JobState.FAILED, JobState.STOPPED, JobState.INTERRUPTED})
_AGAIN = frozenset({JobState.QUEUED})
"""By a next attempt that the server makes by itself: nobody is to take the run for ended."""

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.STARTING}) | _ENDS,
    JobState.STARTING: frozenset({JobState.TRAINING}) | _ENDS | _AGAIN,
    JobState.TRAINING: frozenset({JobState.SAVING}) | _ENDS | _AGAIN,
    JobState.SAVING: frozenset({JobState.COMPLETED}) | _ENDS | _AGAIN,
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.STOPPED: frozenset({JobState.QUEUED}),
    JobState.INTERRUPTED: frozenset({JobState.QUEUED}),
}

ENDED = frozenset(JobState) - frozenset(OPEN_STATES)
RESUMABLE = ENDED - {JobState.COMPLETED}


class IllegalTransition(ValueError):
    """A job was told to go where its state does not lead."""

    def __init__(self, current: JobState, wanted: JobState) -> None:
        allowed = ", ".join(sorted(TRANSITIONS[current])) or "nowhere"
        super().__init__(f"a job that is {current} cannot become {wanted}; from there it goes to: {allowed}")


def check_transition(current: JobState, wanted: JobState) -> None:
    """Raises IllegalTransition unless the table allows it."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(current, wanted)
