"""What became of rows, in words."""

from __future__ import annotations

import pytest

from modelforge.api.revise import in_words


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((0, 0, 0), "0 rows changed"),
        ((1, 0, 0), "1 row removed"),
        ((12, 3, 0), "12 rows removed, 3 changed"),
        ((0, 0, 2), "2 rows added"),
    ],
)
def test_counts_in_words(counts: tuple[int, int, int], words: str) -> None:
    assert in_words(dict(zip(("removed", "changed", "added"), counts, strict=True))) == words
