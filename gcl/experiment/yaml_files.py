"""YAML as people write it: `read_yaml(path)` gives values and the line of each, or says where the file is broken.

Configuration and mappings are read here alone. The rules are those of YAML 1.2: 1e-5 is a number and `no` is a word.
A key that stands twice is refused, since one of its two values would be lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from gcl.errors import ConfigError

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """The settings of a file or of the command line.

    Attributes:
        name: of the file, as messages show it.
        value: its contents.
        lines: of every key and every entry of a list, by its path; empty where there are no lines to name.
    """

    name: str
    value: Any
    lines: Mapping[Keys, int] = field(default_factory=dict, repr=False)

    def place(self, path: Sequence[str] = ()) -> str:
        """File and line of a setting; of the nearest one around it where it is missing."""
        for length in range(len(path), 0, -1):
            if tuple(path[:length]) in self.lines:
                return f"{self.name}:{self.lines[tuple(path[:length])]}"
        return self.name

    def extent(self, path: Keys) -> set[int]:
        """The lines of a setting and of all that is below it."""
        return {line for known, line in self.lines.items() if known[: len(path)] == path}


def read_document(path: Path, name: str | None = None) -> Document:
    """Read a YAML file that has to be a mapping.

    Args:
        path: of the file.
        name: in messages, if it is not the path.

    Raises:
        ConfigError: in one line, if it is not there, not valid YAML, or no mapping.
    """
    name = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{name}: no such file; run from the folder that holds config.yaml") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not valid YAML: {error}; save it as UTF-8") from None
    document = parse_document(text, name)
    if not isinstance(document.value, dict):
        found = type(document.value).__name__
        raise ConfigError(f"{name}: expected a mapping of settings, found {found}; write `name: value` lines")
    return document


def read_yaml(path: Path) -> dict[str, Any]:
    """The contents of a YAML file, see `read_document`."""
    return read_document(path).value


def parse_document(text: str, name: str, *, aliases: bool = True) -> Document:
    """Read YAML from text.

    Args:
        text: with one document.
        name: of the file, in messages.
        aliases: whether a value may be an alias (*). Not in files of others: aliases of aliases grow without bounds.

    Raises:
        ConfigError: in one line, with the line of the mistake.
    """
    yaml = YAML(typ="safe", pure=True)  # one parser everywhere, so that messages are the same, too
    yaml.Composer = Composer if aliases else _Composer
    lines: dict[Keys, int] = {}
    try:
        node = yaml.compose(text)
        if node is None:
            return Document(name, None)
        _find_lines(node, (), lines)
        return Document(name, yaml.constructor.construct_document(node), lines)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        said = " ".join(str(error.problem or error.context).split())
        raise ConfigError(f"{name}{line}: not valid YAML: {said}; correct it") from None
    except RecursionError:
        raise ConfigError(f"{name}: not valid YAML: nested too deeply; correct it") from None
    except (YAMLError, ValueError, TypeError) as error:
        raise ConfigError(f"{name}: not valid YAML: {' '.join(str(error).split())}; correct it") from None


class _Composer(Composer):
    """Refuses aliases before anything expands them."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.parser.check_event(AliasEvent):
            mark = self.parser.peek_event().start_mark
            raise MarkedYAMLError(problem="write the value instead of an alias (*)", problem_mark=mark)
        return super().compose_node(parent, index)


def _find_lines(node: Node, path: Keys, lines: dict[Keys, int]) -> None:
    """Note the line of every key and entry below a node.

    Raises:
        MarkedYAMLError: if a key stands there twice.
    """
    if isinstance(node, MappingNode):
        seen: dict[tuple[str, str], int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            known = (key.tag, key.value) if isinstance(key.value, str) else ("", str(id(key)))
            if known in seen:
                said = f"{key.value!r} stands there twice, first in line {seen[known]}; remove one"
                raise MarkedYAMLError(problem=said, problem_mark=key.start_mark)
            seen[known] = line
            below = (*path, str(key.value))
            lines[below] = line
            _find_lines(child, below, lines)
    elif isinstance(node, SequenceNode):
        for k, child in enumerate(node.value):
            lines[*path, str(k)] = child.start_mark.line + 1
            _find_lines(child, (*path, str(k)), lines)
