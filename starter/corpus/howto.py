"""How to do everyday things, in two or three short steps.

Key: the task and the form of the question. Held out are forms in which a taught task was never asked.
"""

import random

from starter.corpus.example import Example
from starter.corpus.grammar import capital
from starter.lexicon.text import lines

KIND = "how-to"
# Task: its steps.
_TASKS = lines(
    """
    make tea: Boil the water. Pour it over the tea. Wait three minutes.
    make coffee: Grind the beans. Put the powder into a filter. Pour hot water over it.
    boil an egg: Put the egg into hot water. Wait six minutes. Cool it under cold water.
    fry an egg: Heat some butter in a pan. Break the egg into it. Wait until the white is firm.
    cook rice: Wash the rice. Boil it in twice as much water. Let it rest under a lid.
    cook pasta: Boil plenty of water with salt. Add the pasta. Pour off the water after nine minutes.
    bake bread: Mix flour, water, salt and yeast. Let the dough rise. Bake it in a hot oven.
    bake a cake: Mix butter, sugar, eggs and flour. Fill a tin. Bake it for an hour.
    make pancakes: Mix milk, eggs and flour. Pour a little into a hot pan. Turn it over once.
    make a salad: Wash the leaves. Cut some vegetables. Add oil and vinegar.
    make soup: Cut the vegetables. Boil them in water. Add salt and pepper.
    make a sandwich: Take two slices of bread. Put cheese between them. Cut it in half.
    peel a potato: Wash the potato. Hold it firmly. Cut off the skin in thin strips.
    wash the dishes: Fill the sink with hot water. Add soap. Rub every plate clean and rinse it.
    wash a car: Rinse the car with water. Rub it with a soft sponge. Dry it with a cloth.
    clean a window: Wet the glass with soapy water. Rub it clean. Wipe it dry.
    clean a carpet: Shake off the dust. Rub the spots with soap. Let it dry in the sun.
    clean shoes: Brush off the dirt. Put on some polish. Rub until they shine.
    wash a shirt: Sort it by colour. Wash it in warm water. Hang it up to dry.
    iron a shirt: Heat the iron. Start with the collar. Move slowly over the sleeves and the front.
    sew on a button: Thread a needle. Push it through the button several times. Tie a knot.
    tie a shoelace: Cross the laces. Make a loop. Wind the other lace around it and pull it through.
    tie a tie: Lay it around the neck. Cross the wide end over. Pull it through the loop.
    plant a tree: Dig a deep hole. Put the roots in. Fill the hole and water it.
    plant a seed: Fill a pot with soil. Push the seed in. Keep it wet and warm.
    water a plant: Feel the soil. Pour slowly if it is dry. Empty the saucer afterwards.
    mow the lawn: Remove stones. Push the mower in straight lines. Rake up the grass.
    light a fire: Put paper under dry wood. Light the paper. Add larger pieces slowly.
    put out a candle: Cover the flame. Wait until the smoke is gone. Do not touch the wax.
    change a light bulb: Switch off the power. Screw out the old bulb. Screw in the new one.
    hang a picture: Mark the place. Hit a nail into the wall. Hang the picture and make it straight.
    paint a wall: Cover the floor. Roll the paint on from top to bottom. Let it dry.
    build a shelf: Cut the boards. Screw them together. Fix the shelf to the wall.
    sharpen a knife: Wet the stone. Draw the blade over it on both sides. Wipe it clean.
    repair a flat tyre: Take off the tyre. Find the hole in the tube. Stick a patch on it.
    pump up a tyre: Open the valve. Put the pump on it. Press until the tyre is firm.
    oil a bicycle chain: Wipe off the dirt. Put a drop on each link. Turn the pedals backwards.
    ride a bicycle: Sit on the saddle. Push off with one foot. Keep pedalling and look ahead.
    cross a road: Look both ways. Wait for a gap. Walk straight across.
    send a letter: Put it into an envelope. Write the address on it. Stick on a stamp and post it.
    wrap a parcel: Fold the paper around it. Close it with tape. Write the address on top.
    pack a suitcase: Make a list. Put heavy things at the bottom. Roll up the shirts.
    book a hotel: Choose a town and the dates. Compare the prices. Reserve a room and keep the number.
    buy a ticket: Choose your journey. Pay at the counter. Keep the ticket with you.
    borrow a book: Get a library card. Choose a book. Take it to the desk.
    read a map: Find where you are. Turn the map to the north. Follow the roads with your finger.
    take a photo: Hold the camera still. Look for good light. Press the button.
    set an alarm: Open the clock. Choose the hour. Switch the alarm on.
    charge a battery: Put it into the charger. Plug it in. Wait until the light turns green.
    restart a computer: Save your work. Open the menu. Choose restart and wait.
    print a page: Switch on the printer. Open the page. Choose print.
    save a file: Open the menu. Choose save. Type a name for the file.
    delete a file: Select the file. Press the delete key. Empty the bin.
    send an email: Type the address. Write your message. Press send.
    make a phone call: Type the number. Press the green button. Wait for an answer.
    change a password: Open the settings. Type the old password. Type the new one twice.
    learn a language: Learn ten words a day. Listen to simple talks. Speak as often as you can.
    learn a poem: Read it aloud. Learn it line by line. Say it again before you sleep.
    write a letter: Begin with a greeting. Say what you want. End with your name.
    fall asleep: Turn off the light. Lie down and breathe slowly. Think of something pleasant.
    stop a nosebleed: Lean forward. Press the nose together. Wait for ten minutes.
    treat a burn: Hold it under cool water. Cover it with a clean cloth. See a doctor if it is large.
    treat a cut: Wash the wound. Press on it until it stops bleeding. Cover it with a plaster.
    brush your teeth: Put some paste on the brush. Brush for two minutes. Rinse your mouth.
    wash your hands: Wet your hands. Rub them with soap. Rinse and dry them.
    wash a dog: Wet the dog with warm water. Rub in mild soap. Rinse and dry it well.
    feed a cat: Clean the bowl. Fill it with food. Put fresh water beside it.
    walk a dog: Put on the lead. Walk slowly. Let it sniff now and then.
    swim: Lie flat in the water. Pull with your arms. Kick with your legs.
    save money: Write down what you spend. Buy only what you need. Put some aside each month.
    make friends: Smile and say hello. Ask questions. Listen well.
    say sorry: Admit your mistake. Say that you are sorry. Try to put it right.
    give a speech: Prepare a few notes. Speak slowly. Look at the people.
    play chess: Move one piece at a time. Protect your king. Attack the other king.
    fly a kite: Wait for a steady wind. Run with the kite. Let out the string slowly.
    build a snowman: Roll three balls of snow. Put them on top of each other. Add a carrot for the nose.
    put up a tent: Find flat ground. Lay out the cloth. Push in the poles and the pegs.
    catch a fish: Put bait on the hook. Throw out the line. Wait quietly until it pulls.
    """
)
_FRAMES = (
    "How do I {t}?", "How do you {t}?", "How can I {t}?", "How to {t}?", "What is the best way to {t}?",
    "Tell me how to {t}.", "Explain how to {t}.", "I want to {t}. What must I do?", "Can you tell me how to {t}?",
    "What are the steps to {t}?", "Show me how to {t}.", "I have never learnt how to {t}. Please help.",
    "Give me a short guide: how to {t}.", "What do I have to do to {t}?", "Please explain in three steps how to {t}.",
    "My son wants to {t}. How does one do that?", "I need to {t} today. How?", "how do i {t}",
    "Could you describe how to {t}?", "Is it hard to {t}? Tell me the steps.",
)  # fmt: skip


def draw(rng: random.Random) -> Example:
    """One task with its steps."""
    task, steps = rng.choice(tuple(_TASKS.items()))
    frame = rng.choice(_FRAMES)
    question = frame.format(t=task)
    return Example(KIND, f"{task}|{frame}", question if question.startswith("how do i") else capital(question), steps)
