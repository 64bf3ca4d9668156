"""Rows of which some are nearly the same, and some only look so: what a search for near duplicates is measured on."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


def _words(text: str) -> list[str]:
    return text.split()


SUBJECTS = _words("""teacher gardener nurse pilot baker singer farmer painter tailor fisher lawyer doctor miner clerk
porter sailor hunter potter weaver smith cook judge poet dancer driver""")
PLACES = _words("""harbour village mountain river bridge castle market garden library station forest island valley
meadow chapel tower cellar orchard quarry lighthouse bakery museum tunnel canal prairie""")
THINGS = _words("""lantern violin basket ladder compass kettle blanket hammer mirror candle anchor barrel saddle needle
ribbon curtain pillow shovel bucket trumpet carpet bottle drawer wagon cradle""")
VERBS = _words("""carries repairs remembers describes borrows polishes discovers paints measures forgets collects hides
examines delivers decorates admires replaces inspects follows abandons""")
WHEN = """before sunrise|after the storm|every second Tuesday|during the long winter|late in the evening|without any
haste|for the third time|in spite of the rain|at the end of March|while nobody watches""".replace("\n", " ").split("|")
EXTRA = _words("honestly perhaps quite really already certainly meanwhile nearly")
PATTERNS = (
    "Write a short and friendly letter to the {0} of the {1}, who {2} the {3} {4}.",
    "Explain in simple words why the {0} from the {1} {2} the {3} {4}.",
    "Translate the following sentence: the {0} near the {1} {2} the {3} {4}.",
)


@dataclass
class Planted:
    """Rows, and what is to be found."""

    rows: list[dict[str, str]] = field(default_factory=list)
    groups: list[set[int]] = field(default_factory=list)
    """Numbers, from 0, of rows that are nearly the same as each other."""

    @property
    def near(self) -> set[int]:
        return set().union(*self.groups)

    @property
    def twins(self) -> set[int]:
        """One of each group."""
        return {min(group) for group in self.groups}

    def leaked(self, held_out: set[int]) -> set[int]:
        """Held-out rows in a group with one that is learnt from."""
        return set().union(*(group & held_out for group in self.groups if group - held_out))


def sentence(chance: random.Random) -> str:
    return (
        f"The {chance.choice(SUBJECTS)} at the {chance.choice(PLACES)} {chance.choice(VERBS)} the "
        f"{chance.choice(THINGS)} {chance.choice(WHEN)}"
    )


def original(chance: random.Random) -> dict[str, str]:
    """One of a pattern that many others have, too, with an answer of its own."""
    words = [chance.choice(kind) for kind in (SUBJECTS, PLACES, VERBS, THINGS, WHEN)]
    answer = ". ".join(sentence(chance) for _ in range(chance.randint(2, 6)))
    return {"input": chance.choice(PATTERNS).format(*words), "output": f"{answer}."}


def varied(row: dict[str, str], chance: random.Random) -> dict[str, str]:
    """The same in slightly other words: one change, or another for every thirty words."""
    question, words = row["input"], row["output"].split()
    for _ in range(1 + len(words) // 30):
        at = chance.randrange(len(words) - 1)
        kind = chance.randrange(5)
        if kind == 0:
            words[at], words[at + 1] = words[at + 1], words[at]
        elif kind == 1:
            words[at] = chance.choice(THINGS)
        elif kind == 2:
            words.insert(at, chance.choice(EXTRA))
        elif kind == 3:
            question, words = question.upper(), [word.replace(".", " !") for word in words]
        else:
            del words[at]
    return {"input": question.rstrip("."), "output": "  ".join(words)}


def half_new(row: dict[str, str], chance: random.Random) -> dict[str, str]:
    """The same question, and an answer that begins alike: another row."""
    sentences = row["output"].split(". ")
    kept = sentences[: len(sentences) // 2]
    return {"input": row["input"], "output": ". ".join([*kept, *(sentence(chance) for _ in range(len(kept) + 1))])}


def planted(count: int, groups: int, seed: int) -> Planted:
    """``count`` different rows, by three patterns; ``groups`` of them once or twice more in other words, and as many
    others with half of another answer; all in random order."""
    chance = random.Random(seed)
    rows: list[tuple[dict[str, str], int | None]] = [(original(chance), None) for _ in range(count)]
    rows += [(half_new(row, chance), None) for row, _ in rows[groups : 2 * groups]]
    for number in range(groups):
        row = rows[number][0]
        rows[number] = (row, number)
        others = [row]
        while len(others) < chance.randint(2, 3):
            other = varied(row, chance)
            if other not in others:
                others.append(other)
        rows += [(other, number) for other in others[1:]]
    chance.shuffle(rows)
    found: list[set[int]] = [set() for _ in range(groups)]
    for number, (_, group) in enumerate(rows):
        if group is not None:
            found[group].add(number)
    return Planted([row for row, _ in rows], found)
