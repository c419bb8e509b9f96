"""GPU-hours of a training before it runs: `estimate(run, experiment, records, tflops)`.

They come from the record of the same or a similar training. Without a record they come from a formula.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gcl.experiment.places import SCENES, kind_of
from gcl.experiment.runs import Drawn, RolloutFeed, RunSpec
from gcl.experiment.schema import Experiment
from gcl.operations.pictures import most_pictures

ASSUMED_TEXT_TOKENS = 256  # of system message, question and answer, if unknown
PIXELS_PER_TOKEN = 28 * 28  # of Qwen2.5-VL; Qwen3-VL has 32 * 32, so its images take fewer tokens


@dataclass(frozen=True)
class Estimate:
    """GPU-hours and their source."""

    gpu_hours: float
    source: str


def estimate(run: RunSpec, experiment: Experiment, records: Mapping[str, Mapping[str, Any]], tflops: float) -> Estimate:
    """Estimate one training, from records by run id or for GPUs of `tflops` 10^12 operations a second."""
    if run.id in records:
        return Estimate(records[run.id]["costs"]["gpu_hours"], "its last training")
    for record in records.values():
        if _same_work(record["spec"], run):
            return Estimate(record["costs"]["gpu_hours"], f"measured: {record['run']}")
    return Estimate(_formula(run, experiment) / (tflops * 1e12) / 3600, f"formula, {tflops:g} TFLOP/s a GPU")


def text_tokens(run: RunSpec) -> int:
    """Assumed tokens of text in an input; a distillation may draw an answer up to its limit.

    The last question of a dialogue has all others before it.
    """
    if isinstance(run.feed, Drawn):
        return ASSUMED_TEXT_TOKENS + run.feed.max_new_tokens
    shown = run.feed.shown if run.feed and run.training.context == "full" else []
    return ASSUMED_TEXT_TOKENS * max((len(one.questions) for one in shown), default=1)


def _same_work(spec: Mapping[str, Any], run: RunSpec) -> bool:
    """Whether a training did the same amount of work: the same data, models and schedule, at any rates."""
    models = sorted((member["model"], member["lr"] == 0) for member in spec["members"])
    return (
        (spec["scale"], spec["dataset"]) == (run.scale, run.dataset)
        and models == sorted((member.model, member.frozen) for member in run.members)
        and spec["training"] == run.training.model_dump()
    )


def _formula(run: RunSpec, experiment: Experiment) -> float:
    """Operations: 6 for each weight and token of an input, 8 with gradient checkpointing, 2 for frozen members.

    An input has the image tokens of the largest pictures, and `text_tokens` of text. Every validation adds 2 for each weight
    and token of the inputs that are held out.
    """
    items, validation = _items(run, experiment), run.training.validation
    held_out = round(items * validation.share) if validation else 0
    inputs = _samples(run, items - held_out) * run.training.epochs
    validated = 0
    if validation:
        validated = _samples(run, held_out) * (inputs // run.training.global_batch // validation.every)
    pictures = most_pictures(run, experiment)
    tokens = (1 if pictures is None else pictures) * (run.training.pixels[1] // PIXELS_PER_TOKEN) + text_tokens(run)
    trained = 8 if experiment.execution.gradient_checkpointing.value else 6
    operations = 0.0
    for member in run.members:
        weights, each = experiment.models[member.model].size.value * 1e9, 2 if member.frozen else trained
        operations += weights * tokens * (each * inputs + 2 * validated)
    return operations


def _samples(run: RunSpec, items: int) -> int:
    """Inputs that show so many items once."""
    if isinstance(run.feed, RolloutFeed):
        return items
    return sum(
        len(shown.questions) * (items if shown.count is None else min(items, shown.count)) for shown in run.feed.shown
    )


def _items(run: RunSpec, experiment: Experiment) -> int:
    """Scenes or states of the training split."""
    if kind_of(run.dataset) == SCENES:
        return experiment.datasets[run.dataset].scenarios.value.train
    planning = experiment.planning
    return planning.states.value.train * sum(map(len, planning.levels.value.values()))
