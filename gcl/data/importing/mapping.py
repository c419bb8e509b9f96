"""The mapping that `gcl data import` needs: `read_mapping(file, dialogue)` reads it from YAML and checks it.

`gcl data inspect` proposes such a file. A person confirms it. docs/data.md shows one for each format.
"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gcl.data.annotations import read_text, shown
from gcl.data.importing.layout import BRANCHES, Asked, ByColumn, ByFile, Mapping, Seeded, Several, TurnWords
from gcl.data.importing.mapping_checks import contradictions
from gcl.data.problem import Problem
from gcl.errors import ConfigError
from gcl.experiment.yaml_files import parse_document

CHOOSE = "CHOOSE"  # `gcl data inspect` writes it where it cannot tell a value


def read_mapping(file: Path, turns: Sequence[str]) -> Mapping:
    """Read and check a mapping for a data set of these turns.

    Raises:
        ConfigError: listing every mistake, one a line: file, key, mistake, remedy.
    """
    problems: list[Problem] = []
    text = read_text(file, problems, str(file))
    if text is None:
        raise ConfigError(str(problems[0]))
    content = parse_document(text, str(file), aliases=False).value
    if not isinstance(content, dict):
        raise ConfigError(f"{file}: not a mapping of keys to values; let `gcl data inspect` propose one")
    unfilled = list(_unfilled("", content))
    if unfilled:
        lines = [f"{file}: {key}: {CHOOSE} stands where nothing could be told; fill it in" for key in unfilled]
        raise ConfigError("\n".join(lines))
    return checked_mapping(content, str(file), turns)


def checked_mapping(content: Any, name: str, turns: Sequence[str]) -> Mapping:
    """A mapping from the content of YAML. `name` is its file's, for messages. Raises the same as `read_mapping`."""
    try:
        mapping = Mapping.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{name}: {_explain(problem)}" for problem in error.errors())) from None
    clashes = list(contradictions(mapping, turns))
    if clashes:
        raise ConfigError("\n".join(f"{name}: {line}" for line in clashes))
    return mapping


def _unfilled(key: str, value: Any) -> Iterator[str]:
    if value == CHOOSE:
        yield key
    elif isinstance(value, dict):
        for name, child in value.items():
            yield from _unfilled(f"{key}.{name}".lstrip("."), child)


def _explain(problem: Any) -> str:
    """One line for one of Pydantic's errors."""
    path = [str(part) for part in problem["loc"] if part not in BRANCHES]
    field, value = ".".join(part if part.isprintable() else shown(part) for part in path), problem["input"]
    if problem["type"] == "extra_forbidden":
        names = _keys_beside(path[:-1])
        close = difflib.get_close_matches(path[-1], names, n=1)
        return f"{field}: unknown key; " + (f"did you mean {close[0]!r}?" if close else f"use {', '.join(names)}")
    if problem["type"] == "missing":
        return f"{field}: missing; add it"
    if "[key]" in path and not isinstance(value, str):
        return (
            f"{field.removesuffix('.[key]')}: {_plain(problem['msg'])}; put words that YAML reads otherwise in quotes"
        )
    field = field.removesuffix(".[key]")
    return f"{field}: {shown(value) if isinstance(value, str) else value} is not possible; {_plain(problem['msg'])}"


def _keys_beside(parents: list[str]) -> list[str]:
    if parents[:1] == ["columns"]:
        return list(Asked.model_fields)
    if parents == ["images"]:
        return ["strip", "from"]
    if parents == ["pictures"]:
        return list(Several.model_fields)
    if parents == ["turns"]:
        return list(TurnWords.model_fields)
    if parents == ["split"]:
        return [name for model in (ByColumn, ByFile, Seeded) for name in model.model_fields]
    return list(Mapping.model_fields)


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]
