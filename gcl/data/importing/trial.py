"""Whether a mapping can be read at all: `outcome(source, content, actions)` imports with it, but stores nothing.

It reads the first records of each file with the import's own readers. Of the pictures the first are decoded; of the others
it must be enough that they are there.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from gcl.data.images import PictureError, load_picture, read_picture
from gcl.data.importing.collect import collect, read_scenes, told
from gcl.data.importing.layout import ByFile
from gcl.data.importing.look import SAMPLE
from gcl.data.importing.mapping import CHOOSE, checked_mapping
from gcl.data.importing.scene import Picture, Reading
from gcl.data.importing.sources import find_files
from gcl.data.importing.splits import read_test_ids
from gcl.data.raw import leads_out
from gcl.data.scenario import TURNS
from gcl.errors import ConfigError

_DECODED = 20
_PLACE = re.compile(r"^(.+?(?::\d+(?: \(record \d+\))?|: row \d+)): ")


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        scenes: number read.
        problems: what is wrong, one a line.
        wrong: number of records with mistakes.
    """

    scenes: int
    problems: Sequence[str]
    wrong: int

    @property
    def works(self) -> bool:
        """Whether the mapping fits; single records may have mistakes all the same."""
        return (
            self.scenes > 0
            and not any("as in all" in line or "like all" in line for line in self.problems)
            and (2 * self.wrong < self.scenes)
        )


def outcome(source: Path, content: Mapping[str, Any], actions: Sequence[str] | None, name: str) -> Outcome:
    """Try a mapping.

    Args:
        source: folder of the download.
        content: the mapping as YAML would hold it; CHOOSE is filled in as a person might.
        actions: closed list of labels, or None where actions are free text.
        name: of the mapping in messages.
    """
    try:
        mapping = checked_mapping(filled(content, actions), name)
    except ConfigError as error:
        return Outcome(0, str(error).split("\n"), 0)
    reading = Reading(source, mapping, name)
    files = find_files(source, mapping, reading.problems)
    glance = _Glance(source)
    found = read_scenes(files, reading, None if mapping.joins else SAMPLE)
    scenes = collect(found, reading, glance, actions, Path(os.devnull))
    places = [_PLACE.match(line) for line in reading.problems]
    problems = told(scenes, reading, glance.tried)
    rule = mapping.split
    if isinstance(rule, ByFile) and not problems and (scenes.count < SAMPLE or mapping.joins):
        ids = read_test_ids(source / rule.file, rule.file, problems)
        if problems or not set(ids) < set(scenes.ids):
            return Outcome(0, [*problems, f"{name}: split: {rule.file} names other scenes"], 0)
    # A mistake without a place is one of the whole.
    wrong = scenes.count if None in places else len({place[1] for place in places} | {f.where for f in scenes.failures})
    return Outcome(scenes.count, problems, wrong)


def filled(content: Mapping[str, Any], actions: Sequence[str] | None) -> dict[str, Any]:
    """A mapping with CHOOSE replaced by something that a person might choose."""
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
    if isinstance(result.get("split"), dict):
        if "words" in result["split"]:
            result["split"]["words"] = _chosen(result["split"]["words"], ("train", "test"), "train")
        result["split"] |= {part: 1 for part in ("train", "test") if result["split"].get(part) == CHOOSE}
    if isinstance(result.get("turns"), dict):
        if set(result["turns"]) == {"column", "words"}:
            result["turns"]["words"] = _chosen(result["turns"]["words"], TURNS, None)
        else:
            result["turns"] = _chosen(result["turns"], TURNS, None)
    if result.get("picture") == CHOOSE:
        result["picture"] = "last"
    if isinstance(result.get("actions"), dict):
        labels = cycle(actions or ["?"])
        result["actions"] = {k: next(labels) if v == CHOOSE else v for k, v in result["actions"].items()}
    return result


def _chosen(words: Mapping[str, Any], names: Sequence[str], rest: Any) -> dict[str, Any]:
    """Words with their meanings: for CHOOSE what no other word means yet."""
    missing = iter([name for name in names if name not in words.values()])
    return {word: next(missing, rest) if meaning == CHOOSE else meaning for word, meaning in words.items()}


class _Glance:
    """What `Pictures` is to an import: looks whether pictures are there, and stores nothing."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._known: dict[Any, int] = {}
        self.names: list[str] = []

    @property
    def tried(self) -> int:
        return len(self._known)

    def take(self, picture: Picture) -> int:
        """The number of a picture.

        Raises:
            PictureError: if it is not there, or, for one of the first, cannot be decoded.
        """
        if picture.data is None and picture.place is None:
            raise PictureError("an address, and nothing is fetched; download the pictures and write their paths")
        key = picture.place if picture.data is None else hash(picture.data)
        if key not in self._known:
            self._known[key] = len(self.names)
            self.names.append("")
            if picture.data is None and (problem := leads_out(str(key), self._source)):
                raise PictureError(problem)
            if len(self.names) <= _DECODED:
                load_picture(self._source / key if picture.data is None else picture.data)
            elif picture.data is None and not (self._source / key).is_file():
                read_picture(self._source / key)
        return self._known[key]
