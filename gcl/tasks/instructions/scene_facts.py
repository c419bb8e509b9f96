"""Questions about one fact of a drawn scene: `FACTS` by kind."""

import random
from collections.abc import Callable

from gcl.data.drawing.constellation import DISTANCES, LANES, MOTIONS, Person, Scene
from gcl.data.drawing.language import AHEAD_WORDS, DISTANCE_WORDS, MOTION_WORDS, PLACE_WORDS
from gcl.tasks.instructions.instruction import Asked, worded, yes_no
from gcl.tasks.instructions.statements import statement

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
OCCUPIED = 0.65  # share of questions about a place that has someone, where the scene has people


def someone(scene: Scene, lane: str) -> Person | None:
    """The person in a place, or None."""
    return next((person for person in scene.people if person.lane == lane), None)


def some_lane(scene: Scene, rng: random.Random) -> str:
    """A place to ask about, more often one with someone."""
    if scene.people and rng.random() < OCCUPIED:
        return rng.choice(scene.people).lane
    return rng.choice(LANES)


def the_one(scene: Scene, rng: random.Random) -> tuple[str, Person | None]:
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
    lane = some_lane(scene, rng)
    place = rng.choice(PLACE_WORDS[lane])
    return worded(rng, ("Who is {}?", "Is anyone {}? Who?", "Say who is {}."), place), _answer_who(scene, lane)


def _answer_who(scene: Scene, lane: str) -> str:
    person = someone(scene, lane)
    if person is None:
        return "Nobody."
    return f"Someone {person.distance}, who {MOTION_WORDS[person.motion][0].removeprefix('someone ')}."


def _where(scene: Scene, rng: random.Random) -> Asked:
    one, person = the_one(scene, rng)
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
    lane = some_lane(scene, rng)
    person = someone(scene, lane)
    question = worded(rng, ("How far is the one {}?", "How far away is the person {}?"), rng.choice(PLACE_WORDS[lane]))
    return question, f"{person.distance.capitalize()}." if person else "Nobody is there."


def _which_way(scene: Scene, rng: random.Random) -> Asked:
    lane = some_lane(scene, rng)
    person = someone(scene, lane)
    question = worded(
        rng, ("Which way does the one {} go?", "Which way does the person {} walk?"), rng.choice(PLACE_WORDS[lane])
    )
    return question, WAYS[person.motion] if person else "Nobody is there."


FACTS: dict[str, Callable[[Scene, random.Random], Asked]] = {
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
}
