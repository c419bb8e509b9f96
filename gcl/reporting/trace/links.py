"""The causes of a run's metrics, link by link: `run_links()` and `shared_links()` compare each with the present files.

A metrics file has hashes of its causes. The run's record has time, machine and command of the training. Everything is looked
up below the results folder and in the project's folder, which is the present one.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gcl.data.manifest import check_current
from gcl.data.scenario import SPLITS
from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.evaluation.encoders import encoder_folder, encoder_sha256
from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.data_spec import data_spec
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import SCENES, Places, kind_of, places
from gcl.experiment.provenance import weights_sha256
from gcl.experiment.runs import MemberSpec, RunSpec, Trained
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights
from gcl.files import canonical_json, read_json, sha256_file, sha256_text
from gcl.reporting.metrics import RunSource
from gcl.reporting.metrics_file import MetricsFile, Provenance, read_metrics
from gcl.reporting.page.making import machine_words
from gcl.tasks.instructions.read import instructions_sha256
from gcl.tasks.task import Task, open_task

OK, CHANGED, MISSING = "ok", "CHANGED", "MISSING"
REMOVED, NOTED = "removed", "noted"  # as configured; not comparable with anything here


@dataclass(frozen=True)
class Link:
    """One thing that a number rests on.

    Attributes:
        what: its kind.
        name: its path, or another name.
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


def metrics_link(results: Path, source: RunSource) -> tuple[Link, MetricsFile | None]:
    """A metrics file, and its contents if the table was made from them: only then do they lead further.

    Args:
        source: as in a table.
    """
    # Its name begins with that of the results folder.
    path = results.joinpath(*Path(source.file).parts[1:])
    link = _file("metrics", path, source.sha256)
    if link.broken:
        return link, None
    try:
        return link, read_metrics(path)
    except DataError:
        return Link("metrics", str(path), CHANGED, "no metrics file as the present code writes them"), None


def run_links(experiment: Experiment, results: Path, file: MetricsFile) -> Iterator[Link]:
    """From a metrics file to the weights that its training began with; `experiment` is the present configuration."""
    here, made = Places(file.scale, Path(experiment.data.value), results), file.provenance
    yield _file("predictions", here.predictions(file.run), made.predictions_sha256)
    try:
        spec = RunSpec.model_validate(made.spec)
    except ValidationError:
        yield Link("settings", file.run, CHANGED, "no specification as the present code writes them")
        return
    yield _settings(experiment, spec, made)
    kept = True
    if spec.feed is not None:
        record = _read_record(here.record(spec.id))
        kept = (record or {}).get("execution", {}).get("retain") != "none"
        for role, expected in made.checkpoints.items():
            yield _weights("checkpoint", here.checkpoints(spec.id) / role, expected, kept)
        yield _record(here.record(spec.id), record, made)
    for member in spec.members:
        yield from _start(here, member, made.start.get(member.role) or "", kept)


def _start(here: Places, member: MemberSpec, expected: str, kept: bool) -> Iterator[Link]:
    """Are the weights that a member starts from those that its training found?"""
    weights = here.weights(member.start)
    if weights.revision:
        state = OK if expected == weights.revision else CHANGED
        yield Link("start", f"{weights.path}@{expected[:12]}", state, "a commit of the hub")
    elif expected:
        # Another run's checkpoint may have been removed like this one's.
        trained = isinstance(member.start, Trained)
        yield _weights("start", Path(weights.path), expected, kept or not trained)
        if trained:
            yield _teacher(here.record(member.start.run), expected)


def shared_links(experiment: Experiment, files: Iterable[MetricsFile]) -> list[Link]:
    """Links that runs share, each once: code, metric models, manifests and the raw data behind them."""
    found, datasets = [], {}
    for file in files:
        made = file.provenance
        run, task = RunSpec.model_validate(made.spec), open_task(experiment, file.run.split("/")[0])
        if made.code_sha256.training is not None:
            found.append(_hash("code", "training", made.code_sha256.training, run_code("training", run)))
        found.append(_hash("code", "evaluation", made.code_sha256.evaluation, evaluation_code(run)))
        found += _metric_models(made)
        found += [_data(places(experiment).inputs(run.dataset, split)[0], task, split, made) for split in SPLITS]
        if "held_out" in made.manifests:
            found.append(_held_out(experiment, str(made.manifests["held_out"])))
        if kind_of(run.dataset) == SCENES:
            datasets[run.dataset] = None
    for dataset in datasets:
        found += _raw(experiment, dataset)
    return list(dict.fromkeys(found))


def _held_out(experiment: Experiment, expected: str) -> Link:
    """Are the questions unchanged that show how much was forgotten?"""
    asked = experiment.evaluation.forgetting.value
    if asked is None or not Path(asked.folder).is_dir():
        return Link("held-out", asked.folder if asked else "evaluation.forgetting", MISSING)
    return _hash("held-out", asked.folder, expected, instructions_sha256(Path(asked.folder)))


def _data(path: Path, task: Task, split: str, made: Provenance) -> Link:
    """Is a split unchanged? A manifest has the hashes of its pictures."""
    try:
        return _hash("manifest", str(path), str(made.manifests[split]), task.data_sha256(split))
    except (DataError, OSError):
        return Link("manifest", str(path), MISSING)


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


def _settings(experiment: Experiment, spec: RunSpec, made: Provenance) -> Link:
    """The specification of the run: does it have its hash, and is it that of the present configuration?"""
    run, words = spec.id, _spec_words(spec)
    if sha256_text(canonical_json(made.spec)) != made.spec_sha256:
        return Link("settings", run, CHANGED, "the specification in the metrics file is not the one of its hash")
    try:
        present = find_run(experiment, run).fingerprint
    except ConfigError as error:
        return Link("settings", run, CHANGED, f"not in the present configuration: {error}")
    if present == made.spec_sha256:
        return Link("settings", run, OK, words)
    return Link("settings", run, CHANGED, f"other ones than now: {words}")


def _spec_words(spec: RunSpec) -> str:
    members = [f"{m.role} {m.model} lr {m.lr:g} tau {m.tau:g}" for m in spec.members]
    shared = {name: getattr(spec.training, name) for name in ("epochs", "global_batch", "precision", "frozen", "lora")}
    exchanged = spec.objective.model_dump() if len(spec.members) > 1 else {}
    rest = ", ".join(f"{k} {v}" for k, v in (exchanged | shared).items() if v not in (None, []))
    return "; ".join([f"seed {spec.seed}", *members, rest])


def _read_record(path: Path) -> dict[str, Any] | None:
    """The run's record; None if it is not there, empty if it is broken."""
    try:
        return read_json(path) if path.is_file() else None
    except DataError:
        return {}


def _record(path: Path, record: Mapping[str, Any] | None, made: Provenance) -> Link:
    """Is the record of the training that the metrics file names? With its costs."""
    if record is None:
        return Link("record", str(path), MISSING)
    # Each of these is in both files.
    for name, here, there in (
        ("settings", record.get("spec"), made.spec),
        ("training data", record.get("data"), made.manifests["train"]),
        ("checkpoints", record.get("weights"), made.checkpoints),
        ("training code", record.get("code_sha256"), made.code_sha256.training),
    ):
        if here != there:
            return Link("record", str(path), CHANGED, f"of another training: other {name} than in the metrics file")
    return Link("record", str(path), OK, _costs_words(record["costs"]))


def _teacher(path: Path, weights: str) -> Link:
    """Are the weights in the record of a teacher's own training those that its pupil was given?"""
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
        words.append(machine_words(machine))
    if "git" in last:
        git = last["git"]
        words.append(f"commit {git['commit'][:12]}{', changed' if git['dirty'] else ''}" if git else "no Git")
    if command := last.get("command"):
        words.append(shlex.join(command))
    return "; ".join(words)


def _metric_models(made: Provenance) -> Iterator[Link]:
    """The encoders behind the scores; those of the hub are not fetched only to be hashed."""
    for kind, expected in made.metric_models.items():
        encoder = made.score.get("bert_encoder" if kind == "bert" else "sentence_encoder")
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
