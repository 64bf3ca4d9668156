"""Requests that run together: where they go, what is kept of them, and what they may take."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
import torch

from modelforge.inference.batch import MOST, PIECE, SHARED, Batch, Turn
from modelforge.inference.decoder import Decoder, trial
from modelforge.inference.sampling import Sampler
from tests.inference.test_decoder import VOCABULARY, build, generated, run, turn


class Counting(Decoder):
    """A decoder that tells how many prompt tokens it took in."""

    taken = 0

    passes = 0

    def read(self, first: int, starts: list[int], pieces: list[list[int]]) -> torch.Tensor:
        self.taken += sum(map(len, pieces))
        self.passes += 1
        return super().read(first, starts, pieces)


@pytest.fixture(scope="module")
def model() -> Any:
    return build("llama")


def make(model: Any, **limits: int) -> tuple[Counting, Batch]:
    decoder = Counting(model)
    assert trial(decoder) is None
    decoder.taken = decoder.passes = 0
    batch = Batch(decoder, lambda size, evict: batch.size + size <= limits.get("room", 10**9))
    return decoder, batch


def test_the_beginning_of_an_earlier_prompt_is_not_computed_again(model: Any) -> None:
    decoder, batch = make(model)
    common = [(5 * n + 3) % VOCABULARY for n in range(50)]
    prompts = [[*common, 7, 8], [*common, 9], [*common, 7, 8, 11, 12]]
    for prompt, taken in zip(prompts, (52, 1, 4), strict=True):
        before = decoder.taken
        assert run(batch, [turn(prompt)]) == [generated(model, prompt)]
        assert decoder.taken - before == taken
    assert run(batch, [turn(prompt) for prompt in prompts]) == [generated(model, prompt) for prompt in prompts]
    assert decoder.taken < 52 + 1 + 4 + 3 * 5


def test_an_answer_is_remembered_with_its_prompt(model: Any) -> None:
    decoder, batch = make(model)
    first = [4, 9, 2, 77]
    (answer,) = run(batch, [turn(first)])
    follow_up = [*first, *answer, 5, 6]
    decoder.taken = 0
    assert run(batch, [turn(follow_up)]) == [generated(model, follow_up)]
    assert decoder.taken == 3  # the last token that was said had not been taken in yet


def test_several_prompts_are_remembered(model: Any) -> None:
    decoder, batch = make(model)
    prompts = [[n, 20 + n, 40 + n, 60 + n, 80 + n] for n in range(3)]
    for prompt in prompts:
        run(batch, [turn(prompt)])
    decoder.taken = 0
    for prompt in prompts:
        assert run(batch, [turn(prompt)]) == [generated(model, prompt)]
    assert decoder.taken == 3


def test_prompts_that_come_together_are_read_together(model: Any) -> None:
    decoder, batch = make(model)
    prompts = [[10 * n + place for place in range(7 + n)] for n in range(5)]
    turns = [turn(prompt) for prompt in prompts]
    assert all(batch.admit(one) for one in turns)
    over = batch.step()
    assert (decoder.taken, decoder.passes) == (sum(map(len, prompts)), 1)
    # One behind the prompt, and the first that is written, but for answers that end.
    assert all(len(one.ids) == 2 or one in over for one in turns)
    assert len(over) < len(turns)
    run(batch, [])
    assert [one.ids for one in turns] == [generated(model, prompt) for prompt in prompts]


def test_prompts_of_other_lengths_are_read_one_after_the_other(model: Any) -> None:
    decoder, batch = make(model)
    prompts = [[1, 2, 3], [(3 * n) % VOCABULARY for n in range(60)], [9] * 50]
    turns = [turn(prompt) for prompt in prompts]
    assert all(batch.admit(one) for one in turns)
    batch.step()
    assert (decoder.taken, decoder.passes) == (3, 1)
    run(batch, [])
    assert decoder.passes == 2
    assert [one.ids for one in turns] == [generated(model, prompt) for prompt in prompts]


def test_a_beginning_that_several_share_is_read_once(model: Any) -> None:
    decoder, batch = make(model)
    common = [(5 * n + 3) % VOCABULARY for n in range(SHARED + 20)]
    prompts = [[*common, n, n + 1] for n in range(4)]
    turns = [turn(prompt) for prompt in prompts]
    assert all(batch.admit(one) for one in turns)
    run(batch, [])
    assert decoder.taken == len(common) + 4 * 2
    assert [one.ids for one in turns] == [generated(model, prompt) for prompt in prompts]


def test_any_order_of_coming_and_going_leaves_each_its_own(model: Any) -> None:
    """Rows grow, move and are taken over while others write."""
    chance = random.Random(3)
    _, batch = make(model)
    prompts = [[chance.randrange(4) for _ in range(chance.randrange(1, 60))] for _ in range(30)]
    turns = [turn(prompt, chance.choice((1, 9, 24))) for prompt in prompts]
    waiting = list(turns)
    most = 0
    while waiting or batch.running:
        if waiting and chance.random() < 0.8 and batch.admit(waiting[0]):
            waiting.pop(0)
        batch.step()
        most = max(most, batch.running)
    assert most == MOST
    for one in turns:
        assert one.ids == generated(model, one.prompt)[: one.longest]


def test_a_long_prompt_is_read_in_pieces_while_others_write() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=4096, initializer_range=0.2, eos_token_id=None,
        )  # fmt: skip
        long = LlamaForCausalLM(config).eval()
    decoder, batch = make(long)
    writing, reading = turn([5, 6], 2000), turn([n % VOCABULARY for n in range(2 * PIECE + 10)])
    assert batch.admit(writing)
    batch.step()
    assert batch.admit(reading)
    before = len(writing.ids)
    for _ in range(3):
        batch.step()
    assert len(writing.ids) - before == 3
    assert decoder.taken == 2 + 2 * PIECE + 10
    run(batch, [])
    assert reading.ids == generated(long, reading.prompt)


def test_what_is_cancelled_or_late_makes_way(model: Any) -> None:
    _, batch = make(model)
    gone: list[Turn] = []
    now = time.monotonic()
    greedy = Sampler(0, 1, None, torch.device("cpu"))
    cancelled = Turn([1, 2, 3], greedy, frozenset(), 200, now, now + 60, lambda: bool(gone))
    late = Turn([4, 5, 6], greedy, frozenset(), 200, now, now - 1, lambda: False)
    other = turn([7, 8, 9])
    assert batch.admit(cancelled)
    batch.step()
    assert batch.admit(late)
    assert late in batch.step()
    assert late.generation is not None
    assert late.generation.finish_reason == "timeout"
    assert batch.admit(other)
    gone.append(cancelled)
    assert batch.step() == [cancelled]
    assert cancelled.generation is None
    run(batch, [])
    assert other.ids == generated(model, [7, 8, 9])


def test_without_memory_for_another_row_a_request_waits(model: Any) -> None:
    _, roomy = make(model)
    run(roomy, [turn([1, 2])])
    one = roomy.size
    _, batch = make(model, room=one)
    first, second = turn([1, 2, 3]), turn([4, 5, 6])
    assert batch.admit(first)
    batch.step()
    assert not batch.admit(second)
    assert run(batch, [second]) == [generated(model, [4, 5, 6])]
    assert first.ids == generated(model, [1, 2, 3])
    assert batch.size == one


def test_a_failure_leaves_nothing_behind(model: Any) -> None:
    _, batch = make(model)
    running = [turn([1, 2]), turn([3])]
    for one in running:
        assert batch.admit(one)
        batch.step()
    batch.drop()
    assert (batch.running, batch.size) == (0, 0)
    assert run(batch, [turn([3])]) == [generated(model, [3])]
