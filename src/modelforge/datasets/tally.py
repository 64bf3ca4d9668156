"""Where a kind of problem is: how often, on which lines first, and what the first of them looks like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from modelforge.datasets.codes import Code
from modelforge.datasets.content import masked

LISTED = 5
"""Line numbers that are told; more are counted."""
EXCERPT = 200
"""Characters of an excerpt."""
_AROUND = 10_000


@dataclass(slots=True)
class Tally:
    """How many lines have a problem, and which are the first."""

    code: Code | None = None
    """None for a count of lines that are no problem in themselves."""
    place: str = ""
    count: int = 0
    first: list[int] = field(default_factory=list)
    excerpt: str = ""

    def add(self, line: int) -> None:
        self.count += 1
        if self.count <= LISTED:
            self.first.append(line)

    def entry(self, problem: str) -> str:
        """``lines 3, 7, 12, 40, 41 and 95 more: field 'output' is empty``."""
        numbers = [str(line) for line in self.first]
        last = f"{self.count - LISTED} more" if self.count > LISTED else numbers.pop()
        where = f"{'s' if self.count > 1 else ''} {', '.join(numbers)}{' and ' if numbers else ''}{last}"
        if not self.place:
            place = ""
        elif self.count == 1:
            place = f" ({self.place})"
        else:
            place = f" ({self.place} in line {self.first[0]})"
        return f"line{where}: {problem}{place}"

    def finding(self, problem: str) -> dict[str, Any]:
        """A ``contracts.finding.Finding``."""
        assert self.code is not None
        return finding(self.code, problem, self.count, self.first, self.place, self.excerpt)

    @classmethod
    def merged(cls, tallies: Iterable[Tally]) -> Tally:
        """Of different lines, or of the same problem seen in different ways."""
        by_place = sorted(tallies, key=lambda tally: tally.first[0])
        if len(by_place) == 1:
            return by_place[0]
        lines = sorted(line for tally in by_place for line in tally.first)
        start = by_place[0]
        count = sum(tally.count for tally in by_place)
        return cls(start.code, start.place, count, lines[:LISTED], start.excerpt)

    def later(self, lines: int) -> Tally:
        """The same in a file with so many lines before."""
        return Tally(self.code, self.place, self.count, [line + lines for line in self.first], self.excerpt)


def finding(
    code: Code, message: str, count: int, rows: list[int], place: str = "", excerpt: str = ""
) -> dict[str, Any]:
    """A ``contracts.finding.Finding`` with what is known of its code."""
    return {
        "code": code.name,
        "severity": code.severity,
        "message": message,
        "count": count,
        "rows": rows,
        "place": place,
        "excerpt": shortened(excerpt),
        "advice": code.advice,
        "fix": code.fix,
    }


def shortened(text: str, place: int = 0) -> str:
    """One line of characters that every client can show, around the place that matters, without what is private."""
    start = max(0, min(place - EXCERPT // 3, len(text) - EXCERPT))
    # What is private is known by its whole, not by what is shown of it.
    before = max(0, start - _AROUND)
    shown = masked(text[before : start + EXCERPT + _AROUND])[start - before :][:EXCERPT]
    cut = f"{'…' if start else ''}{shown}{'…' if len(text) > start + EXCERPT else ''}"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)
