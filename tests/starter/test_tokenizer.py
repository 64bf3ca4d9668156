"""The bundled tokenizer and its chat template."""

from __future__ import annotations

import pytest
from transformers import BatchEncoding, PreTrainedTokenizerFast

from starter.corpus.example import Example
from starter.stream import Document, Stream

ODD = [
    "plain words, with 12 figures and £3.50!",
    "  two blanks, a\ttab,\r\n\r\nlines and a trailing blank ",
    "naïve café – “quotes” … Ünïcödé",
    "日本語とかな 한국어 العربية עברית हिन्दी ελληνικά кириллица",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \u200b\u202e \U00010348 \ufffd",
    "<|end|> <|user|> are words here only when special tokens are on",
    "".join(map(chr, range(1, 256))),
]
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello! How can I help you?"},
    {"role": "user", "content": "What is a hammer?"},
    {"role": "assistant", "content": "A hammer is a tool for hitting nails."},
]


@pytest.mark.parametrize("text", ODD)
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_every_byte_is_a_token(tokenizer: PreTrainedTokenizerFast) -> None:
    every = bytes(range(256)).decode("latin-1")
    tokens = {number for character in every for number in tokenizer(character)["input_ids"]}
    assert tokenizer.unk_token_id is None
    assert None not in tokens
    assert sum(len(token) == 1 for token in tokenizer.get_vocab()) == 256


def test_the_template_renders_turns_and_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    rendered = tokenizer.apply_chat_template(CHAT[:2], tokenize=False, add_generation_prompt=True)
    assert rendered == "<|system|>Be brief.<|end|><|user|>Hello<|end|><|assistant|>"
    whole = tokenizer.apply_chat_template(CHAT, tokenize=False)
    assert isinstance(whole, str) and whole.startswith(rendered)
    assert whole.endswith("<|assistant|>A hammer is a tool for hitting nails.<|end|>")


def test_the_mask_covers_answers_and_their_end_only(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    assert isinstance(encoded, BatchEncoding)
    tokens, mask = encoded["input_ids"], encoded["assistant_masks"]
    covered = [token for token, answer in zip(tokens, mask, strict=True) if answer]
    assert tokenizer.decode(covered) == f"{CHAT[2]['content']}<|end|>{CHAT[4]['content']}<|end|>"


def test_an_unknown_role_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(Exception, match="Unknown role"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_the_training_stream_writes_chats_as_the_template_does(tokenizer: PreTrainedTokenizerFast) -> None:
    stream, document = Stream(tokenizer, 0), Document([], [])
    stream.turn(document, Example("small talk", "hello", "Hello", "Hello! How can I help you?"), split=False)
    encoded = tokenizer.apply_chat_template(CHAT[1:3], return_dict=True, return_assistant_tokens_mask=True)
    assert isinstance(encoded, BatchEncoding)
    assert document.tokens == encoded["input_ids"]
    assert [weight == 1.0 for weight in document.weights] == [bool(answer) for answer in encoded["assistant_masks"]]
