"""The costs of an arm's trainings, for a table: `training_costs(here, runs)` reads their records and logs."""

from collections.abc import Iterable
from statistics import fmean

from gcl.experiment.places import Places
from gcl.experiment.runs import RunSpec
from gcl.files import read_json, read_jsonl
from gcl.reporting.figures.curves import losses_path
from gcl.reporting.tables.result_table import Cell, ResultColumn

COST_COLUMNS = [
    ResultColumn(name="seconds", header="Seconds", kind="cost"),
    ResultColumn(name="drawn", header="Tokens drawn", kind="cost"),
]


def training_costs(here: Places, runs: Iterable[RunSpec]) -> dict[str, Cell]:
    """Means over the runs: seconds of a training on its own machine, and tokens that members drew in it.

    A run without a record or a log has no part in them. None where no run has any.
    """
    seconds, drawn = [], []
    for run in runs:
        record, losses = here.record(run.id), losses_path(here.results, run.scale, run.id)
        if record.is_file():
            seconds.append(read_json(record)["costs"]["seconds"])
        if losses.is_file():
            steps = read_jsonl(losses)
            drawn.append(sum(step.get("rollout_tokens", 0) * step.get("rollout_answers", 0) for step in steps))
    return {"seconds": fmean(seconds) if seconds else None, "drawn": fmean(drawn) if drawn else None}
