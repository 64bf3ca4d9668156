"""What words mean, one line each: the word, then its definition without the leading "A <word> is"."""

from starter.lexicon.text import lines

MEANINGS = lines(
    """
    hammer: a tool for hitting nails
    saw: a tool for cutting wood
    ladder: a set of steps for climbing up and down
    spade: a tool for digging in the garden
    chair: a seat for one person
    table: a piece of furniture with a flat top and legs
    bed: a piece of furniture for sleeping
    lamp: a machine that gives light
    clock: a machine that shows the time
    kettle: a pot for boiling water
    fridge: a cupboard that keeps food cold
    oven: a hot box for baking and roasting
    spoon: a small bowl on a handle for eating soup
    fork: a tool with points for picking up food
    knife: a tool with a blade for cutting
    umbrella: a roof of cloth that keeps the rain off you
    key: a small piece of metal that opens a lock
    map: a drawing that shows where places are
    book: many pages of text bound together
    letter: a message written on paper and sent by post
    bridge: a road over a river or a valley
    library: a place where you can borrow books
    museum: a building where old or beautiful things are shown
    hospital: a building where sick people are treated
    school: a place where children learn
    station: a place where trains stop
    airport: a place where planes take off and land
    bakery: a shop that sells bread and cakes
    market: a place where people buy and sell goods
    farm: a place where food is grown and animals are kept
    factory: a building where goods are made by machines
    theatre: a building where plays are performed
    island: a piece of land with water all around it
    mountain: a very high hill
    river: a long stream of water that flows to the sea
    lake: a large area of water with land all around it
    forest: a large area covered with trees
    desert: a dry place where very little grows
    valley: the low land between two hills
    beach: a strip of sand beside the sea
    teacher: a person who helps others to learn
    doctor: a person who treats sick people
    nurse: a person who cares for patients
    baker: a person who makes bread
    farmer: a person who grows food and keeps animals
    pilot: a person who flies a plane
    sailor: a person who works on a ship
    plumber: a person who repairs water pipes
    carpenter: a person who makes things out of wood
    tailor: a person who makes clothes
    barber: a person who cuts hair
    lawyer: a person who gives advice about the law
    judge: a person who decides in a court
    gardener: a person who looks after plants
    butcher: a person who sells meat
    librarian: a person who works in a library
    mechanic: a person who repairs engines
    dentist: a doctor who looks after teeth
    shepherd: a person who looks after sheep
    waiter: a person who brings food in a restaurant
    neighbour: a person who lives next to you
    customer: a person who buys something
    guest: a person who visits you
    friend: a person whom you like and trust
    orphan: a child without parents
    stranger: a person whom you do not know
    hero: a person who is admired for courage
    thief: a person who steals
    king: a man who rules a country
    queen: a woman who rules a country
    aunt: the sister of your mother or father
    uncle: the brother of your mother or father
    cousin: a child of your aunt or uncle
    grandmother: the mother of your mother or father
    puppy: a young dog
    kitten: a young cat
    lamb: a young sheep
    foal: a young horse
    penguin: a black and white bird that swims and cannot fly
    owl: a bird that hunts at night
    bee: an insect that makes honey
    butterfly: an insect with large coloured wings
    spider: a small animal with eight legs that spins webs
    elephant: a very large grey animal with a trunk
    giraffe: a tall animal with a very long neck
    camel: an animal with a hump that lives in the desert
    shark: a large fish with sharp teeth
    piano: a large musical instrument with black and white keys
    guitar: a musical instrument with six strings
    drum: a round musical instrument that you hit
    bicycle: a vehicle with two wheels that you move with your feet
    ambulance: a vehicle that takes sick people to hospital
    ferry: a boat that carries people across the water
    tractor: a strong vehicle used on farms
    candle: a stick of wax that gives light when it burns
    mirror: a sheet of glass in which you see yourself
    pillow: a soft bag on which you rest your head
    blanket: a warm cover for a bed
    basket: a container made of thin sticks
    bucket: a round container with a handle for carrying water
    wallet: a small case for money
    ticket: a piece of paper that lets you travel or enter
    receipt: a paper that shows what you paid
    invoice: a paper that asks you to pay for something
    refund: money that you get back
    discount: an amount taken off the price
    warranty: a promise to repair a product for some time
    voucher: a paper that you can use instead of money
    parcel: something wrapped up and sent by post
    subscription: an order for something that comes again and again
    password: a secret word that lets you in
    screen: the flat part of a computer that shows pictures
    keyboard: the part of a computer on which you type
    computer: a machine that works with information
    printer: a machine that puts text on paper
    camera: a machine that takes pictures
    telescope: a tube that makes far things look near
    compass: a tool that shows where north is
    thermometer: a tool that measures how warm it is
    battery: a small container that stores electricity
    engine: a machine that makes things move
    magnet: a piece of iron that pulls other iron
    anchor: a heavy hook that holds a ship in place
    calendar: a list of the days and months of the year
    dictionary: a book that explains words
    recipe: a list of steps for cooking a dish
    menu: a list of the food in a restaurant
    breakfast: the first meal of the day
    lunch: the meal in the middle of the day
    supper: the last meal of the day
    sandwich: two slices of bread with something between them
    pancake: a thin flat cake made in a pan
    omelette: a dish of beaten eggs cooked in a pan
    cellar: a room under a house
    attic: a room under the roof
    roof: the cover on top of a house
    garden: a piece of ground where plants are grown
    fence: a wall of wood or wire
    century: a period of one hundred years
    decade: a period of ten years
    week: a period of seven days
    hour: a period of sixty minutes
    birthday: the day on which you were born
    holiday: a time when you do not have to work
    wedding: a party at which two people marry
    secret: something that only a few people know
    mistake: something that is done wrong
    promise: a statement that you will surely do something
    question: a sentence that asks for an answer
    joke: a short story that makes people laugh
    rumour: a story that may not be true
    habit: something that you do again and again
    hobby: something that you like to do in your free time
    journey: a trip from one place to another
    storm: very bad weather with strong wind
    rainbow: a bow of colours in the sky
    cloud: a grey or white mass of tiny drops in the sky
    star: a point of light in the night sky
    planet: a large ball that moves around a sun
    volcano: a mountain that throws out fire and ashes
    triangle: a shape with three sides
    square: a shape with four equal sides
    circle: a perfectly round shape
    fever: a body heat that is too high
    bandage: a strip of cloth for a wound
    medicine: something that makes sick people well
    scarf: a long cloth worn around the neck
    glove: a piece of clothing for the hand
    apron: a cloth that keeps your clothes clean in the kitchen
    button: a small round thing that closes a shirt
    pocket: a small bag sewn into clothes
    ring: a small band worn on a finger
    necklace: a chain worn around the neck
    suitcase: a box with a handle for clothes on a trip
    tent: a house of cloth for camping
    kite: a toy that flies in the wind
    puzzle: a game in which you put pieces together
    """
)
