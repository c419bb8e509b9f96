"""Instructions for tests: many about drawn scenes and about states of all tasks, each with its subject."""

import random
import re
from functools import cache

from gcl.data.drawing.constellation import TRAINED, Scene, sample_scenes
from gcl.data.drawing.datasets import SHARES
from gcl.planning.cells import generate
from gcl.planning.states_file import StateRecord
from gcl.tasks.instructions.instruction import Instruction
from gcl.tasks.instructions.scene_questions import about_scene
from gcl.tasks.instructions.state_questions import about_state

LEVELS = {"frozenlake": [3, 4], "maze": [3, 4], "minibehaviour": [4, 5]}


@cache
def scene_cases() -> list[tuple[Scene, Instruction]]:
    """Pairs of a scene and an instruction about it."""
    rng = random.Random(0)
    drawn = sample_scenes(rng, 500, SHARES["any"], thirds=TRAINED)
    return [(scene, one) for scene in drawn for one in about_scene(scene, rng, 12)]


@cache
def records() -> list[StateRecord]:
    """States of all tasks."""
    cells = [(task, level) for task, levels in LEVELS.items() for level in levels]
    return [record for cell in cells for record in generate(*cell, {"train": 45}, 1)]


@cache
def state_cases() -> list[tuple[StateRecord, Instruction]]:
    """Pairs of a record and an instruction about its state."""
    rng = random.Random(0)
    return [(record, one) for record in records() for one in about_state(record, rng, 20)]


def of(pairs, *kinds):
    """The subjects, questions and answers of some kinds. A question is its last line."""
    found = [(subject, one.question.split("\n")[-1], one.answer) for subject, one in pairs if one.kind in kinds]
    assert len(found) > 20
    return found


def both(kind: str) -> tuple[str, str]:
    """A kind of fact from the picture and from words."""
    return f"state/{kind}", f"words/{kind}"


def cells_in(text: str) -> list[tuple[int, int]]:
    return [(int(row), int(column)) for row, column in re.findall(r"\((\d+),(\d+)\)", text)]
