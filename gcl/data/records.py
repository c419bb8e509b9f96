"""Annotation files as raw records: `read_json(path, problems)` streams .json and .jsonl, `text_lines` any text.

Nothing here knows what the records mean. A file is read block by block, so its size does not matter. Reading does not stop
at a flawed record: each flaw becomes one line of `problems` that says where it stands, so that a user sees all at once.
A file that cannot be read on raises a one-line `DataError`, which `read_json` and `read_text` turn into such a line, too.
"""

import codecs
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.errors import DataError

MAX_RECORD = 16 * 2**20  # characters; more is no scene, and would have to be held in memory
_BLOCK = 2**18  # bytes
_LINES = (".jsonl", ".ndjson")
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"[-+.0-9eE]*")
_DECODER = json.JSONDecoder()
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
    """One annotated scene as it stands in a file; `where` is "train.json:17" or "train.parquet: row 17"."""

    where: str
    fields: Mapping[str, Any]


def read_text(path: Path, problems: list[str]) -> str | None:
    """A whole file without byte order mark and with Unix line ends, so that hashes do not depend on the editor."""
    try:
        return "".join(_text_blocks(path, path.name))
    except DataError as error:
        problems.append(str(error))
        return None


def text_lines(path: Path, name: str) -> Iterator[str]:
    """Lines of a text file, without their ends.

    Args:
        path: of a file in UTF-8, or with a byte order mark in UTF-16, with the line ends of any system.
        name: of the file in messages.

    Raises:
        DataError: in one line, where the file cannot be read on.
    """
    rest, number = "", 1
    for block in _text_blocks(path, name):
        *lines, rest = (rest + block).split("\n")
        yield from lines
        number += len(lines)
        if len(rest) > MAX_RECORD:
            raise DataError(f"{name}:{number}: {_too_large('a line')}")
    if rest:
        yield rest


def read_json(path: Path, problems: list[str], name: str | None = None) -> Iterator[Record]:
    """Records of a .json file (a list of objects) or a .jsonl file (one object a line, empty lines allowed).

    Args:
        path: of the file.
        problems: gets one line for each flaw.
        name: of the file in messages, if not the last part of its path.
    """
    name, before, empty = name or path.name, len(problems), True
    try:
        for where, value in (
            _json_lines(path, name, problems) if path.suffix.lower() in _LINES else _json_list(path, name)
        ):
            empty = False
            if _is_object(where, value, problems):
                yield Record(where, value)
    except DataError as error:
        problems.append(str(error))
    if empty and len(problems) == before:
        problems.append(f"{name}: no records; add the scenes")


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
    """What a value is, in words."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def shown(text: str) -> str:
    """Text for a message: quoted, on one line, not too long."""
    quoted = repr(text)
    return quoted if len(quoted) <= 80 else f"{quoted[:77]}..."


def _text_blocks(path: Path, name: str) -> Iterator[str]:
    try:
        if not path.is_dir() and path.exists() and not path.is_file():
            raise DataError(f"{name}: not a file; name a file of annotations")
        with path.open("rb") as stream:
            yield from _decoded(stream, name)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{name}: cannot be read ({reason}); check that it exists and its permissions") from None


def _decoded(stream: io.BufferedReader, name: str) -> Iterator[str]:
    start = stream.read(3)
    mark = next((mark for mark in _MARKS if start.startswith(mark)), b"")
    encoding, line = _MARKS.get(mark, "utf-8"), 1
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    stream.seek(len(mark))
    while True:
        data = stream.read(_BLOCK)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].decode(encoding).count("\n")
            said = "UTF-8" if encoding == "utf-8" else "the UTF-16 that its first bytes announce"
            raise DataError(f"{name}:{line}: not {said}; save the file as UTF-8") from None
        line += text.count("\n")
        yield text
        if not data:
            return


def _json_lines(path: Path, name: str, problems: list[str]) -> Iterator[tuple[str, Any]]:
    # Only "\n" ends a line: splitlines() would also break at characters that JSON allows inside texts.
    for number, line in enumerate(text_lines(path, name), start=1):
        if not line.strip():
            continue
        try:
            yield f"{name}:{number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"{name}:{number}: {_syntax(error, getattr(error, 'colno', 0))}")


def _json_list(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    text = _JsonText(_text_blocks(path, name), name)
    first = text.next_sign()
    if not first:
        return
    if first != "[":
        what = f"the file holds {kind(text.value())} instead of a list"
        raise DataError(f"{name}: {what}; put the records between [ and ], or call a file of one record a line .jsonl")
    text.skip()
    number, last_line, more = 0, 0, text.next_sign() != "]"
    while more:
        text.next_sign()
        number, line = number + 1, text.line
        # Many records on one line: the line alone would not tell which.
        where = f"{name}:{line} (record {number})" if line == last_line else f"{name}:{line}"
        last_line = line
        yield where, text.value()
        more = text.next_sign() == ","
        if more:
            text.skip()
    text.expect("]", "Expecting ',' delimiter")
    text.skip()
    text.expect("", "Extra data")


class _JsonText:
    """A window that slides over JSON text and holds no more than one record and a block."""

    def __init__(self, blocks: Iterator[str], name: str) -> None:
        self._blocks, self._name = blocks, name
        self._text, self._at = "", 0
        self.line, self._column = 1, 1

    def next_sign(self) -> str:
        """The next character that is no whitespace, or nothing at the end of the file."""
        while True:
            self._advance(_SPACE.match(self._text, self._at).end())
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._refill():
                return ""

    def skip(self) -> None:
        """Go past one character."""
        self._advance(self._at + 1)

    def expect(self, sign: str, complaint: str) -> None:
        """Complain unless this is the next sign."""
        if self.next_sign() != sign:
            raise self._fault(json.JSONDecodeError(complaint, self._text, self._at))

    def value(self) -> Any:
        """Decode the value that begins here, and go past it."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                fault = self._fault(error)
                if not self._cut_off(error) or not self._refill():
                    raise fault from None
            except (ValueError, RecursionError) as error:
                raise self._fault(error) from None
            else:
                if end - self._at > MAX_RECORD:
                    raise DataError(f"{self._name}:{self.line}: {_too_large('a record')}")
                # A number that ends with the window, or shortly before it ("1e"), may go on behind it.
                length, whole = end - self._at, _NUMBER.match(self._text, end).end() < len(self._text)
                if whole or not self._refill():  # which moves the window's beginning here
                    self._advance(self._at + length)
                    return value

    def _cut_off(self, error: json.JSONDecodeError) -> bool:
        """Whether the error may be due to the window's end: the decoder names a string's start, else where it stopped."""
        return error.msg.startswith("Unterminated") or error.pos > len(self._text) - 16

    def _advance(self, to: int) -> None:
        lines = self._text.count("\n", self._at, to)
        self.line += lines
        self._column = to - self._text.rfind("\n", 0, to) if lines else self._column + to - self._at
        self._at = to

    def _refill(self) -> bool:
        """Add at least as much text as there is, so that a long record is not decoded again for each block."""
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > MAX_RECORD:
            raise DataError(f"{self._name}:{self.line}: {_too_large('a record')}")
        parts, missing = [self._text], max(len(self._text), 1)
        for block in self._blocks:
            parts.append(block)
            missing -= len(block)
            if missing <= 0:
                break
        before, self._text = len(self._text), "".join(parts)
        return len(self._text) > before

    def _fault(self, error: Exception) -> DataError:
        line, column = self.line, self._column
        if isinstance(error, json.JSONDecodeError):
            lines = self._text.count("\n", self._at, error.pos)
            line += lines
            column = error.pos - self._text.rfind("\n", 0, error.pos) if lines else column + error.pos - self._at
        return DataError(f"{self._name}:{line}: {_syntax(error, column)}")


def _syntax(error: Exception, column: int) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {column}; correct it"
    what = "nested too deeply" if isinstance(error, RecursionError) else "a number with thousands of digits"
    return f"not valid JSON for a data set: {what}; correct it"


def _too_large(what: str) -> str:
    return f"{what} of more than {MAX_RECORD // 2**20} MiB is no scene; check that the file is whole"


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
