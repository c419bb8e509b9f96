"""Action accuracy and confusion matrix, where actions come from a closed list."""

import re
from collections.abc import Sequence

NO_ACTION = "(none)"


def parse_action(text: str, actions: Sequence[str]) -> str:
    """The action that a text names: the longest entry found as whole words, whatever the case.

    Longest first, because "Move Forward" is part of "Move Forward Left". A text that names none, or two that do not
    contain each other, gives `NO_ACTION`.
    """
    rest, found = text, []
    for action in sorted(actions, key=len, reverse=True):
        pattern = re.compile(rf"(?<!\w){re.escape(action)}(?!\w)", re.IGNORECASE)
        if pattern.search(rest):
            found.append(action)
            rest = pattern.sub(" ", rest)
    return found[0] if len(found) == 1 else NO_ACTION


def confusion_matrix(references: Sequence[str], parsed: Sequence[str], actions: Sequence[str]) -> dict[str, list]:
    """Counts, a row per reference action and a column per generated one, the last column for `NO_ACTION`."""
    columns = [*actions, NO_ACTION]
    counts = [[0] * len(columns) for _ in actions]
    for reference, action in zip(references, parsed, strict=True):
        counts[actions.index(reference)][columns.index(action)] += 1
    return {"rows": list(actions), "columns": columns, "counts": counts}
