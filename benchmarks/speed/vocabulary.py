"""Invented words, and byte-level tokenizers that are trained on them."""

from __future__ import annotations

import itertools
import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SEED = 20_261_124
SIZE = 3072
"""Tokens; a model's embedding may have more rows, which no text uses."""
WORDS = 1200
"""So few that the commoner half come to be one token each."""
SAMPLE = 60_000
"""Words that a tokenizer is trained on."""

PAD, BEGIN, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

_FIRST = ["b", "br", "d", "f", "g", "gr", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v"]
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ou"]
_LAST = ["", "l", "n", "r", "s", "t"]


@cache
def words() -> tuple[str, ...]:
    """The words, the commonest first."""
    syllables = ["".join(parts) for parts in itertools.product(_FIRST, _VOWELS, _LAST)]
    chance = random.Random(SEED)
    made: dict[str, None] = {}
    while len(made) < WORDS:
        made["".join(chance.choices(syllables, k=chance.choice((1, 2, 2, 3))))] = None
    return tuple(made)


@cache
def weights() -> tuple[float, ...]:
    """How often the words occur: by their rank, as in any language (Zipf-Mandelbrot)."""
    return tuple(1 / (rank + 3) for rank in range(WORDS))


def bare_tokenizer(*special: str) -> Tokenizer:
    """A byte-level BPE of the words, with these tokens first."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415 - of the training stack

    chance = random.Random(SEED)
    text = chance.choices(words(), weights(), k=SAMPLE)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [" ".join(text[at : at + 50]) for at in range(0, SAMPLE, 50)],
        trainers.BpeTrainer(
            vocab_size=SIZE,
            special_tokens=list(special),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer


def save_chat(folder: Path, limit: int) -> None:
    """For causal models: conversations by the ChatML template, ``limit`` tokens at most."""
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    made = PreTrainedTokenizerFast(
        tokenizer_object=bare_tokenizer(PAD, BEGIN, END),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[BEGIN],
        model_max_length=limit,
    )
    made.chat_template = CHATML
    made.save_pretrained(folder)


def save_source(folder: Path, limit: int) -> None:
    """For encoder-decoder models: each text with an end token, as T5 has it."""
    from tokenizers import processors  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    tokenizer = bare_tokenizer("<pad>", "</s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", model_max_length=limit
    ).save_pretrained(folder)


def save_pairs(folder: Path, limit: int) -> None:
    """For encoders: question and context told apart, as BERT has it."""
    from tokenizers import processors  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    tokenizer = bare_tokenizer("[PAD]", "[CLS]", "[SEP]")
    template = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    # Places in the text without the blank before a word: an answer begins with its first letter.
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=limit
    )
    made.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    made.save_pretrained(folder)
