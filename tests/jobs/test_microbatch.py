"""Half as much at once, and the same examples in a step."""

from __future__ import annotations

from typing import Any

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.jobs.microbatch import difference, smaller


def spec(*, row_tokens: int | None = None, longest: int = 50, frozen: bool = True, **config: Any) -> RunSpec:
    given = {
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "per_device_eval_batch_size": 1,
        **config,
    }
    return RunSpec(
        job_id="j", name="n", created_at=now(), device="cpu", frozen=frozen, row_tokens=row_tokens,
        longest_tokens=longest, memory_estimate_mb=10.0,
        config=TrainingConfig(task="text-generation", model_name="m", dataset="d", **given),
        dataset=DatasetRef(name="d", path="/d", sha256="0", num_examples=10, shape="input_output"),
        model=ModelRef(name="m", source="folder", path="/m"), output_dir="/o", modelforge_version="0",
    )  # fmt: skip


def sizes(found: RunSpec | None) -> tuple[int | None, ...] | None:
    if found is None:
        return None
    config = found.config
    return (config.per_device_train_batch_size, config.gradient_accumulation_steps, config.per_device_eval_batch_size)


@pytest.mark.parametrize(
    ("size", "steps", "halves"),
    [
        (4, 2, [(2, 4, 1), (1, 8, 1)]),
        (6, 1, [(3, 2, 1), (1, 6, 1)]),
        (5, 1, [(1, 5, 1)]),
        (7, 2, [(2, 7, 1), (1, 14, 1)]),
        (1, 4, []),
    ],
)
def test_a_step_learns_from_as_many(size: int, steps: int, halves: list[tuple[int, int, int]]) -> None:
    found: RunSpec | None = spec(per_device_train_batch_size=size, gradient_accumulation_steps=steps)
    for half in halves:
        assert found is not None
        found = smaller(found)
        assert sizes(found) == half and half[0] * half[1] == size * steps
    assert found is not None and smaller(found) is None


def test_the_engine_gets_shorter_rows() -> None:
    found = smaller(spec(row_tokens=1024, longest=300))
    assert found is not None and (found.row_tokens, sizes(found)) == (512, (4, 2, 1))
    assert found.memory_estimate_mb is None
    found = smaller(found)
    assert found is not None and found.row_tokens == 300  # a row is never shorter than a document
    assert smaller(found) is None
    assert smaller(spec(row_tokens=128)) is None


def test_pairs_wait_for_one_loss_however_they_are_laid() -> None:
    found = smaller(spec(row_tokens=1024, strategy="dpo"))
    assert found is not None and (found.row_tokens, sizes(found)) == (1024, (2, 4, 1))


def test_what_is_measured_together_gets_smaller_too() -> None:
    found = smaller(spec(per_device_train_batch_size=1, per_device_eval_batch_size=8))
    assert sizes(found) == (1, 2, 4)


def test_it_is_the_requests_to_refuse() -> None:
    assert smaller(spec(auto_batch=False)) is None


def test_a_model_that_does_not_fit_needs_no_smaller_batch() -> None:
    assert smaller(spec(frozen=False)) is None


def test_it_is_said_in_words() -> None:
    before = spec(row_tokens=1024, per_device_eval_batch_size=2)
    after = smaller(before)
    assert after is not None
    assert difference(before, after) == (
        "rows of 512 tokens instead of 1024, per_device_eval_batch_size 1 instead of 2"
    )
