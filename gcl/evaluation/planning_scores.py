"""Scores of plans and of readings, by gcl/planning/scoring.py. They are compared with the state itself, in words."""

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Self

from gcl.evaluation.scorer import Scorer
from gcl.experiment.asked import ScoreSpec
from gcl.planning.scoring import PLAN_SCORES, score_plan, score_reading
from gcl.planning.states_file import parse


class PlanningScorer(Scorer):
    """One score of a plan, or whether a picture is read without a mistake."""

    against, place = "state", 10
    score: ClassVar[str]

    @classmethod
    def of(cls, score: ScoreSpec) -> Self:
        return cls()

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        return [_scores(state, text, self.score)[self.score] for text, state in zip(texts, references, strict=True)]


@lru_cache(maxsize=100_000)
def _scores(state: str, text: str, score: str) -> dict[str, float]:
    return (score_plan if score in PLAN_SCORES else score_reading)(parse(state), text)


def _scorer(name: str, number: int) -> type[PlanningScorer]:
    words = {
        "score": name,
        "suffix": f" {name.replace('_', ' ')}",
        "place": 10 + number,
        "higher_is_better": name != "illegal",
    }
    return type(f"{name.title().replace('_', '')}Scorer", (PlanningScorer,), words)


# The first one ranks states.
_ORDER = ("success", "optimal", "parsed", "success_staying", "illegal", "all")
PLANNING_SCORERS = {name: _scorer(name, number) for number, name in enumerate(_ORDER)}
