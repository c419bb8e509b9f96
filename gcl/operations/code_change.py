"""The cost of a change of code: `code_changes(trained, scored, records, metrics)` counts results of older code by step.

Records and metrics files hold the hash of the code that made them (gcl/experiment/closure.py). It is compared with the hash
of the present code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.experiment.closure import code_sha256
from gcl.experiment.mgsd_runs import is_planning
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


def changed_trainings(runs: Iterable[str], records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The trainings that older code made."""
    return [
        run
        for run in runs
        if run in records
        and records[run].get("code_sha256") != code_sha256("planning" if is_planning(run) else "training")
    ]


def code_changes(
    trained: Iterable[str], scored: Iterable[str], records: Mapping[str, Mapping[str, Any]], metrics: Path
) -> list[CodeChange]:
    """The steps that run again because code has changed.

    Args:
        trained: runs to train again.
        scored: results to score again, by their path below `metrics`; those of `trained` are left out.
        records: records of finished runs, by run id.
        metrics: folder of metrics files.
    """
    changes, trained = [], set(trained)
    if changed := changed_trainings(sorted(trained), records):
        costs = [records[run]["costs"] for run in changed]
        gpu_hours, seconds = (sum(cost[name] for cost in costs) for name in ("gpu_hours", "seconds"))
        changes.append(CodeChange("training", len(changed), gpu_hours, seconds / 3600))
    others = [
        name for name in sorted(set(scored)) if not any(name == run or name.startswith(f"{run}/") for run in trained)
    ]
    evaluated = [name for name in others if _evaluated_by_older_code(metrics / f"{name}.json", name)]
    if evaluated:
        changes.append(CodeChange("evaluation", len(evaluated), None, None))
    return changes


def _evaluated_by_older_code(path: Path, name: str) -> bool:
    steps = ("answering", "plans") if is_planning(name) else ("generation", "scoring")
    return path.is_file() and read_json(path)["provenance"]["code_sha256"]["evaluation"] != code_sha256(*steps)
