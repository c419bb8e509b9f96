"""The metrics files of runs: read them with `load_metrics()`, refuse to compare what is not comparable with
`check_consistent()`, and say where numbers come from with `sources()`.

A run's file is results/<scale>/metrics/<run id>.json; the models below are its schema, as far as reports depend on it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gcl.errors import DataError, raise_all
from gcl.experiment.runs import RunSpec
from gcl.files import canonical_json, sha256_file


class Interval(BaseModel):
    """A mean over `n` test scenarios and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int


class Item(BaseModel):
    """One test scenario: its scores by name, whatever scores there are."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    id: str

    @property
    def scores(self) -> dict[str, float]:
        """By name; an action is right or wrong, 1 or 0."""
        return self.__pydantic_extra__


class MemberMetrics(BaseModel):
    """One member of the run; `summary` has means by name."""

    role: str
    model: str
    summary: dict[str, Interval]
    items: list[Item]

    @model_validator(mode="after")
    def _items_have_what_the_summary_has(self) -> "MemberMetrics":
        for item in self.items:
            if lacking := self.summary.keys() - item.scores.keys():
                raise ValueError(f"{self.role}: {item.id} has no {', '.join(sorted(lacking))}")
        return self


class ConstantAnswer(BaseModel):
    """The most frequent reference of the ranking score's turn, and what giving it for every scene would score."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    text: str


class Code(BaseModel):
    """Hashes of the code that made the numbers."""

    training: str
    evaluation: str


class Manifests(BaseModel):
    """Hashes of the data."""

    train: str
    test: str


class Provenance(BaseModel):
    """What the numbers were made from."""

    spec_sha256: str
    code_sha256: Code
    manifests: Manifests
    metric_models: dict[str, str]
    predictions_sha256: str
    checkpoints: dict[str, str]


class MetricsFile(BaseModel):
    """A whole file; more keys are welcome."""

    scale: str
    run: str
    members: list[MemberMetrics]
    constant_answer: ConstantAnswer
    provenance: Provenance


def load_metrics(
    results_folder: Path, scale: str, runs: Iterable[RunSpec], exchanged: Iterable[RunSpec] = ()
) -> dict[str, dict[str, Any]]:
    """Read the metrics files of `runs`, and of `exchanged` those with exchanged pictures; keyed by `RunSpec.evaluation`.

    Raises:
        DataError: listing every file that is missing, broken, or of another scale or run.
    """
    metrics, problems = {}, []
    for run, pictures in [*((run, "own") for run in runs), *((run, "exchanged") for run in exchanged)]:
        name = run.evaluation(pictures)
        path = metrics_path(results_folder, scale, name)
        try:
            metrics[name] = _read(path, scale, run, name)
        except DataError as error:
            problems.append(f"{path}: {error}; make it with: snakemake --cores 2 {path}")
    raise_all(problems, "metrics")
    return metrics


def metrics_path(results_folder: Path | str, scale: str, run_id: str) -> Path:
    """Where the metrics of a run are."""
    return Path(results_folder) / scale / "metrics" / f"{run_id}.json"


def predictions_path(results_folder: Path | str, run: RunSpec) -> Path:
    """Where a run's answers are."""
    return Path(results_folder) / run.scale / "predictions" / f"{run.id}.jsonl"


def check_consistent(metrics: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse files that must not stand in one table.

    Raises:
        DataError: if two files differ in training code, evaluation code or metric models, or two files of one data set
            in its training or test manifest; it names two such runs and how to bring them up to date.
    """
    values: dict[str, dict[str, str]] = {}
    for run, content in metrics.items():
        for what, value in _versions(run, content["provenance"]):
            if value is not None:  # of a model that no training made
                values.setdefault(what, {})[run] = value
    problems = []
    for what, by_run in values.items():
        usual, _ = Counter(by_run.values()).most_common(1)[0]
        odd = next((run for run, value in by_run.items() if value != usual), None)
        if odd is None:
            continue
        other = next(run for run, value in by_run.items() if value == usual)
        targets = " ".join(str(metrics_path("results", metrics[run]["scale"], run)) for run in (odd, other))
        problems.append(
            f"{odd} and {other} differ in the {what}; bring both up to date with: snakemake --cores 2 {targets}"
        )
    raise_all(problems, "these runs cannot stand in one table")


def sources(results_folder: Path, metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each run: its metrics file, the file's hash, and the hashes of the checkpoints that were evaluated."""
    records = {}
    for run, content in metrics.items():
        path = metrics_path(results_folder, content["scale"], run)
        # Named from the results folder on, so that reports do not depend on the machine's folders.
        name = metrics_path(Path(results_folder).name, content["scale"], run).as_posix()
        checkpoints = content["provenance"]["checkpoints"]
        records[run] = {"run": run, "file": name, "sha256": sha256_file(path), "checkpoints": checkpoints}
    return records


def _read(path: Path, scale: str, run: RunSpec, name: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        MetricsFile.model_validate(content)
    except FileNotFoundError:
        raise DataError("no such file") from None
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise DataError(f"not a metrics file: {field}: {problem['msg']}") from None
    except ValueError as error:
        raise DataError(f"not valid JSON: {error}") from None
    if content["scale"] != scale:
        raise DataError(f"of scale {content['scale']!r}, not {scale!r}")
    if content["run"] != name:
        raise DataError(f"of another run, {content['run']}")
    found = [(member["role"], member["model"]) for member in content["members"]]
    if found != [(member.role, member.model) for member in run.members]:
        raise DataError(f"has other members than the run: {', '.join(' '.join(pair) for pair in found)}")
    if content["provenance"]["spec_sha256"] != run.fingerprint:
        raise DataError("made with other settings than the present configuration")
    return content


def _versions(run: str, provenance: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """What must agree within a table, in words, and its value."""
    dataset = run.split("/")[0]
    yield "training code", provenance["code_sha256"]["training"]
    yield "evaluation code", provenance["code_sha256"]["evaluation"]
    yield "metric models", canonical_json(provenance["metric_models"])
    for part, digest in provenance["manifests"].items():
        yield f"{part} manifest of {dataset}", digest
