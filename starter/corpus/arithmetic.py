"""Sums: adding, taking away, multiplying, comparing, counting on.

Key: the operation and its two numbers. Held out are pairs of numbers that are never combined in
training, in any wording.
"""

import random

from starter.corpus.example import Example
from starter.corpus.grammar import plural
from starter.lexicon import nouns
from starter.lexicon.names import person

KIND = "arithmetic"
_Frames = tuple[str, ...]
_PLUS: _Frames = (
    "What is {a} + {b}?", "What is {a} plus {b}?", "Add {a} and {b}.", "How much is {a} + {b}?", "{a} + {b} = ?",
    "Work out {a} + {b}.", "Please add {b} to {a}.", "{a}+{b}", "Calculate {a} plus {b}.",
    "What is the sum of {a} and {b}?",
)  # fmt: skip
_MINUS: _Frames = (
    "What is {a} - {b}?", "What is {a} minus {b}?", "Take {b} away from {a}.", "How much is {a} - {b}?",
    "{a} - {b} = ?", "Subtract {b} from {a}.", "{a}-{b}", "Calculate {a} minus {b}.",
    "How much is left of {a} without {b}?",
)  # fmt: skip
_TIMES: _Frames = (
    "What is {a} x {b}?", "What is {a} times {b}?", "Multiply {a} by {b}.", "How much is {a} x {b}?", "{a} x {b} = ?",
    "Calculate {a} times {b}.",
)  # fmt: skip
_MORE = ("Which is more, {a} or {b}?", "Which number is larger: {a} or {b}?", "Is {a} or {b} the bigger number?")


def _number(rng: random.Random) -> int:
    """Small numbers more often than large ones, up to 99."""
    return rng.randint(0, 20) if rng.random() < 0.4 else rng.randint(0, 99)


def draw(rng: random.Random) -> Example:
    """One sum with its result."""
    a, b = _number(rng), _number(rng)
    roll = rng.random()
    if roll < 0.40:
        frames, sign, result = _PLUS, "+", a + b
    elif roll < 0.70:
        a, b = max(a, b), min(a, b)
        frames, sign, result = _MINUS, "-", a - b
    elif roll < 0.82:
        a, b = rng.randint(0, 12), rng.randint(0, 12)
        frames, sign, result = _TIMES, "x", a * b
    elif roll < 0.90:
        if a == b:
            b += 1
        return Example(KIND, f"{a}>{b}", rng.choice(_MORE).format(a=a, b=b), f"{max(a, b)} is more than {min(a, b)}.")
    else:
        name, item = person(rng), plural(rng.choice(nouns.THINGS))
        a, b = max(a, b, 2), max(2, min(a, b))
        if rng.random() < 0.5:
            question = f"{name} has {a} {item} and gets {b} more. How many {item} does {name} have now?"
            return Example(KIND, f"{a}+{b}", question, f"{a} + {b} = {a + b}.")
        question = f"{name} has {a} {item} and gives away {b}. How many {item} are left?"
        return Example(KIND, f"{a}-{b}", question, f"{a} - {b} = {a - b}.")
    return Example(KIND, f"{a}{sign}{b}", rng.choice(frames).format(a=a, b=b), f"{a} {sign} {b} = {result}.")
