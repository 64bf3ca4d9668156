"""What kind of thing something is, and which of some things fits a category or does not.

Key: the question itself. Held out are questions (an item with a form, or a set of items) never asked in training.
"""

import random

from starter.corpus.example import Example
from starter.corpus.grammar import article, capital
from starter.lexicon.nouns import CATEGORIES

KIND = "categories"
_KIND_FRAMES = (
    "What kind of thing is {a}?", "What is {a}, in general?", "Which category does {n} belong to?",
    "What type of thing is {a}?", "Put {n} into a category.", "Sort this word: {n}",
    "Which group does {n} belong to?", "{n}: which category?", "Name the category of {n}.",
    "In which class would you put {n}?", "Tell me the category of {n}.",
)  # fmt: skip
_YES_FRAMES = (
    "Is {a} {c}?", "Would you say that {a} is {c}?", "Does {n} count as {c}?", "Is it true that {a} is {c}?",
    "True or not: {a} is {c}.", "Can we call {a} {c}?", "{a}: is that {c}?",
)  # fmt: skip
_PICK_FRAMES = (
    "Which of these is {c}: {o}?", "Which one is {c}: {o}?", "Find the {b} among these: {o}.", "Pick the {b}: {o}.",
    "One of these is {c}. Which one? {o}", "Choose the word that is {c}: {o}.",
)  # fmt: skip
_ODD_FRAMES = (
    "Which of these is not {c}: {o}?", "Which one does not belong: {o}?", "Find the odd one out: {o}.",
    "Which word does not fit: {o}?", "Name the odd one out: {o}.",
)  # fmt: skip


def _category(name: str) -> str:
    return "weather" if name == "kind of weather" else "food" if name == "food" else article(name)


def draw(rng: random.Random) -> Example:
    """One question about categories."""
    name = rng.choice(tuple(CATEGORIES))
    item = rng.choice(CATEGORIES[name])
    other = rng.choice([key for key in CATEGORIES if key != name])
    fact = f"{capital(article(item))} is {_category(name)}."
    roll = rng.random()
    if roll < 0.35:
        question = rng.choice(_KIND_FRAMES).format(a=article(item), n=item)
        answer = fact
    elif roll < 0.6:
        true = rng.random() < 0.5
        question = rng.choice(_YES_FRAMES).format(a=article(item), n=item, c=_category(name if true else other))
        answer = f"Yes, {fact[0].lower() + fact[1:] if not item[0].isupper() else fact}" if true else f"No. {fact}"
    elif roll < 0.82:
        strangers = [
            rng.choice(CATEGORIES[key]) for key in rng.sample([k for k in CATEGORIES if k != name], rng.randint(2, 3))
        ]
        options = [item, *strangers]
        rng.shuffle(options)
        question = rng.choice(_PICK_FRAMES).format(c=_category(name), b=name, o=", ".join(options))
        answer = fact
    else:
        members = rng.sample(CATEGORIES[name], min(len(CATEGORIES[name]), rng.randint(3, 4)))
        odd = rng.choice(CATEGORIES[other])
        options = [*members[1:], odd]
        rng.shuffle(options)
        question = rng.choice(_ODD_FRAMES).format(c=_category(name), o=", ".join(options))
        answer = f"{capital(article(odd))} is not {_category(name)}."
    question = capital(question)
    return Example(KIND, question, question, answer)
