"""Pretraining: an untrained miniature model learns to see and to follow instructions, and becomes a base model."""

from gcl.errors import ConfigError
from gcl.experiment.methods.parts import Method, member, only_default, run_spec
from gcl.experiment.places import INSTRUCTIONS
from gcl.experiment.planning_schema import Stage
from gcl.experiment.runs import ReferenceFeed, RunId, RunSpec, Shown, Untrained
from gcl.experiment.schema import Experiment


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    only_default(ref)
    settings, model = experiment.base_models, ref.models[0]
    if settings is None:
        raise ConfigError(f"{str(ref)!r}: base models of scale {experiment.scale} are published ones; none is made")
    stage = settings.training
    training = {name: getattr(stage, name).value for name in Stage.model_fields if name != "lr"}
    solo = member(experiment, "solo", model, lr=stage.lr.value, start=Untrained(model=model))
    feed = ReferenceFeed(shown=[Shown(questions=["instruction"])])
    each = min(experiment.training.micro_batch.value, stage.global_batch.value)
    return run_spec(experiment, ref, [solo], feed, micro_batch=each, by_length=True, **training)


METHODS = [Method("pretraining", _make, kinds=(INSTRUCTIONS,))]
