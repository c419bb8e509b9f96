"""The experiment for workflow/rules/planning.smk: files of states and pictures, and options of jobs."""

import shlex
from typing import Any

from gcl.experiment.places import places
from gcl.experiment.schema import Experiment


class PlanningPlan:
    """Data of planning tasks as the workflow sees it.

    Attributes:
        settings: the section `planning`.
        tasks: that are drawn.
        imported: public test sets by task.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.settings = experiment, experiment.planning
        self.here = places(experiment)
        self.tasks = list(self.settings.levels.value)
        self.imported = self.settings.imported.value

    def cells(self, wildcards: Any) -> list[str]:
        """Files of states, one for each task and level."""
        levels = self.settings.levels.value
        return [str(self.here.some_states(task, str(level))) for task in levels for level in levels[task]]

    def counts(self, wildcards: Any) -> str:
        """Numbers of drawn states by split, as quoted options; none for tests where there is a public test set."""
        states = self.settings.states.value.model_dump()
        if wildcards.task in self.imported:
            states.pop("test")
        drawn = [(f"--{split}", str(count)) for split, count in states.items() if count]
        left_out = [("--exclude", path) for path in self.public(wildcards)]
        return shlex.join(word for option in [*drawn, *left_out] for word in option)

    def public(self, wildcards: Any) -> list[str]:
        """The public test set of the wildcards' task, or all of them."""
        tasks = [wildcards.task] if "task" in wildcards.keys() else self.imported  # noqa: SIM118
        return [str(self.here.some_states(task, "public")) for task in tasks if task in self.imported]

    def source(self, wildcards: Any) -> str:
        """The download of a public test set."""
        return self.imported[wildcards.task]

    def public_format(self, wildcards: Any) -> str:
        """The format of a public test set."""
        return {"frozenlake": "vsp", "minibehaviour": "visualplanning"}[wildcards.task]

    def picture_size(self, wildcards: Any) -> str:
        """Size of pictures, as an option."""
        cell = self.settings.cell_pixels.value
        return "--pixels 256" if cell is None else f"--cell-pixels {cell}"

    def architecture(self, wildcards: Any) -> str:
        """Shape of a miniature model."""
        return self.experiment.models[wildcards.model].backbone.value.model_dump_json()
