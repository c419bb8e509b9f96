"""Questions to the members of a run: `evaluation(experiment, run)`. Causes of scores: `score_spec(experiment, run)`."""

from pydantic import Field

from gcl.experiment.dialogue import turns_of
from gcl.experiment.places import INSTRUCTIONS, PLANNING, kind_of
from gcl.experiment.planning_arms import questions
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Earlier, HeldOutQuestions, Spec, Strict
from gcl.experiment.weights import Weights

# Of plans; readings have the share that is read without a mistake.
PLAN_METRICS = ("parsed", "success", "success_staying", "optimal", "illegal")


class ScoredTurn(Strict):
    """A turn and the metrics of its answers."""

    name: str
    metrics: list[str]


class ScoreSpec(Spec):
    """Everything that decides scores, apart from answers and code."""

    bert_encoder: Weights
    bert_layer: int
    sentence_encoder: Weights
    bootstrap: int
    turns: list[ScoredTurn]
    actions: list[str] | None


class EvaluationSpec(Spec):
    """How answers are made.

    Attributes:
        turns: names of the questions about every test item, in this order.
        batch_size: prompts that are answered together.
        max_new_tokens: longest answer.
        earlier: whose answers stand in the context; None, which has no trace, where none do.
        held_out: questions that show how much was forgotten. None has no trace in the specification.
    """

    turns: list[str]
    batch_size: int
    max_new_tokens: int
    earlier: Earlier | None = Field(None, exclude_if=lambda value: value is None)
    held_out: HeldOutQuestions | None = Field(None, exclude_if=lambda value: value is None)


def evaluation(experiment: Experiment, run: RunSpec) -> EvaluationSpec:
    """The questions to a run's members, and the limits of their answers."""
    planning = kind_of(run.dataset) == PLANNING
    settings = experiment.planning.evaluation if planning else experiment.evaluation
    if run.dataset == INSTRUCTIONS:
        turns = ["instruction"]
    else:
        turns = questions(experiment, run.id) if planning else list(turns_of(experiment, run.dataset))
    return EvaluationSpec(
        turns=turns,
        batch_size=settings.batch_size.value,
        max_new_tokens=settings.max_new_tokens.value,
        earlier=experiment.evaluation.earlier.value if run.training.context == "full" else None,
        held_out=experiment.evaluation.forgetting.value if run.dataset in experiment.datasets else None,
    )


def score_spec(experiment: Experiment, run: RunSpec) -> ScoreSpec:
    """Encoders and intervals, the metrics of each turn, and the closed list of the data set."""
    settings = experiment.evaluation
    return ScoreSpec(
        bert_encoder=settings.bert_encoder.value,
        bert_layer=settings.bert_layer.value,
        sentence_encoder=settings.sentence_encoder.value,
        bootstrap=settings.bootstrap.value,
        turns=_scored(experiment, run),
        actions=experiment.datasets[run.dataset].actions.value if run.dataset in experiment.datasets else None,
    )


def scored_turns(experiment: Experiment, dataset: str) -> list[ScoredTurn]:
    """The turns of a data set with their metrics, in their order."""
    return [ScoredTurn(name=name, metrics=turn.metrics) for name, turn in turns_of(experiment, dataset).items()]


def _scored(experiment: Experiment, run: RunSpec) -> list[ScoredTurn]:
    if run.dataset in experiment.datasets:
        return scored_turns(experiment, run.dataset)
    if run.dataset == INSTRUCTIONS:
        return [ScoredTurn(name="instruction", metrics=["right"])]
    return [
        ScoredTurn(name=name, metrics=["all"] if name == "reading" else list(PLAN_METRICS))
        for name in evaluation(experiment, run).turns
    ]
