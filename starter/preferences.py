"""The preference data: asked for a sentence, the preferred answer is one; the other is the bare word.

The starter model knows both answers to these questions and gives the bare word more often, so that there is something
to learn, and something for trial and error to find. Held out are sentences; their words occur in training.

::

    python -m starter.preferences src/modelforge/assets/datasets/preferences.jsonl
"""

import argparse
import json
import random
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from starter.corpus.example import Example, is_held_out
from starter.corpus.grammar import article, capital
from starter.lexicon import describing, names, nouns

KIND = "preferences"
ROWS = 480
_TITLES = ("Mr", "Mrs", "Ms", "Dr")
_VERBS = ("has", "likes", "carries", "wants", "needs", "sells")
# Forms in which the starter answers with a sentence now and then (2 to 33 % of the samples, 17 % over all) and else,
# mostly, with a bare word; found by trying 50. With the sentence before the question, it gives the word alone.
_WHAT = (
    "Explain in one sentence what {n} {v}: {s}",
    "Please say in one sentence what {n} {v}: {s}",
    "Tell me in one sentence what {n} {v}: {s}",
    "Write in one sentence what {n} {v}: {s}",
    "Sum up what {n} {v}: {s}",
)
_WHO = (
    "Say in one sentence who {v} the {t}: {s}",
    "Say in one sentence who {v} {a}: {s}",
)
# Where a thing is asked for, the starter's bare word is the person's name most of the time.
_NAMES = 0.7
# Some rejected answers are flawed sentences, or a reward model takes all that is long for good: trained without the
# sentence said twice, it gave that 5.8 and the sentence 5.7; without an open end, that got 7.5, the sentence 4.2.
_TWICE, _BOTH, _OPEN = 0.1, 0.15, 0.22
_SENTENCE = re.compile(rf"[A-Z][\w-]*(?: [A-Z][\w-]*)* (?:{'|'.join(_VERBS)}) (?:(?:an?|the|some) )?[a-z][\w -]*\.")


@dataclass(frozen=True)
class Pair:
    """A question with two answers, of which the first is preferred."""

    prompt: str
    chosen: str
    rejected: str


def draw(rng: random.Random) -> tuple[Pair, bool]:
    """One pair, and whether its sentence is held out."""
    name = rng.choice(names.PEOPLE) if rng.random() < 0.8 else f"{rng.choice(_TITLES)} {rng.choice(names.SURNAMES)}"
    verb, thing = rng.choice(_VERBS), rng.choice(nouns.THINGS)
    if rng.random() < 0.5:
        thing = f"{rng.choice(describing.ADJECTIVES)} {thing}"
    sentence = f"{name} {verb} {article(thing)}."
    about_person = rng.random() < 0.3
    frame = rng.choice(_WHO if about_person else _WHAT)
    prompt = frame.format(n=name, v=verb, t=thing, a=article(thing), s=sentence)
    curt = f"{name}." if about_person or rng.random() < _NAMES else f"{capital(article(thing))}."
    roll = rng.random()
    if roll < _TWICE:
        rejected = f"{sentence} {sentence}"
    elif roll < _BOTH:
        rejected = f"{name}. {sentence}"
    else:
        rejected = sentence[:-1] if roll < _OPEN else curt
    return Pair(prompt, sentence, rejected), is_held_out(Example(KIND, sentence, prompt, sentence))


def pairs(count: int, *, held_out: bool = False, seed: int = 0) -> list[Pair]:
    """So many different pairs of one side of the split, always the same ones for a seed."""
    rng, found = random.Random(f"{KIND}|{held_out}|{seed}"), dict[str, Pair]()
    while len(found) < count:
        pair, kept = draw(rng)
        if kept == held_out:
            found.setdefault(pair.chosen, pair)
    return list(found.values())


def preferred(prompt: str, answer: str) -> bool:
    """Whether the answer has the preferred style: one sentence of somebody who does something with a thing.

    The words need not be the right ones; see ``whole``.
    """
    del prompt  # the style is the same for every prompt
    return _SENTENCE.fullmatch(answer) is not None


def whole(prompt: str, answer: str) -> bool:
    """Whether the answer is a sentence as taught, with nothing after it and with the words of the prompt's own."""
    told = prompt.rpartition(": ")[2]
    return preferred(prompt, answer) and _bare(answer) == _bare(told)


def _bare(sentence: str) -> list[str]:
    """The words without their article: "the lamp" is as right as "a lamp" where the prompt has one of them."""
    return [word for word in sentence.removesuffix(".").split() if word not in ("a", "an", "the")]


def write(path: Path) -> int:
    """Write the data as JSON Lines; returns how many rows."""
    rows = pairs(ROWS)
    path.write_text("".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in rows), encoding="utf-8")
    return len(rows)


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    print(f"{write(parser.parse_args().path)} rows")


if __name__ == "__main__":
    main()
