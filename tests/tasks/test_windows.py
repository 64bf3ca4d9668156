"""Windows of a context: every answer is found again in one of them, word for word, in any tokenizer and script."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CanineTokenizer, PreTrainedTokenizerFast

from modelforge.errors import InvalidRequest
from modelforge.tasks.windows import Reading, locate, passage, read
from tests.tasks.readers import FILLER, KINDS, PLACES, QUESTION, make_reader

READERS = {kind: make_reader(kind) for kind in KINDS}


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return READERS[request.param]


def holders(reading: Reading, start: int, end: int) -> list[tuple[int, int, int]]:
    """The windows that hold all of the characters, with the tokens' positions."""
    place = locate(reading.offsets, start, end)
    assert place is not None
    return [
        (number, window.first + place[0] - window.at, window.first + place[1] - window.at)
        for number, window in enumerate(reading.windows)
        if window.at <= place[0] and place[1] < window.at + window.size
    ]


@pytest.mark.parametrize(("sentence", "answer"), PLACES)
@pytest.mark.parametrize("before", [0, 1, 3, 7])
def test_every_answer_stands_word_for_word_in_a_window(
    tokenizer: PreTrainedTokenizerFast, sentence: str, answer: str, before: int
) -> None:
    context = FILLER * before + sentence + " " + FILLER
    start = context.index(answer)
    reading = read(tokenizer, QUESTION, context, max_seq_length=96, doc_stride=40)
    assert all(len(window.input_ids) <= 96 for window in reading.windows)
    found = holders(reading, start, start + len(answer))
    assert found
    for number, first, last in found:
        window = reading.windows[number]
        tokens = first - window.first + window.at, last - window.first + window.at
        text = passage(context, reading.offsets[tokens[0]][0], reading.offsets[tokens[1]][1])
        assert context[slice(*text)] == answer
        assert window.null not in range(window.first, window.first + window.size)


def test_windows_cover_all_of_the_context_and_share_the_stride(tokenizer: PreTrainedTokenizerFast) -> None:
    reading = read(tokenizer, QUESTION, FILLER * 9, max_seq_length=64, doc_stride=10)
    assert len(reading.windows) >= 3
    assert reading.windows[0].at == 0
    assert reading.windows[-1].at + reading.windows[-1].size == len(reading.offsets)
    assert all(one.at + one.size - two.at == 10 for one, two in pairwise(reading.windows))
    default = read(tokenizer, QUESTION, FILLER * 9, max_seq_length=64, doc_stride=None)
    assert all(one.at + one.size - two.at == 16 for one, two in pairwise(default.windows))


@pytest.mark.parametrize("kind", ["bert", "roberta", "deberta", "t5"])
def test_the_windows_are_those_that_the_tokenizer_cuts(kind: str) -> None:
    tokenizer = READERS[kind]
    context = FILLER * 5 + "".join(text for text, _ in PLACES)
    theirs = tokenizer(
        QUESTION, context, truncation="only_second", max_length=64, stride=16, return_overflowing_tokens=True
    )
    ours = read(tokenizer, QUESTION, context, max_seq_length=64, doc_stride=16)
    assert [window.input_ids for window in ours.windows] == theirs["input_ids"]
    if "token_type_ids" in theirs:
        assert [window.token_type_ids for window in ours.windows] == theirs["token_type_ids"]
    # The tokenizer is left as it was: it would cut other texts from then on.
    tokenizer(QUESTION)
    assert tokenizer.backend_tokenizer.truncation is None


def test_no_answer_is_the_cls_token_where_there_is_one() -> None:
    for kind in ("bert", "roberta", "deberta"):
        window = read(READERS[kind], QUESTION, FILLER, max_seq_length=128, doc_stride=None).windows[0]
        assert window.null == 0
        assert window.input_ids[0] == READERS[kind].cls_token_id
    assert read(READERS["t5"], QUESTION, FILLER, max_seq_length=128, doc_stride=None).windows[0].null == 0


def test_a_cls_token_at_the_end_is_found_there() -> None:
    from tokenizers import processors

    tokenizer = make_reader("deberta")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP] [CLS]", pair="$A [SEP] $B:1 [SEP]:1 [CLS]:2", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    windows = read(tokenizer, QUESTION, FILLER * 5, max_seq_length=64, doc_stride=None).windows
    assert len(windows) > 1
    assert all(window.input_ids[window.null] == tokenizer.cls_token_id for window in windows)
    assert all(window.null == len(window.input_ids) - 1 for window in windows)


@pytest.mark.parametrize(("kind", "lead"), [("llama", "<s>"), ("qwen", "")])
def test_a_causal_model_reads_the_question_first_and_says_no_answer_at_the_end(kind: str, lead: str) -> None:
    tokenizer = READERS[kind]
    windows = read(tokenizer, QUESTION, FILLER * 5, max_seq_length=96, doc_stride=None).windows
    assert len(windows) > 1
    for window in windows:
        assert tokenizer.decode(window.input_ids).startswith(f"{lead}{QUESTION}\nThe" if window.at == 0 else lead)
        assert tokenizer.decode(window.input_ids[: window.first]) == f"{lead}{QUESTION}\n"
        assert window.input_ids[window.null] == tokenizer.eos_token_id
        assert window.null == len(window.input_ids) - 1
        assert window.token_type_ids is None


def test_a_causal_tokenizer_that_ends_texts_itself_is_no_pair_format() -> None:
    from tokenizers import processors

    tokenizer = make_reader("llama")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A <|im_end|>",
        pair="<s> $A <|im_end|> <s> $B <|im_end|>",
        special_tokens=[("<s>", 1), ("<|im_end|>", 3)],
    )
    window = read(tokenizer, QUESTION, "Paris.", max_seq_length=96, doc_stride=None).windows[0]
    assert tokenizer.decode(window.input_ids) == f"<s>{QUESTION}\nParis.<|im_end|>"


def test_a_long_question_is_cut_and_the_context_keeps_half_of_the_window(tokenizer: PreTrainedTokenizerFast) -> None:
    reading = read(tokenizer, "Where? " * 200, FILLER * 3, max_seq_length=32, doc_stride=None)
    assert reading.cut > 0
    assert all(len(window.input_ids) <= 32 for window in reading.windows)
    assert all(window.size >= 12 for window in reading.windows[:-1])
    whole = read(tokenizer, "Where? " * 10, "Paris.", max_seq_length=128, doc_stride=None)
    assert whole.cut == 0


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    length=st.integers(1, 40),
    stride=st.none() | st.integers(1, 60),
    question=st.text(max_size=30),
    context=st.text(max_size=80),
)
def test_no_size_and_no_text_crashes(kind: str, length: int, stride: int | None, question: str, context: str) -> None:
    reading = read(READERS[kind], question, context, max_seq_length=length, doc_stride=stride)
    assert all(len(window.input_ids) <= length for window in reading.windows)
    seen = {token for window in reading.windows for token in range(window.at, window.at + window.size)}
    assert seen in (set(), set(range(len(reading.offsets))))


def test_a_tokenizer_without_offsets_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="fast tokenizer"):
        read(CanineTokenizer(), QUESTION, FILLER, max_seq_length=64, doc_stride=None)
