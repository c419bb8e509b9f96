"""Groups of models of several families: `families_table()` compares each member with its own SFT."""

from gcl.evaluation.metric_registry import header, scores_of
from gcl.experiment.grid import family_runs
from gcl.experiment.methods.base_model import base_run
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import BASE, METHODS, pooled
from gcl.reporting.metrics import Metrics
from gcl.reporting.tables.arms import ArmRow, arms_table, tested_columns
from gcl.reporting.tables.assemble import identity, score_column
from gcl.reporting.tables.result_table import ResultTable

Key = tuple[str, ...]  # models of a run, and the role; or a model and "base"


def families_table(experiment: Experiment, metrics: Metrics) -> ResultTable:
    """One row per model untrained and after SFT, then one per group and member."""
    dataset, resamples = experiment.families.dataset.value, experiment.evaluation.bootstrap.value
    names, found = scores_of(experiment, dataset), family_runs(experiment)
    columns = [
        *identity("dataset", "group", "role", "model", "method"),
        *(score_column(name, str(header(name))) for name in names),
        *tested_columns("sft", "Gain over SFT", "p"),
    ]
    bases, arms = {}, {}
    for models, runs in found.items():
        for member in runs[0].members:
            model, role = member.model, member.role
            alone = len(models) == 1
            cells = {"dataset": dataset, "group": "–" if alone else " + ".join(models), "role": role, "model": model}
            ids = [run.id for run in runs]
            arms[(*models, role)] = ArmRow(
                cells | {"method": METHODS["sft" if alone else "full"]},
                {name: pooled(metrics, ids, role, name, resamples) for name in names},
                len(ids),
                {"sft": None if alone else (model, "solo")},
            )
            if alone:
                asked = [base_run(experiment, dataset, model).id]
                scores = {name: pooled(metrics, asked, "solo", name, resamples) for name in names}
                bases[(model, "base")] = ArmRow(cells | {"method": BASE["base"]}, scores, 1, {"sft": None})
    note = (
        f"Gains in {header(names[0])} are over SFT of the same model, paired by scenario and seed; p: two-sided bootstrap, "
        "corrected by Holm over all rows."
    )
    return arms_table(experiment, "families", columns, bases | arms, metrics, [note], tested=names[0])
