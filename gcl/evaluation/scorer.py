"""The base of all metrics, `Scorer`. A metric is a subclass in gcl/evaluation/scorers/, in a file of its name.

config.yaml gives turns their metrics by these names. A number is called <turn>_<metric>, such as action_f1.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from gcl.experiment.asked import ScoreSpec


class Scorer(ABC):
    """A metric of one turn's answers.

    Attributes:
        suffix: of its header, behind the name of the turn.
        place: of its columns among those of other metrics. The first metric ranks models and scenes.
        higher_is_better: whether a larger score is a better one.
        against: the field of an answer's record that the text is compared with.
        listed: whether it needs the closed list of actions. Without one there is no such score.
    """

    suffix: ClassVar[str]
    place: ClassVar[int]
    higher_is_better: ClassVar[bool] = True
    against: ClassVar[str] = "reference"
    listed: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def of(cls, score: ScoreSpec) -> Self:
        """The scorer as the experiment has it. It imports heavy libraries here, since tables need only headers."""

    @abstractmethod
    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        """The score of each text against its reference."""

    def unreadable(self, text: str, reference: str) -> bool:
        """Whether the two cannot be compared, since one of them is empty to the metric. Such answers are counted."""
        return False

    def details(self, texts: Sequence[str], references: Sequence[str]) -> Mapping[str, Any]:
        """Other facts about a member's answers, by name, such as the confusion matrix."""
        return {}

    @classmethod
    def encoder(cls, score: ScoreSpec) -> Mapping[str, str]:
        """Hash of the model behind it, by the model's name; nothing if there is none."""
        return {}
