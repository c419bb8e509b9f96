"""Describe a drawn scene: its turns in words, with several phrasings per fact.

`perceive`, `predict`, `reason`, `act`, `explain` each take a scene and a source of randomness and return one text.
"""

import random

from gcl.data.drawing.constellation import Person, Scene

# Two wordings of each fact.
PLACE_WORDS = {
    "left": ("on the left", "to the left"),
    "ahead": ("straight ahead", "in the middle"),
    "right": ("on the right", "to the right"),
}
DISTANCE_WORDS = {"near": ("Near", "Close"), "far": ("Far", "Distant")}
MOTION_WORDS = {
    "approaching": ("someone comes closer", "someone walks towards us"),
    "leaving": ("someone leaves", "someone walks away"),
    "crossing left": ("someone crosses leftwards", "someone walks leftwards"),
    "crossing right": ("someone crosses rightwards", "someone walks rightwards"),
    "standing": ("someone stands", "someone waits"),
}
SIDE_WORDS = {
    (): ("Both sides are open.", "No walls."),
    ("left",): ("A wall on the left.", "The left is walled."),
    ("right",): ("A wall on the right.", "The right is walled."),
    ("left", "right"): ("Walls on both sides.", "Both sides are walled."),
}
AHEAD_WORDS = {
    "nothing": ("A plain path.", "The path runs on."),
    "crossing": ("A marked crossing.", "A zebra crossing."),
    "open door": ("An open door.", "The door is open."),
    "closed door": ("A closed door.", "The door is shut."),
}
# Wordings of one action are similar, and those of two actions differ. So a text metric rewards the right action more than a
# lucky wording.
_ACTION = {
    "Move Forward": ("Go straight on.", "Keep going straight on."),
    "Move Forward Left": ("Walk past on the left side.", "Slowly walk past on the left side."),
    "Move Forward Right": ("Walk past on the right side.", "Slowly walk past on the right side."),
    "Stop": ("Stop and wait.", "Stop here and wait."),
    "Turn Left": ("Make a left turn.", "Make a left turn now."),
    "Turn Right": ("Make a right turn.", "Make a right turn now."),
}


def perceive(scene: Scene, rng: random.Random) -> str:
    """The view: people from left to right, walls, the thing ahead."""
    people = " ".join(_describe(person, rng) for person in scene.people) or rng.choice(
        ("Nobody in view.", "No people.")
    )
    walls = tuple(side for side in ("left", "right") if getattr(scene, side) == "wall")
    return f"{people} {rng.choice(SIDE_WORDS[walls])} {rng.choice(AHEAD_WORDS[scene.ahead])}"


def caption(scene: Scene) -> str:
    """The view in few words: left, middle, right, the two sides, the thing ahead.

    Grounding needs this: almost every token is a fact in the pixels.
    """
    by_lane = {person.lane: f"{person.distance} {person.motion}" for person in scene.people}
    lanes = ", ".join(by_lane.get(lane, "nobody") for lane in ("left", "ahead", "right"))
    return f"{lanes}, {scene.left} {scene.right}, {scene.ahead}."


def predict(scene: Scene, rng: random.Random) -> str:
    """The obstacle a moment later, and the free side."""
    if scene.yields:
        return rng.choice(
            ("A person will use the crossing in front of us.", "Someone will walk over the crossing in front of us.")
        )
    if scene.ahead == "closed door":
        way = rng.choice(("The closed door will block our way.", "The shut door will stop us."))
    elif scene.blocked is None:
        return rng.choice(("The way ahead will stay clear.", "Nobody will be in our way."))
    elif scene.blocked == "near":
        way = rng.choice(("A person will be right in front of us.", "Someone will stand directly in our way."))
    else:
        way = rng.choice(("A person will be in our way a few steps ahead.", "Someone will soon block the path ahead."))
    free = {
        "right": ("The right side will be free.", "There will be room on the right."),
        "left": ("Only the left side will be free.", "There will be room on the left only."),
        None: ("No side will be free.", "There will be no room on either side."),
    }
    return f"{way} {rng.choice(free[scene.free_side])}"


def reason(scene: Scene, rng: random.Random) -> str:
    """The reason for the action."""
    action = scene.action
    if scene.yields:
        return rng.choice(
            ("People on a crossing go first, so we have to wait.", "We must give way to people on a crossing.")
        )
    if action == "Move Forward":
        return rng.choice(("Since the way is clear, we can keep our course.", "Nothing blocks us, so we can go on."))
    if action == "Stop":
        return rng.choice(
            (
                "The way is blocked and no side is free, so we have to wait.",
                "There is no room to pass, so we must wait.",
            )
        )
    verb, side = action.rsplit(" ", 1)
    side = side.lower()
    if verb == "Turn":
        return rng.choice(
            (
                f"The way is blocked close to us, so we should turn to the free {side} side.",
                f"There is no room to go on, but we can turn {side}.",
            )
        )
    return rng.choice(
        (
            f"The way is blocked further on, so we should pass early on the {side}.",
            f"There is still room to go on if we keep to the {side}.",
        )
    )


def act(scene: Scene, rng: random.Random) -> str:
    """The action as a free sentence."""
    return rng.choice(_ACTION[scene.action])


def explain(scene: Scene, rng: random.Random) -> str:
    """The benefit of the action for people around."""
    if scene.yields:
        return rng.choice(("Waiting lets the person cross safely.", "People can cross without fear when we wait."))
    options = {
        "Move Forward": ("Going straight disturbs nobody.", "A steady course is easy to read for people."),
        "Stop": ("Waiting keeps a polite distance.", "Standing still avoids pushing anyone aside."),
        "Move Forward Left": ("Passing early on the left shows where we go.", "Keeping left leaves room for others."),
        "Move Forward Right": (
            "Passing early on the right shows where we go.",
            "Keeping right leaves room for others.",
        ),
        "Turn Left": ("Turning left avoids a contact.", "A turn to the left keeps a safe distance."),
        "Turn Right": ("Turning right avoids a contact.", "A turn to the right keeps a safe distance."),
    }
    return rng.choice(options[scene.action])


def _describe(person: Person, rng: random.Random) -> str:
    place, distance, motion = (
        rng.choice(options)
        for options in (PLACE_WORDS[person.lane], DISTANCE_WORDS[person.distance], MOTION_WORDS[person.motion])
    )
    return f"{distance} {place}, {motion}."
