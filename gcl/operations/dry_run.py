"""`gcl plan [TARGET ...]`: the jobs that Snakemake would run, with reasons and costs. Nothing is submitted.

`plan(experiment, targets)` asks Snakemake for a dry run and adds estimates. `str()` of the result is a table.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gcl.errors import ConfigError
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import SCALES, Experiment
from gcl.operations.code_change import CodeChange, code_changes, is_changed
from gcl.operations.costs import read_records
from gcl.operations.gpu_hours import Estimate, estimate
from gcl.operations.versioning import disk_plan

_JOB = re.compile(r"^Job \d+: (?P<message>.*)\n(?P<reason>Reason: .*)?$", re.M)
_SCORED = re.compile(r"^Job \d+: Score (?P<run>\S+?)(?:, pictures exchanged)?$", re.M)
_PARAMS = "Params have changed since last execution"  # followed by all of them, whole specifications and hashes
_COUNTS = re.compile(r"^job +count\n-+ +-+\n(.*?)^total", re.M | re.S)


@dataclass(frozen=True)
class PlannedTraining:
    """One training that would run."""

    run: str
    reason: str
    gpus: int
    gpu_hours: float
    source: str


@dataclass(frozen=True)
class DryRun:
    """The work of a call of Snakemake.

    Attributes:
        scale: of the experiment.
        trainings: each with its reason and its cost.
        jobs: number of jobs of every rule.
        disk: size of the checkpoints, in words.
        code_changes: the steps that run again because code has changed.
    """

    scale: str
    trainings: list[PlannedTraining]
    jobs: dict[str, int]
    disk: str
    code_changes: list[CodeChange] = field(default_factory=list)

    @property
    def gpu_hours(self) -> float:
        """Sum over all trainings."""
        return sum(training.gpu_hours for training in self.trainings)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"gpu_hours": self.gpu_hours}

    def __str__(self) -> str:
        if not self.jobs:
            return "Nothing to do: everything is up to date."
        lines = []
        width = max((len(training.run) for training in self.trainings), default=0)
        for reason in dict.fromkeys(training.reason for training in self.trainings):
            lines += [f"because: {reason}", f"  {'training':<{width}}  GPUs  GPU-hours  from"]
            lines += [
                f"  {t.run:<{width}}  {t.gpus:>4}  {t.gpu_hours:>9.2f}  {t.source}"
                for t in self.trainings
                if t.reason == reason
            ]
        if self.code_changes:
            lines += ["code has changed since these were made:", *(f"  {change}" for change in self.code_changes)]
        lines.append("jobs: " + ", ".join(f"{count} {rule}" for rule, count in self.jobs.items()))
        lines.append(
            f"in all about {self.gpu_hours:.1f} GPU-hours of training; generation, also that within trainings, and scoring "
            "are not estimated"
        )
        lines.append(self.disk)
        return "\n".join(lines)


def plan(experiment: Experiment, targets: Sequence[str], tflops: float, results: Path) -> DryRun:
    """Ask Snakemake for a dry run.

    Args:
        experiment: the experiment at the planned scale.
        targets: targets of Snakemake; none means everything.
        tflops: see `estimate`.
        results: folder of all results.

    Raises:
        ConfigError: with Snakemake's message if it cannot plan.
        MissingLibrary: if Snakemake is not installed.
    """
    import snakemake  # noqa: F401  # an error about its extra, where it is not installed

    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nocolor", "--cores", "1", *targets]
    # A user's profile might silence the lines that are read here.
    environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
    done = subprocess.run(
        [*command, "--config", f"scale={experiment.scale}"],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        ours = [line.removeprefix("gcl: error: ") for line in said if line.startswith("gcl: error: ")]
        raise ConfigError("\n".join(ours or ["Snakemake cannot plan this:", *said[-5:]]))
    records = read_records(results, experiment.scale)
    trainings = []
    for job in _JOB.finditer(done.stdout):
        words = job["message"].split()
        if words[0] == "Train" and "/" in words[1]:  # the tokenizer is trained as well, but it is not a run
            run = find_run(experiment, words[1])
            cost = estimate(run, experiment, records, tflops) if SCALES[run.scale] is None else _on_cpu(records, run.id)
            gpus = experiment.execution.processes.value if SCALES[run.scale] is None else 0
            reason = _reason((job["reason"] or "").removeprefix("Reason: "), run, records)
            trainings.append(PlannedTraining(run.id, reason, gpus, cost.gpu_hours, cost.source))
    counts = _COUNTS.search(done.stdout)
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", counts[1], re.M)) if counts else {}
    count = int(jobs.get("train", 0))
    if count != len(trainings):
        raise ConfigError(f"Snakemake plans {count} trainings and names {len(trainings)}; report this")
    trained = [find_run(experiment, training.run) for training in trainings]
    scored = [find_run(experiment, found["run"]) for found in _SCORED.finditer(done.stdout)]
    disk = disk_plan(experiment, trained, results)
    changes = code_changes(trained, scored, records, places(experiment, results))
    return DryRun(experiment.scale, trainings, {rule: int(count) for rule, count in jobs.items()}, str(disk), changes)


def _on_cpu(records: dict[str, Any], run: str) -> Estimate:
    seconds = records[run]["costs"]["seconds"] if run in records else None
    return Estimate(0.0, "a CPU" if seconds is None else f"a CPU, {seconds:.0f} s the last time")


def _reason(said: str, run: RunSpec, records: dict[str, Any]) -> str:
    """Snakemake's reason to train a run, with changes in words and without the run's own files."""
    before, changed, _ = said.partition(_PARAMS)
    parts = [_without_files(before.removesuffix("; "), run.id)] if before else []
    if changed and run.id not in records:
        parts.append("settings or code have changed")
    elif changed:
        settings = ["settings have changed"] if records[run.id].get("spec") != run.model_dump() else []
        code = ["code has changed"] if is_changed(run, records) else []
        parts += settings + code or ["its inputs have changed"]
    return "; ".join(parts)


def _without_files(reason: str, run: str) -> str:
    """A reason without the run's own files, so that equal reasons have equal words."""
    parts = []
    for part in reason.split("; "):
        kind, _, files = part.partition(": ")
        others = [file for file in files.split(", ") if file and run not in file]
        parts.append(f"{kind}: {', '.join(others)}" if others else kind)
    return "; ".join(parts)
