"""The pieces of an answer join to the whole, whatever the tokenizer and wherever its tokens cut a character."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from modelforge.errors import InferenceFault
from modelforge.inference.speech import UNFINISHED, Speech, words
from tests.tiny import TALK, make_tiny_tokenizer

CORPUS = [text for pair in TALK for text in pair]
SPECIAL = ["<pad>", "<s>", "<end>"]


def by_bytes() -> PreTrainedTokenizerBase:
    return make_tiny_tokenizer()


def by_sentencepiece() -> PreTrainedTokenizerBase:
    """As Llama 2's: spaces are letters, unknown characters come byte by byte, the first space of a text is dropped."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<s>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    letters = [text.replace(" ", "▁") for text in CORPUS if text.isascii()]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(letters, trainer)
    vocabulary = tokenizer.get_vocab()
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    tokenizer.model = models.BPE(vocabulary, [], byte_fallback=True, unk_token="<s>")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="<end>")


def by_wordpiece() -> PreTrainedTokenizerBase:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=True)
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator([*CORPUS, "I don't, he isn't."], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="<end>")


def spoken(tokenizer: PreTrainedTokenizerBase, context: list[int], new: list[int], stride: int = 1) -> list[str]:
    pieces: list[str] = []
    speech = Speech(tokenizer, context, pieces.append)
    for end in range(0, len(new) + 1, stride):
        speech.hear(new[:end])
    speech.end(words(tokenizer, context, new))
    return pieces


@pytest.mark.parametrize("make", [by_bytes, by_sentencepiece, by_wordpiece])
@pytest.mark.parametrize("behind", [False, True])
def test_pieces_join_to_the_whole(make: Callable[[], PreTrainedTokenizerBase], behind: bool) -> None:
    tokenizer = make()
    draw = random.Random(5)
    answers = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in CORPUS]
    # What no text gives: bytes in any order, special tokens among them.
    answers += [[draw.randrange(len(tokenizer)) for _ in range(60)] for _ in range(100)]
    for number, answer in enumerate(answers):
        context = answers[0][-1:] if behind else []
        pieces = spoken(tokenizer, context, answer, stride=1 + number % 3)
        assert "".join(pieces) == words(tokenizer, context, answer)
        assert all(pieces)


def test_a_piece_comes_with_its_token_and_no_half_characters() -> None:
    tokenizer = by_bytes()
    answer = tokenizer("Hello! 你好 🙂 ąęß", add_special_tokens=False)["input_ids"]
    pieces: list[str] = []
    speech = Speech(tokenizer, [], pieces.append)
    for end in range(1, len(answer) + 1):
        speech.hear(answer[:end])
        # All that is whole was said, and nothing that is not.
        assert "".join(pieces) == words(tokenizer, [], answer[:end]).rstrip(UNFINISHED)
    assert len(pieces) > 5


def test_what_a_tokenizer_takes_back_is_said_at_the_end() -> None:
    tokenizer = by_wordpiece()
    answer = tokenizer("I don't, he isn't.", add_special_tokens=False)["input_ids"]
    assert spoken(tokenizer, [], answer) == [words(tokenizer, [], answer)]


def test_another_whole_than_was_said_is_an_error() -> None:
    tokenizer = by_bytes()
    speech = Speech(tokenizer, [], [].append)
    speech.hear(tokenizer("Hello!")["input_ids"])
    with pytest.raises(InferenceFault, match="otherwise than its pieces"):
        speech.end("Good night!")
