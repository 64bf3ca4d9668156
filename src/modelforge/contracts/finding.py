"""What is wrong with rows of a dataset, as clients see it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from modelforge.contracts.base import Contract, example

Severity = Literal["error", "warning", "note"]

_FINDING: dict[str, Any] = {
    "code": "empty_field",
    "severity": "error",
    "message": "field 'output' is empty",
    "count": 3,
    "rows": [7, 12, 40],
    "place": "",
    "excerpt": '{"input": "When do you open?", "output": ""}',
    "advice": "Fill it in, or remove the row.",
    "fix": "drop_bad_rows",
}


class Finding(Contract):
    """One kind of problem, and where it is."""

    model_config = example(**_FINDING)

    code: str
    """The same for every problem of this kind: docs/data-problems.md has them all."""
    severity: Severity
    """``error``: the rows are not learnt from. ``warning``: they are, and hardly as it was meant. ``note``: worth
    knowing."""
    message: str
    """What is wrong, in words."""
    count: int
    """Rows that have it."""
    rows: list[int] = Field(default_factory=list)
    """The first of them: lines of the dataset's own file, from 1, as ``/rows`` counts them."""
    place: str = ""
    """Where in the first of them."""
    excerpt: str = ""
    """Of the first of them, shortened."""
    advice: str = ""
    """What to do."""
    fix: str | None = None
    """The fix on offer for it, by its name; None where only a person can tell."""
