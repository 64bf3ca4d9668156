"""The search for the best span is the obvious double loop, only faster; and answers are parts of their contexts."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelforge.inference.spans import Answer, answer, answers, search
from modelforge.tasks.windows import Window, read
from tests.tasks.readers import FILLER, KINDS, PLACES, QUESTION, make_reader

READERS = {kind: make_reader(kind) for kind in KINDS}
LIMITS: dict[str, Any] = {"max_seq_length": 96, "doc_stride": 32, "max_answer_length": 20}


def slow_search(
    windows: list[Window], logits: list[torch.Tensor], usable: list[bool], longest: int
) -> tuple[float, float, float]:
    """The best span's and no answer's logarithm, and that of the sum over all."""
    spans: dict[tuple[int, int], float] = {}
    nulls = []
    for window, pair in zip(windows, logits, strict=True):
        start, end = torch.log_softmax(pair, dim=-1).tolist()
        nulls.append(start[window.null] + end[window.null])
        for first in range(window.size):
            for last in range(first, min(first + longest, window.size)):
                tokens = window.at + first, window.at + last
                if usable[tokens[0]] and usable[tokens[1]]:
                    value = start[window.first + first] + end[window.first + last]
                    spans[tokens] = max(spans.get(tokens, -math.inf), value)
    total = math.log(sum(math.exp(value) for value in [*spans.values(), min(nulls)]))
    return max(spans.values()), min(nulls), total


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    tokens=st.integers(1, 30),
    room=st.integers(1, 12),
    share=st.integers(0, 5),
    lead=st.integers(1, 4),
    longest=st.integers(1, 14),
    scale=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_the_search_is_the_double_loop(
    seed: int, tokens: int, room: int, share: int, lead: int, longest: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    windows = []
    share = min(share, room - 1)  # else the windows do not reach the last token
    for at in range(0, max(1, tokens - share), room - share):
        size = min(room, tokens - at)
        null = -1 + lead + size + 1 if seed % 2 else 0
        windows.append(Window([0] * (lead + size + 1), None, null, lead, at, size))
    logits = [scale * torch.randn(2, len(window.input_ids), generator=generator) for window in windows]
    usable = torch.rand(tokens, generator=generator) > 0.2
    usable[seed % tokens] = True
    found = search(windows, logits, usable, longest)
    best, null_score, total = slow_search(windows, logits, usable.tolist(), longest)
    assert found.best == pytest.approx(best, abs=1e-4)
    assert found.null == pytest.approx(null_score, abs=1e-4)
    assert found.total == pytest.approx(total, abs=1e-4)
    assert usable[found.first]
    assert usable[found.last]
    assert 0 <= found.last - found.first < longest


class Pointing(torch.nn.Module):
    """Points where it is told to, by the tokens' ids: what a model that knows its answers would do."""

    device = torch.device("cpu")

    def __init__(self, first: dict[int, float], last: dict[int, float]) -> None:
        super().__init__()
        self.tables = first, last

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        assert input_ids.shape == attention_mask.shape
        start, end = (
            torch.tensor([[table.get(int(token), 0.0) for token in row] for row in input_ids]) for table in self.tables
        )
        return SimpleNamespace(start_logits=start, end_logits=end)


def pointing(kind: str, context: str, text: str, weight: float = 20.0) -> Any:
    tokenizer = READERS[kind]
    reading = read(tokenizer, QUESTION, context, max_seq_length=10_000, doc_stride=None)
    place = context.index(text)
    ids = reading.windows[0].input_ids[reading.windows[0].first :]
    held = [number for number, (a, b) in enumerate(reading.offsets) if a < place + len(text) and b > place and a < b]
    return Pointing({ids[held[0]]: weight}, {ids[held[-1]]: weight})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sentence", "text"), PLACES)
def test_the_answer_is_a_part_of_the_context(kind: str, sentence: str, text: str) -> None:
    given = answer(pointing(kind, sentence, text), READERS[kind], "?", sentence, allow_no_answer=False, **LIMITS)
    assert given.answer_start is not None
    assert sentence[given.answer_start : given.answer_start + len(given.text)] == given.text
    # A token that comes again elsewhere may be pointed at too; words that come once are found as they are.
    if text in ("Paris", "Kraków", "北京", "🦊", "½", "서울"):
        assert text in given.text
    assert given.text == given.text.strip() != ""
    assert 0 <= given.score <= 1


def test_an_answer_far_into_a_long_context_is_found_with_its_place() -> None:
    context = FILLER * 30 + "Tom lives in Paris now. " + FILLER * 30
    model = pointing("bert", context, "Paris")
    # The windows without it say so, as they are trained to.
    for table in model.tables:
        table[READERS["bert"].cls_token_id] = 12.0
    for allow_no_answer in (True, False):
        given = answer(model, READERS["bert"], QUESTION, context, allow_no_answer=allow_no_answer, **LIMITS)
        assert given.text == "Paris"
        assert given.answer_start == context.index("Paris")
        assert given.score > 0.9


def test_no_answer_when_every_window_says_so_and_only_if_it_is_allowed() -> None:
    tokenizer = READERS["bert"]
    model: Any = Pointing({tokenizer.cls_token_id: 9.0}, {tokenizer.cls_token_id: 9.0})
    silent = answer(model, tokenizer, QUESTION, FILLER * 9, allow_no_answer=True, **LIMITS)
    assert silent == Answer("", None, silent.score)
    assert silent.score > 0.9
    spoken = answer(model, tokenizer, QUESTION, FILLER * 9, allow_no_answer=False, **LIMITS)
    assert spoken.text
    assert spoken.score < 0.1


def test_a_context_without_text_has_no_answer() -> None:
    model: Any = Pointing({}, {})
    for context in ("", " \n ", "\u3000"):
        for kind in KINDS:
            assert answer(model, READERS[kind], QUESTION, context, allow_no_answer=True, **LIMITS).answer_start is None
            assert answer(model, READERS[kind], QUESTION, context, allow_no_answer=False, **LIMITS).score == 0


def test_answers_come_in_order_whatever_the_batches() -> None:
    context = FILLER * 4 + "Tom lives in Paris now."
    model = pointing("roberta", context, "Paris")
    pairs = [(QUESTION, context), ("Why?", "He left Paris."), (QUESTION, ""), ("Who?", FILLER + context)]
    one = answers(model, READERS["roberta"], pairs, allow_no_answer=True, batch_size=1, **LIMITS)
    looks: list[int] = []
    many = answers(
        model,
        READERS["roberta"],
        pairs,
        allow_no_answer=True,
        batch_size=5,
        check_stop=lambda: looks.append(1),
        **LIMITS,
    )
    assert [given.answer_start for given in one] == [given.answer_start for given in many]
    assert [given.score for given in one] == pytest.approx([given.score for given in many])
    assert one[2] == Answer("", None, 1.0)
    assert looks
