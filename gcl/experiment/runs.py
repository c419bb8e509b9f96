"""Runs: `RunSpec` describes one training, or a model that is only asked. gcl/experiment/methods makes them.

A run is data. Its id is its path below any results folder:

    <dataset>/<method>/<members>/<variant>/seed<k>        members joined by "+", the one that is reported first

`dataset` is a data set of config.yaml, or `planning`. gcl/experiment/places.py says where a run's files are.
"""

import re
from typing import Literal, NamedTuple

from pydantic import Field

from gcl.errors import ConfigError
from gcl.experiment.types import Context, Lora, Optimizer, Pictures, Quantization, Spec, Strict, ValidationSplit
from gcl.experiment.weights import Weights
from gcl.files import sha256_text

SAME = "same"  # the view of a judge that sees what the author sees
FORM = "<dataset>/<method>/<model, or models joined by +>/<variant>/seed<k>"


class RunId(NamedTuple):
    """The parts of a run's id."""

    dataset: str
    method: str
    models: tuple[str, ...]
    variant: str
    seed: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.method}/{'+'.join(self.models)}/{self.variant}/seed{self.seed}"

    @classmethod
    def parse(cls, text: str) -> "RunId":
        """Read an id.

        Raises:
            ConfigError: if it does not have the form of one.
        """
        parts = text.split("/")
        if len(parts) != 5 or not re.fullmatch(r"seed(0|[1-9][0-9]*)", parts[4]) or not all(parts):
            raise ConfigError(f"{text!r} is no run id; the form is {FORM}")
        return cls(parts[0], parts[1], tuple(parts[2].split("+")), parts[3], int(parts[4].removeprefix("seed")))


class Untrained(Strict):
    """Random weights of a miniature model, which the workflow builds."""

    model: str


class Trained(Strict):
    """Weights that another run leaves: those of one of its members."""

    run: str
    role: str


Start = Weights | Untrained | Trained


class MemberSpec(Strict):
    """One member: its role, its weights at the start, and its own learning rate and DRL temperature.

    A member whose learning rate is 0 is frozen: a teacher, whose gradients are not even computed.

    Attributes:
        role: solo, learner, guide, guide2, student, teacher, ...
        model: its name in config.yaml.
        family: of the model, as transformers names it.
        start: its weights at the start.
        lr: peak learning rate.
        tau: temperature in DRL.
    """

    role: str
    model: str
    family: str
    start: Start
    lr: float
    tau: float = 1.0

    @property
    def frozen(self) -> bool:
        """Whether the member only teaches."""
        return self.lr == 0


class ObjectiveSpec(Strict):
    """Weights, kinds and sizes of the objective that members share; with weights 0 it is supervised fine-tuning."""

    gsl_weight: float = 0.0
    drl_weight: float = 0.0
    divergence: str = "jsd"
    matching: str = "infonce"
    kappa: float = 1.0
    semantic_size: int = 1


class TrainingSpec(Strict):
    """Settings that all members share.

    Attributes:
        quantization: "nf4" for teachers, and for the weights that adapters adapt; None for 16 or 32 bits.
        optimizer: AdamW or AdamW8bit.
        by_length: whether the samples of a pass have similar lengths.
        validation: None has no trace in the specification, so that a run without one is the same as ever.
        context: of earlier turns; "none" has no trace either.
    """

    epochs: int
    global_batch: int
    micro_batch: int
    warmup_ratio: float
    schedule: str
    betas: list[float]
    eps: float
    weight_decay: float
    clip_norm: float
    precision: str
    frozen: list[str]
    lora: Lora | None
    quantization: Quantization = None
    optimizer: Optimizer = "AdamW"
    pixels: list[int]
    system: str
    by_length: bool = False
    validation: ValidationSplit | None = Field(None, exclude_if=lambda value: value is None)
    context: Context = Field("none", exclude_if=lambda value: value == "none")


class Shown(Strict):
    """Questions about all items of the training split, item by item; or about so many of them, spread evenly."""

    questions: list[str]
    count: int | None = None


class ReferenceFeed(Strict):
    """Every member learns reference answers."""

    shown: list[Shown]


class RolloutFeed(Strict):
    """One member answers during the training, and all members predict these very tokens.

    Attributes:
        views: by member, the question as that member sees it.
        author: number of the member who answers. A frozen author's answers are learnt as references.
        temperature: of its answers.
        max_new_tokens: longest answer.
    """

    views: list[str]
    author: int = 0
    temperature: float = 1.0
    max_new_tokens: int


class ExchangeFeed(Strict):
    """Every member learns reference answers, and members answer a share of the same questions.

    Attributes:
        shown: as in `ReferenceFeed`.
        share: of the samples of a global batch that are answered.
        warmup: share of the steps without answers, at the beginning.
        authors: who answers: "turns", one learning member a step; "first", the first one; "all", each one all.
        answers: "own" answers are drawn; "references" are repeated, so that the rest is the same off policy.
        pulled: who learns from an answer: its "author", or "all".
        view: of a judge: "same" as the author's, or one that tells more.
        likelihood: whether an answer's own likelihood is raised, as if it were a reference.
        objective: on the answers.
        temperature, max_new_tokens: of the draws.
    """

    shown: list[Shown]
    share: float
    warmup: float
    authors: Literal["turns", "first", "all"]
    answers: Literal["own", "references"]
    pulled: Literal["author", "all"]
    view: str
    likelihood: bool
    objective: ObjectiveSpec
    temperature: float
    max_new_tokens: int


Drawn = RolloutFeed | ExchangeFeed  # feeds in which members answer


class RunSpec(Spec):
    """Everything that decides the result of one training, apart from data and code.

    A group of one has an objective with weights 0. So a change of DRL or GSL settings does not touch SFT baselines.
    """

    scale: str
    dataset: str
    method: str
    variant: str
    seed: int
    members: list[MemberSpec]
    objective: ObjectiveSpec = ObjectiveSpec()
    training: TrainingSpec
    feed: ReferenceFeed | RolloutFeed | ExchangeFeed | None  # None: nothing is trained

    @property
    def id(self) -> str:
        """Readable and unique: the run's path below any results folder."""
        models = tuple(member.model for member in self.members)
        return str(RunId(self.dataset, self.method, models, self.variant, self.seed))

    @property
    def fixed_teachers(self) -> bool:
        """Whether frozen members see the same tokens in every epoch, and their outputs alone are compared."""
        return isinstance(self.feed, ReferenceFeed) and not self.objective.gsl_weight

    def evaluation(self, pictures: Pictures = "own") -> str:
        """Path of its answers and scores below results/<scale>/<predictions|metrics>/, without suffix."""
        return self.id if pictures == "own" else f"{self.id}/{pictures}"

    @property
    def asked(self) -> list[MemberSpec]:
        """Members that are evaluated: those that learn. Where none does, all."""
        return [member for member in self.members if not member.frozen] or self.members

    @property
    def trained_before(self) -> list[str]:
        """Ids of the runs whose members this one starts from."""
        return list(dict.fromkeys(m.start.run for m in self.members if isinstance(m.start, Trained)))

    @property
    def fingerprint(self) -> str:
        """Hash of the specification."""
        return sha256_text(self.json)
