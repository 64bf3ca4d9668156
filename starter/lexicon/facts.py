"""Small tables of plain knowledge."""

from starter.lexicon.text import lines, table

CAPITALS = table(
    """
    France:Paris Spain:Madrid Italy:Rome Germany:Berlin Portugal:Lisbon Greece:Athens Norway:Oslo Sweden:Stockholm
    Finland:Helsinki Denmark:Copenhagen Poland:Warsaw Austria:Vienna Ireland:Dublin Belgium:Brussels Canada:Ottawa
    Egypt:Cairo Kenya:Nairobi India:Delhi China:Beijing Japan:Tokyo Turkey:Ankara Peru:Lima Chile:Santiago
    Cuba:Havana Hungary:Budapest England:London Scotland:Edinburgh Wales:Cardiff Russia:Moscow Cyprus:Nicosia
    """
)
SOUNDS = table(
    """
    dog:barks cat:miaows cow:moos sheep:bleats horse:neighs pig:grunts duck:quacks lion:roars wolf:howls
    hen:clucks owl:hoots bee:buzzes frog:croaks snake:hisses mouse:squeaks donkey:brays crow:caws sparrow:chirps
    """
)
YOUNG = table(
    """
    dog:puppy cat:kitten cow:calf sheep:lamb horse:foal pig:piglet duck:duckling lion:cub hen:chick goat:kid
    deer:fawn swan:cygnet frog:tadpole kangaroo:joey goose:gosling
    """
)
HUES = table(
    """
    grass:green snow:white coal:black blood:red chocolate:brown milk:white salt:white honey:golden spinach:green
    ketchup:red mustard:yellow butter:yellow
    """
)
COUNTS = lines(
    """
    days in a week: 7
    months in a year: 12
    hours in a day: 24
    minutes in an hour: 60
    seconds in a minute: 60
    wheels on a bicycle: 2
    wheels on a car: 4
    legs on a spider: 8
    legs on a dog: 4
    legs on an ant: 6
    fingers on a hand: 5
    sides on a triangle: 3
    sides on a square: 4
    letters in the alphabet: 26
    weeks in a year: 52
    seasons in a year: 4
    strings on a violin: 4
    players in a football team: 11
    years in a century: 100
    days in a year: 365
    """
)
