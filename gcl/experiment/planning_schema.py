"""The section `planning` of config.yaml: MGSD, its controls, and the tasks. `Experiment` includes it."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from gcl.experiment.divergences import Divergence, SampledDivergence
from gcl.experiment.types import Count, Lora, NotNegative, Positive, Seed, Setting, Strict

View = Literal["image", "symbols", "symbols+plan", "image+plan"]
# direct: the answer block alone, for the control that is fine-tuned on plans
Form = Literal["map, route, answer", "answer"]
# Questions about a state: a plan from a view, a plan in the form "answer", a reading of the picture.
Question = Literal["image", "symbols", "symbols+plan", "image+plan", "answer", "reading"]
VIEWS, FORMS, QUESTIONS = get_args(View), get_args(Form), get_args(Question)

Whole = Annotated[int, Field(ge=0)]


class States(Strict):
    """Drawn states of one task and level, by split."""

    train: Count
    val: Whole
    test: Count


class Stage(Strict):
    """How one kind of training is done; the rest is as in `training`."""

    epochs: Setting[Count]
    global_batch: Setting[Count]
    lr: Setting[Positive]
    schedule: Setting[Literal["cosine", "constant"]]
    warmup_ratio: Setting[Annotated[float, Field(ge=0, lt=1)]]
    weight_decay: Setting[NotNegative]
    frozen: Setting[list[Literal["vision", "projector"]]]
    lora: Setting[Lora | None]


class Distillation(Stage):
    """Stage 2, and how the student draws its answers.

    Attributes:
        micro_batch: so many answers are drawn, then scored, at once by all processes together.
    """

    micro_batch: Setting[Count]
    temperature: Setting[Positive]
    max_new_tokens: Setting[Count]


class PlanningVariant(Strict):
    """The changes of a kind of distillation.

    Attributes:
        grounded: whether the student went through stage 1; if not, it is the base model.
        teacher: the teacher's view.
        author: the member who writes the answers. On the student's, its divergence from the teacher is lowered. On the
            teacher's, the student is fine-tuned (off-policy).
        divergence: of the student from the teacher, one of `gcl.objective.drl`.
    """

    grounded: bool = True
    teacher: View = "symbols+plan"
    author: Literal["student", "teacher"] = "student"
    divergence: Divergence | SampledDivergence = "sampled-reverse-kl"


class PlanningArm(Strict):
    """A row of the table: its name, its run, its view, and the form of its answers.

    Attributes:
        run: "base", "reading", "plan", or a variant's name.
        against: the arm that it is compared with.
    """

    name: str
    run: str
    view: View = "image"
    form: Form = "map, route, answer"
    against: str | None = None


class PlanningEvaluation(Strict):
    """How answers are made."""

    batch_size: Setting[Count]
    max_new_tokens: Setting[Count]


class Planning(Strict):
    """MGSD.

    Attributes:
        models: the first one goes through all arms, others through those of `main`. Members of `main` also read.
        levels: cells along a side, by task.
        states: of each task and level.
        imported: public test sets by task for `gcl planning import`: VSP's folder of maps, VisualPlanning's file. They take
            the place of drawn test states. None of their states is drawn for another split.
        cell_pixels: side of a cell in a picture; None: pictures are 256 x 256, whatever the number of cells.
    """

    models: Setting[Annotated[list[str], Field(min_length=1)]]
    seeds: Setting[Annotated[list[Seed], Field(min_length=1)]]
    levels: Setting[dict[Literal["frozenlake", "maze", "minibehaviour"], Annotated[list[Count], Field(min_length=1)]]]
    states: Setting[States]
    imported: Setting[dict[Literal["frozenlake", "minibehaviour"], str]]
    seed: Setting[Seed]
    cell_pixels: Setting[Count | None]
    pixels: Setting[Annotated[list[Count], Field(min_length=2, max_length=2)]]
    system: Setting[str]
    reading: Stage
    plan: Stage
    distillation: Distillation
    variants: dict[Annotated[str, Field(pattern="^[a-z_]+$")], Setting[PlanningVariant]]
    arms: Setting[Annotated[list[PlanningArm], Field(min_length=1)]]
    main: Setting[list[str]]
    evaluation: PlanningEvaluation
