"""Annotation files as raw records: `read_json(path, problems)` and `read_csv(path, columns, problems)`.

Nothing here knows what the records mean. Reading does not stop at a flaw: each one is added to `problems` as one line
that says where it stands, and what could be read is returned, so that a user sees all mistakes of a data set at once.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a decimal number",
    str: "text",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True)
class Record:
    """One annotated scene as it stands in a file; `where` is "train.json: record 3" or "train.jsonl:3"."""

    where: str
    fields: Mapping[str, Any]


def find_file(root: Path, names: Sequence[str], problems: list[str]) -> Path | None:
    """The one file of `names` that is in `root`."""
    present = [name for name in names if (root / name).is_file()]
    if len(present) == 1:
        return root / present[0]
    if present:
        problems.append(f"{' and '.join(present)}: only one of them may exist; remove the others")
    else:
        problems.append(f"{' or '.join(names)}: no such file; put exactly one of them into {root}")
    return None


def read_text(path: Path, problems: list[str]) -> str | None:
    """UTF-8 text without byte order mark and with Unix line ends, so that hashes do not depend on the editor."""
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(f"{path.name}: cannot be read ({error.strerror}); check that it exists and its permissions")
        return None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.append(f"{path.name}:{line}: not UTF-8; save the file as UTF-8")
        return None


def read_json(path: Path, problems: list[str]) -> list[Record]:
    """Records of a .json file (a list of objects) or a .jsonl file (one object a line, empty lines allowed)."""
    before = len(problems)
    text = read_text(path, problems)
    if text is None:
        return []
    values = list((_json_lines if path.suffix == ".jsonl" else _json_list)(path.name, text, problems))
    if not values and len(problems) == before:
        problems.append(f"{path.name}: no records; add the scenes")
    return [Record(where, value) for where, value in values if _is_object(where, value, problems)]


def read_csv(path: Path, columns: Sequence[str], problems: list[str]) -> list[Record]:
    """Records of a table with a header line that names exactly `columns`, in any order."""
    text = read_text(path, problems)
    if text is None:
        return []
    before = len(problems)
    rows = _csv_rows(path.name, text, problems)
    line, header = next(rows, (1, []))
    if not header:
        if len(problems) == before:
            problems.append(f"{path.name}:1: empty file; begin with the header {','.join(columns)}")
        return []
    wrong = [f"column {shown(name)} is missing; add it" for name in columns if name not in header]
    wrong += [f"unknown column {shown(name)}; remove it" for name in header if name not in columns]
    wrong += [f"column {name!r} stands there twice; remove one" for name in columns if header.count(name) > 1]
    if wrong:
        problems.extend(f"{path.name}:{line}: header: {what} (expected: {','.join(columns)})" for what in wrong)
        return []
    records = []
    for line, row in rows:
        if len(row) == len(header):
            records.append(Record(f"{path.name}:{line}", dict(zip(header, row, strict=True))))
        else:
            what = f"{len(row)} columns instead of {len(header)}"
            problems.append(f"{path.name}:{line}: {what}; put texts with commas into double quotes")
    if not records and len(problems) == before:
        problems.append(f"{path.name}: no records; add the scenes")
    return records


def text_field(fields: Mapping[str, Any], name: str, where: str, problems: list[str]) -> str | None:
    """The text of a field without surrounding whitespace, or None where it is missing, empty or no text."""
    if name not in fields:
        problems.append(f"{where}: {name}: missing; add it")
        return None
    value = fields[name]
    if not isinstance(value, str):
        problems.append(f"{where}: {name}: {kind(value)} instead of text; write text in double quotes")
        return None
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = shown(value[error.start])
        problems.append(f"{where}: {name}: {half} is half a character (a lone surrogate); write the whole character")
        return None
    if not value.strip():
        problems.append(f"{where}: {name}: empty; fill it in")
        return None
    return value.strip()


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    return _KINDS[type(value)]


def shown(text: str) -> str:
    """Text for a message: quoted, on one line, not too long."""
    quoted = repr(text)
    return quoted if len(quoted) <= 80 else f"{quoted[:77]}..."


def _json_list(name: str, text: str, problems: list[str]) -> Iterator[tuple[str, Any]]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        problems.append(f"{name}:{error.lineno}: {_syntax(error)}")
        return
    except (ValueError, RecursionError) as error:
        problems.append(f"{name}: {_syntax(error)}")
        return
    if not isinstance(values, list):
        problems.append(f"{name}: the file holds {kind(values)} instead of a list; put the records between [ and ]")
        return
    yield from ((f"{name}: record {number}", value) for number, value in enumerate(values, start=1))


def _json_lines(name: str, text: str, problems: list[str]) -> Iterator[tuple[str, Any]]:
    # Only "\n" ends a line: splitlines() would also break at characters that JSON allows inside texts.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"{name}:{number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"{name}:{number}: {_syntax(error)}")


def _syntax(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {error.colno}; correct it"
    what = "nested too deeply" if isinstance(error, RecursionError) else "a number with thousands of digits"
    return f"not valid JSON for a data set: {what}; correct it"


def _is_object(where: str, value: Any, problems: list[str]) -> bool:
    if not isinstance(value, dict):
        problems.append(f"{where}: {kind(value)} instead of an object; write the fields between {{ and }}")
        return False
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        # Python reads these words, which the standard does not know and other programs refuse.
        problems.append(f"{where}: NaN or Infinity is not JSON; write null or text")
        return False
    return True


def _csv_rows(name: str, text: str, problems: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"{name}:{line}: not valid CSV: {error}; check the double quotes of this record")
