"""Questions about a drawn scene: `about_scene(scene, rng, count)`. All are about the view itself.

None asks for the future, for reasons or for actions. These are learnt by the trainings that are compared.
"""

import random
from collections.abc import Callable

from gcl.data.drawing.constellation import DISTANCES, LANES, MOTIONS, Person, Scene
from gcl.data.drawing.language import AHEAD_WORDS, DISTANCE_WORDS, MOTION_WORDS, PLACE_WORDS, SIDE_WORDS, caption
from gcl.tasks.instructions.instruction import Asked, Instruction, draw_different, worded, yes_no
from gcl.tasks.instructions.statements import say_person, statement

LANE_NAMES = {"left": "left", "ahead": "middle", "right": "right"}
PLACES = {"left": "On the left.", "ahead": "In the middle.", "right": "On the right."}
COUNTS = ("None.", "One.", "Two.")
WAYS = {
    "approaching": "Towards us.",
    "leaving": "Away.",
    "crossing left": "Leftwards.",
    "crossing right": "Rightwards.",
    "standing": "Nowhere.",
}
ONE_WORD = {"nothing": "Path.", "crossing": "Crossing.", "open door": "Door.", "closed door": "Door."}
OCCUPIED = 0.65  # share of questions about a place that has someone, where the scene has people


def about_scene(scene: Scene, rng: random.Random, count: int) -> list[Instruction]:
    """Different questions about a scene, with their answers.

    Raises:
        DataError: if there are too few different questions.
    """

    def draw() -> Instruction | None:
        kind = rng.choice(list(KINDS))
        asked = KINDS[kind](scene, rng)
        return asked and Instruction(f"scene/{kind}", *asked, sees=True)

    return draw_different(draw, count)


def _someone(scene: Scene, lane: str) -> Person | None:
    return next((person for person in scene.people if person.lane == lane), None)


def _lane(scene: Scene, rng: random.Random) -> str:
    """A place to ask about, more often one with someone."""
    if scene.people and rng.random() < OCCUPIED:
        return rng.choice(scene.people).lane
    return rng.choice(LANES)


def _the_one(scene: Scene, rng: random.Random) -> tuple[str, Person | None]:
    """A description that fits one person, and this person; or one that fits nobody."""
    fits: dict[str, list[Person]] = {}
    for motion in MOTIONS:
        does = rng.choice(MOTION_WORDS[motion]).removeprefix("someone ")
        fits[f"the one who {does}"] = [person for person in scene.people if person.motion == motion]
    for distance in DISTANCES:
        word = rng.choice(DISTANCE_WORDS[distance]).lower()
        fits[f"the {word} one"] = [person for person in scene.people if person.distance == distance]
    unique, absent = ([one for one, people in fits.items() if len(people) == number] for number in (1, 0))
    one = rng.choice(unique if unique and rng.random() < OCCUPIED else absent)
    return one, next(iter(fits[one]), None)


def _who(scene: Scene, rng: random.Random) -> Asked:
    lane = _lane(scene, rng)
    place = rng.choice(PLACE_WORDS[lane])
    return worded(rng, ("Who is {}?", "Is anyone {}? Who?", "Say who is {}."), place), _answer_who(scene, lane)


def _answer_who(scene: Scene, lane: str) -> str:
    person = _someone(scene, lane)
    if person is None:
        return "Nobody."
    return f"Someone {person.distance}, who {MOTION_WORDS[person.motion][0].removeprefix('someone ')}."


def _where(scene: Scene, rng: random.Random) -> Asked:
    one, person = _the_one(scene, rng)
    question = worded(rng, ("Where is {}?", "On which side is {}?", "Say where {} is."), one)
    return question, PLACES[person.lane] if person else "Nowhere."


def _how_many(scene: Scene, rng: random.Random) -> Asked:
    distance = rng.choice((None, *DISTANCES))
    number = sum(distance in (None, person.distance) for person in scene.people)
    if distance is None:
        question = rng.choice(("How many people are there?", "How many people do you see?", "Count the people."))
    else:
        word = rng.choice(DISTANCE_WORDS[distance]).lower()
        question = worded(rng, ("How many people are {}?", "How many {} people are there?"), word)
    if rng.random() < 0.5:
        return f"{question} Answer with a number.", str(number)
    return question, COUNTS[number]


def _walls(scene: Scene, rng: random.Random) -> Asked:
    side = rng.choice(("wall", "open"))
    wall = ("Which sides have a wall?", "Where are walls?", "On which sides are walls?")
    wordings = wall if side == "wall" else ("Which sides are open?", "On which sides is no wall?")
    found = [name for name in ("left", "right") if getattr(scene, name) == side]
    answer = "None." if not found else "Both." if len(found) == 2 else f"{found[0].capitalize()}."
    return rng.choice(wordings), answer


def _open(scene: Scene, rng: random.Random) -> Asked:
    yes, side = rng.random() < 0.5, rng.choice(("left", "right"))
    wordings = {
        "open": ("Is the {} side open?", "Is the {} free of walls?"),
        "wall": ("Is there a wall on the {}?", "Is the {} walled?", "Has the {} side a wall?"),
    }
    said = next(name for name in wordings if (getattr(scene, side) == name) == yes)
    return worded(rng, wordings[said], side), yes_no(yes)


def _ahead(scene: Scene, rng: random.Random) -> Asked:
    question = rng.choice(("What is ahead?", "What is in front of us?", "Which thing is ahead?"))
    return question, AHEAD_WORDS[scene.ahead][0]


def _statement(scene: Scene, rng: random.Random) -> Asked:
    yes = rng.random() < 0.5
    said = statement(scene, rng, yes)
    if rng.random() < 0.3:
        return f"True or false? {said}", "True." if yes else "False."
    return worded(rng, ("Is this true? {}", "Is this right? {}", "{} Answer yes or no."), said), yes_no(yes)


def _compare(scene: Scene, rng: random.Random) -> Asked:
    if len(scene.people) < 2:
        return None
    pair = rng.sample(scene.people, 2)
    word = rng.choice(DISTANCES)
    one, other = (LANE_NAMES[person.lane] for person in pair)
    more = {"near": "nearer", "far": "further away"}[word]
    question = worded(
        rng, ("Who is {}, the one on the {} or the one on the {}?", "Which one is {}: {} or {}?"), more, one, other
    ).replace("on the middle", "in the middle")
    if pair[0].distance == pair[1].distance:
        return question, "The same."
    return question, f"{next(LANE_NAMES[p.lane] for p in pair if p.distance == word).capitalize()}."


def _how_far(scene: Scene, rng: random.Random) -> Asked:
    lane = _lane(scene, rng)
    person = _someone(scene, lane)
    question = worded(rng, ("How far is the one {}?", "How far away is the person {}?"), rng.choice(PLACE_WORDS[lane]))
    return question, f"{person.distance.capitalize()}." if person else "Nobody is there."


def _which_way(scene: Scene, rng: random.Random) -> Asked:
    lane = _lane(scene, rng)
    person = _someone(scene, lane)
    question = worded(
        rng, ("Which way does the one {} go?", "Which way does the person {} walk?"), rng.choice(PLACE_WORDS[lane])
    )
    return question, WAYS[person.motion] if person else "Nobody is there."


def _describe(scene: Scene, rng: random.Random) -> Asked:
    """Sentences of the first wordings, or of the second. The question says which, so only one answer is right."""
    other = rng.randrange(2)
    wordings = (("Describe the picture.", "Say all that is here."), ("Describe the picture in other words.",))
    parts = [say_person(person, other) for person in scene.people] or [("Nobody in view.", "No people.")[other]]
    walls = tuple(side for side in ("left", "right") if getattr(scene, side) == "wall")
    return rng.choice(wordings[other]), " ".join((*parts, SIDE_WORDS[walls][other], AHEAD_WORDS[scene.ahead][other]))


def _list(scene: Scene, rng: random.Random) -> Asked:
    return rng.choice(("List the picture.", "List all that is here.", "Make a list.")), caption(scene)


def _form(scene: Scene, rng: random.Random) -> Asked:
    facts = {f"{side} side": getattr(scene, side) for side in ("left", "right")} | {"ahead": scene.ahead}
    for lane, name in LANE_NAMES.items():
        person = _someone(scene, lane)
        facts[name] = f"{person.distance}, {person.motion}" if person else "nobody"
    names = rng.sample(list(facts), rng.choice((2, 3, 3)))
    question = worded(rng, ("Fill in. {}", "Answer in this form. {}"), "; ".join(f"{name}: ..." for name in names))
    return question, "; ".join(f"{name}: {facts[name]}" for name in names)


def _people(scene: Scene, rng: random.Random) -> Asked:
    people = [f"{LANE_NAMES[person.lane]} {person.distance} {person.motion}" for person in scene.people]
    return rng.choice(("List only the people.", "List the people and no more.")), f"{', '.join(people) or 'nobody'}."


def _capitals(scene: Scene, rng: random.Random) -> Asked:
    asked = rng.choice((_walls, _open, _how_far, _where))(scene, rng)
    return asked and (f"{asked[0]} Answer in capitals.", asked[1].upper())


def _one_word(scene: Scene, rng: random.Random) -> Asked:
    lane = _lane(scene, rng)
    one, person = _the_one(scene, rng)
    question, answer = rng.choice(
        (
            ("What is ahead?", ONE_WORD[scene.ahead]),
            (f"Who is {rng.choice(PLACE_WORDS[lane])}?", "Someone." if _someone(scene, lane) else "Nobody."),
            (f"Where is {one}?", f"{LANE_NAMES[person.lane].capitalize()}." if person else "Nowhere."),
        )
    )
    return f"{question} Answer with one word.", answer


KINDS: dict[str, Callable[[Scene, random.Random], Asked]] = {
    "who": _who,
    "where": _where,
    "how many": _how_many,
    "walls": _walls,
    "open": _open,
    "ahead": _ahead,
    "statement": _statement,
    "compare": _compare,
    "how far": _how_far,
    "which way": _which_way,
    "describe": _describe,
    "list": _list,
    "form": _form,
    "people": _people,
    "capitals": _capitals,
    "one word": _one_word,
}
