"""Fewer points of a curve that look like all of them: of each stretch of steps the lowest and the highest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain, pairwise
from operator import itemgetter

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from modelforge.contracts.job import MetricPoint
from modelforge.store.tables import MetricRow

TOGETHER = 10_000
"""Steps that are named in one query; SQLite takes some 30 000 values."""


def thinned_metrics(session: Session, chosen: ColumnElement[bool], most: int) -> list[MetricPoint]:
    """The points of one job's rows that ``chosen`` chooses, by step. Of each value that was measured at most ``most``
    are left, its first and its last among them; a point has those of its values that are left."""
    kept = _kept(*_measured(session, chosen), most)
    columns = (MetricRow.step, MetricRow.seq, MetricRow.attempt, MetricRow.epoch, MetricRow.job_id)
    steps = sorted(kept)
    points = []
    for at in range(0, len(steps), TOGETHER):
        rows = select(*columns).where(chosen, MetricRow.step.in_(steps[at : at + TOGETHER])).order_by(MetricRow.step)
        for step, seq, attempt, epoch, job_id in session.execute(rows):
            point = MetricPoint(seq=seq, job_id=job_id, attempt=attempt, step=step, epoch=epoch, **kept[step])
            points.append(point)
    return points


def _measured(session: Session, chosen: ColumnElement[bool]) -> tuple[list[int], list[dict[str, float]]]:
    """Steps, and what was measured at each. As one text, read at once: rows of their own take longer to make than to
    read."""
    pair = cast(MetricRow.step, Text) + "," + cast(MetricRow.values, Text)
    text = session.scalar(select(func.aggregate_strings(pair, ",")).where(chosen))
    found = from_json(f"[{text or ''}]")
    steps, measured = found[::2], found[1::2]
    if steps == sorted(steps):
        return steps, measured
    order = sorted(range(len(steps)), key=steps.__getitem__)  # a database may have read them in another
    return [steps[at] for at in order], [measured[at] for at in order]


def _kept(steps: Sequence[int], measured: Sequence[dict[str, float]], most: int) -> dict[int, dict[str, float]]:
    """Which values to keep, by their steps."""
    kept: dict[int, dict[str, float]] = {}
    for name in dict.fromkeys(chain.from_iterable(measured)):
        try:
            # Nearly all are measured at every step: then this takes a third of the time of looking for each.
            own, series = steps, list(map(itemgetter(name), measured))
        except KeyError:
            rows = [row for row, values in enumerate(measured) if name in values]
            own, series = [steps[row] for row in rows], [measured[row][name] for row in rows]
        for place in _places(own, series, most):
            kept.setdefault(own[place], {})[name] = series[place]
    return kept


def _places(steps: Sequence[int], values: Sequence[float], most: int) -> Sequence[int]:
    """Which of a series to keep; ``most`` is four or more."""
    if len(steps) <= most:
        return range(len(steps))
    first, last = 0, len(steps) - 1
    stretches = (most - 2) // 2
    width = (steps[last] - steps[first]) / stretches
    edges = [bisect_left(steps, steps[first] + width * n) for n in range(stretches)] + [len(steps)]
    kept = {first, last}
    for start, end in pairwise(edges):
        if start < end:
            stretch = values[start:end]
            kept.add(start + stretch.index(min(stretch)))
            kept.add(start + stretch.index(max(stretch)))
    return sorted(kept)
