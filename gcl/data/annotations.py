"""Annotation files as raw records: `read_json(path, problems)` reads .json and .jsonl, `text_lines` any text.

Nothing here knows the meaning of records. Reading does not stop at a flawed record: each flaw becomes one of the `problems`.
So does a file that cannot be read on. `text_lines` raises it instead.
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from gcl.data.json_text import JsonText, syntax
from gcl.data.problem import GeneralProblem, Problem, ProblemError

MAX_RECORD = 16 * 2**20  # characters, since a record is held in memory
_TOO_LARGE = f"of more than {MAX_RECORD // 2**20} MiB is no scene", "check that the file is whole"
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINES = (".jsonl", ".ndjson")
KEY, VALUE = "(key)", "(value)"  # fields of a record under a key. The second is for records that are no object.
_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a decimal number",
    str: "text",
    list: "a list",
    dict: "an object",
    bytes: "bytes",
}


@dataclass(frozen=True)
class Record:
    """One annotated scene as it stands in a file. `where` is "train.json:17" or "train.parquet: row 17"."""

    where: str
    fields: Mapping[str, Any]


def read_text(path: Path, problems: list[Problem], name: str | None = None) -> str | None:
    """A whole file, without byte order mark and with Unix line ends: hashes do not depend on the editor."""
    try:
        return "".join(_lines(path, name or path.name))
    except ProblemError as error:
        problems.append(error.problem)
        return None


def text_lines(path: Path, name: str) -> Iterator[str]:
    """Lines of a text file in UTF-8, or with a byte order mark in UTF-16, without their ends.

    Raises:
        ProblemError: where the file cannot be read on; it calls the file `name`.
    """
    for number, line in enumerate(_lines(path, name, MAX_RECORD + 1), start=1):
        if len(line) > MAX_RECORD:
            raise ProblemError(Problem(f"{name}:{number}", "", f"a line {_TOO_LARGE[0]}", _TOO_LARGE[1]))
        yield line.removesuffix("\n")


def read_json(path: Path, problems: list[Problem], name: str | None = None, at: str | None = None) -> Iterator[Record]:
    """Records of a JSON file: a list of objects, one object a line (empty lines allowed), or a single object.

    Args:
        path: of the file.
        problems: gets one for each flaw.
        name: of the file in messages, if not the last part of its path.
        at: keys joined by dots that lead to the records inside the file. "." is the file's own object. Records that
            stand there by name get it as the field `KEY`.
    """
    name, before, empty = name or path.name, len(problems), True
    try:
        by_lines = at is None and _is_by_lines(path, name)
        for where, value in _json_lines(path, name, problems) if by_lines else _json_values(path, name, at):
            empty = False
            if _is_object(where, value, problems):
                yield Record(where, value)
    except ProblemError as error:
        problems.append(error.problem)
    if empty and len(problems) == before:
        problems.append(GeneralProblem(name, "", "no records", "add the scenes"))


def text_field(
    fields: Mapping[str, Any], name: str, where: str, problems: list[Problem], within: str = ""
) -> str | None:
    """The text of a field without surrounding whitespace, or None where it is missing, empty or no text.

    Problems call the field by its name, with `within` before it.
    """

    value = fields.get(name)
    if name not in fields:
        flaw = "missing", "add it"
    elif not isinstance(value, str):
        flaw = f"{kind(value)} instead of text", "write text in double quotes"
    elif half := _SURROGATE.search(value):
        flaw = f"{shown(half[0])} is half a character (a lone surrogate)", "write the whole character"
    elif not value.strip():
        flaw = "empty", "fill it in"
    else:
        return value.strip()
    problems.append(Problem(where, f"{within}: {name}" if within else name, *flaw))
    return None


def kind(value: Any) -> str:
    """The kind of a value in words."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def shown(text: str) -> str:
    """Text for a message: quoted, on one line, not too long."""
    quoted = repr(text)
    return quoted if len(quoted) <= 80 else f"{quoted[:77]}..."


def _lines(path: Path, name: str, limit: int = -1) -> Iterator[str]:
    """Lines with their ends, longer ones cut at the limit."""
    try:
        if not path.is_dir() and path.exists() and not path.is_file():
            raise ProblemError(GeneralProblem(name, "", "not a file", "name a file of annotations"))
        with path.open("rb") as stream:
            wide = stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "utf-16" if wide else "utf-8-sig"
        with path.open(encoding=encoding) as stream:
            yield from iter(lambda: stream.readline(limit), "")
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise ProblemError(GeneralProblem(name, "", what, "check that it exists and its permissions")) from None
    except UnicodeDecodeError:
        said = "the UTF-16 that its first bytes announce" if wide else "UTF-8"
        place = f"{name}:{_undecoded(path, encoding)}"
        raise ProblemError(Problem(place, "", f"not {said}", "save the file as UTF-8")) from None


def _undecoded(path: Path, encoding: str) -> int:
    """The first line that cannot be decoded. Decoders do not say it: they stop at the end of their input."""
    with path.open(encoding=encoding, errors="replace") as good, path.open(encoding=encoding, errors="ignore") as bad:
        return next(number for number, (one, other) in enumerate(zip_longest(good, bad), 1) if one != other)


def _json_lines(path: Path, name: str, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    # Only "\n" ends a line: splitlines() would also break at characters that JSON allows inside texts.
    for number, line in enumerate(text_lines(path, name), start=1):
        if not line.strip():
            continue
        try:
            yield f"{name}:{number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(f"{name}:{number}", "", *syntax(error)))


def _json_values(path: Path, name: str, at: str | None) -> Iterator[tuple[str, Any]]:
    """Records of a file that is one JSON value, or several objects one after another."""
    text = JsonText("".join(_lines(path, name)), name)
    if not text.next_sign():
        return
    if at is None and text.next_sign() not in ("[", "{"):
        what = f"the file holds {kind(text.value())} instead of a list"
        raise ProblemError(GeneralProblem(name, "", what, "put the records between [ and ]"))
    keys = () if at is None else tuple(filter(None, at.split(".")))
    found = _walk(text, keys, name) if at is not None or text.next_sign() == "[" else _objects(text, name)
    number, last_line = 0, 0
    for number, (line, value) in enumerate(found, start=1):
        # Where many records stand on one line, the line does not tell which.
        yield f"{name}:{line} (record {number})" if line == last_line else f"{name}:{line}", value
        last_line = line
    text.expect("", "Extra data")
    if not number and keys:
        raise ProblemError(GeneralProblem(name, "", f"no records at {at}", "correct records in the mapping"))


def _objects(text: JsonText, name: str) -> Iterator[tuple[int, Any]]:
    while text.next_sign() == "{":
        yield _record(text, name)


def _record(text: JsonText, name: str) -> tuple[int, Any]:
    line, start, value = text.line, text.at, text.value()
    if text.at - start > MAX_RECORD:
        raise ProblemError(Problem(f"{name}:{line}", "", f"a record {_TOO_LARGE[0]}", _TOO_LARGE[1]))
    return line, value


def _walk(text: JsonText, keys: Sequence[str], name: str) -> Iterator[tuple[int, Any]]:
    """Line and value of each record of the list or keyed object to which the keys lead."""
    if text.next_sign() not in ("[", "{") or (keys and text.next_sign() == "["):
        what = f"{kind(text.value())} where the records" + (f" of {keys[0]} should be" if keys else " should be")
        raise ProblemError(Problem(f"{name}:{text.line}", "", what, "correct records in the mapping"))
    for key in text.entries():
        if keys and key != keys[0]:
            text.value()
        elif keys:
            yield from _walk(text, keys[1:], name)
        else:
            line, value = _record(text, name)
            yield line, value if key is None else _keyed(key, value)


def _keyed(key: str, value: Any) -> Any:
    """A record of an object that has its records by name: the key becomes a field."""
    if isinstance(value, dict):
        return {KEY: key, **value}
    return {KEY: key, VALUE: value} if isinstance(value, (list, str)) else value


def _is_by_lines(path: Path, name: str) -> bool:
    """Whether each line is a record of its own. The content decides: .json and .jsonl are often taken for each other."""
    start = next((line for line in _lines(path, name) if line.strip()), "").lstrip()
    if path.suffix.lower() in _LINES:
        return not start.startswith("[")
    try:
        return isinstance(json.loads(start), dict)
    except (ValueError, RecursionError):
        return False


def _is_object(where: str, value: Any, problems: list[Problem]) -> bool:
    if not isinstance(value, dict):
        what = f"{kind(value)} instead of an object"
        problems.append(Problem(where, "", what, "write the fields between { and }"))
        return False
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        # Python reads these words. Other programs refuse them, since the standard does not know them.
        problems.append(Problem(where, "", "NaN or Infinity is not JSON", "write null or text"))
        return False
    return True
