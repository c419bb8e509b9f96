"""The making of results, for the page: `metrics_there()`, `versions()` of packages, `facts()` about code and machines."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gcl import __version__
from gcl.errors import DataError
from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.grid import all_runs, planning_runs
from gcl.experiment.places import results_at
from gcl.experiment.provenance import environment, git_state
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.operations.costs import read_records
from gcl.reporting.metrics import Metrics
from gcl.reporting.metrics_file import read_metrics


def metrics_there(experiment: Experiment, results: Path) -> Metrics:
    """The metrics files of all runs that have been scored.

    Raises:
        DataError: if one is broken.
    """
    found = {}
    for name in dict.fromkeys([*all_runs(experiment), *(run.id for run in planning_runs(experiment))]):
        path = results_at(experiment.scale, results).metrics(name)
        if path.is_file():
            try:
                found[name] = read_metrics(path)
            except DataError as error:
                raise DataError(f"{path}: {error}; make it with: snakemake --cores 2 {path}") from None
    return found


def versions(metrics: Metrics) -> list[tuple[str, str, str, str]]:
    """Package, and its versions in training, in scoring and here: several where runs differ."""
    found: dict[str, dict[str, set[str]]] = {"training": {}, "scoring": {}}
    for file in metrics.values():
        for step, by_package in found.items():
            # A published model had no training here.
            for package, version in (file.provenance.environment.get(step) or {}).items():
                by_package.setdefault(package, set()).add(version)
    here = environment()
    names = dict.fromkeys([*here, *found["training"], *found["scoring"]])
    return [
        (name, *(", ".join(sorted(found[step].get(name, {"–"}))) for step in found), here.get(name, "–"))
        for name in names
    ]


def facts(experiment: Experiment, results: Path, metrics: Metrics) -> list[tuple[str, str]]:
    """Facts about code, data and machines."""
    scored = [run in metrics for run in all_runs(experiment)]
    found = [
        ("GCL", __version__),
        ("this page from", _commit(git_state())),
        ("runs with metrics", f"{sum(scored)} of {len(scored)}"),
    ]
    for step, present in (("training", partial(run_code, "training")), ("evaluation", evaluation_code)):
        made = [(getattr(file.provenance.code_sha256, step), file.provenance.spec) for file in metrics.values()]
        same = [digest == present(RunSpec.model_validate(spec)) for digest, spec in made if digest and spec]
        found.append((f"code of {step}", f"as here in {sum(same)} of {len(same)} runs" if same else "no run yet"))
    attempts = [
        attempt
        for record in read_records(results, experiment.scale).values()
        for attempt in record["costs"]["attempts"]
        if "hardware" in attempt
    ]
    machines = {f"{machine_words(attempt['hardware'])}, {attempt['hardware']['system']}" for attempt in attempts}
    found += [("trained on", words) for words in sorted(machines)]
    return found + [("trained from", words) for words in sorted({_commit(attempt["git"]) for attempt in attempts})]


def machine_words(hardware: Mapping[str, Any]) -> str:
    """Processor, memory and GPUs of a machine."""
    memory, gpus = f"{hardware['memory_mib'] / 1024:.0f} GiB", ", ".join(hardware["gpus"]) or "no GPU"
    return f"{hardware['cpu']}, {hardware['cores']} cores, {memory}, {gpus}"


def _commit(state: Mapping[str, Any] | None) -> str:
    """A Git state in words."""
    if state is None:
        return "no Git repository"
    return f"commit {state['commit']}{', with changes that are not committed' if state['dirty'] else ''}"
