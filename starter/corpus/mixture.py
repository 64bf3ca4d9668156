"""How often each kind occurs, and the two sides of the split."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

from starter.corpus import (
    arithmetic,
    categories,
    copying,
    definitions,
    facts,
    howto,
    opposites,
    passages,
    rewriting,
    smalltalk,
    summaries,
)
from starter.corpus.example import Example, is_held_out


@dataclass(frozen=True)
class Kind:
    """A kind of question: its generator, its share of the training, and what a held-out instance of it is."""

    draw: Callable[[random.Random], Example]
    share: float
    held_out: str


# Kinds whose answers have to be worked out get a larger share than kinds that are remembered.
KINDS: dict[str, Kind] = {
    smalltalk.KIND: Kind(smalltalk.draw, 0.09, "a wording put together as it never was in training"),
    opposites.KIND: Kind(opposites.draw, 0.09, "a form of question in which a taught pair was never asked"),
    categories.KIND: Kind(categories.draw, 0.13, "an item in a form, or a set of items, never asked in training"),
    definitions.KIND: Kind(definitions.draw, 0.07, "a form of question in which a taught word was never asked"),
    howto.KIND: Kind(howto.draw, 0.05, "a form of question in which a taught task was never asked"),
    facts.KIND: Kind(facts.draw, 0.05, "a form of question in which a taught fact was never asked"),
    rewriting.KIND: Kind(rewriting.draw, 0.13, "a sentence never rewritten in training"),
    passages.KIND: Kind(passages.draw, 0.15, "a passage never asked about in training"),
    summaries.KIND: Kind(summaries.draw, 0.06, "a text never summarised in training"),
    arithmetic.KIND: Kind(arithmetic.draw, 0.07, "a pair of numbers never combined in training"),
    copying.KIND: Kind(copying.draw, 0.11, "a content never copied in training"),
}
# Not a kind of its own: a part of the passage questions that a later stage can favour.
BINDINGS = "bindings"
FAVOURITES = (*KINDS, BINDINGS)
_DRAWS = (*(kind.draw for kind in KINDS.values()), passages.draw_binding)
# How many times its share a kind gets that a later stage of the training favours.
_FAVOUR = 3.0


def shares(favoured: Collection[str] = ()) -> tuple[float, ...]:
    """The share of each kind, in the order of FAVOURITES; bindings have one only if they are favoured."""
    kinds = (kind.share * (_FAVOUR if name in favoured else 1.0) for name, kind in KINDS.items())
    return (*kinds, 1.0 if BINDINGS in favoured else 0.0)


_SHARES = shares()


def train_example(rng: random.Random, weights: tuple[float, ...] = _SHARES) -> Example:
    """An example of any kind that is not held out."""
    draw = rng.choices(_DRAWS, weights)[0]
    while is_held_out(example := draw(rng)):
        pass
    return example


def held_out_examples(kind: str, count: int, seed: int = 0) -> list[Example]:
    """At most so many different held-out examples of one kind, always the same ones for a seed.

    Small kinds have fewer held-out questions than that, so the search ends after a fixed number of draws.
    """
    rng = random.Random(f"{kind}|{seed}")
    draw, found = KINDS[kind].draw, dict[str, Example]()
    for _ in range(200 * count):
        example = draw(rng)
        if len(found) < count and is_held_out(example):
            found.setdefault(example.question.lower(), example)
    return list(found.values())
