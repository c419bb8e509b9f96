"""What a change of code costs: `code_changes(runs, results, scale)` counts results that other code made, step by step.

A record and a metrics file keep the hash of the code that made them (gcl/experiment/closure.py). It is compared with
the present one.
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
        step: training, or evaluation, which is answers and scores.
        runs: how many.
        gpu_hours: that they took, all together; None where nothing was measured.
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
    """Whether other code made a training."""
    return run.id in records and records[run.id].get("code_sha256") != run_code("training", run)


def code_changes(
    trained: Iterable[RunSpec], scored: Iterable[RunSpec], records: Mapping[str, Mapping[str, Any]], here: Places
) -> list[CodeChange]:
    """What is to be made again since code has changed; nothing where it has not.

    Args:
        trained: runs that are to be trained again.
        scored: runs that are to be scored again; those of `trained` are left out.
        records: of finished runs, by run id.
        here: where their metrics are.
    """
    trained, found = {run.id: run for run in trained}, []
    if changed := [name for name, run in sorted(trained.items()) if is_changed(run, records)]:
        costs = [records[name]["costs"] for name in changed]
        gpu_hours, seconds = (sum(cost[name] for cost in costs) for name in ("gpu_hours", "seconds"))
        found.append(CodeChange("training", len(changed), gpu_hours, seconds / 3600))
    others = {run.id: run for run in scored if run.id not in trained}
    evaluated = [run for run in others.values() if _evaluated_otherwise(here.metrics(run.id), run)]
    if evaluated:
        found.append(CodeChange("evaluation", len(evaluated), None, None))
    return found


def _evaluated_otherwise(path: Path, run: RunSpec) -> bool:
    return path.is_file() and read_json(path)["provenance"]["code_sha256"]["evaluation"] != evaluation_code(run)
