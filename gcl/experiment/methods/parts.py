"""Parts of methods: `Method`, and the parts of a `RunSpec` that several methods need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gcl.errors import ConfigError
from gcl.experiment.places import SCENES
from gcl.experiment.planning_schema import Stage
from gcl.experiment.runs import (
    Drawn,
    MemberSpec,
    ObjectiveSpec,
    ReferenceFeed,
    RunId,
    RunSpec,
    Start,
    TrainingSpec,
)
from gcl.experiment.schema import Experiment, Training

# Settings of `training` that a run's specification has by the same name.
NAMED = [name for name in TrainingSpec.model_fields if name in Training.model_fields]


@dataclass(frozen=True)
class Method:
    """A way to make runs. Every file of this folder lists its own in `METHODS`.

    Attributes:
        name: the second part of a run's id.
        make: gives the run of an id, whose data set and models are known; raises ConfigError.
        members: smallest and largest number of them.
        kinds: of data sets that it is for: scenes, planning, instructions.
    """

    name: str
    make: Callable[[Experiment, RunId], RunSpec]
    members: tuple[int, int] = (1, 1)
    kinds: tuple[str, ...] = (SCENES,)


def member(
    experiment: Experiment, role: str, model: str, *, lr: float, tau: float = 1.0, start: Start | None = None
) -> MemberSpec:
    """A member; without `start` it begins with the weights that the configuration gives its model."""
    start = start or experiment.models[model].backbone.value
    family = experiment.models[model].family.value
    return MemberSpec(role=role, model=model, family=family, start=start, lr=lr, tau=tau)


def run_spec(
    experiment: Experiment,
    ref: RunId,
    members: Sequence[MemberSpec],
    feed: ReferenceFeed | Drawn | None,
    objective: ObjectiveSpec | None = None,
    stage: Stage | None = None,
    **changes: Any,
) -> RunSpec:
    """A run.

    Args:
        experiment: says how it is trained.
        ref: its id.
        members: in the order of their models in the id.
        feed: the data that they learn from.
        objective: that they share; None for supervised fine-tuning.
        stage: of planning tasks, whose settings take the place of `training`.
        changes: of the training's settings.
    """
    training = {name: getattr(experiment.training, name).value for name in NAMED}
    if feed is None or ref.dataset not in experiment.datasets:
        training["validation"] = None  # planning tasks and instructions have splits of their own
    system, context = experiment.prompt.system.value, experiment.prompt.context.value
    if ref.dataset not in experiment.datasets:
        context = "none"  # their questions do not build on each other
    if stage is not None:
        own = {name: getattr(stage, name).value for name in Stage.model_fields if name != "lr"}
        passed = getattr(stage, "micro_batch", experiment.training.micro_batch).value
        training |= own | {"micro_batch": min(passed, stage.global_batch.value)}
        training["pixels"], system = experiment.planning.pixels.value, experiment.planning.system.value
    return RunSpec(
        scale=experiment.scale,
        dataset=ref.dataset,
        method=ref.method,
        variant=ref.variant,
        seed=ref.seed,
        members=list(members),
        objective=objective or ObjectiveSpec(),
        training=TrainingSpec(**training | {"system": system, "context": context} | changes),
        feed=feed,
    )


def only_default(ref: RunId) -> None:
    """Refuse variants.

    Raises:
        ConfigError: if the id names one.
    """
    if ref.variant != "default":
        raise ConfigError(f"{str(ref)!r}: {ref.method} has no variant {ref.variant!r}; use default")
