"""MGSD and its controls: `planning_arms()` pools the scores, `planning_table()` shows them.

One row for each model and arm (`planning.arms`). Scores are macro means, like the paper's headline: the unweighted mean of
the tasks' means. Differences are paired by state, to the arm that `against` names. The table takes the metrics of all its
runs and raises DataError if these are not comparable.
"""

from collections.abc import Sequence

from gcl.experiment.planning_arms import PlanningRow, rows
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import PooledScore, pooled
from gcl.reporting.metrics import Metrics
from gcl.reporting.paper_values import paper_planning, paper_values_shown
from gcl.reporting.tables.arms import ArmRow, arms_table
from gcl.reporting.tables.assemble import identity, score_column
from gcl.reporting.tables.markup import EMPTY
from gcl.reporting.tables.result_table import ResultColumn, ResultTable
from gcl.workflow.targets import PLANNING_TABLE

# More of these is better, so a mark can tell the direction of a difference.
COMPARED = {"success": "Success", "optimal": "Optimal", "parsed": "Parsed"}
_TASKS = {"frozenlake": "FrozenLake", "maze": "Maze", "minibehaviour": "MiniBehaviour"}
_NOTE = (
    "Macro means over the tasks. Success: the goal is reached without an illegal action; optimal: in as few actions as "
    "possible; illegal: some action was not legal; read right: no mistake in all questions about a picture. The tasks' "
    "columns are success in each."
)


def planning_arms(experiment: Experiment, metrics: Metrics, names: Sequence[str]) -> dict[tuple[str, str], ArmRow]:
    """Every row's scores, by model and arm; `names` are those of scores of plans, of tasks, and "reading"."""
    shown, seeds, arms = paper_values_shown(experiment), len(experiment.planning.seeds.value), {}
    listed = rows(experiment)
    known = {(row.model, row.arm.name) for row in listed}
    for row in listed:
        control = (row.model, row.arm.against or "")
        against = control if control in known else None
        # The paper's success. It is not known for arms that are told the state.
        paper = paper_planning(row.model, row.arm.run) if shown and row.arm.view == "image" else None
        arms[row.model, row.arm.name] = ArmRow(
            {
                "dataset": "planning", "model": row.model, "arm": row.arm.name,
                "against": against[1] if against else EMPTY,
            },
            {name: _score(experiment, metrics, row, name) for name in names},
            seeds,
            {"against": against},
            {"success": paper},
        )  # fmt: skip
    return arms


def planning_table(experiment: Experiment, metrics: Metrics) -> ResultTable:
    """One row per model and arm: scores of plans, success in each task, and pictures read without a mistake."""
    shown = paper_values_shown(experiment)
    columns = [
        *identity("dataset", "model", "arm"),
        ResultColumn(name="against", header="Compared with", kind="text"),
        score_column("success", COMPARED["success"], paper=shown),
        score_column("optimal", COMPARED["optimal"]),
        score_column("parsed", COMPARED["parsed"]),
        score_column("illegal", "Illegal"),
        *(score_column(task, _TASKS[task]) for task in experiment.planning.levels.value),
        score_column("reading", "Read right"),
    ]
    arms = planning_arms(experiment, metrics, [column.name for column in columns if column.kind == "score"])
    return arms_table(experiment, PLANNING_TABLE, columns, arms, metrics, [_NOTE], unmarked=["illegal"])


def _score(experiment: Experiment, metrics: Metrics, row: PlanningRow, name: str) -> PooledScore | None:
    """One score of one row over all seeds; None where nothing is read."""
    if name == "reading" and not row.reads:
        return None
    task = name if name in _TASKS else None
    score = "reading_all" if name == "reading" else f"{row.question}_{'success' if task else name}"
    role = metrics[row.runs[0]].members[0].role
    return pooled(metrics, row.runs, role, score, experiment.evaluation.bootstrap.value, task)
