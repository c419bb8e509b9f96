"""Fields of a record: nested ones by dotted names, texts in several parts, and what nobody reads.

`field(record, "annotation.action")` finds a value, `text(...)` one that must be text, `unread(fields, names)` the rest.
"""

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gcl.data.annotations import Record, text_field

_EMPTY = (None, "", [], {})


def field(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The named field alone, or nothing where it is not there. A dot leads into an object, unless a field is called so."""
    if name in fields:
        return {name: fields[name]}
    outer, _, inner = name.partition(".")
    while inner:
        value = fields.get(outer)
        if isinstance(value, Mapping) and (found := field(value, inner)):
            return {name: found[inner]}
        more, _, inner = inner.partition(".")
        outer = f"{outer}.{more}"
    return {}


def text(record: Record, name: str, problems: list[str]) -> str | None:
    """The text of a field, the sentences of a list joined; None and a problem where it is missing, empty or no text."""
    return text_field(
        {name: joined(value) for name, value in field(record.fields, name).items()}, name, record.where, problems
    )


def one_action(record: Record, name: str, problems: list[str]) -> str | None:
    """The text of an action. Several in a list are a problem: joined they would be an action that nobody named."""
    value = decoded(field(record.fields, name).get(name))
    if isinstance(value, list) and len(value) > 1:
        problems.append(f"{record.where}: {name}: several actions in a list; keep one")
        return None
    return text(record, name, problems)


def joined(value: Any) -> Any:
    """A list of sentences as one text; anything else as it is."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return " ".join(part.strip() for part in value)
    return value


def decoded(value: Any) -> Any:
    """A list or object that stands as text in a cell, as JSON or as Python writes it; anything else as it is."""
    if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            return read(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return value


def unread(fields: Mapping[str, Any], names: Collection[str]) -> Iterator[str]:
    """Fields with a value that are not among the names; of an object that is read in part, the other parts."""
    for name, value in fields.items():
        if name in names or name.startswith("(") or (isinstance(value, list | dict | str | None) and value in _EMPTY):
            continue
        inner = {known.removeprefix(f"{name}.") for known in names if known.startswith(f"{name}.")}
        if inner and isinstance(value, Mapping):
            yield from (f"{name}.{part}" for part in unread(value, inner))
        else:
            yield name
