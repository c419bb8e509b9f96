"""The experiment for workflow/rules/deployment.smk: folders of deployed members, and options of jobs."""

from typing import Any

from gcl.experiment.deployed import deployed_members
from gcl.experiment.places import places
from gcl.experiment.schema import Experiment
from gcl.files import canonical_json

DEPLOYMENT_TABLE, DEPLOYMENT_FIGURE = "deployment", "tradeoff"


class DeploymentPlan:
    """Deployed members as the workflow sees them.

    Attributes:
        settings: the section `deployment`.
        formats: names of the formats.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.settings = experiment, experiment.deployment
        self.here, self.formats = places(experiment), experiment.deployment.formats.value

    def of_member(self, wildcards: Any) -> list[str]:
        """Folders of one member in all formats, the reference first."""
        return [str(self.here.deployed(wildcards.run, wildcards.role, name)) for name in self.formats]

    def folders(self) -> list[str]:
        """Folders of all members in all formats."""
        return [
            str(self.here.deployed(run.id, member.role, name))
            for member, run in deployed_members(self.experiment)
            for name in self.formats
        ]

    def agreements(self) -> list[str]:
        """Reports about the answers of all members."""
        return [str(self.here.agreement(run.id, member.role)) for member, run in deployed_members(self.experiment)]

    def scenes(self) -> str:
        """The number of test scenes, as an option."""
        count = self.settings.scenes.value
        return "" if count is None else f"--scenes {count}"

    def measurement(self) -> str:
        """Options of a measurement."""
        width, height = self.settings.picture.value
        return (
            f"--repetitions {self.settings.repetitions.value} --scenes {self.settings.measured_scenes.value}"
            f" --width {width} --height {height} --threads {self.settings.threads.value}"
        )

    def report_json(self) -> str:
        """The contents of the table and the figure besides their files; a change makes both again."""
        return canonical_json([self.settings.model_dump(), self.experiment.evaluation.bootstrap.value])
