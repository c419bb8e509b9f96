"""Supervised trainings on planning tasks.

Each has one model and no variants.

    words      makes a miniature base model: responses to states in words, some pictures, and readings
    reading    MGSD's stage 1, grounding: questions about the picture, answered from the state
    plan       the control that is fine-tuned on answer blocks alone
"""

from gcl.errors import ConfigError
from gcl.experiment.methods.base_model import base_start
from gcl.experiment.methods.parts import Method, member, only_default, run_spec
from gcl.experiment.places import PLANNING
from gcl.experiment.planning_schema import Stage
from gcl.experiment.runs import Built, ReferenceFeed, RunId, RunSpec, Shown, Start
from gcl.experiment.schema import Experiment


def _words(experiment: Experiment, ref: RunId) -> RunSpec:
    stage = experiment.planning.words
    if stage is None:
        raise ConfigError(f"{str(ref)!r}: models of scale {experiment.scale} know words already")
    shown = [
        Shown(questions=["symbols", "symbols+plan"]),
        Shown(questions=["image"], count=stage.pictured.value),
        Shown(questions=["reading"], count=stage.read.value),
    ]
    return _supervised(experiment, ref, stage, shown, Built(backbone=f"{PLANNING}/{ref.models[0]}"))


def _reading(experiment: Experiment, ref: RunId) -> RunSpec:
    base = base_start(experiment, ref.dataset, ref.models[0])
    return _supervised(experiment, ref, experiment.planning.reading, [Shown(questions=["reading"])], base)


def _plan(experiment: Experiment, ref: RunId) -> RunSpec:
    base = base_start(experiment, ref.dataset, ref.models[0])
    return _supervised(experiment, ref, experiment.planning.plan, [Shown(questions=["answer"])], base)


def _supervised(experiment: Experiment, ref: RunId, stage: Stage, shown: list[Shown], start: Start | None) -> RunSpec:
    only_default(ref)
    solo = member(experiment, "solo", ref.models[0], lr=stage.lr.value, start=start)
    return run_spec(experiment, ref, [solo], ReferenceFeed(shown=shown), stage=stage)


METHODS = [
    Method("words", _words, kinds=(PLANNING,)),
    Method("reading", _reading, kinds=(PLANNING,)),
    Method("plan", _plan, kinds=(PLANNING,)),
]
