"""Write questions that miniature base models never saw: `write_unseen(folder, questions, ...)`.

They are about constellations, states and texts that only the test of the instruction set has. So they show how much a model
still can of what it could before an experiment. The whole set need not be drawn for them.
"""

import random
from pathlib import Path

from gcl.data.drawing.datasets import ScenePictures
from gcl.data.spread import spread
from gcl.files import atomic_folder, write_jsonl
from gcl.tasks.instructions.scene_questions import about_scene
from gcl.tasks.instructions.state_questions import about_state
from gcl.tasks.instructions.write import InstructionDrawing, draw_scenes, draw_state, draw_states, draw_words, lines_of


def write_unseen(folder: Path, questions: int, drawing: InstructionDrawing) -> None:
    """Write test.jsonl and pictures, whole or not at all.

    A third is about scenes, a third about states, the rest about words.

    Args:
        folder: to make.
        questions: their number, each about another subject as far as there are so many.
        drawing: of the instruction set.

    Raises:
        DataError: if there are too few different states or questions.
    """
    rng, third = random.Random(f"unseen {drawing.seed}"), questions // 3
    drawn = draw_scenes(drawing).unseen
    records = draw_states(drawing).unseen
    texts = draw_words(drawing).unseen
    with atomic_folder(folder) as work:
        pictures, lines = ScenePictures(work), []
        for number, scene in enumerate(spread(drawn, third)):
            lines += lines_of(f"scene-{number:05d}", pictures.draw(scene, rng), about_scene(scene, rng, 1))
        for number, record in enumerate(spread(records, third)):
            name = f"state-{number:05d}"
            lines += lines_of(name, draw_state(record, work, name, drawing.pixels_of_cell), about_state(record, rng, 1))
        for number, one in enumerate(spread(texts, questions - len(lines))):
            lines += lines_of(f"words-{number:05d}", None, [one])
        write_jsonl(work / "test.jsonl", lines)
