"""What common words mean.

Key: the word and the form of the question. Held out are forms in which a taught word was never asked.
"""

import random

from starter.corpus.example import Example
from starter.corpus.grammar import article, capital
from starter.lexicon.meanings import MEANINGS

KIND = "definitions"
_FRAMES = (
    "What is {a}?", "What does the word {w} mean?", "What does {w} mean?", "Define {w}.", "Explain the word {w}.",
    "Give a definition of {w}.", "What do we mean by {w}?", "Tell me what {a} is.", "Can you explain what {a} is?",
    "I do not know the word {w}. What is it?", "How would you define {w}?", "Explain {a} to a child.",
    "Please define the word {w}.", "{w}: meaning?", "What exactly is {a}?", "Do you know what {a} is?",
    "What is meant by {w}?", "Describe {a} in one sentence.", "Somebody said {w}. What does that mean?",
    "meaning of {w}",
)  # fmt: skip
_REVERSE = (
    "What do you call {m}?", "Which word means {m}?", "Which word am I looking for: {m}?",
    "What is the word for {m}?", "Give me one word for {m}.", "Name it: {m}.",
)  # fmt: skip


def draw(rng: random.Random) -> Example:
    """One word with its meaning, or one meaning with its word."""
    word, meaning = rng.choice(tuple(MEANINGS.items()))
    reverse = rng.random() < 0.25
    frame = rng.choice(_REVERSE if reverse else _FRAMES)
    question = (
        capital(frame.format(a=article(word), w=word, m=meaning))
        if frame[0] != "{" or reverse
        else frame.format(w=word)
    )
    answer = f"That is {article(word)}." if reverse else f"{capital(article(word))} is {meaning}."
    return Example(KIND, f"{word}|{frame}", question, answer)
