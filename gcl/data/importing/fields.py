"""Fields of a record: nested ones by dotted names, texts in several parts, and fields that nobody reads.

`field_of(fields, "annotation.action")` finds a value, `unread(fields, names)` the fields that nobody asked for.
"""

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_EMPTY = (None, "", [], {})


def field_of(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The named field alone, or nothing where it is not there. A dot leads into an object, unless a field is called so."""
    if name in fields:
        return {name: fields[name]}
    outer, _, inner = name.partition(".")
    while inner:
        value = fields.get(outer)
        if isinstance(value, Mapping) and (found := field_of(value, inner)):
            return {name: found[inner]}
        more, _, inner = inner.partition(".")
        outer = f"{outer}.{more}"
    return {}


def joined(value: Any) -> Any:
    """A list of sentences as one text; anything else as it is."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return " ".join(part.strip() for part in value)
    return value


def decoded(value: Any) -> Any:
    """A list or object from its text in a cell, in JSON or Python; anything else as it is."""
    if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            return read(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return value


def unread(fields: Mapping[str, Any], names: Collection[str]) -> Iterator[str]:
    """Fields with a value that are not among the names. Of an object that is read in part, the other parts count."""
    for name, value in fields.items():
        if name in names or name.startswith("(") or (isinstance(value, list | dict | str | None) and value in _EMPTY):
            continue
        inner = {known.removeprefix(f"{name}.") for known in names if known.startswith(f"{name}.")}
        if inner and isinstance(value, Mapping):
            yield from (f"{name}.{part}" for part in unread(value, inner))
        else:
            yield name
