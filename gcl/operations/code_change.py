"""The cost of a change of code: `code_changes(trained, scored, records, metrics)` counts results of older code by step.

Records and metrics files hold the hash of the code that made them (gcl/experiment/closure.py). It is compared with the hash
of the present code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.places import Places
from gcl.experiment.runs import RunSpec
from gcl.files import read_json


@dataclass(frozen=True)
class CodeChange:
    """Results of one step that the present code would make again.

    Attributes:
        step: training, or evaluation (answers and scores).
        runs: number of runs.
        gpu_hours: their measured sum; None if nothing was measured.
        hours: the same by the clock.
    """

    step: str
    runs: int
    gpu_hours: float | None
    hours: float | None

    def __str__(self) -> str:
        count = f"{self.runs} run" + ("s" if self.runs > 1 else "")
        if self.hours is None:
            return f"{self.step}: {count} again, not estimated"
        cost = f"{self.gpu_hours:.1f} GPU-hours" if self.gpu_hours else f"{self.hours:.2f} hours of a CPU"
        return f"{self.step}: {count} again, about {cost}, as they took before"


def is_changed(run: RunSpec, records: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether older code made a training."""
    return run.id in records and records[run.id].get("code_sha256") != run_code("training", run)


def code_changes(
    trained: Iterable[RunSpec], scored: Iterable[RunSpec], records: Mapping[str, Mapping[str, Any]], here: Places
) -> list[CodeChange]:
    """The steps that run again because code has changed.

    Args:
        trained: runs to train again.
        scored: runs to score again; those of `trained` are left out.
        records: records of finished runs, by run id.
        here: the place of their metrics.
    """
    trained, changes = {run.id: run for run in trained}, []
    if changed := [name for name, run in sorted(trained.items()) if is_changed(run, records)]:
        costs = [records[name]["costs"] for name in changed]
        gpu_hours, seconds = (sum(cost[name] for cost in costs) for name in ("gpu_hours", "seconds"))
        changes.append(CodeChange("training", len(changed), gpu_hours, seconds / 3600))
    others = {run.id: run for run in scored if run.id not in trained}
    evaluated = [run for run in others.values() if _evaluated_by_older_code(here.metrics(run.id), run)]
    if evaluated:
        changes.append(CodeChange("evaluation", len(evaluated), None, None))
    return changes


def _evaluated_by_older_code(path: Path, run: RunSpec) -> bool:
    return path.is_file() and read_json(path)["provenance"]["code_sha256"]["evaluation"] != evaluation_code(run)
