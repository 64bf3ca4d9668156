"""Two versions of a dataset side by side: compared once by a process, and read a page at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anyio import to_thread

from modelforge.api.deps import State
from modelforge.api.revise import ask_about, scratch
from modelforge.contracts.version import DatasetComparison, RowDifference
from modelforge.datasets.compare import By, Counts, read_differences
from modelforge.datasets.paging import rows_at, showable
from modelforge.store.datasets import ancestors_of
from modelforge.store.tables import DatasetRow


async def compare(here: State, first: DatasetRow, second: DatasetRow, offset: int, limit: int) -> DatasetComparison:
    """A page of what is different. What was compared is kept beside the second: versions never change."""
    by = await to_thread.run_sync(_by, here, first, second)
    kept = Path(second.path).with_name(f".differences-{first.id}")
    try:
        counts, pairs = await to_thread.run_sync(read_differences, kept, offset, limit)
    except FileNotFoundError:
        plan = {"first": first.path, "second": second.path, "by": by, "target": str(kept)}
        async with here.looks, scratch(here) as folder:
            await ask_about("datasets.compare", plan, folder)
        counts, pairs = await to_thread.run_sync(read_differences, kept, offset, limit)
    return await to_thread.run_sync(_told, first, second, by, counts, pairs)


def _by(here: State, first: DatasetRow, second: DatasetRow) -> By:
    """Versions made of the same upload share their rows' numbers."""
    with here.database.session() as session:
        return "row" if set(ancestors_of(session, first)) & set(ancestors_of(session, second)) else "content"


def _told(
    first: DatasetRow, second: DatasetRow, by: By, counts: Counts, pairs: list[tuple[int, int]]
) -> DatasetComparison:
    before = rows_at(Path(first.path), [one for one, _ in pairs if one])
    after = rows_at(Path(second.path), [other for _, other in pairs if other])
    return DatasetComparison(
        from_version=first.version,
        to_version=second.version,
        by=by,
        same=counts.same,
        added=counts.added,
        removed=counts.removed,
        changed=counts.changed,
        differences=[_difference(one, other, before.get(one), after.get(other)) for one, other in pairs],
        total=counts.total,
    )


def _difference(one: int, other: int, before: Any, after: Any) -> RowDifference:
    fields: list[str] = []
    if isinstance(before, dict) and isinstance(after, dict):
        fields = [name for name in {**before, **after} if not _same(before, after, name)]
    return RowDifference(
        kind="changed" if one and other else "removed" if one else "added",
        from_row=one or None,
        to_row=other or None,
        fields=[str(showable(name)) for name in fields],
        before=showable(before),
        after=showable(after),
    )


def _same(before: dict[str, Any], after: dict[str, Any], name: str) -> bool:
    # 1 and True are equal to Python, and not to JSON.
    return name in before and name in after and repr(before[name]) == repr(after[name])
