"""Every row once an epoch, in an order that seed and epoch decide alone."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st


def order(lengths: list[int], **options: Any) -> Any:
    from modelforge.worker.order import EpochOrder

    return EpochOrder(
        lengths,
        options.pop("batch", 4),
        options.pop("seed", 1),
        group_by_length=options.pop("group", True),
        draw=options.pop("draw", None),
    )


@given(st.lists(st.integers(1, 99), min_size=1, max_size=300), st.integers(1, 40), st.booleans())
def test_every_row_once(lengths: list[int], batch: int, group: bool) -> None:
    assert sorted(order(lengths, batch=batch, group=group)) == list(range(len(lengths)))


@pytest.mark.parametrize("group", [True, False])
def test_epochs_differ_and_repeat(group: bool) -> None:
    lengths = [random.Random(i).randint(1, 99) for i in range(100)]
    sampler = order(lengths, group=group)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first and list(order(lengths, group=group, seed=2)) != first
    fresh = order(lengths, group=group)
    fresh.set_epoch(1)
    assert list(fresh) == second


def test_grouping_pads_less_and_still_mixes() -> None:
    lengths = [random.Random(i).randint(1, 500) for i in range(1000)]

    def padding(rows: list[int]) -> int:
        batches = [rows[at : at + 4] for at in range(0, len(rows), 4)]
        return sum(max(lengths[row] for row in batch) - lengths[row] for batch in batches for row in batch)

    grouped, plain = list(order(lengths)), list(order(lengths, group=False))
    assert padding(grouped) < 0.1 * padding(plain)
    means = [sum(lengths[row] for row in grouped[at : at + 4]) / 4 for at in range(0, 1000, 4)]
    falls = sum(a > b for a, b in itertools.pairwise(means))
    assert 0.35 < falls / len(means) < 0.65


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(1, 50), st.integers(1, 120)), max_size=3), st.integers(0, 9))
def test_of_a_mixture_none_comes_again_before_all_have_come(
    first: int, others: list[tuple[int, int]], seed: int
) -> None:
    from modelforge.worker.order import Draw, Part

    parts = [Part(first, first), *(Part(*each) for each in others)]
    draw = Draw(parts, seed)
    lengths = list(range(1, 1 + sum(part.rows for part in parts)))
    epochs = [list(draw.rows(epoch)) for epoch in range(4)]
    assert {len(rows) for rows in epochs} == {len(draw)} == {sum(part.an_epoch for part in parts)}
    start = 0
    for part in parts:
        drawn = [row - start for rows in epochs for row in rows if start <= row < start + part.rows]
        assert len(drawn) == 4 * part.an_epoch
        for at in range(0, len(drawn) - part.rows + 1, part.rows):
            assert sorted(drawn[at : at + part.rows]) == list(range(part.rows))
        start += part.rows
    sampler = order(lengths, seed=seed, draw=draw)
    for epoch in (0, 3, 1):  # a resume begins in any of them
        sampler.set_epoch(epoch)
        assert len(sampler) == len(draw) and sorted(sampler) == sorted(epochs[epoch])


def test_prompts_come_several_times_and_batches_as_often_as_they_are_fetched() -> None:
    from modelforge.worker.order import PromptOrder

    order = PromptOrder(rows=10, prompts=4, answers=3, fetches=2, seed=1)
    drawn = list(order)
    assert len(drawn) == len(order) == 3 * 4 * 3 * 2
    batches = [drawn[at : at + 12] for at in range(0, len(drawn), 12)]
    assert batches[0::2] == batches[1::2]
    prompts = [batch[0::3] for batch in batches[0::2]]
    assert all(batch[n::3] == batch[0::3] for batch in batches for n in range(3))
    # Each of the ten once, and the last batch filled up from the start.
    assert sorted(prompts[0] + prompts[1] + prompts[2][:2]) == list(range(10))
    assert prompts[2][2:] == prompts[0][:2]


def test_epochs_differ_and_can_be_had_again() -> None:
    from modelforge.worker.order import PromptOrder

    order = PromptOrder(rows=3, prompts=8, answers=2, fetches=1, seed=1)
    first = list(order)
    assert len(first) == 16
    order.set_epoch(1)
    assert list(order) != first
    order.set_epoch(0)
    assert list(order) == first
