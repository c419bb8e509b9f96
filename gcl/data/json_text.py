"""JSON as a stream: `JsonText(blocks, name)` decodes one value after another and holds no more than one and a block.

gcl/data/annotations.py walks through annotation files with it; errors say line and column.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from gcl.errors import DataError

MAX_RECORD = 16 * 2**20  # characters; more is no scene, and would have to be held in memory
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"[-+.0-9eE]*")
_DECODER = json.JSONDecoder()


class JsonText:
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

    def entries(self) -> Iterator[str | None]:
        """Stop before each value of the list or object that begins here, which the caller reads or passes over.

        Yields:
            The value's key, or None in a list.
        """
        keyed = self.next_sign() == "{"
        end = "}" if keyed else "]"
        self.skip()
        more = self.next_sign() != end
        while more:
            key = None
            if keyed:
                self.expect('"', "Expecting property name enclosed in double quotes")
                key = self.value()
                self.expect(":", "Expecting ':' delimiter")
                self.skip()
            self.next_sign()
            yield key
            more = self.next_sign() == ","
            if more:
                self.skip()
        self.expect(end, "Expecting ',' delimiter")
        self.skip()

    def pass_over(self) -> None:
        """Go past the value that begins here, however large it is."""
        if self.next_sign() not in ("[", "{"):
            self.value()
            return
        try:
            for _ in self.entries():
                self.pass_over()
        except RecursionError as error:
            raise self._fault(error) from None

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
                    raise DataError(f"{self._name}:{self.line}: {too_large('a record')}")
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
            raise DataError(f"{self._name}:{self.line}: {too_large('a record')}")
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
        return DataError(f"{self._name}:{line}: {syntax(error, column)}")


def syntax(error: Exception, column: int) -> str:
    """What is wrong with JSON, and what to do."""
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {column}; correct it"
    what = "nested too deeply" if isinstance(error, RecursionError) else "a number with thousands of digits"
    return f"not valid JSON for a data set: {what}; correct it"


def too_large(what: str) -> str:
    """Why something is not read."""
    return f"{what} of more than {MAX_RECORD // 2**20} MiB is no scene; check that the file is whole"
