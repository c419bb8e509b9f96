"""Action accuracy and confusion matrix, where actions come from a closed list."""

from collections.abc import Sequence

NO_ACTION = "(none)"


def confusion_matrix(references: Sequence[str], parsed: Sequence[str], actions: Sequence[str]) -> dict[str, list]:
    """Counts, a row per reference action and a column per generated one, the last column for `NO_ACTION`."""
    columns = [*actions, NO_ACTION]
    counts = [[0] * len(columns) for _ in actions]
    for reference, action in zip(references, parsed, strict=True):
        counts[actions.index(reference)][columns.index(action)] += 1
    return {"rows": list(actions), "columns": columns, "counts": counts}
