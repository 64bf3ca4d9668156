"""The bundled data for extractive question answering: short notes about invented people, with questions to each.

    python -m starter.questions > src/modelforge/assets/datasets/qa.jsonl

A note tells three things of one person, in any order and wording, and each of them is asked for: a model that does not
read the question is right one time in three. (With one question a note, small encoders learnt the notes by heart
instead: 54 % instead of 87 % on notes they had not seen.) The words come back all the time, but what is true of whom is
drawn anew for each note, and no two notes tell the same.
"""

import json
import random
import sys
from collections.abc import Iterator, Sequence

from starter.lexicon import names, nouns
from starter.lexicon.text import words

NOTES = 266
SEED = 20261124
PEOPLE = words(
    """
    Anna Ben Clara David Emma Frank Grace Henry Ivy Jack Kate Leo Maria Nina Oscar Paul Rosa Sam Tom Vera Will Zoe
    Alice Bob Carol Daniel Ella Felix George Hannah Ian Julia Karl Laura Max Nora Oliver Peter Ruth Simon
    """
)

# For each kind of fact: how the note tells it, and how it is asked for. {n} is the name, {v} the answer.
_FACTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "town": (
        ("{n} lives in {v}.", "The home of {n} is in {v}.", "{n} has a small flat in {v}."),
        ("Where does {n} live?", "In which town does {n} live?", "Where is the home of {n}?"),
    ),
    "job": (
        ("{n} works as a {v}.", "{n} earns money as a {v}.", "{n} has been a {v} for years."),
        ("What is the job of {n}?", "What does {n} work as?", "What does {n} do for a living?"),
    ),
    "colour": (
        ("The door of {n} is {v}.", "{n} has painted the door {v}.", "{n} has a door that is {v}."),
        ("What colour is the door of {n}?", "Which colour has the door?"),
    ),
    "pet": (
        ("{n} keeps a {v}.", "The pet of {n} is a {v}.", "{n} shares the house with a {v}."),
        ("What pet does {n} keep?", "Which animal does {n} keep?", "What is the pet of {n}?"),
    ),
    "month": (
        ("{n} was born in {v}.", "The birthday of {n} is in {v}.", "{n} turns a year older in {v}."),
        ("When was {n} born?", "In which month was {n} born?", "When is the birthday of {n}?"),
    ),
    "friend": (
        ("{n} plays cards with {v}.", "The best friend of {n} is {v}.", "{n} often phones {v}."),
        ("Who is the friend of {n}?", "Who is close to {n}?", "Which friend does {n} have?"),
    ),
}
FACTS_IN_A_NOTE = 3


def _values(rng: random.Random, name: str) -> dict[str, str]:
    # "a" must fit before every job and pet.
    def after_a(things: list[str]) -> str:
        return rng.choice([thing for thing in things if thing[0] not in "aeiou"])

    return {
        "town": rng.choice(names.TOWNS),
        "job": after_a(list(nouns.JOBS)),
        "colour": rng.choice(nouns.COLOURS),
        "pet": after_a(list(nouns.PETS)),
        "month": rng.choice(nouns.MONTHS),
        "friend": " ".join((rng.choice([other for other in PEOPLE if other != name]), rng.choice(names.SURNAMES))),
    }


KINDS = tuple(sorted(_FACTS))


def rows(
    notes: int = NOTES, seed: int = SEED, kinds_told: Sequence[str] = KINDS, *, unanswerable: bool = False
) -> Iterator[dict[str, str]]:
    """Rows in the contract's format, FACTS_IN_A_NOTE for each note; the same ones for the same seed.

    With ``unanswerable`` each note is also asked for something that it does not tell, with an empty answer.
    """
    rng = random.Random(seed)
    told: set[frozenset[str]] = set()
    while len(told) < notes:
        name = rng.choice(PEOPLE)
        values = _values(rng, name)
        kinds = rng.sample(kinds_told, FACTS_IN_A_NOTE)
        facts = frozenset([name, *(values[kind] for kind in kinds)])
        context = " ".join(rng.choice(_FACTS[kind][0]).format(n=name, v=values[kind]) for kind in kinds)
        # The place of an answer must not be in doubt.
        if facts in told or any(context.count(values[kind]) != 1 for kind in kinds):
            continue
        told.add(facts)
        for kind in rng.sample(kinds, len(kinds)):
            question = rng.choice(_FACTS[kind][1]).format(n=name)
            yield {"context": context, "question": question, "answer": values[kind]}
        if unanswerable:
            kind = rng.choice([other for other in kinds_told if other not in kinds])
            yield {"context": context, "question": rng.choice(_FACTS[kind][1]).format(n=name), "answer": ""}


def main() -> None:
    """Write the rows to standard output."""
    for row in rows():
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
