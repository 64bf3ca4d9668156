"""The starter's own byte-level BPE tokenizer, built from its corpus, with the chat template."""

import json
import random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from starter.corpus import copying, stories
from starter.corpus.mixture import train_example

PAD, END, SYSTEM, USER, ASSISTANT = SPECIALS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
VOCABULARY = 4096
MAX_LENGTH = 1024
# Words with their leading space, single figures (so that sums have one form), signs, white space.
_SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}{{ '<|system|>' + message['content'] + '<|end|>' }}"
    "{%- elif message['role'] == 'user' -%}{{ '<|user|>' + message['content'] + '<|end|>' }}"
    "{%- elif message['role'] == 'assistant' -%}{{ '<|assistant|>' }}"
    "{%- generation -%}{{ message['content'] + '<|end|>' }}{%- endgeneration -%}"
    "{%- else -%}{{ raise_exception('Unknown role: ' + message['role']) }}"
    "{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)


def _texts(rng: random.Random, count: int) -> list[str]:
    """Training texts from which the merges are learnt; word lists weigh in so that rare words get tokens too."""
    texts: list[str] = []
    for _ in range(count):
        example = train_example(rng)
        texts += [example.question, example.answer]
        if rng.random() < 0.3:
            texts.append(stories.draw(rng, 4))
    words = list(copying.WORDS)
    for _ in range(6):
        rng.shuffle(words)
        texts.append(" ".join(words))
        texts.append(" ".join(word.capitalize() for word in words[: len(words) // 3]))
    return texts


def build(seed: int, texts: int = 40_000, vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Learn the merges. All 256 bytes are in the vocabulary, so no text is unknown."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(_texts(random.Random(seed), texts), trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )


def number(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The number of a token that is known to exist."""
    found: int | None = tokenizer.backend_tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return found


def splits(tokenizer_json: str) -> dict[int, tuple[int, int]]:
    """Token -> the two tokens it was merged from, by number, read from the tokenizer's JSON text."""
    model = json.loads(tokenizer_json)["model"]
    vocabulary: dict[str, int] = model["vocab"]
    return {vocabulary[left + right]: (vocabulary[left], vocabulary[right]) for left, right in model["merges"]}
