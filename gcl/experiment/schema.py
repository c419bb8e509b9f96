"""The experiment's schema: every setting, its type and its bounds. `gcl.experiment.load.load_experiment` fills it.

Settings with one possible value say what is built in, so that `gcl settings` lists it with its origin.
"""

from typing import Annotated, Literal

from pydantic import Field

from gcl.experiment.arms_schema import Controls
from gcl.experiment.base_models_schema import BaseModels
from gcl.experiment.deployment_schema import Deployment
from gcl.experiment.divergences import Divergence, Matching
from gcl.experiment.exchange_schema import Exchanging
from gcl.experiment.execution import Execution
from gcl.experiment.planning_schema import Planning
from gcl.experiment.types import (
    Context,
    Count,
    Earlier,
    HeldOutQuestions,
    Lora,
    NotNegative,
    Optimizer,
    Positive,
    Quantization,
    Seed,
    Setting,
    Strict,
    ValidationSplit,
)
from gcl.experiment.weights import Weights

# The warning on every output of a scale with miniature models; None where models are the published ones.
SCALES = {
    "miniature": "Miniature scale: drawn scenes and tiny models; not comparable with the paper.",
    "rehearsal": "Rehearsal: real data and tiny models; not comparable with the paper.",
    "paper": None,
    "one-gpu": None,
}


class Model(Strict):
    """A vision-language model that can be a member.

    Attributes:
        size: billions of parameters.
        family: its `model_type` in transformers; gcl/models/families has a file for each that is tested.
        backbone: its weights.
    """

    size: Setting[Positive]
    family: Setting[Annotated[str, Field(pattern="^[a-z0-9_]+$")]]
    backbone: Setting[Weights]


class Scenarios(Strict):
    """Number of scenes in each split."""

    train: Count
    test: Count


class TurnSetting(Strict):
    """A turn of a data set's dialogue: the question where the data has none, and the metrics of the answers."""

    question: str
    metrics: list[str]


class Dataset(Strict):
    """A data set. `like` names another one: this one is drawn and imported like it, and has its turns."""

    like: Setting[str] | None = None
    scenarios: Setting[Scenarios]
    turns: Setting[dict[str, TurnSetting]] | None = None
    actions: Setting[list[str] | None]
    sft_action_f1: Setting[dict[str, float]]


class Prompt(Strict):
    """Words around every sample. `context` is for data sets of scenes."""

    system: Setting[str]
    context: Setting[Context]


class Training(Strict):
    """How every run is trained. Learning rates are per role (AGO). Settings with one possible value say what is built in."""

    sample: Setting[Literal["turn"]]
    frozen: Setting[list[Literal["vision", "projector"]]]
    lora: Setting[Lora | None]
    quantization: Setting[Quantization]
    epochs: Setting[Count]
    global_batch: Setting[Count]
    micro_batch: Setting[Count]
    warmup_ratio: Setting[Annotated[float, Field(ge=0, lt=1)]]
    schedule: Setting[Literal["cosine", "constant"]]
    optimizer: Setting[Optimizer]
    betas: Setting[Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]]
    eps: Setting[Positive]
    weight_decay: Setting[NotNegative]
    clip_norm: Setting[Positive]
    lr_sft: Setting[Positive]
    lr_guide: Setting[Positive]
    lr_ratio: Setting[Positive]
    validation: Setting[ValidationSplit | None]
    precision: Setting[Literal["float32", "bfloat16", "float16"]]
    pixels: Setting[Annotated[list[Count], Field(min_length=2, max_length=2)]]


class Objective(Strict):
    """Weights and temperatures of the Group Competitive Objective, and choices that the paper leaves open."""

    gsl_weight: Setting[NotNegative]
    drl_weight: Setting[NotNegative]
    sft_weight: Setting[Literal[1]]
    reduction: Setting[Literal["token mean"]]
    infonce: Setting[Literal["symmetric"]]
    pooled: Setting[Literal["prompt and answer"]]
    divergence: Setting[Divergence]
    matching: Setting[Matching]
    kappa: Setting[Positive]
    semantic_size: Setting[Count]
    symmetric_tau: Setting[Positive]


class Variant(Strict):
    """The changes of a kind of group; None leaves the value in `objective`.

    Attributes:
        ago: rates and temperatures per role, instead of one rate and one temperature.
        teacher: guides are frozen, after they were fine-tuned alone.
    """

    gsl_weight: NotNegative | None = None
    drl_weight: NotNegative | None = None
    divergence: Divergence | None = None
    matching: Matching | None = None
    ago: bool = False
    teacher: bool = False


class Pair(Strict):
    """Learner and guide."""

    learner: str
    guide: str

    @property
    def models(self) -> tuple[str, str]:
        """In the order of a run's members."""
        return self.learner, self.guide


class Group(Pair):
    """A row of Table 1 or 3: who competes, in which regime, at which temperatures (learner's first)."""

    regime: Literal["A", "B"]
    tau: Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Components(Strict):
    """Table 2."""

    pair: Setting[Pair]
    rows: Setting[list[Literal["gsl", "drl", "gco", "full"]]]


class Sweep(Strict):
    """One figure: a pair, the setting that varies, the variant that everything else is taken from, and its seeds.

    Without seeds it has those of the tables.
    """

    pair: Setting[Pair]
    vary: Literal["gsl_weight", "drl_weight", "lr_ratio", "tau"]
    base: Literal["gco", "full"]
    values: Setting[Annotated[list[NotNegative], Field(min_length=1)]]
    seeds: Setting[Annotated[list[Seed], Field(min_length=1)]] | None = None


class Scaling(Strict):
    """How the gain depends on the number of training scenes."""

    dataset: Setting[str | None]
    pair: Setting[Pair]
    scenes: Setting[Annotated[list[Count], Field(min_length=2)]]


class FamilyGroup(Strict):
    """A row of table `families`: models, the learner first, and the temperatures of the learner and of its guides."""

    models: Annotated[list[str], Field(min_length=2)]
    tau: Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Families(Strict):
    """Groups of models of several families. Each member is compared with its own SFT."""

    dataset: Setting[str]
    groups: Setting[list[FamilyGroup]]


class MetricEncoder(Strict):
    """An encoder for Action-F1: hidden layer, and the model whose baseline of bert-score's rescales its scores."""

    encoder: Weights
    layer: Count
    baseline: str | None = None


class Evaluation(Strict):
    """Generation and metrics."""

    batch_size: Setting[Count]
    max_new_tokens: Setting[Count]
    earlier: Setting[Earlier]
    bert_encoder: Setting[Weights]
    bert_layer: Setting[Count]
    encoders: Setting[Annotated[list[MetricEncoder], Field(min_length=1)]]
    sentence_encoder: Setting[Weights]
    bootstrap: Setting[Count]
    forgetting: Setting[HeldOutQuestions | None]


class Report(Strict):
    """Contents of tables.

    Attributes:
        paper_values: whether published values are shown.
        margin: differences of scores that do not matter when results are compared.
    """

    paper_values: Setting[bool | None]
    margin: Setting[Annotated[float, Field(gt=0, lt=1)]]


class Drawing(Strict):
    """The drawn world."""

    datasets: Setting[bool]
    seed: Setting[Seed]


class Experiment(Strict):
    """All settings of one scale."""

    scale: Literal["miniature", "rehearsal", "paper", "one-gpu"]
    data: Setting[str]
    seeds: Setting[Annotated[list[Seed], Field(min_length=1)]]
    models: dict[str, Model]
    datasets: dict[str, Dataset]
    prompt: Prompt
    training: Training
    execution: Execution
    objective: Objective
    groups: dict[str, Setting[list[Group]]]
    variants: dict[Annotated[str, Field(pattern="^[a-z_]+$")], Setting[Variant]]
    components: Components
    controls: Controls
    sweeps: dict[str, Sweep]
    scaling: Scaling
    families: Families
    evaluation: Evaluation
    report: Report
    planning: Planning
    exchange: Exchanging
    deployment: Deployment
    drawing: Drawing | None = None
    base_models: BaseModels | None = None
