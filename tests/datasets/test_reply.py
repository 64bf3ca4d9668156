"""What a process that works on data says when it ends."""

from __future__ import annotations

import errno
import json

import pytest

from modelforge.datasets.reply import answer
from modelforge.errors import InvalidDataset


def test_what_ends_the_work_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def refused() -> None:
        raise InvalidDataset("no")

    def broken() -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    assert (answer(lambda: 7), answer(refused), answer(full)) == (0, 2, 2)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said[:2] == [{"result": 7}, {"refused": {"kind": "InvalidDataset", "detail": "no"}}]
    assert said[2]["refused"]["kind"] == "DiskFull" and "no room" in said[2]["refused"]["detail"]
    with pytest.raises(PermissionError):
        answer(broken)


def test_memory_that_is_not_there_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    def greedy() -> None:
        raise MemoryError

    def mapped() -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    assert (answer(greedy), answer(mapped)) == (2, 2)
    for line in capsys.readouterr().out.splitlines():
        refused = json.loads(line)["refused"]
        assert refused["kind"] == "TooLarge" and "more memory" in refused["detail"]
