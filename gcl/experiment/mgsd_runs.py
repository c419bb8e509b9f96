"""Trainings of MGSD as data: a `PlanningSpec` says who sees what of the tasks; `planning_run(experiment, id)` finds one.

Every stage and every control is one of four kinds:

    reading        stage 1, grounding: questions about the picture, answered from the state
    response       supervised fine-tuning on reference responses; with readings it makes the miniature base models
    plan           the same on answer blocks alone: the control that skips what is in between
    distillation   stage 2: what `author` writes, scored by all members, each behind its own view

Ids are those of all runs, planning/<words|reading|plan|mgsd>/<members>/<variant>/seed<k>; mgsd has student and teacher, of
one model, and the variants of `planning.variants`. Imports no torch, since the workflow asks.
"""

import re
from typing import Literal

from pydantic import model_validator

from gcl.errors import ConfigError
from gcl.experiment.mgsd_schema import Distillation, Planning, Stage, View
from gcl.experiment.runs import BACKBONES_FOLDER, MemberSpec, ObjectiveSpec, RunSpec, TrainingSpec, find_run
from gcl.experiment.schema import Checkpoint, Experiment

Kind = Literal["reading", "response", "plan", "distillation"]
METHODS = ("words", "reading", "plan", "mgsd")
UNTRAINED_FOLDER = f"{BACKBONES_FOLDER}/planning"


class PlanningSpec(RunSpec):
    """A training on planning tasks.

    Attributes:
        kind: see the module.
        views: what each member sees, in the order of members; with `response` or `plan` and one member there may be several,
            which are all shown. Readings are always of the picture.
        pictured, read: of a response: so many states are shown as pictures, too; so many pictures are read.
        author: number of the member who writes, in a distillation.
        temperature: of what it writes.
        max_new_tokens: longest answer.
    """

    kind: Kind
    views: list[View]
    pictured: int = 0
    read: int = 0
    author: int = 0
    temperature: float = 1.0
    max_new_tokens: int = 256

    @model_validator(mode="after")
    def _fits(self) -> "PlanningSpec":
        members = len(self.members)
        if self.kind == "distillation":
            if members < 2 or len(self.views) != members:
                raise ValueError("a distillation has two members or more, and a view for each")
            if not self.author < members or self.objective is None or not self.temperature > 0:
                raise ValueError(
                    "a distillation needs an author among its members, an objective, and a temperature > 0"
                )
        elif members != 1 or not self.views:
            raise ValueError(f"{self.kind}: one member learns, from one view or several")
        return self


def is_planning(run_id: str) -> bool:
    """Whether an id is of a run on planning tasks."""
    return run_id.startswith("planning/")


def any_run(experiment: Experiment, run_id: str) -> RunSpec:
    """The training of a given id, of either method.

    Raises:
        ConfigError: if the id does not name one that can be made from the configuration.
    """
    return planning_run(experiment, run_id) if is_planning(run_id) else find_run(experiment, run_id)


def planning_run(experiment: Experiment, run_id: str) -> PlanningSpec:
    """The training of a given id.

    Raises:
        ConfigError: if the id does not name one that can be made from the configuration.
    """
    form = f"planning/<{'|'.join(METHODS)}>/<model, for mgsd model+model>/<variant>/seed<k>"
    found = re.fullmatch(r"planning/(\w+)/([^/]+)/(\w+)/seed(0|[1-9][0-9]*)", run_id)
    if found is None or found[1] not in METHODS:
        raise ConfigError(f"{run_id!r} is no training on planning tasks; the form is {form}")
    method, members, variant, seed = found[1], found[2].split("+"), found[3], int(found[4])
    settings = experiment.planning
    if len(set(members)) != 1 or len(members) != (2 if method == "mgsd" else 1) or members[0] not in experiment.models:
        raise ConfigError(f"{run_id!r}: {found[2]!r} is not possible; the form is {form}")
    if method != "mgsd" and variant != "default":
        raise ConfigError(f"{run_id!r}: {method} has no variant {variant!r}; use default")
    if method == "mgsd":
        return _distillation(experiment, members[0], variant, seed)
    if method == "words":
        if settings.words is None:
            raise ConfigError(f"{run_id!r}: models of scale {experiment.scale} know words already")
        source = (f"{UNTRAINED_FOLDER}/{members[0]}", None)
        views: list[View] = ["symbols", "symbols+plan"]
        seen = {"pictured": settings.words.pictured.value, "read": settings.words.read.value}
        return _supervised(experiment, settings.words, method, "response", views, members[0], source, seed, **seen)
    stage = settings.reading if method == "reading" else settings.plan
    return _supervised(experiment, stage, method, method, ["image"], members[0], base(experiment, members[0]), seed)


def words_run(experiment: Experiment, model: str) -> str | None:
    """Id of the training that makes a miniature model's base model; None for a published one."""
    published = isinstance(experiment.models[model].backbone.value, Checkpoint)
    return None if published else f"planning/words/{model}/default/seed0"


def base(experiment: Experiment, model: str) -> tuple[str, str | None]:
    """The base model: folder or hub id, and commit. Of a miniature one, what a training on words leaves."""
    backbone = experiment.models[model].backbone.value
    if isinstance(backbone, Checkpoint):
        return backbone.path, backbone.revision
    return f"results/{experiment.scale}/checkpoints/{words_run(experiment, model)}/solo", None


def _distillation(experiment: Experiment, model: str, variant: str, seed: int) -> PlanningSpec:
    settings = experiment.planning
    if variant not in settings.variants:
        raise ConfigError(f"unknown variant {variant!r} of mgsd; use one of {', '.join(settings.variants)}")
    chosen, stage = settings.variants[variant].value, settings.distillation
    student = base(experiment, model)
    if chosen.grounded:
        student = f"results/{experiment.scale}/checkpoints/planning/reading/{model}/default/seed{seed}/solo", None
    objective = ObjectiveSpec(
        gsl_weight=0.0,
        drl_weight=1.0 if chosen.author == "student" else 0.0,  # what the teacher writes is learnt as it is
        divergence=chosen.divergence,
        matching="infonce",
        kappa=1.0,
        semantic_size=1,
    )
    members = [
        _member("student", model, student, stage.lr.value),
        _member("teacher", model, base(experiment, model), 0.0),
    ]
    return PlanningSpec(
        **_common(experiment, stage, "mgsd", variant, seed),
        members=members,
        objective=objective,
        kind="distillation",
        views=["image", chosen.teacher],
        author=("student", "teacher").index(chosen.author),
        temperature=stage.temperature.value,
        max_new_tokens=stage.max_new_tokens.value,
    )


def _supervised(
    experiment: Experiment,
    stage: Stage,
    method: str,
    kind: Kind,
    views: list[View],
    model: str,
    source: tuple[str, str | None],
    seed: int,
    **seen: int,
) -> PlanningSpec:
    members = [_member("solo", model, source, stage.lr.value)]
    common = _common(experiment, stage, method, "default", seed)
    return PlanningSpec(**common, members=members, objective=None, kind=kind, views=views, **seen)


def _common(experiment: Experiment, stage: Stage, method: str, variant: str, seed: int) -> dict[str, object]:
    settings: Planning = experiment.planning
    training = {
        name: getattr(experiment.training, name).value for name in TrainingSpec.model_fields if name != "system"
    }
    own = {name: getattr(stage, name).value for name in Stage.model_fields if name != "lr"}
    passed = stage.micro_batch if isinstance(stage, Distillation) else experiment.training.micro_batch
    training |= own | {"micro_batch": min(passed.value, stage.global_batch.value)}
    training |= {"pixels": settings.pixels.value, "system": settings.system.value}
    spec = {"scale": experiment.scale, "dataset": "planning", "method": method, "variant": variant, "seed": seed}
    return spec | {"training": TrainingSpec(**training)}


def _member(role: str, model: str, source: tuple[str, str | None], lr: float) -> MemberSpec:
    return MemberSpec(role=role, model=model, source=source[0], revision=source[1], lr=lr, tau=1.0)
