"""The metrics files of runs: `load_metrics()` reads those of a table, `sources()` names the files behind numbers.

`check_consistent()` refuses runs that are not comparable.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from gcl.errors import DataError, raise_all
from gcl.experiment.closure import code_parts
from gcl.experiment.places import results_at
from gcl.experiment.runs import RunSpec
from gcl.files import canonical_json, read_jsonl, sha256_file
from gcl.reporting.metrics_file import CodeHashes, MetricsFile, Provenance, read_metrics

Metrics = Mapping[str, MetricsFile]


class RunSource(BaseModel):
    """The source of a run's numbers.

    Attributes:
        file: its metrics file.
        sha256: of this file.
        spec: hash of its settings.
        code: hashes of the code behind it.
        checkpoints: their hashes by role.
    """

    run: str
    file: str
    sha256: str
    spec: str | None
    code: CodeHashes
    checkpoints: dict[str, str]


def load_metrics(results_folder: Path, scale: str, wanted: Mapping[str, RunSpec]) -> dict[str, MetricsFile]:
    """Read metrics files.

    Args:
        wanted: the run behind each file, by the file's path below metrics/, without suffix.

    Raises:
        DataError: listing every file that is missing, broken, or of another scale, run or specification.
    """
    metrics, problems = {}, []
    for name, run in wanted.items():
        path = results_at(scale, results_folder).metrics(name)
        try:
            metrics[name] = _checked(read_metrics(path), scale, name, run)
        except DataError as error:
            problems.append(f"{path}: {error}; make it with: snakemake --cores 2 {path}")
    raise_all(problems, "metrics")
    return metrics


def _checked(file: MetricsFile, scale: str, name: str, run: RunSpec) -> MetricsFile:
    if file.scale != scale:
        raise DataError(f"of scale {file.scale!r}, not {scale!r}")
    if file.run != name:
        raise DataError(f"of another run, {file.run}")
    found = [(member.role, member.model) for member in file.members]
    if found != [(member.role, member.model) for member in run.asked]:
        raise DataError(f"has other members than the run: {', '.join(' '.join(pair) for pair in found)}")
    if file.provenance.spec_sha256 != run.fingerprint:
        raise DataError("made with other settings than the present configuration")
    return file


def read_answers(path: Path, role: str) -> dict[str, dict[str, dict[str, str]]]:
    """A member's records in a file of answers, by scene and turn."""
    answers: dict[str, dict[str, dict[str, str]]] = {}
    for record in read_jsonl(path):
        if record["role"] == role and "turn" in record:  # not those about held-out questions
            answers.setdefault(record["id"], {})[record["turn"]] = record
    return answers


def check_consistent(metrics: Metrics) -> None:
    """Refuse files that must not stand in one table.

    Raises:
        DataError: if two files differ in training code, evaluation code or metric models. Also if two files of one data set
            differ in a manifest. It names two such runs and a command that brings them up to date.
    """
    values: dict[str, dict[str, str]] = {}
    for run, file in metrics.items():
        for what, value in _versions(run, file.provenance):
            if value is not None:  # None: of a model without training
                values.setdefault(what, {})[run] = value
    problems = []
    for what, by_run in values.items():
        usual, _ = Counter(by_run.values()).most_common(1)[0]
        odd = next((run for run, value in by_run.items() if value != usual), None)
        if odd is None:
            continue
        other = next(run for run, value in by_run.items() if value == usual)
        targets = " ".join(str(results_at(metrics[run].scale, "results").metrics(run)) for run in (odd, other))
        problems.append(
            f"{odd} and {other} differ in the {what}; bring both up to date with: snakemake --cores 2 {targets}"
        )
    raise_all(problems, "these runs cannot stand in one table")


def sources(results_folder: Path, metrics: Metrics) -> dict[str, RunSource]:
    """For each run: its metrics file, the file's hash, and the hashes of the checkpoints that were evaluated."""
    records = {}
    for run, content in metrics.items():
        digest = sha256_file(results_at(content.scale, results_folder).metrics(run))
        # Named from the results folder on: reports must not depend on the machine's folders.
        name = results_at(content.scale, Path(results_folder).name).metrics(run).as_posix()
        made = content.provenance
        records[run] = RunSource(
            run=run,
            file=name,
            sha256=digest,
            spec=made.spec_sha256,
            code=made.code_sha256,
            checkpoints=made.checkpoints,
        )
    return records


def code_versions(provenance: Provenance) -> Iterator[tuple[str, str]]:
    """The parts of a run's code, with their names: runs of one kind of data (`FEEDS` of closure.py) or family share them."""
    feed = (provenance.spec or {}).get("feed") or {}
    kind = "exchange" if "authors" in feed else "on-policy" if "views" in feed else "supervised"
    made = provenance.code_sha256
    for what, code in ((f"training code ({kind})", made.training), ("evaluation code", made.evaluation)):
        for family, digest in code_parts(code).items() if code else ():
            yield f"{what} of family {family}" if family else what, digest


def _versions(run: str, provenance: Provenance) -> Iterator[tuple[str, str | None]]:
    """The properties that must agree within a table: name and value."""
    dataset = run.split("/")[0]
    yield from code_versions(provenance)
    yield "metric models", canonical_json(provenance.metric_models)
    for part, digest in provenance.manifests.items():
        yield f"{part} manifest of {dataset}", digest
