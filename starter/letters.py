"""The bundled data for summarization: letters to a shop, each with the line that the shop's ledger keeps of it.

    python -m starter.letters > src/modelforge/assets/datasets/summarization.jsonl

A letter says who writes, from where, what they bought, what is wrong and what they want, in several wordings and amid
remarks that don't matter; the line says the five in fixed words. Each word comes back in many letters, and no two letters
say the same, so rows that are held out are new combinations of known words. The line of any other letter scores a
ROUGE-L of 0.35, and the best line for all of them 0.37.
"""

import json
import random
import sys
from collections.abc import Iterator

from starter.lexicon import names
from starter.lexicon.text import words

LETTERS = 560
SEED = 20261124
PEOPLE = words(
    """
    Anna Ben Clara David Emma Frank Grace Henry Ivy Jack Kate Leo Maria Nina Oscar Paul Rosa Sam Tom Vera Will Zoe
    Alice Bob
    """
)
TOWNS = tuple(names.TOWNS)[:16]
GOODS = words("lamp bell clock radio chair table kettle umbrella bag coat camera guitar")

# For each: how a letter says it, and how the line does.
_FAULTS = (
    (("it fell apart on the first day", "it broke as soon as I touched it"), "broken"),
    (("it came in the wrong colour", "it is green and I had chosen blue"), "wrong colour"),
    (("it is far too small for me", "it is smaller than I thought"), "too small"),
    (("it arrived a month too late", "I had to wait for it for weeks"), "late"),
    (("there was a deep scratch in it", "somebody has scratched it"), "scratched"),
    (("it makes a terrible noise", "it is so loud that nobody can sleep"), "too loud"),
)
_WISHES = (
    (("Please send me my money back.", "I want my money back."), "money back"),
    (("Please send me a new one.", "I would like to have another one instead."), "new one"),
    (("Can you repair it?", "Please repair it for me."), "repair"),
    (("Please call me.", "I wait for your call."), "call"),
)
_BOUGHT = ("I bought a {good} from you,", "Last week I got a {good} in your shop,", "My sister gave me your {good},")
_WHO = ("My name is {who} and I live in {town}.", "This is {who} from {town}.", "I am {who}, and I write from {town}.")
_REMARKS = (
    "It was raining when I came home.", "My mother has always liked your shop.", "The weather is good here.",
    "I hope that you are well.", "My dog was there, too.", "It is a long way to your shop.",
    "Your window looks very nice.", "I have told my friends about it.",
)  # fmt: skip


def rows(letters: int = LETTERS, seed: int = SEED) -> Iterator[dict[str, str]]:
    """Rows in the contract's format; the same ones for the same seed."""
    rng = random.Random(seed)
    told: set[str] = set()
    while len(told) < letters:
        who, town, good = rng.choice(PEOPLE), rng.choice(TOWNS), rng.choice(GOODS)
        (faults, fault), (wishes, wish) = rng.choice(_FAULTS), rng.choice(_WISHES)
        line = f"{who} from {town}: {good} {fault}, wants {wish}."
        if line in told:
            continue
        told.add(line)
        bought = rng.choice(_BOUGHT).format(good=good).replace("a umbrella", "an umbrella")
        first, second = rng.sample(_REMARKS, 2)
        letter = [
            rng.choice(_WHO).format(who=who, town=town),
            f"{bought} and {rng.choice(faults)}.",
            rng.choice(wishes),
        ]
        letter.insert(rng.randrange(1, 3), first)
        if rng.random() < 0.5:
            letter.insert(rng.randrange(len(letter) + 1), second)
        yield {"input": " ".join(letter), "output": line}


def main() -> None:
    """Write the rows to standard output."""
    for row in rows():
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
