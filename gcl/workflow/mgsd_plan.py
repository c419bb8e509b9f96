"""What workflow/rules/planning.smk asks of the experiment: paths and options of jobs. Imports no torch."""

import shlex
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from gcl.errors import ConfigError, GCLError
from gcl.experiment.mgsd_grid import arguments, checkpoint, questions
from gcl.experiment.mgsd_runs import UNTRAINED_FOLDER, planning_run
from gcl.experiment.mgsd_schema import QUESTIONS
from gcl.experiment.runs import trained_before
from gcl.experiment.schema import Experiment
from gcl.workflow.plan import stop

T = TypeVar("T")


def _or_stop(function: Callable[..., T]) -> Callable[..., T]:
    """End with an error's message alone: a traceback through Snakemake would bury it."""

    @wraps(function)
    def call(*arguments: Any) -> T:
        try:
            return function(*arguments)
        except GCLError as error:
            stop(error)

    return call


class PlanningPlan:
    """MGSD as the workflow sees it.

    Attributes:
        folder: of states and pictures.
        settings: the section `planning`.
        tasks: that are drawn.
        imported: public test sets by task.
        question_pattern: matches the name of an answer file.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.settings = experiment, experiment.planning
        self.scale = experiment.scale
        self.folder = f"{experiment.data.value}/planning"
        self.tasks = list(self.settings.levels.value)
        self.imported = self.settings.imported.value
        self.question_pattern = "|".join(question.replace("+", r"\+") for question in QUESTIONS)

    def cells(self, wildcards: Any) -> list[str]:
        """Files of states, one for each task and level."""
        levels = self.settings.levels.value
        return [f"{self.folder}/states/{task}-{level}.jsonl" for task in levels for level in levels[task]]

    def counts(self, wildcards: Any) -> str:
        """How many states of each split are drawn, as options, quoted; none to test on where there is a public test set."""
        states = self.settings.states.value.model_dump()
        if wildcards.task in self.imported:
            states.pop("test")
        drawn = [(f"--{split}", str(count)) for split, count in states.items() if count]
        left_out = [("--exclude", path) for path in self.public(wildcards)]
        return shlex.join(word for option in [*drawn, *left_out] for word in option)

    def public(self, wildcards: Any) -> list[str]:
        """The public test set of the wildcards' task, or all of them."""
        tasks = [wildcards.task] if "task" in wildcards.keys() else self.imported  # noqa: SIM118
        return [f"{self.folder}/states/{task}-public.jsonl" for task in tasks if task in self.imported]

    def source(self, wildcards: Any) -> str:
        """Where a public test set was downloaded to."""
        return self.imported[wildcards.task]

    def public_format(self, wildcards: Any) -> str:
        """Whose test set it is."""
        return {"frozenlake": "vsp", "minibehaviour": "visualplanning"}[wildcards.task]

    def picture_size(self, wildcards: Any) -> str:
        """Size of pictures, as an option."""
        cell = self.settings.cell_pixels.value
        return "--pixels 256" if cell is None else f"--cell-pixels {cell}"

    def architecture(self, wildcards: Any) -> str:
        """Shape of a miniature model."""
        return self.experiment.models[wildcards.model].backbone.value.model_dump_json()

    @_or_stop
    def spec_json(self, wildcards: Any) -> str:
        """The training's specification."""
        return planning_run(self.experiment, wildcards.task_run).json

    @_or_stop
    def start(self, wildcards: Any) -> list[str]:
        """Folders that a training starts from; a pinned commit on the hub cannot change."""
        spec = planning_run(self.experiment, wildcards.task_run)
        untrained = {member.source for member in spec.members if member.source.startswith(UNTRAINED_FOLDER)}
        return sorted(untrained | {f"results/{self.scale}/checkpoints/{before}" for before in trained_before(spec)})

    @_or_stop
    def answering(self, wildcards: Any) -> list[str]:
        """The training whose member answers, if it is one."""
        folder, _ = checkpoint(self.experiment, wildcards.task_run)
        return [folder.rpartition("/")[0]] if folder.startswith("results/") else []

    @_or_stop
    def answer_arguments(self, wildcards: Any) -> str:
        """Who is asked what, as options."""
        return arguments(self.experiment, wildcards.task_run)

    @_or_stop
    def score_arguments(self, wildcards: Any) -> str:
        """Who answered what, as options."""
        asked = questions(self.experiment, wildcards.task_run)
        if wildcards.question not in asked:
            raise ConfigError(
                f"{wildcards.task_run} is not asked for {wildcards.question!r} but for {', '.join(asked)}; add an arm that "
                "asks for it to planning.arms"
            )
        folder, revision = checkpoint(self.experiment, wildcards.task_run)
        who = ["--checkpoint", folder, *(["--revision", revision] if revision else [])]
        return shlex.join(["--run", f"{wildcards.task_run}/{wildcards.question}", *who])
