"""The values in a JSON text one after another, and the place that is read: `JsonText(text, name)`.

gcl/data/annotations.py walks through annotation files with it. Errors say line and column.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from gcl.data.problem import Problem, ProblemError

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class JsonText:
    """A text that is read from its beginning. `name` is its file's, for messages."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name, self.at = text, name, 0
        self._ends = [match.start() for match in re.finditer("\n", text)]

    @property
    def line(self) -> int:
        """The number of the line that is read."""
        return bisect_left(self._ends, self.at) + 1

    def next_sign(self) -> str:
        """The next character that is no whitespace, or nothing at the end of the text."""
        self.at = _SPACE.match(self._text, self.at).end()
        return self._text[self.at : self.at + 1]

    def expect(self, sign: str, complaint: str) -> None:
        """Go past this sign; complain if it is not the next one."""
        if self.next_sign() != sign:
            raise self._fault(json.JSONDecodeError(complaint, self._text, self.at))
        self.at += len(sign)

    def entries(self) -> Iterator[str | None]:
        """Stop before each value of the list or object that begins here. The caller reads it.

        Yields:
            The value's key, or None in a list.
        """
        keyed = self.next_sign() == "{"
        end = "}" if keyed else "]"
        self.at += 1
        more = self.next_sign() != end
        while more:
            key = None
            if keyed:
                if self.next_sign() != '"':
                    self.expect('"', "Expecting property name enclosed in double quotes")
                key = self.value()
                self.expect(":", "Expecting ':' delimiter")
            self.next_sign()
            yield key
            more = self.next_sign() == ","
            self.at += more
        self.expect(end, "Expecting ',' delimiter")

    def value(self) -> Any:
        """Decode the value that begins here, and go past it."""
        try:
            value, self.at = _DECODER.raw_decode(self._text, self.at)
        except (ValueError, RecursionError) as error:
            raise self._fault(error) from None
        return value

    def _fault(self, error: Exception) -> ProblemError:
        return ProblemError(Problem(f"{self._name}:{getattr(error, 'lineno', self.line)}", "", *syntax(error)))


def syntax(error: Exception) -> tuple[str, str]:
    """The mistake in JSON, and its remedy."""
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {error.colno}", "correct it"
    what = "nested too deeply" if isinstance(error, RecursionError) else "a number with thousands of digits"
    return f"not valid JSON for a data set: {what}", "correct it"
