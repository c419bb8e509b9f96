"""Write drawn scenes to disk in the raw formats that the importers read; `gcl data generate --help` shows a call.

    snei       train.json, test.json: LLaVA-style conversations of five rounds; free-text actions, long-tailed
    muson      annotations.csv: one row a scene, five text fields; actions from the closed list

The seed decides everything. Pictures are in images/. Constellations of a test split never occur in a training split.
"""

import csv
import io
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from gcl.data.drawing import language
from gcl.data.drawing.constellation import TESTED, TRAINED, TUNING, Scene, sample_scenes
from gcl.data.drawing.render import render
from gcl.errors import ConfigError
from gcl.files import atomic_folder, write_json, write_text

# Shares of the actions. SNEI's distribution is described as long-tailed. MUSON's is flatter here than the real one, so that
# "Move Forward" as the only answer scores badly.
SHARES = {
    "snei": {
        "Move Forward": 0.38, "Move Forward Right": 0.15, "Move Forward Left": 0.10,
        "Stop": 0.20, "Turn Right": 0.10, "Turn Left": 0.07,
    },
    "muson": {
        "Move Forward": 0.30, "Move Forward Right": 0.15, "Move Forward Left": 0.14,
        "Stop": 0.15, "Turn Right": 0.13, "Turn Left": 0.13,
    },
}  # fmt: skip
SHARES["any"] = dict.fromkeys(SHARES["muson"], 1 / 6)  # in no data set
# The turns of drawn scenes, in their order, and who says them.
SPEAKERS = {
    "perception": language.perceive,
    "prediction": language.predict,
    "reasoning": language.reason,
    "action": language.act,
    "explanation": language.explain,
}


class ScenePictures:
    """Writes numbered pictures of scenes into `images/`, never the same one twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "images"
        self._folder.mkdir()
        self._seen: set[bytes] = set()

    def draw(self, scene: Scene, rng: random.Random) -> str:
        """Draw, save and return the path relative to the raw folder."""
        picture = render(scene, rng)
        while picture.tobytes() in self._seen:
            picture = render(scene, rng)
        name = f"{len(self._seen):05d}.png"
        self._seen.add(picture.tobytes())
        picture.save(self._folder / name)
        return f"images/{name}"


def write_dataset(
    name: str,
    counts: Mapping[str, int],
    questions: Mapping[str, str],
    seed: int,
    folder: Path,
    *,
    stream: str | None = None,
    tuning: bool = False,
) -> None:
    """Draw "snei" or "muson" and write its raw folder, whole or not at all; an existing one is replaced.

    Args:
        counts: scenes per split.
        questions: wording of the questions; only conversations contain it.
        seed: decides all draws, together with `stream`.
        folder: raw folder to make; an existing one is replaced.
        stream: another name draws other scenes; None is `name`.
        tuning: draw scenes to choose settings on, without constellations of any test split.

    Raises:
        ConfigError: if the turns differ from those of drawn scenes.
    """
    if list(questions) != list(SPEAKERS):
        remedy = f"name these as datasets.{name}.turns, or import data of your own (drawing.datasets: false)"
        raise ConfigError(f"drawn scenes have the turns {', '.join(SPEAKERS)}, not {', '.join(questions)}; {remedy}")
    rng = random.Random(f"{stream or name} {seed}")
    thirds = TUNING if tuning else {"train": TRAINED, "test": TESTED}
    with atomic_folder(folder) as work:
        pictures = ScenePictures(work)
        records: dict[str, list[dict[str, str]]] = {}
        for split, count in counts.items():
            scenes = sample_scenes(rng, count, SHARES[name], thirds=thirds[split])
            records[split] = [{"image": pictures.draw(s, rng), **_turns(name, s, rng)} for s in _shown(scenes)]
        if name == "snei":
            _write_conversations(work, records, questions)
        else:
            _write_table(work, records)


def text_corpus(seed: int, questions: Iterable[str], system: str, scenes: int = 2000) -> Iterator[str]:
    """Texts for the miniature tokenizer: all words of the generators, about scenes outside of all data sets."""
    rng = random.Random(f"corpus {seed}")
    for scene in sample_scenes(rng, scenes, SHARES["any"], thirds=TRAINED):
        yield from _turns("snei", scene, rng).values()
        yield from (f"{scene.action}.", language.caption(scene))
        yield from (*questions, f"system\n{system}", "user\n", "assistant\n")


def _shown(scenes: Iterable[Scene]) -> Iterable[Scene]:
    """Scenes with a progress bar."""
    return tqdm(scenes, desc="drawing", unit="scene", mininterval=2)


def _turns(name: str, scene: Scene, rng: random.Random) -> dict[str, str]:
    turns = {turn: say(scene, rng) for turn, say in SPEAKERS.items()}
    if name == "muson":
        turns["action"] = scene.action
    return turns


def _write_conversations(
    folder: Path, records: Mapping[str, list[dict[str, str]]], questions: Mapping[str, str]
) -> None:
    for split, scenes in records.items():
        conversations = []
        for scene in scenes:
            rounds: list[dict[str, str]] = []
            for turn in SPEAKERS:
                picture = "" if rounds else "<image>\n"
                rounds.append({"from": "human", "value": picture + questions[turn]})
                rounds.append({"from": "gpt", "value": scene[turn]})
            conversations.append({"id": Path(scene["image"]).stem, "image": scene["image"], "conversations": rounds})
        write_json(folder / f"{split}.json", conversations)


def _write_table(folder: Path, records: Mapping[str, list[dict[str, str]]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["id", "image", "split", *SPEAKERS], lineterminator="\n")
    writer.writeheader()
    for split, scenes in records.items():
        writer.writerows({"id": Path(scene["image"]).stem, "split": split, **scene} for scene in scenes)
    write_text(folder / "annotations.csv", text.getvalue())
