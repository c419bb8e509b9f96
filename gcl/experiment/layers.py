"""Settings laid over each other: config.yaml, the scale's file, further files, the command line; the last one wins.

    settings = Layers(); settings.lay(document); settings.tree; settings.place(path)

A setting (a mapping with `value`) is replaced whole, with its origin. So each has one document that it comes from.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gcl.experiment.yaml_files import Document, Keys


@dataclass(frozen=True)
class Overridden:
    """A setting of one document that a later one replaced.

    Attributes:
        path: of the setting.
        old, new: where it stands without effect, and where it has effect.
    """

    path: Keys
    old: Document
    new: Document

    def value_of(self, document: Document) -> Any:
        """The value of the setting in one of the two."""
        node = document.value
        for key in self.path:
            node = node[key]
        return node["value"]


class Layers:
    """Documents laid over each other.

    Attributes:
        tree: the settings in force.
        overridden: settings that a later document gave another value.
    """

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self.overridden: list[Overridden] = []
        self._sources: dict[Keys, Document] = {}

    def lay(self, document: Document) -> None:
        """Lay a document over what is there."""
        self._lay(self.tree, document.value, (), document)

    def _lay(self, base: dict[str, Any], new: Mapping[Any, Any], path: Keys, document: Document) -> None:
        for key, value in new.items():
            below, old = (*path, str(key)), base.get(key)
            both = isinstance(old, dict) and isinstance(value, Mapping)
            if both and "value" not in old and "value" not in value:
                self._lay(old, value, below, document)
                continue
            if both and "value" in old and "value" in value and old["value"] != value["value"]:
                self.overridden.append(Overridden(below, self.source(below), document))
            base[key] = copy.deepcopy(value)
            self._sources = {known: source for known, source in self._sources.items() if known[: len(below)] != below}
            self._sources[below] = document

    def source(self, path: Sequence[str]) -> Document:
        """The document whose value is in force, or in which a missing one is looked for."""
        for length in range(len(path), 0, -1):
            if tuple(path[:length]) in self._sources:
                return self._sources[tuple(path[:length])]
        return next(iter(self._sources.values()))

    def place(self, path: Sequence[str]) -> str:
        """File and line of a setting."""
        return self.source(path).place(path)
