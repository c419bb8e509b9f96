"""Write the instruction set: `write_instructions(folder, ...)`.

    train.jsonl, test.jsonl    {"id", "kind", "image" (relative path or null), "question", "answer"}
    images/                    pictures of scenes and states

The seed decides everything. A constellation, a state or a text is either in training or in the test. Constellations of the
data sets' test splits never occur.
"""

import random
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from gcl.data.drawing.constellation import TRAINED, Scene, sample_scenes
from gcl.data.drawing.datasets import SHARES, ScenePictures
from gcl.files import atomic_folder, write_jsonl
from gcl.planning.cells import generate
from gcl.planning.state_pictures import PIXELS, render, save_picture
from gcl.planning.states_file import StateRecord
from gcl.tasks.instructions.instruction import Instruction
from gcl.tasks.instructions.scene_questions import about_scene
from gcl.tasks.instructions.state_questions import about_state, plan_from_picture, reading_of
from gcl.tasks.instructions.word_questions import about_words

QUESTIONS = {"scene": 3, "state": 6}  # about each scene and each state
# Of so many states one is also planned from its picture, or read as a whole. Base models are to know both forms, but to do
# neither well: MGSD teaches them.
PLANNED_ONE_OF, READ_ONE_OF = 10, 4

Lines = dict[str, list[dict[str, Any]]]  # records of each split
T = TypeVar("T")


@dataclass(frozen=True)
class InstructionDrawing:
    """All that decides an instruction set.

    Attributes:
        scenes: number of drawn scenes.
        states: number of planning states of each level, by task.
        words: number of questions about words alone.
        held_out: share of constellations, states and texts that only the test has.
        seed: decides all draws.
        levels: cells along a side of the states, by task.
        excluded: hashes of states that must not occur, such as those of test splits.
        pixels_of_cell: side of a cell in a picture; None: pictures are as large as MGSD's.
    """

    scenes: int
    states: Mapping[str, int]
    words: int
    held_out: float
    seed: int
    levels: Mapping[str, Sequence[int]]
    excluded: Collection[str]
    pixels_of_cell: int | None


def write_instructions(folder: Path, drawing: InstructionDrawing) -> None:
    """Write an instruction set, whole or not at all; an existing one is replaced.

    Raises:
        DataError: if there are too few different states or questions.
    """
    with atomic_folder(folder) as work:
        parts = (
            _about_scenes(ScenePictures(work), draw_scenes(drawing)),
            _about_states(work, draw_states(drawing), drawing.pixels_of_cell),
            _about_words(draw_words(drawing)),
        )
        for split in ("train", "test"):
            write_jsonl(work / f"{split}.jsonl", [line for part in parts for line in part[split]])


@dataclass(frozen=True)
class Drawn(Generic[T]):
    """Subjects of questions.

    Attributes:
        subjects: in their order.
        apart: of each, whether only the test has it.
        rng: draws all that follows.
    """

    subjects: Sequence[T]
    apart: Sequence[bool]
    rng: random.Random

    @property
    def unseen(self) -> list[T]:
        """Those that only the test has."""
        return [subject for subject, apart in zip(self.subjects, self.apart, strict=True) if apart]


def draw_scenes(drawing: InstructionDrawing) -> Drawn[Scene]:
    """The scenes of an instruction set."""
    rng = random.Random(f"instructions scenes {drawing.seed}")
    scenes = sample_scenes(rng, drawing.scenes, SHARES["any"], thirds=TRAINED)
    return Drawn(scenes, _apart(scenes, drawing.held_out, rng), rng)


def draw_states(drawing: InstructionDrawing) -> Drawn[StateRecord]:
    """Its states."""
    records = [
        record
        for task, levels in drawing.levels.items()
        for level in levels
        for record in generate(task, level, {"train": drawing.states[task]}, drawing.seed, exclude=drawing.excluded)
    ]
    rng = random.Random(f"instructions states {drawing.seed}")
    return Drawn(records, _apart([record.state.state_hash for record in records], drawing.held_out, rng), rng)


def draw_words(drawing: InstructionDrawing) -> Drawn[Instruction]:
    """Its questions about words alone."""
    rng = random.Random(f"instructions words {drawing.seed}")
    asked = about_words(rng, drawing.words)
    return Drawn(asked, _apart([one.question for one in asked], drawing.held_out, rng), rng)


def _about_scenes(pictures: ScenePictures, drawn: Drawn[Scene]) -> Lines:
    lines: Lines = {"train": [], "test": []}
    rng = drawn.rng
    for number, scene in enumerate(tqdm(drawn.subjects, desc="drawing", unit="scene", mininterval=2)):
        asked, image = about_scene(scene, rng, QUESTIONS["scene"]), pictures.draw(scene, rng)
        split = "test" if drawn.apart[number] else "train"
        lines[split] += lines_of(f"scene-{number:05d}", image, asked)
    return lines


def _about_states(work: Path, drawn: Drawn[StateRecord], pixels_of_cell: int | None) -> Lines:
    lines: Lines = {"train": [], "test": []}
    rng = drawn.rng
    for number, record in enumerate(tqdm(drawn.subjects, desc="drawing", unit="state", mininterval=2)):
        name = f"state-{number:05d}"
        asked = about_state(record, rng, QUESTIONS["state"])
        if number % PLANNED_ONE_OF == 0:
            asked.append(plan_from_picture(record))
        if number % READ_ONE_OF == 0:
            asked.append(reading_of(record))
        image = draw_state(record, work, name, pixels_of_cell)
        split = "test" if drawn.apart[number] else "train"
        lines[split] += lines_of(name, image, asked)
    return lines


def _about_words(drawn: Drawn[Instruction]) -> Lines:
    lines: Lines = {"train": [], "test": []}
    for number, one in enumerate(drawn.subjects):
        lines["test" if drawn.apart[number] else "train"] += lines_of(f"words-{number:05d}", None, [one])
    return lines


def draw_state(record: StateRecord, folder: Path, name: str, pixels_of_cell: int | None) -> str:
    """Draw the picture of a state; returns its path in the folder."""
    image, state = f"images/{name}.png", record.state
    save_picture(render(state, pixels_of_cell * state.size if pixels_of_cell else PIXELS), folder / image)
    return image


def _apart(items: Sequence[Hashable], share: float, rng: random.Random) -> list[bool]:
    """Of each item, whether it is in a share of the different ones."""
    different = list(dict.fromkeys(items))
    chosen = set(rng.sample(different, round(share * len(different))))
    return [item in chosen for item in items]


def lines_of(name: str, image: str | None, asked: Sequence[Instruction]) -> list[dict[str, Any]]:
    """Records of questions about one subject."""
    return [
        {
            "id": f"{name}/{number}",
            "kind": one.kind,
            "image": image if one.sees else None,
            "question": one.question,
            "answer": one.answer,
        }
        for number, one in enumerate(asked)
    ]
