"""Copying: words, sentences, made-up words, odd Unicode, and picking from a list.

Key: the content that is copied. Held out are contents that occur in no copying task of the training.
"""

import random

from starter.corpus.example import Example
from starter.corpus.grammar import capital, clause, listing
from starter.lexicon import describing, names, nouns, verbs
from starter.lexicon.common import COMMON

KIND = "copying"
WORDS: tuple[str, ...] = tuple(
    dict.fromkeys([*COMMON, *nouns.THINGS, *nouns.PLACES, *describing.ADJECTIVES, *describing.ADVERBS, *verbs.PAST,
                   *verbs.PAST.values(), *(item for members in nouns.CATEGORIES.values() for item in members),
                   *describing.PERSON_ADJECTIVES, *(word for pair in describing.OPPOSITES for word in pair)])
)  # fmt: skip
_COPY = (
    "Repeat: {t}", "Repeat after me: {t}", "Copy this: {t}", "Say exactly this: {t}", "Write the same again: {t}",
    "Echo: {t}", "Please repeat the following: {t}", "Copy the text word for word: {t}", "Say after me: {t}",
    "Repeat this text: {t}",
)  # fmt: skip
_FIRST = ("Which word comes first: {t}?", "Name the first word: {t}", "What is the first word in this list: {t}?")
_LAST = ("Which word comes last: {t}?", "Name the last word: {t}", "What is the last word in this list: {t}?")
_BACK = ("Say these words in reverse order: {t}", "Turn the order around: {t}", "Write this list backwards: {t}")
_AND = ("Join these words with and: {t}", "Make a list with and: {t}")
_SPELL = ("Spell {t}.", "Spell the word {t}.", "How do you spell {t}?", "Write {t} letter by letter.")
# Blocks of characters that people really type: Latin, Greek, Cyrillic, Hebrew, Arabic, Indic, kana, Han, Hangul,
# signs, emoji.
_BLOCKS = (
    (0xC0, 0x17F),
    (0x391, 0x3C9),
    (0x410, 0x44F),
    (0x5D0, 0x5EA),
    (0x627, 0x64A),
    (0x905, 0x939),
    (0x3041, 0x3096),
    (0x30A1, 0x30FA),
    (0x4E00, 0x9FA5),
    (0xAC00, 0xD7A3),
    (0x2010, 0x2044),
    (0x20A0, 0x20BF),
    (0x2190, 0x21FF),
    (0x1F300, 0x1F64F),
    (0xA1, 0xBF),
    (0x10000, 0x1005D),
)


def odd_text(rng: random.Random) -> str:
    """A few characters from one block, 2-8 of them, in one to two words."""
    low, high = rng.choice(_BLOCKS)
    text = "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(2, 8)))
    cut = rng.randrange(len(text))
    return f"{text[:cut]} {text[cut:]}".strip() if rng.random() < 0.3 else text


def _mark(rng: random.Random) -> str:
    """Something with figures and signs, as in codes, prices, times and addresses."""
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 6)))
    letters = "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
    return rng.choice(
        (
            digits,
            letters + digits,
            f"{letters}-{digits}",
            f"£{digits}",
            f"{rng.randint(0, 23)}:{rng.randint(10, 59)}",
            f"{digits}%",
            f"{names.made_up_word(rng)}@{names.made_up_word(rng)}.com",
            f"({letters})",
            f"#{digits}",
            f"{rng.randint(0, 99)}.{rng.randint(10, 99)}",
            f"{letters}_{digits}",
            f"{digits}/{digits[:2]}",
        )
    )


def content(rng: random.Random) -> str:
    """Something to copy."""
    roll = rng.random()
    if roll < 0.40:
        words = rng.choices(WORDS, k=rng.randint(1, 9))
        return rng.choice((" ", " ", ", ")).join(words)
    if roll < 0.60:
        return clause(rng).statement(rng.choice(("past", "present", "future")))
    if roll < 0.75:
        return " ".join(names.made_up_word(rng) for _ in range(rng.randint(1, 5)))
    if roll < 0.88:
        return " ".join(
            rng.choice((_mark(rng), rng.choice(WORDS), names.person(rng))) for _ in range(rng.randint(1, 5))
        )
    return " ".join(odd_text(rng) for _ in range(rng.randint(1, 2)))


def draw(rng: random.Random) -> Example:
    """One text to copy, or a list of words to take something from."""
    if rng.random() < 0.7:
        text = content(rng)
        return Example(KIND, text, rng.choice(_COPY).format(t=text), text)
    words = rng.sample(WORDS, rng.randint(2, 5))
    text = ", ".join(words)
    task = rng.randrange(5)
    if task == 0:
        return Example(KIND, text, rng.choice(_FIRST).format(t=text), capital(words[0]) + ".")
    if task == 1:
        return Example(KIND, text, rng.choice(_LAST).format(t=text), capital(words[-1]) + ".")
    if task == 2:
        return Example(KIND, text, rng.choice(_BACK).format(t=text), ", ".join(reversed(words)))
    if task == 3:
        return Example(KIND, text, rng.choice(_AND).format(t=text), listing(words))
    word = rng.choice([word for word in words if " " not in word] or ["lamp"])
    return Example(KIND, f"spell {word}", rng.choice(_SPELL).format(t=word), "-".join(word))
