"""What a drawn scene contains, how it is sampled, and the rules that turn perception into prediction and action.

The robot looks along a path with a left, a middle ("ahead") and a right lane. All that it says and does follows from the
people, the sides and the things ahead. So a model can only answer by reading these from the pixels.
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

# Thirds of all constellations. Settings are chosen on data that never shows what test splits show. What a tuning set is
# tested on, captions have shown before.
TESTED, TRAINED = (0,), (1, 2)
TUNING = {"train": (2,), "test": (1,)}

ACTIONS = ("Move Forward", "Move Forward Left", "Move Forward Right", "Stop", "Turn Left", "Turn Right")


@dataclass(frozen=True)
class Person:
    """Someone in the scene; `lane`, `distance` and `motion` are from the tuples above."""

    lane: str
    distance: str
    motion: str

    @property
    def future_lane(self) -> str | None:
        """The lane a moment later; None for someone who walks out of view."""
        step = {"crossing left": -1, "crossing right": 1}.get(self.motion, 0)
        index = LANES.index(self.lane) + step
        return LANES[index] if 0 <= index < len(LANES) else None

    @property
    def will_block(self) -> bool:
        """Whether this person will be in the robot's lane a moment later; who leaves makes room."""
        return self.future_lane == "ahead" and self.motion != "leaving"


@dataclass(frozen=True)
class Scene:
    """People from left to right, what bounds the path on both sides, and what lies ahead."""

    people: tuple[Person, ...]
    left: str
    right: str
    ahead: str

    @property
    def blocked(self) -> str | None:
        """How near the way ahead will be blocked, by a closed door or by people: "near", "far" or None."""
        distances = {person.distance for person in self.people if person.will_block}
        if self.ahead == "closed door" or "near" in distances:
            return "near"
        return "far" if distances else None

    @property
    def yields(self) -> bool:
        """Someone crosses the path on a marked crossing: people go first."""
        return self.ahead == "crossing" and any(person.motion.startswith("crossing") for person in self.people)

    @property
    def free_side(self) -> str | None:
        """The side to pass on: right by custom, else left, else none."""
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
    """Which third of all constellations a scene belongs to, 0 to 2, whatever data set or seed asks.

    What stands where decides, not colours or pixels: a constellation of a test picture is never trained on.
    """
    return zlib.crc32(repr(scene).encode()) % 3


def sample_scenes(
    rng: random.Random, count: int, shares: Mapping[str, float], *, thirds: Collection[int]
) -> list[Scene]:
    """Draw `count` scenes whose actions have the given shares; the same constellation may come more than once.

    The rounding remainder goes to the first actions. `thirds` are `TESTED`, `TRAINED`, or a part of these.
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
