"""The base model: it is asked without training. For planning tasks a miniature one learns words first."""

from gcl.experiment.methods.parts import SCENES, Method, member, only_default, run_spec
from gcl.experiment.places import PLANNING
from gcl.experiment.runs import RunId, RunSpec, Start, Trained
from gcl.experiment.schema import Experiment, MiniatureModel


def base_start(experiment: Experiment, dataset: str, model: str) -> Start | None:
    """Weights of a base model; None for those that the configuration gives it."""
    if dataset == PLANNING and isinstance(experiment.models[model].backbone.value, MiniatureModel):
        return Trained(run=str(RunId(PLANNING, "words", (model,), "default", 0)), role="solo")
    return None


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    only_default(ref)
    model = ref.models[0]
    solo = member(experiment, "solo", model, lr=0.0, start=base_start(experiment, ref.dataset, model))
    stage = experiment.planning.reading if ref.dataset == PLANNING else None
    return run_spec(experiment, ref, [solo], None, stage=stage)


METHODS = [Method("base", _make, kinds=(SCENES, PLANNING))]
