"""How the gain depends on the number of training scenes: `scaling_arms()` pools the scores, `scaling_table()` shows them."""

from collections.abc import Sequence

from gcl.evaluation.metric_registry import header, scores_of
from gcl.experiment.grid import scaling_runs
from gcl.experiment.methods.base_model import base_run
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import BASE, METHODS, ROLES, pooled
from gcl.reporting.metrics import Metrics
from gcl.reporting.tables.arms import ArmRow, arms_table, tested_columns
from gcl.reporting.tables.assemble import identity, score_column
from gcl.reporting.tables.result_table import ResultTable

Key = tuple[int, str, str]  # scenes, role, and "sft" or "full"


def scaling_arms(experiment: Experiment, metrics: Metrics, names: Sequence[str]) -> dict[Key, ArmRow]:
    """Some scores of both members, alone and in competition, by number of scenes; in competition against alone."""
    scaling, resamples, arms = experiment.scaling, experiment.evaluation.bootstrap.value, {}
    for scenes, kinds in scaling_runs(experiment).items():
        for role in ROLES:
            for method, runs, member in (("sft", kinds[role], "solo"), ("full", kinds["full"], role)):
                found = [run.id for run in runs]
                arms[scenes, role, method] = ArmRow(
                    {
                        "dataset": scaling.dataset.value,
                        "scenes": str(scenes),
                        "role": role,
                        "model": getattr(scaling.pair.value, role),
                        "method": METHODS[method],
                    },
                    {name: pooled(metrics, found, member, name, resamples) for name in names},
                    len(found),
                    {"sft": (scenes, role, "sft") if method == "full" else None},
                )
    return arms


def _base_arms(experiment: Experiment, metrics: Metrics, names: Sequence[str]) -> dict[Key, ArmRow]:
    """The same of both members before any training, compared with nothing."""
    dataset, pair = str(experiment.scaling.dataset.value), experiment.scaling.pair.value
    arms: dict[Key, ArmRow] = {}
    for role in ROLES:
        run, model = base_run(experiment, dataset, getattr(pair, role)).id, getattr(pair, role)
        cells = {"dataset": dataset, "scenes": "0", "role": role, "model": model, "method": BASE["base"]}
        scores = {name: pooled(metrics, [run], "solo", name, experiment.evaluation.bootstrap.value) for name in names}
        arms[0, role, "base"] = ArmRow(cells, scores, 1, {"sft": None})
    return arms


def scaling_table(experiment: Experiment, metrics: Metrics) -> ResultTable:
    """One row per number of scenes, role and method, and before them both models untrained."""
    names = scores_of(experiment, str(experiment.scaling.dataset.value))
    columns = [
        *identity("dataset", "scenes", "role", "model", "method"),
        *(score_column(name, str(header(name))) for name in names),
        *tested_columns("sft", "Gain over SFT", "p"),
    ]
    arms = _base_arms(experiment, metrics, names) | scaling_arms(experiment, metrics, names)
    note = (
        f"Gains in {header(names[0])} are over SFT of the same model on as many scenes, paired by scenario and seed; p: "
        "two-sided bootstrap, corrected by Holm over all rows."
    )
    return arms_table(experiment, "scaling", columns, arms, metrics, [note], tested=names[0])
