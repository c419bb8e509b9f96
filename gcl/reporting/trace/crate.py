"""The tables of a scale as a Workflow Run RO-Crate, for archives and others' tools: `gcl crate`, here `write_crate()`.

A zip of the workflow's files, tables, metrics, predictions, records and manifests. Its ro-crate-metadata.json has inputs,
outputs and times of each run (https://w3id.org/ro/wfrun/workflow). Pictures and weights are in it by hash only.
`write_run_crate()` does the same for one training that is published.
"""

import importlib.metadata
import mimetypes
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rocrate.model import ContextEntity, DataEntity
from rocrate.rocrate import ROCrate

from gcl.data.scenario import SPLITS
from gcl.errors import ConfigError, DataError, raise_all
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import Places, places
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import SCALES, Experiment
from gcl.files import atomic_path, read_json, sha256_file
from gcl.reporting.tables.result_table import read_table
from gcl.reporting.trace.links import metrics_link

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_WORKFLOW = ("config.yaml", "workflow/rules/*.smk", "workflow/scales/*.yaml", "workflow/mappings/*.yaml")


def write_crate(experiment: Experiment, results: Path, to: Path) -> None:
    """Write the zip; call it in the project's folder. The same files give the same bytes.

    Raises:
        ConfigError: if `to` is no name of a zip.
        DataError: if there is no table, or a metrics file is not the one that a table was made from.
    """
    if to.suffix != ".zip":
        raise ConfigError(f"{to}: a crate is written as a zip; give a name that ends with .zip")
    made = places(experiment, results)
    tables = sorted(made.tables.glob("*.provenance.json"))
    if not tables:
        raise DataError(f"{made.tables}: no table yet; make one with: snakemake --cores 2 headline")
    stems = [table.name.removesuffix(".provenance.json") for table in tables]
    sources = {
        run: source for stem in stems for run, source in read_table(results, experiment.scale, stem).sources.items()
    }
    found = {run: metrics_link(results, source) for run, source in sources.items()}
    broken = [str(link) for link, _ in found.values() if link.broken]
    raise_all(broken, "tables and metrics do not belong together; run snakemake")
    files = {run: [made.metrics(run), made.predictions(run)] for run in sources}
    trainings = {run: file.provenance.training for run, (_, file) in found.items()}
    outputs = [path for stem in stems for path in sorted(made.tables.glob(f"{stem}.*"))]
    _write(_crate(experiment, made, f"Tables of the {experiment.scale} scale", files, trainings, outputs), to)


def write_run_crate(experiment: Experiment, results: Path, run: RunSpec, to: Path) -> None:
    """Write the zip of one training: the workflow's files, data by hash, record and metrics.

    Answers are left out. They hold the references of the data set, whose owners may not want them copied.
    """
    made = places(experiment, results)
    files = {run.id: [made.metrics(run.id)]}
    _write(_crate(experiment, made, f"Run {run.id}", files, {run.id: run.id}, files[run.id]), to)


def _crate(
    experiment: Experiment,
    made: Places,
    name: str,
    files: Mapping[str, list[Path]],
    trainings: Mapping[str, str | None],
    outputs: list[Path],
) -> ROCrate:
    """A crate.

    Args:
        files: made of each run, without its record.
        trainings: the training behind each run; None for a published model.
        outputs: of the workflow.
    """
    records = {run: _record(made, training) for run, training in trainings.items()}
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = (
        "https://w3id.org/ro/terms/workflow-run#sha256"  # not in the format's own terms
    )
    crate.name = name
    crate.description = f"Made by the workflow in this crate. {SCALES[experiment.scale] or ''}".strip()
    crate.license = "https://spdx.org/licenses/Apache-2.0"
    times = _times(path for paths in records.values() for path in paths)
    if times:  # otherwise the present day
        crate.datePublished = datetime.fromisoformat(times["endTime"])
    crate.root_dataset["conformsTo"] = [
        crate.add(ContextEntity(crate, url, {"@type": "CreativeWork", "name": name, "version": url.split("/")[-1]}))
        for url, name in _PROFILES.items()
    ]
    workflow = crate.add_workflow("Snakefile", "Snakefile", main=True, lang="snakemake")
    version = importlib.metadata.version("gcl")
    workflow["name"], workflow["version"] = "Group Competitive Learning", version
    program = {
        "@type": "SoftwareApplication",
        "name": "gcl",
        "version": version,
        "url": "https://arxiv.org/abs/2603.11447",
    }
    program = crate.add(ContextEntity(crate, "#gcl", program))
    actions = []
    for run, own in files.items():
        trained = find_run(experiment, run.removesuffix("/exchanged")).feed is not None
        about = {"name": f"{'train, ' * trained}answer and score {run}", **_times(records[run])}
        inputs = _files(crate, _data(experiment, run))
        actions.append(crate.add_action(program, f"#{run}", inputs, _files(crate, [*own, *records[run]]), about))
    settings = _files(crate, (path for pattern in _WORKFLOW for path in sorted(Path().glob(pattern))))
    about = {"name": "the workflow's run", **times}
    crate.root_dataset["mentions"] = [
        crate.add_action(workflow, "#run", settings, _files(crate, outputs), about),
        *actions,
    ]
    return crate


def _write(crate: ROCrate, to: Path) -> None:
    """Write a crate as a zip in which no file has a time."""
    with tempfile.TemporaryDirectory() as folder, atomic_path(to) as temporary:
        crate.write(folder)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(filter(Path.is_file, Path(folder).rglob("*"))):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, path.read_bytes())


def _record(made: Places, training: str | None) -> list[Path]:
    """The training's record. On planning tasks one training answers several files; a published model has none."""
    return [made.record(training)] if training else []


def _data(experiment: Experiment, run: str) -> list[Path]:
    paths = (path for split in SPLITS for path in places(experiment).inputs(run.split("/")[0], split))
    return [path for path in dict.fromkeys(paths) if path.is_file()]  # all states are in one file


def _files(crate: ROCrate, paths: Iterable[Path]) -> list[DataEntity]:
    """The files that are there, under their own paths; one that is in the crate already is only named again."""
    found = []
    for path in filter(Path.is_file, paths):
        name = path.as_posix().lstrip("/")
        kind = mimetypes.guess_type(name)[0] or "text/plain"
        about = {"name": name, "sha256": sha256_file(path), "encodingFormat": kind}
        found.append(crate.dereference(name) or crate.add_file(path, name, properties=about, record_size=True))
    return found


def _times(records: Iterable[Path]) -> dict[str, str]:
    """Start of the first attempt and end of the last one, of the records that are there."""
    made = [attempt for path in records if path.is_file() for attempt in read_json(path)["costs"]["attempts"]]
    if not made:
        return {}
    times = {"startTime": min(a["started"] for a in made), "endTime": max(a["started"] + a["seconds"] for a in made)}
    return {name: datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds") for name, time in times.items()}
