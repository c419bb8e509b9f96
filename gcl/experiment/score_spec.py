"""What scoring depends on: `score_spec(experiment, dataset)`."""

from gcl.experiment.schema import Checkpoint, Experiment
from gcl.experiment.types import Strict
from gcl.files import canonical_json


class ScoreSpec(Strict):
    """Encoders, number of bootstrap samples, and the closed list of actions of a data set that has one."""

    bert_encoder: Checkpoint
    bert_layer: int
    sentence_encoder: Checkpoint
    bootstrap: int
    actions: list[str] | None

    @property
    def json(self) -> str:
        """One spelling; what triggers a rerun."""
        return canonical_json(self.model_dump())


def score_spec(experiment: Experiment, dataset: str) -> ScoreSpec:
    """How answers about a data set are scored."""
    evaluation = experiment.evaluation
    return ScoreSpec(
        bert_encoder=evaluation.bert_encoder.value,
        bert_layer=evaluation.bert_layer.value,
        sentence_encoder=evaluation.sentence_encoder.value,
        bootstrap=evaluation.bootstrap.value,
        actions=experiment.datasets[dataset].actions.value,
    )
