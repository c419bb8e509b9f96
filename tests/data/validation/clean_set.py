"""A small data set in the canonical layout with which nothing is wrong, and ways to spoil it."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from turns_case import TURNS, dialogue

from gcl.data.drawing.constellation import ACTIONS, TRAINED, sample_scenes
from gcl.data.drawing.datasets import SHARES
from gcl.data.drawing.language import explain, perceive, predict, reason
from gcl.data.drawing.render import render
from gcl.data.raw import FILE, scene_record
from gcl.data.similar import NEAR, perceptual_hash
from gcl.data.validation.reports import Validation
from gcl.data.validation.validate import validate
from gcl.files import write_jsonl

QUESTIONS = {turn: f"What about the {turn}?" for turn in TURNS}
COUNTS = {"train": 12, "test": 6}
Change = Callable[[list[dict[str, Any]]], Any]


def write_clean(folder: Path) -> None:
    """Draw scenes that all look different and say something of their own; the first 12 are the training split."""
    rng = random.Random(3)
    (folder / "images").mkdir(parents=True)
    records, looks = [], []
    for scene in sample_scenes(rng, 200, SHARES["muson"], thirds=TRAINED):
        picture = render(scene, rng)
        look = perceptual_hash(picture)
        if len(records) == sum(COUNTS.values()):
            break
        if any((look ^ other).bit_count() <= NEAR for other in looks):
            continue
        looks.append(look)
        k = len(records)
        picture.save(folder / f"images/{k}.png")
        answers = {
            "perception": f"{perceive(scene, rng)} Picture {k}.",
            "prediction": predict(scene, rng),
            "reasoning": f"{reason(scene, rng)} Thought {k}.",
            "action": scene.action,
            "explanation": explain(scene, rng),
        }
        split = "train" if k < COUNTS["train"] else "test"
        records.append(
            scene_record(f"s{k}", [(f"images/{k}.png", None)], split, {t: (None, answers[t]) for t in TURNS}, None)
        )
    assert len(records) == sum(COUNTS.values())
    write_jsonl(folder / FILE, records)


def change(folder: Path, edit: Change) -> None:
    """Edit the records of a data set; record k stands in line k + 1."""
    records = [json.loads(line) for line in (folder / FILE).read_text().splitlines()]
    edit(records)
    write_jsonl(folder / FILE, records)


def say(k: int, turn: str, answer: str) -> Change:
    """A change of one answer."""
    return lambda records: records[k]["turns"][turn].update(answer=answer)


def check(folder: Path, *, closed: bool = True, counts: dict[str, int] | None = COUNTS, readers=()) -> Validation:
    """Validate in this process."""
    return validate(
        "drawn",
        folder,
        dialogue(ACTIONS if closed else None, QUESTIONS),
        counts,
        processes=1,
        telling=("perception", "reasoning"),
        readers=readers,
    )
