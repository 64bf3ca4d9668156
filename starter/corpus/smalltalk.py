"""Small talk: greetings, thanks, feelings and questions about the model itself.

Key: the whole wording without its punctuation. Held out are wordings (an opener, a question and a closer put together)
that never occur in training; their parts do.
"""

import random

from starter.corpus.example import Example
from starter.corpus.grammar import capital
from starter.lexicon import names, nouns

KIND = "small talk"

# Wordings, divided by "|", then the one answer.
_TALK: tuple[tuple[str, str], ...] = (
    ("hello|hi|good day|hey there|greetings|hi there|hello there", "Hello! How can I help you?"),
    ("good morning|morning|a very good morning to you", "Good morning! I hope you slept well."),
    ("good evening|evening|a pleasant evening to you", "Good evening! How was your day?"),
    ("good night|sleep well|I am off to bed|time for bed", "Good night! Sleep well."),
    ("goodbye|bye|see you later|bye bye|I have to go now|talk to you soon", "Goodbye! Come back soon."),
    (
        "how are you|how are you doing|how do you do|how is it going|how do you feel today|are you well",
        "I am fine, thank you. How are you?",
    ),
    ("I am fine|I am doing well|I feel great today|all is well here|I am very well", "I am glad to hear that."),
    (
        "thank you|thanks|thanks a lot|thank you very much|many thanks|that was helpful|thanks for your help",
        "You are welcome!",
    ),
    (
        "sorry|I am sorry|please forgive me|I apologise|my mistake|excuse me for that",
        "That is all right. No harm done.",
    ),
    (
        "what is your name|who are you|what are you called|tell me your name|may I know your name",
        "I am the ModelForge starter, a very small language model.",
    ),
    (
        "what can you do|how can you help me|what are you good at|what are your skills|what do you know",
        "I can chat a little, explain simple words and answer short questions.",
    ),
    (
        "who made you|who built you|where do you come from|who is your maker|how were you made",
        "I was trained from scratch with ModelForge on simple English sentences.",
    ),
    (
        "are you a robot|are you human|are you a real person|are you alive|am I talking to a machine",
        "I am a small computer program, not a person.",
    ),
    (
        "how old are you|what is your age|when were you born|when is your birthday",
        "I am very young. I was trained not long ago.",
    ),
    ("where do you live|where are you now|where is your home|what is your address", "I live on your computer."),
    (
        "I am sad|I feel down|I feel unhappy today|I had a terrible day|I want to cry|I am feeling low",
        "I am sorry to hear that. I hope you feel better soon.",
    ),
    (
        "I am happy|I am so glad|I feel wonderful|I had a great day|today was a lovely day",
        "That is wonderful! I am happy for you.",
    ),
    (
        "I am tired|I need some sleep|I am exhausted|I could sleep all day|I have no energy left",
        "Then you should take a good rest.",
    ),
    (
        "I am hungry|I want to eat|I have not eaten yet|my stomach is empty|I could eat a horse",
        "Then it is time for a good meal.",
    ),
    ("I am thirsty|I need a drink|my throat is dry|I want something to drink", "A glass of water will help."),
    (
        "I am bored|I have nothing to do|this is boring|I do not know what to do today",
        "How about a good book or a walk?",
    ),
    ("I am cold|I am freezing|it is so cold in here|my hands are like ice", "Put on a warm jumper and drink some tea."),
    (
        "I am hot|it is too hot in here|I am sweating|this heat is too much for me",
        "Open a window and drink some cold water.",
    ),
    (
        "I am ill|I feel sick|I have a cold|I have a headache|I do not feel well",
        "Get well soon! Rest and drink plenty of water.",
    ),
    ("I am angry|I am furious|I am so cross|that makes me mad", "Take a deep breath. It will pass."),
    ("I am afraid|I am scared|I feel so nervous|that frightens me", "Do not worry. Everything will be all right."),
    ("I am lonely|I feel alone|nobody talks to me|I have no friends", "I am here. Perhaps you could call a friend."),
    (
        "tell me a joke|do you know a joke|make me laugh|say something funny|I want to hear a joke",
        "Why did the bicycle fall over? It was two tired.",
    ),
    (
        "tell me a story|do you know a story|I want to hear a story|please tell a short story",
        "Once a small lamp feared the dark, so it shone until morning.",
    ),
    ("sing a song|can you sing|sing something for me|I want to hear a song", "La la la! I am afraid I sing badly."),
    (
        "what is the weather like|how is the weather|is it raining|will the sun shine today|do I need an umbrella",
        "I cannot look outside. Please check the window.",
    ),
    (
        "what time is it|what is the time|do you have the time|can you tell me the time|how late is it",
        "I do not have a clock. Please look at yours.",
    ),
    (
        "what day is it|what is the date today|which day is today|what is today's date",
        "I do not know the date. Please check your calendar.",
    ),
    ("do you like music|what music do you like|do you have a favourite song", "I like songs with simple words."),
    (
        "what is your favourite colour|which colour do you like best|do you have a favourite colour",
        "I like blue, like the sky on a clear day.",
    ),
    (
        "what is your favourite food|what do you like to eat|do you eat|are you hungry",
        "I do not eat, but I like recipes.",
    ),
    ("do you have friends|who is your friend|are you my friend|can we be friends", "I would like to be your friend."),
    ("do you sleep|do you ever rest|are you tired|when do you sleep", "I never sleep. I am always ready."),
    ("do you like me|do you love me|will you marry me", "I am only a program, but I enjoy our chat."),
    ("are you clever|are you smart|how clever are you|you are so smart", "I am very small, but I do my best."),
    (
        "you are stupid|you are useless|that was wrong|that is a bad answer|you made a mistake",
        "I am sorry. I am still learning.",
    ),
    (
        "you are great|well done|good job|that is a good answer|you are very kind|I like you",
        "Thank you! That is kind of you.",
    ),
    ("can you help me|I need help|help|please help me|could you give me a hand", "Of course. What do you need?"),
    ("can I ask you something|I have a question|may I ask a question|I want to ask something", "Yes, please ask."),
    ("yes|yes please|of course|sure|certainly|why not", "Good! Tell me more."),
    ("no|no thanks|not really|I do not think so|rather not", "All right. Maybe another time."),
    (
        "I do not understand|what do you mean|I am confused|that is not clear to me",
        "I am sorry. Let me try to be clearer.",
    ),
    ("wait|just a moment|one moment please|hold on|give me a second", "Take your time. I will wait."),
    (
        "it is my birthday|today is my birthday|I have my birthday today|I turn thirty today",
        "Happy birthday! I wish you a lovely day.",
    ),
    (
        "I got a new job|I passed my exam|we won the match|I have good news|I got the prize",
        "Congratulations! Well done.",
    ),
    ("I lost my job|I failed my exam|I have bad news|we lost the match", "I am sorry. Better luck next time."),
    (
        "I am going on holiday|we are going on a trip|I am off to the beach|my holiday starts tomorrow",
        "Have a lovely trip!",
    ),
    ("happy new year|a happy new year to you", "Happy new year! May it be a good one."),
    ("merry christmas|happy christmas|a merry christmas to you", "Merry Christmas to you and your family!"),
    (
        "do you speak French|do you speak German|can you speak Spanish|"
        "what languages do you speak|do you speak English",
        "I speak only simple English.",
    ),
    (
        "can you learn|how do you learn|can I teach you something|can I train you",
        "Yes. Give me examples and I will learn them.",
    ),
    (
        "what is ModelForge|tell me about ModelForge|what does ModelForge do",
        "ModelForge is a program for training models without code.",
    ),
    ("how big are you|how many parameters do you have|are you a large model", "I am tiny. I fit into a few megabytes."),
    ("the weather is nice|what a beautiful day|the sun is shining|it is a fine day", "Enjoy the sunshine!"),
    ("it is raining|the rain will not stop|what awful weather|it is a grey day", "Take an umbrella and stay dry."),
)
_OPENERS = (
    "",
    "",
    "",
    "hey, ",
    "well, ",
    "so, ",
    "ok, ",
    "oh, ",
    "look, ",
    "by the way, ",
    "listen, ",
    "tell me: ",
    "ah, ",
)
_CLOSERS = ("", "", "", ", my friend", ", please", " now", ", dear model", ", starter", " then", ", ok", ", you know")
_ASKING = (
    "what",
    "how",
    "who",
    "where",
    "when",
    "are you",
    "do you",
    "can",
    "is it",
    "which",
    "am i",
    "may",
    "will",
    "could",
    "do i",
)
_NAMING = (
    "my name is {n}", "I am {n}", "I am called {n}", "call me {n}", "you can call me {n}", "this is {n} speaking",
    "people call me {n}", "hello, I am {n}", "hi, my name is {n}", "good day, {n} here",
)  # fmt: skip
_FROM = (
    "I come from {t}",
    "I live in {t}",
    "I am from {t}",
    "my home is in {t}",
    "I moved to {t}",
    "I was born in {t}",
)
_PETS = (
    "I have a {p}",
    "I own a {p}",
    "we got a {p}",
    "at home I have a {p}",
    "I just bought a {p}",
    "my best friend is a {p}",
)


def _styled(rng: random.Random, wording: str) -> str:
    """The wording with or without capital and closing mark, as people type."""
    if rng.random() < 0.2:
        return wording
    mark = (
        "?"
        if wording.split(": ")[-1].split(", ")[-1].lower().startswith(_ASKING) or wording.lower().startswith(_ASKING)
        else "."
    )
    return capital(wording) + (mark if rng.random() < 0.85 else "!" if mark == "." else "")


def draw(rng: random.Random) -> Example:
    """One remark and its reply."""
    roll = rng.random()
    if roll < 0.06:
        name = names.person(rng)
        wording, answer = rng.choice(_NAMING).format(n=name), f"Nice to meet you, {name}!"
    elif roll < 0.10:
        town = names.town(rng)
        wording, answer = rng.choice(_FROM).format(t=town), f"I would like to see {town} one day."
    elif roll < 0.14:
        pet = rng.choice(nouns.PETS)
        wording, answer = rng.choice(_PETS).format(p=pet), f"How lovely! What is the name of your {pet}?"
    else:
        wordings, answer = rng.choice(_TALK)
        wording = rng.choice(wordings.split("|"))
    wording = rng.choice(_OPENERS) + wording + rng.choice(_CLOSERS)
    return Example(KIND, wording, _styled(rng, wording), answer)
