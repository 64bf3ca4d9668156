"""Curves with fewer points: none of their peaks is lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from modelforge.contracts.base import now
from modelforge.store.database import Database
from modelforge.store.jobs import list_metrics
from modelforge.store.tables import JobRow, MetricRow

JOB = "train_1"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    with database.session() as session:
        for job_id in (JOB, "train_2"):
            session.add(
                JobRow(
                    id=job_id, name=job_id, status="completed", task="t", strategy="s", provider="p", model_name="m",
                    dataset="d", config={}, token="x", created_at=now(),
                )
            )  # fmt: skip
    yield database
    database.close()


def fill(database: Database, points: dict[int, dict[str, float]]) -> None:
    rows = [
        {"job_id": job_id, "step": step, "attempt": 2, "seq": 7 + step, "epoch": step / 3, "values": values}
        for job_id, some in ((JOB, points), ("train_2", {1: {"loss": 99.0}}))
        for step, values in some.items()
    ]
    with database.session() as session:
        session.execute(insert(MetricRow), rows)


def thinned(database: Database, most: int, after: int | None = None) -> tuple[list[dict[str, Any]], int]:
    with database.session() as session:
        points, total = list_metrics(session, JOB, None, 0, after, most)
    return [point.model_dump() for point in points], total


def series(points: list[dict[str, Any]], name: str) -> dict[int, float]:
    return {point["step"]: point[name] for point in points if name in point}


def test_each_value_keeps_its_peaks_its_first_and_its_last(database: Database) -> None:
    draw = random.Random(3)
    points: dict[int, dict[str, float]] = {step: {"loss": draw.random(), "grad_norm": 1.0} for step in range(1, 5001)}
    points[777]["loss"], points[3210]["grad_norm"] = 50.0, -1.0
    for step in range(500, 5001, 500):
        points[step]["eval_loss"] = draw.random()
    points[6000] = {}
    fill(database, points)
    found, total = thinned(database, 100)
    assert total == 5001
    loss, norm = series(found, "loss"), series(found, "grad_norm")
    assert len(loss) <= 100 and len(norm) <= 100 and {1, 5000} <= loss.keys() & norm.keys()
    assert loss[777] == 50.0 and norm[3210] == -1.0
    assert all(value == points[step]["loss"] for step, value in loss.items())
    for stretch in range(49):
        steps = [step for step in range(1, 5001) if (step - 1) // (4999 / 49) == stretch]
        assert min(steps, key=lambda step: points[step]["loss"]) in loss
    # Too few to be thinned: all of them.
    assert series(found, "eval_loss") == {step: points[step]["eval_loss"] for step in range(500, 5001, 500)}
    first = found[0]
    assert (first["seq"], first["attempt"], first["epoch"], first["job_id"]) == (8, 2, 1 / 3, JOB)
    assert [point["step"] for point in found] == sorted(point["step"] for point in found)


def test_only_what_came_later_is_thinned(database: Database) -> None:
    fill(database, {step: {"loss": float(step)} for step in range(1, 1001)})
    found, total = thinned(database, 10, after=900)
    assert total == 100 and found[0]["step"] == 901 and found[-1]["step"] == 1000 and len(found) <= 10
    with database.session() as session:
        assert [point.step for point in list_metrics(session, JOB, None, 0, 997)[0]] == [998, 999, 1000]
    assert thinned(database, 10, after=1000) == ([], 0)


def test_a_hundred_thousand_points_are_soon_thinned(database: Database) -> None:
    draw = random.Random(1)
    names = ("loss", "learning_rate", "grad_norm")
    fill(database, {step: {name: draw.random() for name in names} for step in range(1, 100_001)})
    found, _ = thinned(database, 2000)
    assert all(len(series(found, name)) == 2000 for name in names)
