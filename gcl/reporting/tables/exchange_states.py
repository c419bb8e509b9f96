"""Method exchange on planning tasks: `exchange_planning_table()` compares the arms of `exchange.states` with the first one.

Scores are macro means over the tasks, as in MGSD's table.
"""

from pathlib import Path

from gcl.experiment.grid import base_runs, exchange_planning_runs, reported_models
from gcl.experiment.places import PLANNING, results_at
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import BASE, pooled
from gcl.reporting.metrics import Metrics
from gcl.reporting.tables.arms import ArmRow, arms_table, tested_columns
from gcl.reporting.tables.assemble import identity, score_column
from gcl.reporting.tables.result_table import ResultTable
from gcl.reporting.tables.training_costs import COST_COLUMNS, training_costs

_SCORES = {"success": "Success", "optimal": "Optimal", "parsed": "Parsed"}
_NOTE = (
    "Macro means over the tasks, of plans from pictures. Gains in success are paired by state and seed; p: two-sided "
    "bootstrap, corrected by Holm over the arms."
)


def exchange_planning_table(experiment: Experiment, metrics: Metrics, results: Path) -> ResultTable:
    """One row per arm by its first member, the models before any training first."""
    runs, resamples = exchange_planning_runs(experiment), experiment.evaluation.bootstrap.value
    here = results_at(experiment.scale, results)

    def scores(ids: list[str]) -> dict[str, object]:
        role = metrics[ids[0]].members[0].role
        return {name: pooled(metrics, ids, role, f"image_{name}", resamples) for name in _SCORES}

    arms = {}
    for base in base_runs(experiment, PLANNING, reported_models(own[0] for own in runs.values())):
        cells = {"dataset": PLANNING, "arm": f"{BASE['base']} {base.members[0].model}", "seconds": None, "drawn": None}
        arms[base.id] = ArmRow(cells, scores([base.id]), seeds=1)
    first = next(iter(runs))
    for name, own in runs.items():
        cells = {"dataset": PLANNING, "arm": name} | training_costs(here, own)
        against = {"sft": None if name == first else first}
        arms[name] = ArmRow(cells, scores([run.id for run in own]), seeds=len(own), against=against)
    columns = [
        *identity("dataset", "arm"),
        *(score_column(name, header) for name, header in _SCORES.items()),
        *tested_columns("sft", f"Gain over {first}", "p"),
        *COST_COLUMNS,
    ]
    return arms_table(experiment, "exchange_planning", columns, arms, metrics, [_NOTE], tested="success")
