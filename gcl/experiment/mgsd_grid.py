"""What of MGSD is trained, asked and reported: `rows(experiment)` lists the table's rows, `arguments(...)` how one is asked.

Answers are named by a training's id and a question (`gcl.experiment.mgsd_schema.Question`). What was never trained has the
id planning/base/<model>/default/seed0.
"""

import shlex
from typing import NamedTuple

from gcl.experiment.mgsd_runs import PlanningSpec, base, planning_run, words_run
from gcl.experiment.mgsd_schema import FORMS, PlanningArm
from gcl.experiment.runs import trained_before
from gcl.experiment.schema import Experiment


class Asked(NamedTuple):
    """A training, or the base model, and a question: what one file of answers, and one of metrics, is about."""

    run: str
    question: str

    @property
    def path(self) -> str:
        """Below results/<scale>/<predictions|metrics>/, without suffix."""
        return f"{self.run}/{self.question}"


class Row(NamedTuple):
    """A row of the table: of one model, with every seed.

    Attributes:
        plans: asked for a plan.
        readings: a main arm that sees something is asked what the picture shows; empty for the others.
    """

    model: str
    arm: PlanningArm
    plans: list[Asked]
    readings: list[Asked]


def rows(experiment: Experiment) -> list[Row]:
    """All rows: every arm of the first model, the main ones of the others."""
    settings = experiment.planning
    listed = []
    for number, model in enumerate(settings.models.value):
        for arm in settings.arms.value:
            if number and arm.name not in settings.main.value:
                continue
            ids = [run_id(model, arm.run, seed) for seed in settings.seeds.value]
            ids = list(dict.fromkeys(ids))  # a base model has no seeds
            question = arm.view if arm.form == FORMS[0] else "answer"
            reads = arm.view == "image" and arm.name in settings.main.value
            readings = [Asked(run, "reading") for run in ids] if reads else []
            listed.append(Row(model, arm, [Asked(run, question) for run in ids], readings))
    return listed


def all_asked(experiment: Experiment) -> list[Asked]:
    """Everything that is asked of somebody, once."""
    return list(dict.fromkeys(asked for row in rows(experiment) for asked in (*row.plans, *row.readings)))


def answers_of(experiment: Experiment, training: str) -> list[Asked]:
    """What the member that a training leaves is asked; of one that no table shows, the plans alone."""
    listed = [asked for asked in all_asked(experiment) if trained(experiment, asked.run) == training]
    return listed or [Asked(training, question) for question in questions(experiment, training)]


def questions(experiment: Experiment, run: str) -> list[str]:
    """What a training's member, or a base model, is asked: all that the table shows of it; of others the plans alone."""
    listed = [asked.question for asked in all_asked(experiment) if asked.run == run]
    return listed or ["answer" if run.split("/")[1] == "plan" else "image"]


def run_id(model: str, run: str, seed: int) -> str:
    """The id of what an arm names."""
    if run == "base":
        return f"planning/base/{model}/default/seed0"
    if run in ("reading", "plan"):
        return f"planning/{run}/{model}/default/seed{seed}"
    return f"planning/mgsd/{model}+{model}/{run}/seed{seed}"


def trainings(experiment: Experiment) -> dict[str, PlanningSpec]:
    """All trainings by id, those that others start from first."""
    found: dict[str, PlanningSpec] = {}

    def add(name: str) -> None:
        if name not in found:
            spec = planning_run(experiment, name)
            for before in trained_before(spec):
                add(before)
            found[name] = spec

    for row in rows(experiment):
        for asked in row.plans:
            if wanted := trained(experiment, asked.run):
                add(wanted)
    return found


def trained(experiment: Experiment, run: str) -> str | None:
    """Id of the training whose member answers; None where that is a published model."""
    method, members = run.split("/")[1:3]
    return words_run(experiment, members) if method == "base" else run


def checkpoint(experiment: Experiment, run: str) -> tuple[str, str | None]:
    """Where the member lies that answers: a folder, or a hub id and its commit."""
    method, members = run.split("/")[1:3]
    if method == "base":
        return base(experiment, members)
    role = "student" if method == "mgsd" else "solo"
    return f"results/{experiment.scale}/checkpoints/{run}/{role}", None


def arguments(experiment: Experiment, run: str) -> str:
    """The options of `gcl planning answer` that say who is asked what, quoted for a shell."""
    settings = experiment.planning
    folder, revision = checkpoint(experiment, run)
    words = ["--checkpoint", folder, *(["--revision", revision] if revision else [])]
    words += ["--questions", *questions(experiment, run)]
    words += ["--system", settings.system.value, "--pixels", *map(str, settings.pixels.value)]
    words += ["--precision", experiment.training.precision.value]
    words += ["--batch-size", str(settings.evaluation.batch_size.value)]
    words += ["--max-new-tokens", str(settings.evaluation.max_new_tokens.value)]
    return shlex.join(words)
