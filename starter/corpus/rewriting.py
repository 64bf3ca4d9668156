"""Rewriting one sentence: tense, negation, question, plural, pronoun, politeness, order.

Key: the sentence that is rewritten. Held out are sentences that occur in no rewriting task of the training.
"""

import random
from collections.abc import Callable

from starter.corpus.example import Example
from starter.corpus.grammar import Clause, capital, clause, ing, plural
from starter.lexicon import describing, names, nouns, verbs

KIND = "rewriting"


def _past(c: Clause) -> tuple[str, str]:
    return c.statement("present"), c.statement("past")


def _future(c: Clause) -> tuple[str, str]:
    return c.statement("present"), c.statement("future")


def _present(c: Clause) -> tuple[str, str]:
    return c.statement("past"), c.statement("present")


def _negative(c: Clause) -> tuple[str, str]:
    return c.statement("present"), capital(f"{c.subject} does not {c.verb} {c.target}{c.tail}.")


def _question(c: Clause) -> tuple[str, str]:
    return c.statement("present"), f"Does {c.subject} {c.verb} {c.target}{c.tail}?"


def _progressive(c: Clause) -> tuple[str, str]:
    return c.statement("present"), capital(f"{c.subject} is {ing(c.verb)} {c.target}{c.tail}.")


def _they(c: Clause) -> tuple[str, str]:
    return c.statement("past"), capital(f"they {c.finite('past')} {c.target}{c.tail}.")


def _first_person(c: Clause) -> tuple[str, str]:
    return c.statement("past"), f"I {c.finite('past')} {c.target}{c.tail}."


def _shorter(c: Clause) -> tuple[str, str]:
    return c.statement("past"), capital(f"{c.subject} {c.finite('past')} {c.target}.")


_CLAUSE_RULES: tuple[tuple[Callable[[Clause], tuple[str, str]], tuple[str, ...]], ...] = (
    (
        _past,
        (
            "Put this into the past: {s}",
            "Rewrite in the past tense: {s}",
            "Say it in the past tense: {s}",
            "Change to the past: {s}",
            "Rewrite this sentence so that it happened yesterday: {s}",
        ),
    ),
    (
        _future,
        (
            "Put this into the future: {s}",
            "Rewrite in the future tense: {s}",
            "Say it with will: {s}",
            "Change to the future: {s}",
        ),
    ),
    (_present, ("Put this into the present: {s}", "Rewrite in the present tense: {s}", "Change to the present: {s}")),
    (
        _negative,
        (
            "Make this negative: {s}",
            "Say the negative: {s}",
            "Rewrite with not: {s}",
            "Turn this into a negative sentence: {s}",
        ),
    ),
    (
        _question,
        (
            "Turn this into a question: {s}",
            "Make a question out of this: {s}",
            "Rewrite as a question: {s}",
            "Ask whether this is so: {s}",
        ),
    ),
    (
        _progressive,
        (
            "Say that it is happening now: {s}",
            "Rewrite with is and -ing: {s}",
            "Put this into the progressive form: {s}",
        ),
    ),
    (_they, ("Begin with they: {s}", "Replace the subject with they: {s}", "Rewrite for they: {s}")),
    (_first_person, ("Rewrite in the first person: {s}", "Say it as if you had done it: {s}", "Begin with I: {s}")),
    (_shorter, ("Leave out the place: {s}", "Make this shorter: {s}", "Rewrite without the place: {s}")),
)
_POLITE = (
    "Make this polite: {s}",
    "Say this more politely: {s}",
    "Rewrite as a polite request: {s}",
    "Turn this order into a polite question: {s}",
)
_PLURAL = (
    "Put this into the plural: {s}",
    "Rewrite in the plural: {s}",
    "Make the noun plural: {s}",
    "Change one to many: {s}",
)
_WHEN = ("Put the time first: {s}", "Begin with the time: {s}", "Move the time to the front: {s}")
_JOIN = ("Join the two sentences with and: {s}", "Make one sentence out of these two: {s}", "Combine: {s}")
_SWAP = (
    "Replace {a} with {b}: {s}",
    "Write {b} instead of {a}: {s}",
    "Change {a} to {b}: {s}",
    "Use {b} in place of {a}: {s}",
)


def draw(rng: random.Random) -> Example:
    """One sentence and its new form."""
    roll = rng.random()
    c = clause(rng)
    if roll < 0.55:
        rule, frames = rng.choice(_CLAUSE_RULES)
        if rule is _shorter:
            c = clause(rng, tails=1.0)
        source, target = rule(c)
        question = rng.choice(frames).format(s=source)
    elif roll < 0.65:
        source = capital(f"{c.verb} {c.target}{c.tail}.")
        target = f"Could you please {source[0].lower()}{source[1:-1]}?"
        question = rng.choice(_POLITE).format(s=source)
    elif roll < 0.75:
        noun, adjective = rng.choice(nouns.THINGS), rng.choice(describing.ADJECTIVES)
        place = rng.choice(nouns.PLACES)
        source = f"The {noun} in the {place} is {adjective}."
        target = f"The {plural(noun)} in the {place} are {adjective}."
        question = rng.choice(_PLURAL).format(s=source)
    elif roll < 0.83:
        time = f"{rng.choice(('on', 'every', 'last', 'next'))} {rng.choice(nouns.DAYS)}"
        tense = "past" if time.startswith(("on", "last")) else "future" if time.startswith("next") else "present"
        body = c.statement(tense)[:-1]
        source = f"{body} {time}."
        target = f"{capital(time)} {body[0].lower() + body[1:] if c.subject.startswith('the ') else body}."
        question = rng.choice(_WHEN).format(s=source)
    elif roll < 0.9:
        other = rng.choice(tuple(verbs.ALONE.values()))
        second = names.person(rng)
        source = f"{c.statement('past')} {second} {other}."
        target = f"{c.statement('past')[:-1]} and {second} {other}."
        question = rng.choice(_JOIN).format(s=source)
    else:
        replacement = rng.choice(nouns.THINGS)
        source = f"{capital(c.subject)} {c.finite('past')} the {c.noun}{c.tail}."
        target = f"{capital(c.subject)} {c.finite('past')} the {replacement}{c.tail}."
        question = rng.choice(_SWAP).format(a=c.noun, b=replacement, s=source)
    return Example(KIND, source, question, target)
