"""Results of deployed members: `read_deployment(experiment, results)` reads answers and measurements of each format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.errors import DataError
from gcl.experiment.deployed import deployed_members
from gcl.experiment.deployment_schema import DeployedMember
from gcl.experiment.places import places
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.files import read_json
from gcl.reporting.estimates import PooledScore
from gcl.reporting.tables.result_table import Measure

MIB = 2**20


@dataclass(frozen=True)
class FormatResult:
    """One member in one format.

    Attributes:
        member, run, model: who it is.
        format: its name.
        score: on the test scenes that were asked.
        reference: the same member's score in float32.
        different, asked: answers that differ from those in float32, of how many.
        size: MiB on the disk.
        measures: by name; None where the machine does not tell.
    """

    member: DeployedMember
    run: RunSpec
    model: str
    format: str
    score: PooledScore
    reference: PooledScore
    different: int
    asked: int
    size: float
    measures: dict[str, Measure | None]


@dataclass(frozen=True)
class DeploymentResults:
    """All members in all formats; `header` is that of the score, `machine` and `settings` those of the measurement."""

    results: tuple[FormatResult, ...]
    header: str
    machine: dict[str, Any]
    settings: dict[str, int]


def read_deployment(experiment: Experiment, results: Path) -> DeploymentResults:
    """Read the reports of `gcl agree` and `gcl measure`.

    Raises:
        DataError: if one is missing, or they are about other files.
    """
    here, resamples = places(experiment, results), experiment.evaluation.bootstrap.value
    measured = _read(here.measured)
    by_key = {(one["run"], one["role"], one["format"]): one for one in measured["folders"]}
    found, header = [], ""
    for member, run in deployed_members(experiment):
        report = _read(here.agreement(run.id, member.role))
        header, answers = report["header"], {one["format"]: one for one in report["folders"]}
        scores = {
            name: PooledScore.of([run.id], [[one["scores"][key] for key in sorted(one["scores"])]], resamples)
            for name, one in answers.items()
        }
        for name in experiment.deployment.formats.value:
            key = (run.id, member.role, name)
            if name not in answers or key not in by_key or answers[name]["sha256"] != by_key[key]["sha256"]:
                raise DataError(
                    f"{here.measured}: {run.id} {member.role} {name}: measured or asked with other files, or not at all; "
                    f"make it again with: snakemake --cores 2 deployment --config scale={experiment.scale}"
                )
            own, times = answers[name], by_key[key]["measures"]
            measures = {measure: _measure(value) for measure, value in times.items()}
            found.append(
                FormatResult(
                    member, run, report["model"], name, scores[name], scores[experiment.deployment.formats.value[0]],
                    own["different"], own["asked"], own["size"] / MIB, measures,
                )
            )  # fmt: skip
    return DeploymentResults(tuple(found), header, measured["machine"], measured["settings"])


def _read(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"{path}: no such file; make it with: snakemake --cores 2 {path}")
    return read_json(path)


def _measure(value: dict[str, float] | None) -> Measure | None:
    return None if value is None else Measure(**value)
