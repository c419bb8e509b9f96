"""The rows of MGSD's table: `rows(experiment)` gives the runs of each, and the questions to their members."""

from typing import NamedTuple

from gcl.experiment.places import PLANNING
from gcl.experiment.planning_schema import FORMS, PlanningArm
from gcl.experiment.runs import RunId
from gcl.experiment.schema import Experiment


class PlanningRow(NamedTuple):
    """A row: of one model, with every seed.

    Attributes:
        model: its name.
        arm: of `planning.arms`.
        runs: ids, one for each seed; a base model has no seeds.
        question: the one that asks for a plan.
        reads: whether its members also read the picture: main arms that see it.
    """

    model: str
    arm: PlanningArm
    runs: tuple[str, ...]
    question: str
    reads: bool

    @property
    def questions(self) -> list[str]:
        """All questions of this row."""
        return [self.question, *(["reading"] if self.reads else [])]


def rows(experiment: Experiment) -> list[PlanningRow]:
    """All rows: every arm of the first model, the main ones of the others."""
    settings = experiment.planning
    listed = []
    for number, model in enumerate(settings.models.value):
        for arm in settings.arms.value:
            if number and arm.name not in settings.main.value:
                continue
            runs = tuple(dict.fromkeys(_run_id(model, arm.run, seed) for seed in settings.seeds.value))
            question = arm.view if arm.form == FORMS[0] else "answer"
            reads = arm.view == "image" and arm.name in settings.main.value
            listed.append(PlanningRow(model, arm, runs, question, reads))
    return listed


def questions(experiment: Experiment, run: str) -> list[str]:
    """The questions to the member of a run: those of its rows. A run without a row is asked for plans alone."""
    listed = dict.fromkeys(question for row in rows(experiment) if run in row.runs for question in row.questions)
    return list(listed) or ["answer" if RunId.parse(run).method == "plan" else "image"]


def _run_id(model: str, run: str, seed: int) -> str:
    """The id of the run that an arm names."""
    if run in ("base", "reading", "plan"):
        return str(RunId(PLANNING, run, (model,), "default", 0 if run == "base" else seed))
    return str(RunId(PLANNING, "mgsd", (model, model), run, seed))
