"""Opposites of common words.

Key: the word and the form of the question. Held out are forms in which a taught pair was never asked.
"""

import random

from starter.corpus.example import Example
from starter.lexicon.describing import OPPOSITES

KIND = "opposites"
_FRAMES = (
    "What is the opposite of {w}?", "What is the opposite of the word {w}?", "Give me the opposite of {w}.",
    "Tell me the opposite of {w}.", "Which word means the opposite of {w}?", "The opposite of {w} is what?",
    "Name the opposite of {w}.", "Opposite of {w}?", "What word is the opposite of {w}?",
    "{w} - what is the opposite?", "I need a word that is the opposite of {w}.", "Do you know the opposite of {w}?",
    "Find the opposite: {w}", "Say the opposite of {w}.", "What is the contrary of {w}?", "Write the antonym of {w}.",
    "What is an antonym of {w}?", "If it is not {w}, what is it? Give the opposite.",
    "Please give the antonym for the word {w}.", "Can you tell me which word is the opposite of {w}?",
    "Turn {w} into its opposite.", "opposite of {w}",
)  # fmt: skip


def draw(rng: random.Random) -> Example:
    """One word and its opposite; now and then a choice among three."""
    first, second = rng.choice(OPPOSITES)
    if rng.random() < 0.5:
        first, second = second, first
    if rng.random() < 0.1:
        others = [word for pair in rng.sample(OPPOSITES, 2) if first not in pair for word in pair[:1]]
        options = [second, *others]
        rng.shuffle(options)
        question = f"Which of these is the opposite of {first}: {', '.join(options)}?"
        return Example(KIND, question, question, f"The opposite of {first} is {second}.")
    frame = rng.choice(_FRAMES)
    return Example(KIND, f"{first}|{frame}", frame.format(w=first), f"The opposite of {first} is {second}.")
