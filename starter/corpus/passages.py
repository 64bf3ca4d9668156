"""Answering from a short passage: who, what, where, when, how much, and from notices of shops and clubs.

Key: the passage. Held out are passages that occur in no question of the training.
"""

import random
from collections.abc import Callable, Sequence

from starter.corpus.example import Example
from starter.corpus.grammar import article, capital, someone, thing
from starter.lexicon import describing, names, nouns, verbs

KIND = "passage questions"
_Questions = list[tuple[tuple[str, ...], str]]
_Maker = Callable[[random.Random], tuple[list[str], _Questions]]
_LAYOUTS = (
    "{p} {q}", "{p}\n{q}", "{p}\n\n{q}", "Read this: {p} {q}", "Passage: {p}\nQuestion: {q}", "{q} {p}",
    "Text: {p} {q}", "Answer from the text. {p} {q}", "Question: {q}\nText: {p}",
)  # fmt: skip
_PAYMENTS = ("cash only", "cash and cards", "cards only", "cards and vouchers", "bank transfers")
_CLEANERS = ("a damp cloth", "warm water", "a soft brush", "a dry cloth", "a little vinegar")
_FOODS, _VEGETABLES = nouns.CATEGORIES["food"], nouns.CATEGORIES["vegetable"]
_TIMES = ("in the morning", "at noon", "in the evening", "at night", "after lunch", "before breakfast", "at midnight")


def _errand(rng: random.Random) -> tuple[list[str], _Questions]:
    name, other, item = names.person(rng), names.person(rng), thing(rng)
    place, day, price = rng.choice(nouns.PLACES), rng.choice(nouns.DAYS), rng.randint(2, 99)
    verb, past = rng.choice((("buy", "bought"), ("sell", "sold"), ("order", "ordered"), ("rent", "rented")))
    text = [
        f"On {day} {name} {past} {article(item)} at the {place}.",
        f"It cost {price} {rng.choice(('pounds', 'euros', 'dollars'))}.",
        f"It was for {other}.",
    ]
    unit = text[1].split()[-1][:-1]
    return text, [
        ((f"What did {name} {verb}?", f"Which thing was {past} by {name}?"), capital(article(item)) + "."),
        ((f"Where did {name} {verb} it?", f"At which place did {name} {verb} the {item}?"), f"At the {place}."),
        ((f"When did {name} {verb} the {item}?", "On which day was that?"), f"On {day}."),
        (
            (f"How much did the {item} cost?", "What was the price?", f"How expensive was the {item}?"),
            f"It cost {price} {unit}.",
        ),
        ((f"Who was the {item} for?", "For whom was it?"), f"It was for {other}."),
        ((f"Who {past} the {item}?", f"Who was at the {place}?"), f"{name}."),
    ]


def _people(rng: random.Random) -> tuple[list[str], _Questions]:
    people = [names.person(rng) for _ in range(rng.randint(2, 4))]
    items = [thing(rng) for _ in people]
    verb, past = rng.choice(
        (
            ("have", "has"),
            ("like", "likes"),
            ("carry", "carries"),
            ("want", "wants"),
            ("need", "needs"),
            ("sell", "sells"),
        )
    )
    text = [f"{name} {past} {article(item)}." for name, item in zip(people, items, strict=True)]
    questions: _Questions = []
    for name, item in zip(people, items, strict=True):
        questions.append(
            ((f"What does {name} {verb}?", f"Which thing does {name} {verb}?"), capital(article(item)) + ".")
        )
        questions.append(
            (
                (f"Who {past} the {item}?", f"Who {past} {article(item)}?", f"Which person {past} the {item}?"),
                f"{name}.",
            )
        )
    return text, questions


def _life(rng: random.Random) -> tuple[list[str], _Questions]:
    name, town, job = names.person(rng), names.town(rng), rng.choice(nouns.JOBS)
    age, pet, pet_name = rng.randint(5, 90), rng.choice(nouns.PETS), names.person(rng).split()[-1]
    colour, month = rng.choice(nouns.COLOURS), rng.choice(nouns.MONTHS)
    text = [
        f"{name} is {article(job)} in {town}.",
        f"{name} is {age} years old.",
        f"{name} has {article(pet)} called {pet_name}.",
        f"The house of {name} is {colour}.",
        f"{name} was born in {month}.",
    ]
    kept = sorted(rng.sample(range(5), rng.randint(2, 4)))
    questions: _Questions = [
        ((f"What is the job of {name}?", f"What does {name} do for a living?"), f"{name} is {article(job)}."),
        ((f"How old is {name}?", f"What is the age of {name}?"), f"{name} is {age} years old."),
        (
            (f"What is the {pet} called?", f"What is the name of the {pet}?", f"How is the {pet} called?"),
            f"{pet_name}.",
        ),
        ((f"What colour is the house of {name}?", f"Which colour is the house of {name}?"), f"{capital(colour)}."),
        ((f"When was {name} born?", f"In which month was {name} born?"), f"In {month}."),
    ]
    return [text[i] for i in kept], [questions[i] for i in kept]


def _room(rng: random.Random) -> tuple[list[str], _Questions]:
    spots = rng.sample(
        (
            "on the table",
            "under the bed",
            "behind the door",
            "in the box",
            "near the window",
            "on the shelf",
            "in the drawer",
            "beside the chair",
            "in the cellar",
            "on the roof",
            "in the car",
            "under the stairs",
        ),
        3,
    )
    items = [thing(rng) for _ in spots]
    text = [f"{capital('the ' + item)} is {spot}." for item, spot in zip(items, spots, strict=True)]
    questions: _Questions = []
    for item, spot in zip(items, spots, strict=True):
        questions.append(
            (
                (f"Where is the {item}?", f"Where can I find the {item}?", f"In which place is the {item}?"),
                capital(spot) + ".",
            )
        )
        questions.append(((f"What is {spot}?", f"Which thing is {spot}?"), f"The {item}."))
    return text, questions


def _event(rng: random.Random) -> tuple[list[str], _Questions]:
    who, what, place = someone(rng), thing(rng), rng.choice(nouns.PLACES)
    feeling, when = rng.choice(describing.PERSON_ADJECTIVES), rng.choice(_TIMES)
    verb = rng.choice(verbs.THING_VERBS)
    text = [
        f"{capital(who)} went to the {place} {when}.",
        f"There {who} {verbs.PAST[verb]} {article(what)}.",
        f"Afterwards {who} was {feeling}.",
    ]
    return text, [
        ((f"Where did {who} go?", f"Which place did {who} visit?"), f"To the {place}."),
        ((f"When did {who} go there?", f"When was {who} at the {place}?"), f"{capital(when)}."),
        ((f"What did {who} {verb}?", f"Which thing did {who} {verb} there?"), capital(article(what)) + "."),
        ((f"How did {who} feel afterwards?", f"How was {who} in the end?"), f"{capital(feeling)}."),
        ((f"Who went to the {place}?", f"Who was {feeling}?"), f"{capital(who)}."),
    ]


def _notice(rng: random.Random) -> tuple[list[str], _Questions]:
    """Sentences from a shop's or club's notice; the answer is the whole sentence on that matter."""
    n, m, price = rng.randint(6, 11), rng.randint(3, 10), rng.randint(2, 90)
    day, day2, name, town = rng.choice(nouns.DAYS), rng.choice(nouns.DAYS), names.person(rng), names.town(rng)
    place, item = rng.choice(nouns.PLACES), thing(rng, 0.2)
    topics: _Questions = [
        (
            (
                "When do you open?",
                "What time do you open?",
                "What are your opening hours?",
                "From when can I come?",
                "How late are you open?",
            ),
            f"We are open from {n} to {m}, but not on {day}.",
        ),
        (
            (
                "How much is delivery?",
                "What does delivery cost?",
                "Do I pay for shipping?",
                "What are the shipping costs?",
            ),
            f"Delivery costs {price} pounds.",
        ),
        (
            (
                "How long does delivery take?",
                "When will my parcel arrive?",
                "How fast do you deliver?",
                "How soon will I get my order?",
            ),
            f"Parcels arrive within {m} days.",
        ),
        (
            (
                "Can I return an item?",
                "How do I send something back?",
                "What if I do not like it?",
                "How long can I return goods?",
            ),
            f"You can return goods within {price} days.",
        ),
        (
            ("Who is the manager?", "Who is in charge?", "Who runs the place?", "Whom can I complain to?"),
            f"{name} runs the {place}.",
        ),
        (
            ("Where are you?", "What is your address?", "Where can I find you?", "In which town are you?"),
            f"You find us at {price} {rng.choice(names.SURNAMES)} Street in {town}.",
        ),
        (
            ("How can I pay?", "Do you take cards?", "Which payments do you accept?", "May I pay in cash?"),
            f"We accept {rng.choice(_PAYMENTS)}.",
        ),
        (
            ("May I bring my dog?", "Are pets allowed?", "Can my cat come too?"),
            f"Pets are {rng.choice(('welcome', 'not allowed', f'allowed on {day2}'))}.",
        ),
        (
            ("What is the telephone number?", "How can I call you?", "Which number do I ring?"),
            f"Call us on {rng.randint(1000, 999999)}.",
        ),
        (
            ("Is there a warranty?", "How long is the warranty?", "What if it breaks?", "For how long is it covered?"),
            f"The {item} has a warranty of {m} years.",
        ),
        (
            ("How do I clean it?", "How is the thing washed?", "What is the right way to clean it?"),
            f"Clean the {item} with {rng.choice(_CLEANERS)}.",
        ),
        (
            ("When is the meeting?", "When do the members meet?", "On which day do you meet?"),
            f"The members meet every {day2} at {n}.",
        ),
        (
            ("Is there a discount?", "Do students pay less?", "Can I get it cheaper?"),
            f"Students get a discount of {price} percent.",
        ),
        (
            ("What is new?", "What is on offer this week?", "Do you have any special offers?"),
            f"This week the {item} costs only {price} pounds.",
        ),
        (("Where can I park?", "Is there parking?", "Where do I leave my car?"), f"You can park behind the {place}."),
        (
            ("What is for lunch?", "What food do you have?", "Can I eat there?"),
            f"For lunch there is {rng.choice(_FOODS)} with {rng.choice(_VEGETABLES)}.",
        ),
    ]
    chosen = rng.sample(topics, rng.randint(2, 5))
    return [answer for _, answer in chosen], chosen


_MAKERS = (_errand, _people, _life, _room, _event, _notice, _notice)


# Passages of several like sentences, in which the question's word has to be bound to its own sentence: the hardest ones.
_BINDING_MAKERS = (_people, _room)


def passage(rng: random.Random, makers: Sequence[_Maker] = _MAKERS) -> tuple[str, _Questions]:
    """A passage and everything that may be asked about it: wordings and the answer."""
    sentences, questions = rng.choice(makers)(rng)
    return " ".join(sentences), questions


def draw(rng: random.Random, makers: Sequence[_Maker] = _MAKERS) -> Example:
    """One passage with one question."""
    text, questions = passage(rng, makers)
    wordings, answer = rng.choice(questions)
    return Example(KIND, text, rng.choice(_LAYOUTS).format(p=text, q=rng.choice(wordings)), answer)


def draw_binding(rng: random.Random) -> Example:
    """One of the hardest passages with one question."""
    return draw(rng, _BINDING_MAKERS)
