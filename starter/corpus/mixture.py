"""How often each kind occurs, and the two sides of the split."""

import random
from collections.abc import Callable

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

Draw = Callable[[random.Random], Example]
# Kind -> generator and share. Kinds whose answers have to be worked out get more than kinds that are remembered.
KINDS: dict[str, tuple[Draw, float]] = {
    smalltalk.KIND: (smalltalk.draw, 0.09),
    opposites.KIND: (opposites.draw, 0.09),
    categories.KIND: (categories.draw, 0.13),
    definitions.KIND: (definitions.draw, 0.07),
    howto.KIND: (howto.draw, 0.05),
    facts.KIND: (facts.draw, 0.05),
    rewriting.KIND: (rewriting.draw, 0.13),
    passages.KIND: (passages.draw, 0.15),
    summaries.KIND: (summaries.draw, 0.06),
    arithmetic.KIND: (arithmetic.draw, 0.07),
    copying.KIND: (copying.draw, 0.11),
}
_DRAWS = tuple(draw for draw, _ in KINDS.values())
_SHARES = tuple(share for _, share in KINDS.values())


def train_example(rng: random.Random) -> Example:
    """An example of any kind that is not held out."""
    draw = rng.choices(_DRAWS, _SHARES)[0]
    while is_held_out(example := draw(rng)):
        pass
    return example


def held_out_examples(kind: str, count: int, seed: int = 0) -> list[Example]:
    """At most so many different held-out examples of one kind, always the same ones for a seed.

    Small kinds have fewer held-out questions than that, so the search ends after a fixed number of draws.
    """
    rng = random.Random(f"{kind}|{seed}")
    draw, found = KINDS[kind][0], dict[str, Example]()
    for _ in range(200 * count):
        example = draw(rng)
        if len(found) < count and is_held_out(example):
            found.setdefault(example.question.lower(), example)
    return list(found.values())
