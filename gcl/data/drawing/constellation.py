"""Drawn scenes: their contents, their sampling, and the rules that turn perception into prediction and action.

The robot looks along a path with a left, a middle ("ahead") and a right lane. Its words and actions follow from the people,
the sides and the things ahead. So a model must read these from the pixels.
"""

import random
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

LANES = ("left", "ahead", "right")
DISTANCES = ("near", "far")
MOTIONS = ("approaching", "leaving", "crossing left", "crossing right", "standing")
SIDES = ("open", "wall")
AHEAD = ("nothing", "crossing", "open door", "closed door")

# All scenes are divided into three parts. Test sets use part 0 only. Tuning never sees part 0. Captions may show the tuning
# set's own test scenes.
TESTED, TRAINED = (0,), (1, 2)
TUNING = {"train": (2,), "test": (1,)}

ACTIONS = ("Move Forward", "Move Forward Left", "Move Forward Right", "Stop", "Turn Left", "Turn Right")


@dataclass(frozen=True)
class Person:
    """A person in the scene; `lane`, `distance` and `motion` are words of the tuples above."""

    lane: str
    distance: str
    motion: str

    @property
    def future_lane(self) -> str | None:
        """The lane a moment later; None if the person walks out of view."""
        step = {"crossing left": -1, "crossing right": 1}.get(self.motion, 0)
        index = LANES.index(self.lane) + step
        return LANES[index] if 0 <= index < len(LANES) else None

    @property
    def will_block(self) -> bool:
        """Whether this person will be in the robot's lane a moment later, and does not walk away."""
        return self.future_lane == "ahead" and self.motion != "leaving"


@dataclass(frozen=True)
class Scene:
    """People from left to right, the two sides of the path, and the thing ahead."""

    people: tuple[Person, ...]
    left: str
    right: str
    ahead: str

    @property
    def blocked(self) -> str | None:
        """Distance at which a closed door or people will block the way: "near", "far" or None."""
        distances = {person.distance for person in self.people if person.will_block}
        if self.ahead == "closed door" or "near" in distances:
            return "near"
        return "far" if distances else None

    @property
    def yields(self) -> bool:
        """Whether someone crosses on a marked crossing: people go first."""
        return self.ahead == "crossing" and any(person.motion.startswith("crossing") for person in self.people)

    @property
    def free_side(self) -> str | None:
        """The side to pass on: right by custom, else left, else None."""
        return next((side for side in ("right", "left") if getattr(self, side) == "open"), None)

    @property
    def action(self) -> str:
        """The compliant action, one of `ACTIONS`."""
        if self.yields:
            return "Stop"
        if self.blocked is None:
            return "Move Forward"
        if self.free_side is None:
            return "Stop"
        verb = "Turn" if self.blocked == "near" else "Move Forward"
        return f"{verb} {self.free_side.capitalize()}"


def sample_scene(rng: random.Random) -> Scene:
    """Draw a scene with at most one person in a lane."""
    lanes = rng.sample(LANES, rng.choices((0, 1, 2), weights=(1, 6, 6))[0])
    people = tuple(Person(lane, rng.choice(DISTANCES), rng.choice(MOTIONS)) for lane in LANES if lane in lanes)
    left, right = (rng.choices(SIDES, weights=(2, 1))[0] for _ in range(2))
    return Scene(people, left, right, rng.choices(AHEAD, weights=(4, 3, 1, 2))[0])


def third(scene: Scene) -> int:
    """The third of all constellations that has this scene, 0 to 2, the same for every data set and seed.

    The things and their places decide, not colours or pixels. So no training shows a constellation of a test picture.
    """
    return zlib.crc32(repr(scene).encode()) % 3


def sample_scenes(
    rng: random.Random, count: int, shares: Mapping[str, float], *, thirds: Collection[int]
) -> list[Scene]:
    """Draw `count` scenes from some thirds of all constellations; constellations may repeat.

    Every action gets its share. The rounding remainder goes to the first actions.
    """
    quota = {action: int(count * share) for action, share in shares.items()}
    for action in list(quota)[: count - sum(quota.values())]:
        quota[action] += 1
    scenes: list[Scene] = []
    while any(quota.values()):
        scene = sample_scene(rng)
        if third(scene) in thirds and quota.get(scene.action, 0) > 0:
            quota[scene.action] -= 1
            scenes.append(scene)
    rng.shuffle(scenes)
    return scenes
