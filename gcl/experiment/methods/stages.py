"""Supervised trainings on planning tasks.

Each has one model and no variants.

    reading    MGSD's stage 1, grounding: questions about the picture, answered from the state
    plan       the control that is fine-tuned on answer blocks alone
"""

from gcl.experiment.methods.parts import Method, member, only_default, run_spec
from gcl.experiment.places import PLANNING
from gcl.experiment.runs import ReferenceFeed, RunId, RunSpec, Shown
from gcl.experiment.schema import Experiment


def _reading(experiment: Experiment, ref: RunId) -> RunSpec:
    return _supervised(experiment, ref, "reading", "reading")


def _plan(experiment: Experiment, ref: RunId) -> RunSpec:
    return _supervised(experiment, ref, "plan", "answer")


def _supervised(experiment: Experiment, ref: RunId, name: str, question: str) -> RunSpec:
    only_default(ref)
    stage = getattr(experiment.planning, name)
    solo = member(experiment, "solo", ref.models[0], lr=stage.lr.value)
    return run_spec(experiment, ref, [solo], ReferenceFeed(shown=[Shown(questions=[question])]), stage=stage)


METHODS = [Method("reading", _reading, kinds=(PLANNING,)), Method("plan", _plan, kinds=(PLANNING,))]
