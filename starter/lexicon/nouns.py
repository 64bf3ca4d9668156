"""Things, by the category they belong to."""

from starter.lexicon.text import words

# Category (singular) -> its members. A member stands in one category only, so that "what is X?" has one answer.
CATEGORIES: dict[str, tuple[str, ...]] = {
    name: words(members)
    for name, members in {
        "animal": "dog cat horse cow pig sheep goat donkey rabbit mouse lion tiger bear wolf fox deer monkey elephant "
        "camel giraffe zebra squirrel hedgehog badger otter kangaroo panda hamster frog turtle snake lizard",
        "bird": "robin sparrow eagle owl duck goose swan hen crow pigeon gull parrot penguin stork falcon swallow",
        "fish": "salmon trout tuna herring cod shark carp eel sardine pike",
        "insect": "ant bee wasp beetle butterfly moth fly mosquito cricket ladybird",
        "fruit": "apple pear plum cherry peach banana grape lemon lime melon strawberry raspberry apricot "
        "mango fig kiwi",
        "vegetable": "carrot potato onion leek cabbage pea bean spinach lettuce cucumber pumpkin turnip radish tomato",
        "flower": "rose tulip daisy lily violet sunflower daffodil orchid poppy lavender",
        "tree": "oak pine birch beech maple willow ash elm cedar poplar",
        "drink": "tea coffee milk juice water lemonade cocoa wine beer cider",
        "food": "bread butter cheese rice soup cake pie salad pasta pizza honey jam egg sausage pancake biscuit "
        "sandwich porridge yoghurt chocolate",
        "tool": "hammer saw drill spanner screwdriver chisel axe spade rake ladder pliers file shovel brush",
        "piece of furniture": "chair table bed sofa desk shelf wardrobe stool bench cupboard armchair drawer",
        "piece of clothing": "coat shirt hat scarf glove sock shoe boot jacket dress skirt jumper belt cap apron "
        "sweater",
        "vehicle": "car bus train lorry bicycle tram van taxi motorbike tractor ambulance scooter",
        "boat": "ferry canoe yacht raft barge kayak",
        "musical instrument": "piano guitar violin drum flute trumpet cello harp organ banjo clarinet",
        "colour": "red blue green yellow black white brown grey pink purple orange turquoise",
        "metal": "iron gold silver copper tin steel lead zinc bronze",
        "part of the body": "hand foot head arm leg nose ear eye mouth knee elbow shoulder finger toe neck back heart",
        "room": "kitchen bedroom bathroom hall cellar attic office lounge pantry garage",
        "building": "house school church castle hospital library museum factory hotel station theatre "
        "palace cottage tower",
        "job": "teacher doctor nurse baker farmer driver pilot sailor cook waiter plumber carpenter painter tailor "
        "barber lawyer judge clerk engineer gardener butcher builder soldier singer writer librarian mechanic "
        "dentist shepherd",
        "sport": "football tennis hockey golf rugby boxing cricket_match swimming rowing skiing cycling",
        "game": "chess draughts cards dominoes bingo darts",
        "country": "France Spain Italy Germany Portugal Greece Norway Sweden Finland Denmark Poland Austria Ireland "
        "Belgium Canada Mexico Brazil Egypt Kenya India China Japan Turkey Peru Chile Cuba Hungary Iceland",
        "language": "English French Spanish Italian German Greek Norwegian Swedish Polish Turkish "
        "Japanese Chinese Arabic",
        "month": "January February March April May June July August September October November December",
        "day of the week": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "season": "spring summer autumn winter",
        "kind of weather": "rain snow wind fog storm sunshine thunder hail frost",
        "shape": "circle square triangle rectangle oval cube cone",
        "container": "box bag basket bucket bottle jar tin_can barrel bowl cup mug jug sack crate envelope purse",
        "kitchen thing": "spoon fork knife plate pan pot kettle oven fridge toaster whisk sieve",
        "family member": "mother father sister brother aunt uncle cousin grandmother grandfather daughter "
        "son nephew niece",
        "material": "wood glass paper stone wool cotton leather plastic rubber brick clay silk",
        "landscape": "mountain hill valley river lake forest desert island beach meadow field cliff",
        "planet": "Mercury Venus Earth Mars Jupiter Saturn Neptune",
        "toy": "doll ball kite puzzle balloon teddy yo-yo",
        "feeling": "joy anger fear sadness hope pride envy shame love surprise",
        "machine": "computer printer engine camera telephone radio television lamp "
        "clock washing_machine vacuum_cleaner",
        "spice": "pepper cinnamon ginger nutmeg paprika saffron",
        "illness": "cold flu fever cough measles headache",
        "piece of jewellery": "ring necklace bracelet brooch earring",
    }.items()
}

# Categories whose members can be owned, carried, bought or lost.
PORTABLE = (
    "fruit",
    "vegetable",
    "flower",
    "food",
    "tool",
    "piece of clothing",
    "musical instrument",
    "container",
    "kitchen thing",
    "toy",
    "piece of jewellery",
)
# Nouns that take no "a".
MASS = frozenset(
    words(
        """
        bread butter cheese rice soup pasta honey jam porridge yoghurt chocolate pliers tea coffee milk juice water
        lemonade cocoa wine beer cider pizza salad spinach cabbage lettuce flu measles draughts cards dominoes
        lavender
        """
    )
).union(
    *(
        CATEGORIES[name]
        for name in (
            "sport",
            "game",
            "spice",
            "material",
            "metal",
            "feeling",
            "colour",
            "language",
            "season",
            "kind of weather",
        )
    )
)
THINGS: tuple[str, ...] = tuple(thing for name in PORTABLE for thing in CATEGORIES[name] if thing not in MASS) + tuple(
    words(
        """
    book letter key parcel ticket map watch umbrella pen pencil photo newspaper candle blanket pillow towel mirror
    carpet rope torch wallet coin stamp card notebook calendar poster magazine suitcase rucksack tent lamp clock
    camera radio chair stool bicycle scooter cushion curtain vase whistle needle button ribbon bell flag broom mop
    comb razor sponge toothbrush battery cable charger speaker screen keyboard magnet telescope compass
    """
    )
)
PETS = ("dog", "cat", "rabbit", "hamster", "parrot", "horse", "pony", "goat", "duck", "turtle", "mouse", "pigeon")
JOBS = CATEGORIES["job"]
FAMILY = CATEGORIES["family member"]
DAYS = CATEGORIES["day of the week"]
MONTHS = CATEGORIES["month"]
COLOURS = CATEGORIES["colour"]
PLACES = words(
    """
        market station library museum park harbour airport bakery school garage hotel cinema theatre church hospital
        bank office garden kitchen workshop factory castle bridge square stadium zoo farm shop café post_office
        town_hall beach playground pharmacy swimming_pool bookshop restaurant warehouse
        """
)
