"""The usual five turns for tests, and dialogues of them or of others."""

from collections.abc import Mapping, Sequence

from gcl.experiment.asked import ScoredTurn
from gcl.experiment.dialogue import AskedTurn, Dialogue

TURNS = ("perception", "prediction", "reasoning", "action", "explanation")
METRICS = {"perception": ["cos"], "reasoning": ["cos"], "action": ["f1", "accuracy"]}
SCORES = ("action_f1", "perception_cos", "reasoning_cos", "action_accuracy")  # in the order of columns
SCORED = [ScoredTurn(name=turn, metrics=METRICS.get(turn, [])) for turn in TURNS]


def dialogue(
    actions: Sequence[str] | None = None, questions: Mapping[str, str] | None = None, action: str | None = "action"
) -> Dialogue:
    """What is asked about each scene; by default the five turns, and actions as free text."""
    questions = questions or {turn: f"{turn}?" for turn in TURNS}
    turns = [AskedTurn(name=name, question=question) for name, question in questions.items()]
    return Dialogue(turns=turns, action=action, actions=None if actions is None else list(actions))
