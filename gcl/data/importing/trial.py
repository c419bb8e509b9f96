"""The trial of a mapping: `outcome(source, content, dialogue)` imports with it, but stores nothing.

It reads the first records of each file with the import's own readers. It decodes the first pictures. The others need only
be there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from gcl.data.images import load_picture, read_picture
from gcl.data.importing.collect import collect, read_scenes, told
from gcl.data.importing.copied_pictures import Pictures
from gcl.data.importing.layout import ByFile
from gcl.data.importing.listed import listed_scenes
from gcl.data.importing.look import SAMPLE
from gcl.data.importing.mapping import CHOOSE, checked_mapping
from gcl.data.importing.reading import Reading, SourcePicture
from gcl.data.importing.sources import find_files
from gcl.data.problem import GeneralProblem, Problem
from gcl.errors import ConfigError
from gcl.experiment.dialogue import Dialogue

_DECODED = 20


@dataclass(frozen=True)
class Trial:
    """The results of a trial."""

    scenes: int  # number read
    problems: Sequence[Problem]
    wrong: int  # number of records with mistakes

    @property
    def works(self) -> bool:
        """Whether the mapping fits. Single records may have mistakes all the same."""
        general = any(isinstance(problem, GeneralProblem) for problem in self.problems)
        return not general and 2 * self.wrong < self.scenes


def outcome(source: Path, content: Mapping[str, Any], dialogue: Dialogue, spare: Sequence[str] = ()) -> Trial:
    """Try a mapping. Where the turns are left to choose, try each order until one works.

    A person could choose the `spare` columns.
    """
    tried = []
    turns = dialogue.names
    for first in range(len(turns)):
        choice = filled(content, dialogue.actions, spare, turns[first:] + turns[:first])
        if tried and choice == tried[0][0]:
            break
        tried.append((choice, _imported(source, choice, dialogue)))
        if tried[-1][1].works:
            return tried[-1][1]
    return tried[0][1]


def _imported(source: Path, content: Mapping[str, Any], dialogue: Dialogue) -> Trial:
    name = "the mapping"
    try:
        mapping = checked_mapping(content, name, dialogue.names)
    except ConfigError as error:
        return Trial(0, [GeneralProblem("", "", line) for line in str(error).split("\n")], 0)
    reading = Reading(source, mapping, name, dialogue)
    files = find_files(source, mapping, reading.problems)
    glance = _Glance(source, source)
    scenes = collect(read_scenes(files, reading, None if mapping.joins else SAMPLE), reading, glance)
    general = any(isinstance(problem, GeneralProblem) for problem in reading.problems)
    places = {problem.place for problem in reading.problems}
    problems = told(scenes, reading, len(glance.known))
    rule = mapping.split
    if isinstance(rule, ByFile) and not problems and (len(scenes.places) < SAMPLE or mapping.joins):
        ids = [scene.id for scene in scenes.kept]
        listed = listed_scenes(source / rule.file, rule.file, ids, [scene.path for scene in scenes.kept], problems)
        # Single entries may be wrong. The import names them.
        if not len(problems) < len(listed) < len(ids):
            return Trial(0, [*problems, GeneralProblem(name, "split", f"{rule.file} names other scenes")], 0)
        problems = []
    wrong = len(scenes.places) if general else len(places | {failure.where for failure in scenes.failures})
    return Trial(len(scenes.places), problems, wrong)


def filled(
    content: Mapping[str, Any], actions: Sequence[str] | None, spare: Sequence[str], turns: Sequence[str]
) -> dict[str, Any]:
    """A mapping with CHOOSE replaced by possible choices, open turns in the order given."""
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
    if isinstance(result["files"], dict) and CHOOSE in result["files"].values():
        result["files"] = result["files"]["train"]
        result["split"] = {"train": 1, "test": 1, "seed": 0}
    split, own, columns = result.get("split") or {}, result.get("turns"), result.get("columns") or {}
    if "words" in split:
        split["words"] = _chosen(split["words"], ("train", "test"), "train")
    split.update({part: 1 for part in ("train", "test") if split.get(part) == CHOOSE})
    if isinstance(own, dict) and set(own) == {"column", "words"}:
        own["words"] = _chosen(own["words"], turns, None)
    elif isinstance(own, dict):
        result["turns"] = _chosen(own, turns, None)
    if result.get("picture") == CHOOSE:
        result["picture"] = "last"
    open_columns = [turn for turn in turns if columns.get(turn) == CHOOSE]
    columns.update(zip(open_columns, spare, strict=False))
    if "actions" in result:
        labels = cycle(actions)
        result["actions"] = {word: next(labels) if a == CHOOSE else a for word, a in result["actions"].items()}
    return result


def _chosen(words: Mapping[str, Any], names: Sequence[str], rest: Any) -> dict[str, Any]:
    """Words with their meanings. CHOOSE becomes a meaning that no other word has yet."""
    missing = iter([name for name in names if name not in words.values()])
    return {word: next(missing, rest) if meaning == CHOOSE else meaning for word, meaning in words.items()}


class _Glance(Pictures):
    """Looks whether pictures are there, and stores nothing."""

    def store(self, picture: SourcePicture) -> None:
        if len(self.names) < _DECODED:
            load_picture(self.source / picture.place if picture.data is None else picture.data)
        elif picture.data is None and not (self.source / picture.place).is_file():
            read_picture(self.source / picture.place)
        self.names.append("")
