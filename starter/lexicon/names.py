"""Names of people and places, common and made up."""

import random

from starter.lexicon.text import words

PEOPLE = words(
    """
    Anna Ben Clara David Emma Frank Grace Henry Ivy Jack Kate Leo Maria Nina Oscar Paul Rosa Sam Tom Vera Will Zoe
    Alice Bob Carol Daniel Ella Felix George Hannah Ian Julia Karl Laura Max Nora Oliver Peter Ruth Simon Tina
    Victor Wendy Adam Beth Chris Diana Edward Fiona Greta Hugo Irene James Karen Linda Martin Nick Olga Pia Robert
    Sarah Tim Ursula Lucy Mark Sophie Thomas Emily John Mary Michael Jane Susan Anton Bruno Cora Dora Erik Flora
    Gustav Helen Ines Jonas Kim Lena Mila Noah Otto Petra Ralf Stella Theo Uma Viola Walter Yara Amir Chen Dev
    Fatima Hiro Kofi Lars Mei Omar Priya Ravi Sven Tara Yusuf Ada Agnes Albert Amy Andrew Arthur Barbara Betty
    Charles Colin Dorothy Elsa Ernest Eva
    """
)
SURNAMES = words(
    """
    Smith Brown Jones Miller Taylor Wilson Clark Hall Green Baker Hill Wood King Wright Turner Cooper Ward Morris
    Cook Bell Murphy Bailey Reed Kelly Howard Gray Watson Brooks Price Bennett Ross Foster Hughes Long Fisher
    Stone Marsh Lane Novak Berg Rossi Silva Costa Meyer Weber Larsen Patel Khan Singh Tanaka
    """
)
TOWNS = words(
    """
    London Paris Rome Berlin Madrid Vienna Oslo Dublin Lisbon Athens Bristol Leeds York Oxford Bath Dover
    Cambridge Edinburgh Cardiff Boston Chicago Dallas Denver Seattle Hamburg Munich Lyon Milan Venice Naples Porto
    Geneva Basel Zurich Prague Warsaw Krakow Riga Malmo Bergen Turku Ghent Cork Galway Exeter Durham Norwich
    Brighton Stockholm Helsinki Copenhagen Brussels Amsterdam Budapest Cairo Delhi Tokyo Lima Toronto Sydney
    """
)
_STARTS = words("b br c ch d dr f fl g gr h j k kl l m n p pl r s sh st t tr v w y z th sl")
_VOWELS = words("a e i o u ai ea ee oo ou")
_ENDS = words("b ck d g l ll m n nd p r rn s sh st t th x ng mp lt")


def made_up_word(rng: random.Random) -> str:
    """A word that does not exist, 1-3 syllables: it can be copied but never remembered."""
    word = "".join(rng.choice(_STARTS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 1, 2))))
    return word + rng.choice(_ENDS)


def person(rng: random.Random) -> str:
    """A first name, now and then with a surname or made up."""
    roll = rng.random()
    if roll < 0.72:
        return rng.choice(PEOPLE)
    if roll < 0.84:
        return f"{rng.choice(PEOPLE)} {rng.choice(SURNAMES)}"
    if roll < 0.92:
        return f"{rng.choice(('Mr', 'Mrs', 'Ms', 'Dr'))} {rng.choice(SURNAMES)}"
    return made_up_word(rng).capitalize()


def town(rng: random.Random) -> str:
    """A town, one in ten made up."""
    return (
        made_up_word(rng).capitalize() + rng.choice(("", "ton", "ford", "ham"))
        if rng.random() < 0.1
        else rng.choice(TOWNS)
    )
