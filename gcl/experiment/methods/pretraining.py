"""Pretraining: an untrained miniature model learns to see and to follow instructions, and becomes a base model.

The variant "text" learns from questions about words alone. The default continues it with all questions. Among all of them
a model hardly learns to copy (docs/log.md).
"""

from gcl.errors import ConfigError
from gcl.experiment.methods.parts import Method, member, run_spec
from gcl.experiment.places import INSTRUCTIONS
from gcl.experiment.planning_schema import Stage
from gcl.experiment.runs import ReferenceFeed, RunId, RunSpec, Shown, Trained, Untrained
from gcl.experiment.schema import Experiment

TEXT, ALL = "text", "instruction"  # questions about an item of an instruction set
_SHOWN = {"text": TEXT, "default": ALL}


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    settings, model = experiment.base_models, ref.models[0]
    if ref.variant not in _SHOWN:
        raise ConfigError(f"{str(ref)!r}: {ref.method} has no variant {ref.variant!r}; use {' or '.join(_SHOWN)}")
    if settings is None:
        raise ConfigError(f"{str(ref)!r}: base models of scale {experiment.scale} are published ones; none is made")
    stage = settings.training
    training = {name: getattr(stage, name).value for name in Stage.model_fields if name != "lr"}
    if ref.variant == "text":
        start, training["epochs"] = Untrained(model=model), settings.text_epochs.value
    else:
        start = Trained(run=str(ref._replace(variant="text")), role="solo")
    solo = member(experiment, "solo", model, lr=stage.lr.value, start=start)
    feed = ReferenceFeed(shown=[Shown(questions=[_SHOWN[ref.variant]])])
    each = min(experiment.training.micro_batch.value, stage.global_batch.value)
    return run_spec(experiment, ref, [solo], feed, micro_batch=each, by_length=True, **training)


METHODS = [Method("pretraining", _make, kinds=(INSTRUCTIONS,))]
