"""Plain knowledge: capitals, sounds, young animals, colours, how many, what comes next.

Key: the fact and the form of the question. Held out are forms in which a taught fact was never asked.
"""

import random

from starter.corpus.example import Example
from starter.corpus.grammar import article, capital
from starter.lexicon.facts import CAPITALS, COUNTS, HUES, SOUNDS, YOUNG
from starter.lexicon.nouns import DAYS, MONTHS

KIND = "facts"
_CAPITAL = (
    "What is the capital of {x}?", "Which city is the capital of {x}?", "Name the capital of {x}.",
    "{x}: what is its capital?", "Tell me the capital city of {x}.", "Do you know the capital of {x}?",
    "capital of {x}",
)  # fmt: skip
_COUNTRY = (
    "Which country has the capital {x}?",
    "{x} is the capital of which country?",
    "In which country is {x}?",
    "Where is {x}?",
)
_SOUND = (
    "What sound does {x} make?",
    "What does {x} do when it is loud?",
    "How does {x} sound?",
    "Which noise does {x} make?",
)
_YOUNG = (
    "What is a young {x} called?",
    "What do you call a baby {x}?",
    "Name the young of the {x}.",
    "What is the word for a young {x}?",
)
_HUE = ("What colour is {x}?", "Which colour does {x} have?", "Tell me the colour of {x}.", "Name the colour of {x}.")
_COUNT = ("How many {x}?", "Tell me how many {x}.", "Do you know how many {x}?", "Can you tell me how many {x}?")
_NEXT = (
    "What comes after {x}?",
    "Which {k} follows {x}?",
    "What is the {k} after {x}?",
    "Name the {k} that comes after {x}.",
)
_LAST = (
    "What comes before {x}?",
    "Which {k} is before {x}?",
    "What is the {k} before {x}?",
    "Name the {k} that comes before {x}.",
)


def _count_question(what: str) -> str:
    """ "days in a week" becomes "days are there in a week", in the order of a question."""
    noun, _, rest = what.partition(" ")
    return f"{noun} are there {rest}"


def draw(rng: random.Random) -> Example:
    """One question about a fact."""
    table = rng.randrange(8)
    kind = ""
    if table <= 1:
        x, value = rng.choice(tuple(CAPITALS.items()))
        answer = f"{value} is the capital of {x}."
        frames = _CAPITAL if table == 0 or rng.random() < 0.4 else _COUNTRY
        x = x if frames is _CAPITAL else value
    elif table == 2:
        x, value = rng.choice(tuple(SOUNDS.items()))
        frames, x = _SOUND, article(x)
        answer = f"{capital(x)} {value}."
    elif table == 3:
        x, value = rng.choice(tuple(YOUNG.items()))
        frames, answer = _YOUNG, f"A young {x} is called {article(value)}."
    elif table == 4:
        x, value = rng.choice(tuple(HUES.items()))
        frames, answer = _HUE, f"{capital(x)} is {value}."
    elif table == 5:
        x, value = rng.choice(tuple(COUNTS.items()))
        answer = f"There are {value} {x}."
        frames, x = _COUNT, _count_question(x)
    else:
        kind, order = rng.choice((("day", DAYS), ("month", MONTHS)))
        position = rng.randrange(len(order))
        x, after = order[position], order[(position + 1) % len(order)]
        before = order[position - 1]
        frames = _NEXT if table == 6 else _LAST
        answer = f"{after} comes after {x}." if table == 6 else f"{before} comes before {x}."
    frame = rng.choice(frames)
    question = capital(frame.format(x=x, k=kind))
    return Example(KIND, f"{x}|{frame}", question, answer)
