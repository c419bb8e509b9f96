"""The base model: it is asked without training."""

from gcl.experiment.methods.parts import Method, member, only_default, run_spec
from gcl.experiment.places import PLANNING, SCENES, kind_of
from gcl.experiment.runs import RunId, RunSpec
from gcl.experiment.schema import Experiment


def base_run(experiment: Experiment, dataset: str, model: str) -> RunSpec:
    """The base model, asked the questions of a data set."""
    return _make(experiment, RunId(dataset, "base", (model,), "default", 0))


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    only_default(ref)
    solo = member(experiment, "solo", ref.models[0], lr=0.0)
    stage = experiment.planning.reading if kind_of(ref.dataset) == PLANNING else None
    return run_spec(experiment, ref, [solo], None, stage=stage)


METHODS = [Method("base", _make, kinds=(SCENES, PLANNING))]
