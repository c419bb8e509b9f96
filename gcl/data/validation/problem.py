"""One finding about a data set, in fields: `Problem`. `from_line(line)` reads the lines that `read_drafts` writes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

# Every kind of finding and its heading, in the order in which they are shown.
KINDS = {
    "format": "what cannot be read",
    "label": "labels outside the list",
    "count": "number of scenes",
    "picture": "pictures that cannot be used",
    "leak": "same picture in both splits",
    "near across": "test pictures that nearly repeat a training picture, and in how many of 64 bits they differ",
    "near within": "nearly the same pictures within a split",
    "small": "small pictures",
    "changed": "pictures that are changed before training",
    "unused": "files that no scene uses",
    "contradiction": "action texts that contradict the label",
    "same scene": "scenes with the same answers in all turns",
    "same answer": "answers that several scenes share word for word",
    "language": "texts that are not English",
    "encoding": "texts with broken characters",
    "placeholder": "answers that stand for a missing one",
    "long": "answers that are cut",
    "unreadable": "answers that an encoder cannot read",
}
_BEGINNING = re.compile(
    r"(?P<place>[^:]+(:\d+)?): ((?P<field>id|image|split|action|turns(\.\w+)?(: (question|answer))?): )?"
)


@dataclass(frozen=True)
class Problem:
    """One finding."""

    place: str  # file and line
    field: str  # of the scene, or ""
    what: str  # what is wrong
    remedy: str  # what to do
    kind: str  # one of `KINDS`

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.place}: {field}{self.what}; {self.remedy}"


def from_line(line: str) -> Problem:
    """The fields of "<file>:<line>: <field>: <what>; <remedy>"."""
    beginning = _BEGINNING.match(line)
    field = beginning["field"] or ""
    what, _, remedy = line[beginning.end() :].rpartition("; ")
    kind = "label" if field == "action" and what.startswith("unknown action") else "format"
    return Problem(beginning["place"], field, what, remedy, kind)


def by_kind(problems: Iterable[Problem]) -> list[tuple[str, list[Problem]]]:
    """Problems under their headings, in the order of `KINDS`."""
    order = list(KINDS)
    ordered = sorted(problems, key=lambda problem: order.index(problem.kind))
    return [(KINDS[kind], list(group)) for kind, group in groupby(ordered, key=lambda problem: problem.kind)]
