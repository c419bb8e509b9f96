"""Questions about a drawn scene: `about_scene(scene, rng, count)`. All are about the view itself.

None asks for the future, for reasons or for actions. These are learnt by the trainings that are compared.
"""

import random
from collections.abc import Callable

from gcl.data.drawing.constellation import Scene
from gcl.data.drawing.language import AHEAD_WORDS, PLACE_WORDS, SIDE_WORDS, caption
from gcl.tasks.instructions.instruction import Asked, Instruction, draw_different, worded
from gcl.tasks.instructions.scene_facts import FACTS, LANE_NAMES, some_lane, someone, the_one
from gcl.tasks.instructions.statements import say_person

ONE_WORD = {"nothing": "Path.", "crossing": "Crossing.", "open door": "Door.", "closed door": "Door."}
# Kinds whose answers name all that is there. They are drawn more often, since they teach the most.
WHOLE = ("list", "describe")
# Kinds whose answers are also asked for in capitals.
CAPITALS = ("walls", "open", "how far", "where")


def about_scene(scene: Scene, rng: random.Random, count: int) -> list[Instruction]:
    """Different questions about a scene, with their answers.

    Raises:
        DataError: if there are too few different questions.
    """

    def draw() -> Instruction | None:
        kind = rng.choice([*KINDS, *WHOLE, *WHOLE])
        asked = KINDS[kind](scene, rng)
        return asked and Instruction(f"scene/{kind}", *asked, sees=True)

    return draw_different(draw, count)


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
        person = someone(scene, lane)
        facts[name] = f"{person.distance}, {person.motion}" if person else "nobody"
    names = rng.sample(list(facts), rng.choice((2, 3, 3)))
    question = worded(rng, ("Fill in. {}", "Answer in this form. {}"), "; ".join(f"{name}: ?" for name in names))
    return question, "; ".join(f"{name}: {facts[name]}" for name in names)


def _people(scene: Scene, rng: random.Random) -> Asked:
    people = [f"{LANE_NAMES[person.lane]} {person.distance} {person.motion}" for person in scene.people]
    return rng.choice(("List only the people.", "List the people and no more.")), f"{', '.join(people) or 'nobody'}."


def _capitals(scene: Scene, rng: random.Random) -> Asked:
    asked = FACTS[rng.choice(CAPITALS)](scene, rng)
    return asked and (f"{asked[0]} Answer in capitals.", asked[1].upper())


def _one_word(scene: Scene, rng: random.Random) -> Asked:
    lane = some_lane(scene, rng)
    one, person = the_one(scene, rng)
    question, answer = rng.choice(
        (
            ("What is ahead?", ONE_WORD[scene.ahead]),
            (f"Who is {rng.choice(PLACE_WORDS[lane])}?", "Someone." if someone(scene, lane) else "Nobody."),
            (f"Where is {one}?", f"{LANE_NAMES[person.lane].capitalize()}." if person else "Nowhere."),
        )
    )
    return f"{question} Answer with one word.", answer


KINDS: dict[str, Callable[[Scene, random.Random], Asked]] = {
    **FACTS,
    "describe": _describe,
    "list": _list,
    "form": _form,
    "people": _people,
    "capitals": _capitals,
    "one word": _one_word,
}
