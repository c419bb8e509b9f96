"""What a run's metrics rest on, link by link: `run_links()` and `shared_links()` compare each with what is there now.

A metrics file says by hashes what it was made from; the run's record says how long, where and by what command it was
trained. Everything is looked up below the results folder and in the project's folder, which is the present one.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gcl.data.manifest import check_current
from gcl.data.scenario import SPLITS
from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.evaluation.encoders import encoder_folder, encoder_sha256
from gcl.experiment.closure import code_sha256
from gcl.experiment.data_spec import data_spec
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.provenance import weights_sha256
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights
from gcl.files import canonical_json, read_json, sha256_file, sha256_text
from gcl.reporting.metrics import MetricsFile
from gcl.reporting.tables.planning_table import PlanningFile

# What decides a training and its evaluation, as steps of gcl/experiment/closure.py.
_CODE = {"training": ("training",), "evaluation": ("generation", "scoring")}
_PLANNING_CODE = {"training": ("planning",), "evaluation": ("answering", "plans")}
OK, CHANGED, MISSING = "ok", "CHANGED", "MISSING"
REMOVED, NOTED = "removed", "noted"  # as the configuration wants it; what cannot be compared with anything here


@dataclass(frozen=True)
class Link:
    """One thing that a number rests on.

    Attributes:
        what: its kind.
        name: its path, or what else names it.
        state: "ok"; "CHANGED" or "MISSING", which break the chain; "removed" on purpose; "noted", not compared.
        detail: in words.
    """

    what: str
    name: str
    state: str
    detail: str = ""

    @property
    def broken(self) -> bool:
        """Whether the chain ends here."""
        return self.state in (CHANGED, MISSING)

    def __str__(self) -> str:
        return f"{self.state:<8} {self.what:<16} {self.name}" + (f": {self.detail}" if self.detail else "")


def metrics_link(results: Path, source: Mapping[str, Any]) -> tuple[Link, dict[str, Any] | None]:
    """A metrics file, and its contents if they are what the table was made from: only then do they lead further.

    Args:
        results: folder of all results.
        source: the run, its metrics file and that file's hash, as in a table's provenance.
    """
    # Its name begins with that of the results folder.
    path = results.joinpath(*Path(source["file"]).parts[1:])
    link = _file("metrics", path, source["sha256"])
    if link.broken:
        return link, None
    try:
        content = read_json(path)
        (PlanningFile if is_planning(source["run"]) else MetricsFile).model_validate(content)
    except (DataError, ValidationError):
        return Link("metrics", str(path), CHANGED, "no metrics file as the present code writes them"), None
    return link, content


def run_links(experiment: Experiment, results: Path, content: Mapping[str, Any]) -> Iterator[Link]:
    """From a metrics file to the weights that its training began with.

    Args:
        experiment: the present configuration.
        results: folder of all results.
        content: of the metrics file.
    """
    scale, made = content["scale"], content["provenance"]
    yield _file("predictions", results / scale / "predictions" / f"{content['run']}.jsonl", made["predictions_sha256"])
    run = made.get("training", content["run"])  # on planning tasks one training answers several questions
    if run is None:
        yield from (Link("checkpoint", name, NOTED, f"commit {commit}") for name, commit in made["checkpoints"].items())
        return
    yield _settings(experiment, run, made)
    record_path = results / scale / "records" / f"{run}.json"
    record = _read_record(record_path)
    kept = (record or {}).get("execution", {}).get("retain") != "none"
    for role, expected in made["checkpoints"].items():
        yield _weights("checkpoint", results / scale / "checkpoints" / run / role, expected, kept)
    yield _record(record_path, record, made)
    for member in made.get("spec", {}).get("members", []):
        start = made["start"][member["role"]]
        if member["revision"]:
            state = OK if start == member["revision"] else CHANGED
            yield Link("start", f"{member['source']}@{start[:12]}", state, "a commit of the hub")
        elif start:
            folder = Path(member["source"])
            # A teacher is another run's checkpoint, which may have been removed like this one's.
            teacher = "checkpoints" in folder.parts
            yield _weights("start", folder, start, kept or not teacher)
            if teacher:
                yield _teacher(
                    results / scale / "records", folder.parts[folder.parts.index("checkpoints") + 1 : -1], start
                )


def shared_links(experiment: Experiment, contents: Iterable[Mapping[str, Any]]) -> list[Link]:
    """What runs have in common, each once: code, metric models, manifests and the raw data behind them.

    Args:
        experiment: the present configuration.
        contents: of the runs' metrics files.
    """
    found, datasets = [], {}
    for content in contents:
        made, planning = content["provenance"], is_planning(content["run"])
        for part, parts in (_PLANNING_CODE if planning else _CODE).items():
            if made["code_sha256"][part] is not None:
                found.append(_hash("code", part, made["code_sha256"][part], code_sha256(*parts)))
        if planning:
            path = Path(experiment.data.value) / "planning" / "states.jsonl"
            found.append(_file("states", path, made["manifests"]["states"]))
            continue
        found += _metric_models(made)
        dataset = content["run"].split("/")[0]
        datasets[dataset] = None
        folder = places(experiment).manifests(dataset)
        found += [_file("manifest", folder / f"{split}.tsv", made["manifests"][split]) for split in SPLITS]
    for dataset in datasets:
        found += _raw(experiment, dataset)
    return list(dict.fromkeys(found))


def _file(what: str, path: Path, expected: str) -> Link:
    return _hash(what, str(path), expected, sha256_file(path)) if path.is_file() else Link(what, str(path), MISSING)


def _weights(what: str, folder: Path, expected: str, kept: bool = True) -> Link:
    if folder.is_dir():
        return _hash(what, str(folder), expected, weights_sha256(folder))
    return Link(what, str(folder), MISSING) if kept else Link(what, str(folder), REMOVED, "execution.retain is none")


def _hash(what: str, name: str, expected: str, found: str) -> Link:
    if found == expected:
        return Link(what, name, OK, f"sha256 {found[:12]}")
    return Link(what, name, CHANGED, f"sha256 was {expected[:12]}, is {found[:12]}")


def _settings(experiment: Experiment, run: str, made: Mapping[str, Any]) -> Link:
    """The specification of the run: is it what its hash says, and what the present configuration asks for?"""
    spec = made.get("spec")
    if spec is None or sha256_text(canonical_json(spec)) != made["spec_sha256"]:
        return Link("settings", run, CHANGED, "the specification in the metrics file is not the one of its hash")
    try:
        present = find_run(experiment, run).fingerprint
    except ConfigError as error:
        return Link("settings", run, CHANGED, f"not in the present configuration: {error}")
    if present != made["spec_sha256"]:
        return Link("settings", run, CHANGED, f"other ones than now: {_spec_words(spec)}")
    return Link("settings", run, OK, _spec_words(spec))


def _spec_words(spec: Mapping[str, Any]) -> str:
    members = [f"{m['role']} {m['model']} lr {m['lr']:g} tau {m['tau']:g}" for m in spec["members"]]
    shared = {name: spec["training"][name] for name in ("epochs", "global_batch", "precision", "frozen", "lora")}
    rest = ", ".join(f"{k} {v}" for k, v in ((spec["objective"] or {}) | shared).items() if v not in (None, []))
    return "; ".join([f"seed {spec['seed']}", *members, rest])


def _read_record(path: Path) -> dict[str, Any] | None:
    """The run's record; None if it is not there, empty if it is broken."""
    try:
        return read_json(path) if path.is_file() else None
    except DataError:
        return {}


def _record(path: Path, record: Mapping[str, Any] | None, made: Mapping[str, Any]) -> Link:
    """Does the record tell of the training that the metrics file names, and what did that take?"""
    if record is None:
        return Link("record", str(path), MISSING)
    # Each of these is in both files.
    for name, here, there in (
        ("settings", record.get("spec"), made.get("spec")),
        ("training data", record.get("data"), made["manifests"]["train"]),
        ("checkpoints", record.get("weights"), made["checkpoints"]),
        ("training code", record.get("code_sha256"), made["code_sha256"]["training"]),
    ):
        if here != there:
            return Link("record", str(path), CHANGED, f"of another training: other {name} than in the metrics file")
    return Link("record", str(path), OK, _costs_words(record["costs"]))


def _teacher(records: Path, run: Sequence[str], weights: str) -> Link:
    """Does the record of a teacher's own training tell of the weights that its pupil was given?"""
    path = records.joinpath(*run).with_suffix(".json")
    record = _read_record(path)
    if record is None:
        return Link("teacher", str(path), MISSING)
    if weights not in (record.get("weights") or {}).values():
        return Link(
            "teacher", str(path), CHANGED, "of another training: its weights are not those that were taught from"
        )
    return Link("teacher", str(path), OK, _costs_words(record["costs"]))


def _costs_words(costs: Mapping[str, Any]) -> str:
    """Duration and attempts, then command, machine and commit of the last attempt."""
    attempts = costs["attempts"]
    last = attempts[-1]
    nodes = ", ".join(dict.fromkeys(attempt["node"] for attempt in attempts))
    count = f"{len(attempts)} attempts" if len(attempts) > 1 else "1 attempt"
    words = [f"{costs['seconds']:g} s in {count} on {nodes}"]
    if machine := last.get("hardware"):
        gpus = ", ".join(machine["gpus"]) or "no GPU"
        words.append(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mib'] / 1024:.0f} GiB, {gpus}")
    if "git" in last:
        git = last["git"]
        words.append(f"commit {git['commit'][:12]}{', changed' if git['dirty'] else ''}" if git else "no Git")
    if command := last.get("command"):
        words.append(shlex.join(command))
    return "; ".join(words)


def _metric_models(made: Mapping[str, Any]) -> Iterator[Link]:
    """The encoders behind the scores; those of the hub are not fetched only to be hashed."""
    score = made.get("score", {})
    for kind, expected in made["metric_models"].items():
        encoder = score.get("bert_encoder" if kind == "bert" else "sentence_encoder")
        if encoder is None or encoder["revision"]:
            yield Link("metric model", kind, NOTED, f"sha256 {expected[:12]}")
            continue
        try:
            found = encoder_sha256(encoder_folder(Weights(**encoder)))
        except CheckpointError as error:
            yield Link("metric model", encoder["path"], MISSING, str(error))
            continue
        yield _hash("metric model", f"{kind} {encoder['path']}", expected.split()[0], found)


def _raw(experiment: Experiment, dataset: str) -> Iterator[Link]:
    """The raw folder that the manifests bind, and the downloads that it was imported from."""
    data, folder = data_spec(experiment, dataset), places(experiment).manifests(dataset)
    root = Path(data.root)
    if not root.is_dir():
        yield Link("raw data", data.root, MISSING)
        return
    try:
        check_current(root, folder, data)
        yield Link("raw data", data.root, OK, "as its manifests say")
    except (DataError, OSError) as error:
        yield Link("raw data", data.root, CHANGED, " ".join(str(error).split()))
    record = root / "import.yaml"
    if record.is_file():
        try:
            sources = yaml.safe_load(record.read_text(encoding="utf-8"))["sources"]
        except (yaml.YAMLError, TypeError, KeyError):
            yield Link("imported from", str(record), CHANGED, "not as `gcl data import` writes it")
            return
        hashes = sha256_text(canonical_json(sources))[:12]
        yield Link("imported from", str(record), NOTED, f"{_some(sources)} (all hashes together: sha256 {hashes})")


def _some(sources: Mapping[str, str], limit: int = 3) -> str:
    """The first few files with their hashes, and how many more there are."""
    listed = [f"{name} {value[:12]}" for name, value in list(sources.items())[:limit]]
    return ", ".join(listed) + (f" and {len(sources) - limit} more" if len(sources) > limit else "")
