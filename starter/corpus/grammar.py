"""English word forms and the sentences that several kinds share."""

import random
from dataclasses import dataclass

from starter.lexicon import describing, names, nouns, verbs
from starter.lexicon.text import table

_PLURALS = table(
    """
    mouse:mice goose:geese foot:feet tooth:teeth child:children man:men woman:women sheep:sheep knife:knives
    shelf:shelves scarf:scarves leaf:leaves potato:potatoes tomato:tomatoes loaf:loaves yo-yo:yo-yos mango:mangoes
    salmon:salmon trout:trout deer:deer
    """
)


def article(noun: str) -> str:
    """The noun with "a" or "an"; mass nouns stay bare."""
    if noun.split()[-1] in nouns.MASS or noun[0].isupper():
        return noun
    return f"an {noun}" if noun[0] in "aeiou" and not noun.startswith(("uni", "eu", "use", "one")) else f"a {noun}"


def plural(noun: str) -> str:
    """The plural of a noun."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def third_person(verb: str) -> str:
    """The form after he, she or it."""
    if verb.endswith(("s", "x", "ch", "sh", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def ing(verb: str) -> str:
    """The -ing form."""
    if verb in ("lie", "tie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    doubled = ("get", "put", "cut", "run", "sit", "swim", "win", "drop", "wrap", "forget", "begin", "stop", "travel")
    return verb + verb[-1] + "ing" if verb in doubled else verb + "ing"


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def listing(words: list[str], joiner: str = "and") -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joiner} {words[-1]}"


def thing(rng: random.Random, adjective: float = 0.5) -> str:
    """A thing that can be carried, with an adjective in front at this probability, no article."""
    noun = rng.choice(nouns.THINGS)
    return f"{rng.choice(describing.ADJECTIVES)} {noun}" if rng.random() < adjective else noun


def someone(rng: random.Random) -> str:
    """A subject in the third person singular: a name or "the baker"."""
    if rng.random() < 0.6:
        return names.person(rng)
    noun = rng.choice(nouns.JOBS)
    return f"the {rng.choice(describing.PERSON_ADJECTIVES)} {noun}" if rng.random() < 0.3 else f"the {noun}"


@dataclass(frozen=True)
class Clause:
    """Somebody does something to a thing: the parts from which every form of the sentence is built."""

    subject: str
    verb: str
    noun: str
    adjective: str
    determiner: str
    tail: str

    @property
    def target(self) -> str:
        """The object with determiner and adjective."""
        words = f"{self.adjective} {self.noun}".strip()
        return article(words) if self.determiner == "a" else f"{self.determiner} {words}"

    def finite(self, tense: str) -> str:
        """The verb in "present", "past" or "future"."""
        forms = {"present": third_person(self.verb), "past": verbs.PAST[self.verb], "future": f"will {self.verb}"}
        return forms[tense]

    def statement(self, tense: str) -> str:
        """The whole sentence with its full stop."""
        return capital(f"{self.subject} {self.finite(tense)} {self.target}{self.tail}.")


def clause(rng: random.Random, tails: float = 0.5) -> Clause:
    """A random clause; `tails` is the probability of "in the garden" and its like at the end."""
    tail = ""
    if rng.random() < tails:
        tail = f" {rng.choice(('at', 'near', 'behind', 'in front of'))} the {rng.choice(nouns.PLACES)}"
    return Clause(
        subject=someone(rng),
        verb=rng.choice(verbs.THING_VERBS),
        noun=rng.choice(nouns.THINGS),
        adjective=rng.choice(describing.ADJECTIVES) if rng.random() < 0.5 else "",
        determiner=rng.choice(("the", "a", "the", "a", "his", "her", "this")),
        tail=tail,
    )
