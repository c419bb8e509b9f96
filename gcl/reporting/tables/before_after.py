"""Every model before any training of the experiment, and after SFT: `before_after_table()`."""

from gcl.evaluation.metric_registry import header, scores_of
from gcl.experiment.grid import group_models
from gcl.experiment.methods.base_model import base_run
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import BASE, METHODS, pooled
from gcl.reporting.metrics import Metrics
from gcl.reporting.tables.assemble import identity, result_table, row, score_cell, score_column
from gcl.reporting.tables.result_table import ResultTable


def before_after_table(experiment: Experiment, metrics: Metrics) -> ResultTable:
    """One row per data set, model and state. A model after SFT is compared with itself before."""
    names, resamples = scores_of(experiment, *experiment.groups), experiment.evaluation.bootstrap.value
    columns = identity("dataset", "model", "method") + [score_column(name, str(header(name))) for name in names]
    seeds, rows = experiment.seeds.value, []
    for dataset in experiment.groups:
        own = scores_of(experiment, dataset)
        for model in group_models(experiment, dataset):
            before = [base_run(experiment, dataset, model).id]
            after = [sft_run(experiment, dataset, model, seed).id for seed in seeds]
            base, trained = (
                {name: pooled(metrics, runs, "solo", name, resamples) for name in own} for runs in (before, after)
            )
            cells = {"dataset": dataset, "model": model} | dict.fromkeys(names)
            first = {name: score_cell(score, None, resamples) for name, score in base.items()}
            then = {
                name: score_cell(score, base[name].for_seeds(len(seeds)), resamples) for name, score in trained.items()
            }
            rows.append(row(cells | {"method": BASE["base"]} | first, base.values(), 1))
            rows.append(row(cells | {"method": METHODS["sft"]} | then, [*base.values(), *trained.values()], len(seeds)))
    return result_table(experiment, "before_after", columns, rows, metrics, control="the same model untrained")
