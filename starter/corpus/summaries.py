"""Summaries in one sentence: what matters stays, remarks about mood, weather and looks go.

Key: the text. Held out are texts that occur in no summary of the training.
"""

import random

from starter.corpus.example import Example
from starter.corpus.grammar import article, capital, clause, someone, thing
from starter.lexicon import describing, names, nouns, verbs

KIND = "summaries"
_FRAMES = (
    "Summarise in one sentence: {t}", "Sum this up in one sentence: {t}", "{t} Summarise this.",
    "Give a one-sentence summary: {t}", "What is the main point? {t}", "Shorten this to one sentence: {t}",
    "{t} Say this in one sentence.", "tl;dr: {t}",
)  # fmt: skip
_MOOD = (
    "The sun was shining.", "It was raining hard.", "The streets were empty.", "The air was cold and clear.",
    "It was a long day.", "The wind was strong.", "Birds were singing in the trees.", "There was music somewhere.",
    "Nobody said a word.", "Everyone was in a good mood.", "The evening was warm.", "The clock struck nine.",
    "The coffee was already cold.", "Some people stopped to look.", "It smelled of fresh bread.",
    "A dog barked in the distance.",
)  # fmt: skip


def draw(rng: random.Random) -> Example:
    """One text of three or four sentences with its summary."""
    name = names.person(rng)
    item = thing(rng)
    place, day = rng.choice(nouns.PLACES), rng.choice(nouns.DAYS)
    feeling = rng.choice(describing.PERSON_ADJECTIVES)
    moods = rng.sample(_MOOD, 2)
    shape = rng.randrange(5)
    if shape == 0:
        facts = [f"{name} went to the {place} on {day}.", f"There {name} bought {article(item)}."]
        summary = f"{name} bought {article(item)} at the {place} on {day}."
    elif shape == 1:
        other = names.person(rng)
        facts = [f"{name} had {article(item)}.", f"{name} gave the {item} to {other} at the {place}."]
        summary = f"{name} gave {other} {article(item)}."
    elif shape == 2:
        facts = [
            f"{name} lost {article(item)} at the {place}.",
            f"On {day} {someone(rng)} found it and brought it back.",
        ]
        finder = facts[1].removeprefix(f"On {day} ").removesuffix(" found it and brought it back.")
        summary = f"{capital(finder)} found the {item} that {name} had lost."
    elif shape == 3:
        town, job = names.town(rng), rng.choice(nouns.JOBS)
        facts = [
            f"{name} lived in {town}.",
            f"For many years {name} worked there as {article(job)}.",
            f"{name} was {feeling}.",
        ]
        summary = f"{name} was {article(job)} in {town}."
    else:
        c = clause(rng, tails=0.0)
        facts = [
            f"{capital(c.subject)} was {feeling}.",
            c.statement("past"),
            f"Then everybody {rng.choice(tuple(verbs.ALONE.values()))}.",
        ]
        summary = c.statement("past")
    sentences = list(facts)
    for mood in moods:
        sentences.insert(rng.randint(0, len(sentences)), mood)
    text = " ".join(sentences)
    return Example(KIND, text, rng.choice(_FRAMES).format(t=text), summary)
