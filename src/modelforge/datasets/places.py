"""Where rows stand in the files that people have: a dataset's own line numbers, told as theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

LISTED = 5
"""Numbers in a message; more are counted."""


class Places:
    """The parts of a dataset, in order, as ``Part`` says them: name, unit, first number, how many lines."""

    def __init__(self, parts: Sequence[Mapping[str, Any]]) -> None:
        self._parts = parts

    def of(self, line: int) -> tuple[str, int]:
        """What a line of the dataset is in the file that it came from: ``("row", 7)``, or ``("faq.csv row", 7)`` where
        there are several. Rows that were added to the dataset are counted from 1."""
        for part in self._parts:
            if line <= part["rows"]:
                name = f"{part['name']} " if len(self._parts) > 1 else ""
                return f"{name}{part['unit']}", part["first"] + line - 1
            line -= part["rows"]
        return "added row" if self._parts else "line", line

    def told(self, lines: Iterable[int], count: int) -> str:
        """``rows 3, 7 and 12``, ``faq.csv row 3; more.csv rows 7, 12 and 95 more``: the first of so many."""
        numbers = [self.of(line) for line in lines][:LISTED]
        more = count - len(numbers)
        groups = [
            (unit, [str(number) for _, number in found]) for unit, found in groupby(numbers, lambda each: each[0])
        ]
        words = []
        for at, (unit, shown) in enumerate(groups, 1):
            last = at == len(groups)
            if last and more:
                shown.append(f"{more} more")
            plural = len(shown) > 1
            listed = f"{', '.join(shown[:-1])} and {shown[-1]}" if plural else shown[0]
            words.append(f"{unit}{'s' if plural else ''} {listed}")
        return "; ".join(words)

    def entry(self, finding: Mapping[str, Any]) -> str:
        """A finding as one message, as ``Validation.errors`` has it."""
        rows = finding["rows"]
        if not rows:
            return str(finding["message"])
        place = ""
        if finding["place"]:
            unit, number = self.of(rows[0])
            where = f" in {unit} {number}" if finding["count"] > 1 else ""
            place = f" ({finding['place']}{where})"
        return f"{self.told(rows, finding['count'])}: {finding['message']}{place}"
