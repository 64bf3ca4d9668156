"""Plain text without questions: little stories, lists and descriptions that use the whole lexicon."""

import random

from starter.corpus import copying, summaries
from starter.corpus.grammar import article, capital, clause, listing, plural, someone, thing
from starter.corpus.passages import passage
from starter.lexicon import describing, names, nouns, verbs
from starter.lexicon.meanings import MEANINGS

_SAID = ("Please bring me", "Where is", "I need", "Do you see", "Look at")


def _sentence(rng: random.Random) -> str:
    """One sentence of one of many shapes."""
    who, other, place = someone(rng), names.person(rng), rng.choice(nouns.PLACES)
    adjective, feeling = rng.choice(describing.ADJECTIVES), rng.choice(describing.PERSON_ADJECTIVES)
    adverb, alone = rng.choice(describing.ADVERBS), rng.choice(tuple(verbs.ALONE.values()))
    shape = rng.randrange(12)
    if shape == 0:
        return clause(rng).statement(rng.choice(("past", "present", "future")))
    if shape == 1:
        return capital(f"{who} {alone} {adverb} at the {place}.")
    if shape == 2:
        return capital(f"{who} was {feeling}, but {other} was {rng.choice(describing.PERSON_ADJECTIVES)}.")
    if shape == 3:
        return f"The {rng.choice(nouns.THINGS)} was {adjective} and {rng.choice(describing.ADJECTIVES)}."
    if shape == 4:
        return capital(f'{who} said: "{rng.choice(_SAID)} the {thing(rng)}!"')
    if shape == 5:
        return f"In {names.town(rng)} there are many {adjective} {plural(rng.choice(nouns.THINGS))}."
    if shape == 6:
        word, meaning = rng.choice(tuple(MEANINGS.items()))
        return capital(f"{article(word)} is {meaning}.")
    if shape == 7:
        items = [article(thing(rng, 0.3)) for _ in range(rng.randint(2, 4))]
        return capital(f"{who} packed {listing(items)}.")
    if shape == 8:
        return capital(f"when {other} {alone}, {who} {rng.choice(tuple(verbs.ALONE.values()))} too.")
    if shape == 9:
        hour, day = rng.randint(1, 12), rng.choice(nouns.DAYS)
        return f"It was {hour} o'clock on {day}, {rng.randint(1, 28)} {rng.choice(nouns.MONTHS)}."
    if shape == 10:
        return capital(f"{' '.join(rng.choices(copying.WORDS, k=rng.randint(3, 8)))}.")
    return capital(f"{who} did not like the {thing(rng)}, because it was too {adjective}.")


def draw(rng: random.Random, sentences: int) -> str:
    """A text of about this many sentences."""
    parts: list[str] = []
    while len(parts) < sentences:
        roll = rng.random()
        if roll < 0.15:
            parts.append(passage(rng)[0])
        elif roll < 0.2:
            parts.append(summaries.draw(rng).answer)
        else:
            parts.append(_sentence(rng))
    return " ".join(parts)
