"""The kinds of findings about a data set: `KINDS`; `by_kind(problems)` puts findings under their headings."""

from collections.abc import Iterable
from itertools import groupby

from gcl.data.problem import Problem

# Every kind of finding and its heading, in the order in which they are shown.
KINDS = {
    "format": "mistakes in records",
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


def by_kind(problems: Iterable[Problem]) -> list[tuple[str, list[Problem]]]:
    """Problems under their headings, in the order of `KINDS`."""
    order = list(KINDS)
    ordered = sorted(problems, key=lambda problem: order.index(problem.kind))
    return [(KINDS[kind], list(group)) for kind, group in groupby(ordered, key=lambda problem: problem.kind)]
