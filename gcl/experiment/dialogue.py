"""The questions about each scene of a data set: `dialogue_of(experiment, name)`, from its `turns` in config.yaml.

Each turn builds on the ones before it. So their order counts, and a dialogue is a list: JSON with sorted keys keeps it.
"""

from gcl.experiment.schema import Experiment, TurnSetting
from gcl.experiment.types import Strict

CHOOSING = "accuracy"  # the metric of the turn whose answers name actions


class AskedTurn(Strict):
    """A turn and its question, for scenes that have none of their own."""

    name: str
    question: str


class Dialogue(Strict):
    """How the words of a data set are read.

    Attributes:
        turns: in their order.
        action: the turn whose answers name actions; None if none does.
        actions: closed list of these; None where they are free text.
    """

    turns: list[AskedTurn]
    action: str | None
    actions: list[str] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The turns in their order."""
        return tuple(turn.name for turn in self.turns)

    @property
    def questions(self) -> dict[str, str]:
        """The question of each turn, in their order."""
        return {turn.name: turn.question for turn in self.turns}


def turns_of(experiment: Experiment, kind: str | None) -> dict[str, TurnSetting]:
    """The turns of a kind of data, those of another data set where it is like that.

    A kind that config.yaml does not list has the turns of the first data set there.
    """
    setting = experiment.datasets.get(kind or "") or next(iter(experiment.datasets.values()))
    return (setting.turns or experiment.datasets[setting.like.value].turns).value


def scored_by(experiment: Experiment, kind: str | None, metric: str) -> list[str]:
    """Turns whose answers have a metric."""
    return [name for name, turn in turns_of(experiment, kind).items() if metric in turn.metrics]


def dialogue_of(experiment: Experiment, kind: str | None) -> Dialogue:
    """How a kind of data is read. Actions of a kind that config.yaml does not list are free text."""
    setting = experiment.datasets.get(kind or "")
    # Metrics do not change a training, so its job is not told them.
    turns = [AskedTurn(name=name, question=turn.question) for name, turn in turns_of(experiment, kind).items()]
    action = next(iter(scored_by(experiment, kind, CHOOSING)), None)
    return Dialogue(turns=turns, action=action, actions=setting.actions.value if setting else None)


def all_questions(experiment: Experiment) -> list[str]:
    """The questions of all data sets, each once."""
    turns = [turn for name in experiment.datasets for turn in turns_of(experiment, name).values()]
    return list(dict.fromkeys(turn.question for turn in turns))
