"""How a miniature backbone is made: `grounding(experiment, model)`."""

from gcl.errors import ConfigError
from gcl.experiment.methods.parts import member, run_spec
from gcl.experiment.runs import ReferenceFeed, RunId, RunSpec, Shown
from gcl.experiment.schema import Experiment, MiniatureModel
from gcl.experiment.types import Spec


class GroundingSpec(Spec):
    """A miniature backbone: its architecture and its pre-training, a run of a group of one."""

    architecture: MiniatureModel
    run: RunSpec


def grounding(experiment: Experiment, model: str) -> GroundingSpec:
    """The making of one miniature backbone.

    Raises:
        ConfigError: if the model has published weights at this scale.
    """
    architecture, drawing = experiment.models[model].backbone.value, experiment.drawing
    if not isinstance(architecture, MiniatureModel) or drawing is None:
        raise ConfigError(
            f"{model} has published weights at scale {experiment.scale}; only miniature backbones are built"
        )
    batch = drawing.global_batch.value
    run = run_spec(
        experiment,
        RunId("captions", "grounding", (model,), "default", drawing.seed.value),
        [member(experiment, "solo", model, lr=drawing.lr.value)],
        ReferenceFeed(shown=[Shown(questions=["caption", "description"])]),
        epochs=drawing.epochs.value,
        global_batch=batch,
        micro_batch=batch,
        frozen=[],
        lora=None,
    )
    # Scales that share the miniature models share their making.
    return GroundingSpec(architecture=architecture, run=run.model_copy(update={"scale": "miniature"}))
