"""The table that the suite ends with: what was done to runs, and what they lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Fault:
    """A line of it, counted by the tests themselves."""

    name: str
    injected: int = 0
    runs_lost: int = 0
    """Runs that neither were completed nor could be resumed to their end."""
    data_lost: int = 0
    """Points of the loss curve and tensors of the model that are missing, doubled, or not an undisturbed run's."""


class Table:
    """Its lines, in the order in which they came up."""

    def __init__(self) -> None:
        self.faults: dict[str, Fault] = {}

    @contextmanager
    def fault(self, name: str) -> Iterator[Fault]:
        """While harm of this kind is done. A run that the test could not see to its end counts as lost."""
        fault = self.line(name)
        lost = fault.runs_lost, fault.data_lost
        try:
            yield fault
        except BaseException:
            if (fault.runs_lost, fault.data_lost) == lost:
                fault.runs_lost += 1
            raise

    def line(self, name: str) -> Fault:
        """That of a fault, made where there is none yet."""
        return self.faults.setdefault(name, Fault(name))

    def lines(self) -> list[str]:
        """As text; none where nothing was injected."""
        if not self.faults:
            return []
        width = max(len(name) for name in ("fault", *self.faults))
        head = f"{'fault':{width}}  times injected  runs lost  data lost"
        rows = (f"{f.name:{width}}  {f.injected:14}  {f.runs_lost:9}  {f.data_lost:9}" for f in self.faults.values())
        return [head, *rows]
