"""GPU-hours of a training before it runs: `estimate(run, experiment, records, tflops)`.

From the record of the same training where there is one, or of one like it; else from a formula.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gcl.experiment.dialogue import turns_of
from gcl.experiment.mgsd_runs import PlanningSpec
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment

ASSUMED_TEXT_TOKENS = 256  # system message, question and answer, where nobody says
PIXELS_PER_TOKEN = 28 * 28  # of Qwen2.5-VL; Qwen3-VL has 32 * 32, so its images are shorter


@dataclass(frozen=True)
class Estimate:
    """GPU-hours, and what they are taken from."""

    gpu_hours: float
    source: str


def estimate(run: RunSpec, experiment: Experiment, records: Mapping[str, Mapping[str, Any]], tflops: float) -> Estimate:
    """Estimate one training.

    Args:
        run: what would be trained.
        experiment: for its data set's size and its models' sizes.
        records: of finished runs, by run id.
        tflops: 10^12 operations a second that one GPU is expected to keep up.
    """
    if run.id in records:
        return Estimate(_measured(records[run.id]), "its last training")
    for record in records.values():
        if _alike(record["spec"], run):
            return Estimate(_measured(record), f"measured: {record['run']}")
    return Estimate(_formula(run, experiment) / (tflops * 1e12) / 3600, f"formula, {tflops:g} TFLOP/s a GPU")


def text_tokens(run: RunSpec) -> int:
    """Tokens of text in an input, where nobody says: in a distillation an answer may be drawn to its limit."""
    drawn = run.max_new_tokens if isinstance(run, PlanningSpec) and run.kind == "distillation" else 0
    return ASSUMED_TEXT_TOKENS + drawn


def _measured(record: Mapping[str, Any]) -> float:
    return record["costs"]["gpu_hours"]


def _alike(spec: Mapping[str, Any], run: RunSpec) -> bool:
    """Whether a training did as much work: the same data, models and schedule, whatever its rates and weights."""
    models = sorted((member["model"], member["lr"] == 0) for member in spec["members"])
    return (
        (spec["scale"], spec["dataset"]) == (run.scale, run.dataset)
        and models == sorted((member.model, member.frozen) for member in run.members)
        and spec["training"] == run.training.model_dump()
    )


def _formula(run: RunSpec, experiment: Experiment) -> float:
    """Operations: 6 for each weight and token of an input, 8 where activations are computed twice; frozen members 2.

    An input is as many image tokens as the largest picture has, and `text_tokens` of text.
    """
    inputs = _samples(run, experiment) * run.training.epochs
    tokens = run.training.pixels[1] // PIXELS_PER_TOKEN + text_tokens(run)
    trained = 8 if experiment.execution.gradient_checkpointing.value else 6
    weights = sum(
        (2 if member.frozen else trained) * experiment.models[member.model].size.value * 1e9 for member in run.members
    )
    return weights * tokens * inputs


def _samples(run: RunSpec, experiment: Experiment) -> int:
    """What one epoch shows to every member."""
    if isinstance(run, PlanningSpec):
        planning = experiment.planning
        states = planning.states.value.train * sum(map(len, planning.levels.value.values()))
        return states * (1 if run.kind == "distillation" else len(run.views))
    return experiment.datasets[run.dataset].scenarios.value.train * len(turns_of(experiment, run.dataset))
