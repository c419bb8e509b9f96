"""Statements about a drawn scene: `statement(scene, rng, true)` says one that is true, or one that is false."""

import random

from gcl.data.drawing.constellation import AHEAD, DISTANCES, LANES, MOTIONS, Person, Scene
from gcl.data.drawing.language import AHEAD_WORDS, DISTANCE_WORDS, MOTION_WORDS, PLACE_WORDS, SIDE_WORDS


def statement(scene: Scene, rng: random.Random, true: bool) -> str:
    """A statement about a place, the sides, or the thing ahead, that is true or false."""
    about = rng.choice((_place, _place, _sides, _ahead))
    return about(scene, rng, true)


def say_person(person: Person, wording: int) -> str:
    """A sentence about a person in the first wording (0) or the second (1)."""
    place, distance, motion = (
        options[wording]
        for options in (PLACE_WORDS[person.lane], DISTANCE_WORDS[person.distance], MOTION_WORDS[person.motion])
    )
    return f"{distance} {place}, {motion}."


def _place(scene: Scene, rng: random.Random, true: bool) -> str:
    lane = rng.choice([person.lane for person in scene.people] or LANES) if rng.random() < 0.5 else rng.choice(LANES)
    person = next((person for person in scene.people if person.lane == lane), None)
    if person is None:
        return _nobody(lane, rng) if true else say_person(_any_person(lane, rng), rng.randrange(2))
    if true:
        return say_person(person, rng.randrange(2))
    distance = rng.choice([other for other in DISTANCES if other != person.distance])
    motion = rng.choice([other for other in MOTIONS if other != person.motion])
    wrong = rng.choice((None, Person(lane, distance, person.motion), Person(lane, person.distance, motion)))
    return _nobody(lane, rng) if wrong is None else say_person(wrong, rng.randrange(2))


def _nobody(lane: str, rng: random.Random) -> str:
    return f"Nobody is {rng.choice(PLACE_WORDS[lane])}."


def _any_person(lane: str, rng: random.Random) -> Person:
    return Person(lane, rng.choice(DISTANCES), rng.choice(MOTIONS))


def _sides(scene: Scene, rng: random.Random, true: bool) -> str:
    walls = {side for side in ("left", "right") if getattr(scene, side) == "wall"}
    # One of two walls may be said alone.
    said = [sides for sides in SIDE_WORDS if (walls >= set(sides) if sides else not walls) == true]
    return rng.choice(SIDE_WORDS[rng.choice(said)])


def _ahead(scene: Scene, rng: random.Random, true: bool) -> str:
    said = scene.ahead if true else rng.choice([other for other in AHEAD if other != scene.ahead])
    return rng.choice(AHEAD_WORDS[said])
