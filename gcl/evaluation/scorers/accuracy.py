"""Accuracy of actions from a closed list, and their confusion matrix."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from gcl.evaluation.scorer import Scorer
from gcl.experiment.actions import named_action
from gcl.experiment.asked import ScoreSpec

NO_ACTION = "(none)"


class Accuracy(Scorer):
    """1 for an answer that names the scene's label, else 0.

    The label counts, not the prose beside it. "Wait until she has passed." names no action, but its label does.
    """

    suffix, place, against, listed = " accuracy", 3, "label", True

    def __init__(self, actions: Sequence[str]) -> None:
        """Score by a closed list of actions."""
        self._actions = actions

    @classmethod
    def of(cls, score: ScoreSpec) -> Self:
        return cls(score.actions or [])

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        return [float(named == label) for named, label in zip(self._named(texts), references, strict=True)]

    def details(self, texts: Sequence[str], references: Sequence[str]) -> Mapping[str, Any]:
        return {"confusion": confusion_matrix(references, self._named(texts), self._actions)}

    def _named(self, texts: Sequence[str]) -> list[str]:
        return [named_action(text, self._actions) or NO_ACTION for text in texts]


def confusion_matrix(references: Sequence[str], parsed: Sequence[str], actions: Sequence[str]) -> dict[str, list]:
    """Counts, a row per reference action and a column per generated one. The last column is `NO_ACTION`."""
    columns = [*actions, NO_ACTION]
    counts = [[0] * len(columns) for _ in actions]
    for reference, action in zip(references, parsed, strict=True):
        counts[actions.index(reference)][columns.index(action)] += 1
    return {"rows": list(actions), "columns": columns, "counts": counts}


SCORER = Accuracy
