"""Write the instruction set: `write_instructions(folder, ...)`.

    train.jsonl, test.jsonl    {"id", "kind", "image" (relative path or null), "question", "answer"}
    images/                    pictures of scenes and states

The seed decides everything. A constellation, a state or a text is either in training or in the test. Constellations of the
data sets' test splits never occur.
"""

import random
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from gcl.data.drawing.constellation import TRAINED, sample_scenes
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
H = TypeVar("H", bound=Hashable)


def write_instructions(
    folder: Path,
    *,
    scenes: int,
    states: Mapping[str, int],
    words: int,
    held_out: float,
    seed: int,
    levels: Mapping[str, Sequence[int]],
    excluded: Collection[str],
    pixels_of_cell: int | None,
) -> None:
    """Write an instruction set, whole or not at all; an existing one is replaced.

    Args:
        folder: to make.
        scenes: number of drawn scenes.
        states: number of planning states of each level, by task.
        words: number of questions about words alone.
        held_out: share of constellations, states and texts that only the test has.
        seed: decides all draws.
        levels: cells along a side of the states, by task.
        excluded: hashes of states that must not occur, such as those of test splits.
        pixels_of_cell: side of a cell in a picture; None: pictures are as large as MGSD's.

    Raises:
        DataError: if there are too few different states or questions.
    """
    with atomic_folder(folder) as work:
        pictures = ScenePictures(work)
        records = [record for task in levels for level in levels[task]
                   for record in generate(task, level, {"train": states[task]}, seed, exclude=excluded)]  # fmt: skip
        parts = (
            _about_scenes(pictures, scenes, held_out, random.Random(f"instructions scenes {seed}")),
            _about_states(work, records, held_out, pixels_of_cell, random.Random(f"instructions states {seed}")),
            _about_words(words, held_out, random.Random(f"instructions words {seed}")),
        )
        for split in ("train", "test"):
            write_jsonl(work / f"{split}.jsonl", [line for part in parts for line in part[split]])


def _about_scenes(pictures: ScenePictures, count: int, held_out: float, rng: random.Random) -> Lines:
    scenes = sample_scenes(rng, count, SHARES["any"], thirds=TRAINED)
    apart = _apart(scenes, held_out, rng)
    lines: Lines = {"train": [], "test": []}
    for number, scene in enumerate(tqdm(scenes, desc="drawing", unit="scene", mininterval=2)):
        asked, image = about_scene(scene, rng, QUESTIONS["scene"]), pictures.draw(scene, rng)
        split = "test" if scene in apart else "train"
        lines[split] += _lines(f"scene-{number:05d}", image, asked)
    return lines


def _about_states(
    work: Path, records: Sequence[StateRecord], held_out: float, pixels_of_cell: int | None, rng: random.Random
) -> Lines:
    apart = _apart([record.state.state_hash for record in records], held_out, rng)
    lines: Lines = {"train": [], "test": []}
    for number, record in enumerate(tqdm(records, desc="drawing", unit="state", mininterval=2)):
        name, state = f"state-{number:05d}", record.state
        asked = about_state(record, rng, QUESTIONS["state"])
        if number % PLANNED_ONE_OF == 0:
            asked.append(plan_from_picture(record))
        if number % READ_ONE_OF == 0:
            asked.append(reading_of(record))
        image = f"images/{name}.png"
        save_picture(render(state, pixels_of_cell * state.size if pixels_of_cell else PIXELS), work / image)
        split = "test" if state.state_hash in apart else "train"
        lines[split] += _lines(name, image, asked)
    return lines


def _about_words(count: int, held_out: float, rng: random.Random) -> Lines:
    asked = about_words(rng, count)
    apart = _apart([one.question for one in asked], held_out, rng)
    lines: Lines = {"train": [], "test": []}
    for number, one in enumerate(asked):
        lines["test" if one.question in apart else "train"] += _lines(f"words-{number:05d}", None, [one])
    return lines


def _apart(items: Sequence[H], share: float, rng: random.Random) -> set[H]:
    """A share of the different items."""
    different = list(dict.fromkeys(items))
    return set(rng.sample(different, round(share * len(different))))


def _lines(name: str, image: str | None, asked: Sequence[Instruction]) -> list[dict[str, Any]]:
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
