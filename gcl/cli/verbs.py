"""What each verb of the `gcl` command does: functions of parsed options, called by gcl.cli.main. Those that read results are
in verbs_report.py.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import argparse
import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gcl.errors import ConfigError, DataError
from gcl.experiment.checks import warnings
from gcl.experiment.dialogue import all_questions, dialogue_of, scored_by
from gcl.experiment.execution import changed, execution_spec
from gcl.experiment.grid import all_trainings
from gcl.experiment.json_schema import config_schema
from gcl.experiment.load import experiment_anywhere, experiment_here, overrides_here, replaced
from gcl.experiment.load import settings as all_settings
from gcl.experiment.mgsd_runs import any_run
from gcl.experiment.notes import notes
from gcl.experiment.runs import DataSpec, GroundingSpec, RunSpec, data_spec, manifest_folder
from gcl.experiment.schema import Experiment
from gcl.experiment.types import parsed
from gcl.files import read_json, read_jsonl, sha256_file, write_json, write_jsonl, write_text
from gcl.operations.versioning import disk_plan
from gcl.training import launch


def settings(options: argparse.Namespace) -> None:
    if options.schema:
        write_json(options.schema, config_schema())
        return
    experiment = experiment_here()
    rows = [dict(zip(("setting", "value", "origin", "note"), row, strict=True)) for row in all_settings(experiment)]
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        value = json.dumps(row["value"], ensure_ascii=False)
        value = value if len(value) <= 60 else f"{value[:57]}..."
        print(f"{row['setting']:<42} {value:<62} {row['origin']}: {row['note']}")
    for line in warnings(experiment):
        print(f"warning: {line}", file=sys.stderr)
    for line in notes(replaced(overrides_here())):
        print(f"note: {line}", file=sys.stderr)


def runs(options: argparse.Namespace) -> None:
    experiment = experiment_here()
    if options.run:
        print(any_run(experiment, options.run).model_dump_json(indent=2))
    else:
        print("\n".join(all_trainings(experiment)))


def data_generate(options: argparse.Namespace) -> None:
    from gcl.data.drawing.datasets import write_captions, write_dataset

    if options.name == "captions":
        write_captions(options.train, options.seed, options.to)
    else:
        data = parsed(DataSpec, options.data) if options.data else _known_data(experiment_here(), options.name)
        counts = {"train": options.train, "test": options.test}
        write_dataset(options.name, counts, data.questions, options.seed, options.to, tuning=options.tuning)


def data_inspect(options: argparse.Namespace) -> None:
    from gcl.data.importing.inspect import inspect_source
    from gcl.data.importing.proposal import Known

    experiment = experiment_here(options.scale)
    datasets = experiment.datasets
    if options.data_set not in {None, *datasets}:
        raise ConfigError(f"unknown data set {options.data_set!r}; use one of {', '.join(datasets)} (see config.yaml)")
    known = {name: Known(data.actions.value, data.scenarios.value.model_dump()) for name, data in datasets.items()}
    dialogue = dialogue_of(experiment, options.data_set or "")
    inspection = inspect_source(options.source, dialogue, known, options.data_set)
    print(inspection.text())
    if inspection.mapping is None:
        raise DataError(inspection.reason)
    if options.to:
        write_text(options.to, inspection.mapping)
        print(f"\nProposed mapping: {options.to}. Check every line, then give it to `gcl data import --mapping`.")


def data_import(options: argparse.Namespace) -> None:
    from gcl.data.importing.importer import KINDS, import_source

    experiment = experiment_here(options.scale)
    datasets = experiment.datasets
    if options.kind not in {*datasets, *KINDS}:
        known = ", ".join(dict.fromkeys([*datasets, *KINDS]))
        raise ConfigError(f"unknown kind of data {options.kind!r}; use one of {known}, or add it to config.yaml")
    dialogue = dialogue_of(experiment, options.kind)
    print(import_source(options.kind, options.source, options.mapping, options.to, dialogue, options.show))


def data_validate(options: argparse.Namespace) -> None:
    from gcl.data.importing.importer import kind_of_import
    from gcl.data.validation.validate import validate
    from gcl.evaluation.readers import readers

    experiment = experiment_here(options.scale)
    if options.name is None and options.folder is None:
        raise ConfigError(f"name a data set ({', '.join(experiment.datasets)}), or a folder: --folder DIR")
    if options.name is not None:
        _known_data(experiment, options.name)
    kind = options.name or kind_of_import(options.folder)
    root = options.folder or Path(data_spec(experiment, kind).root)
    # A folder of its own may have any size.
    expected = experiment.datasets[options.name].scenarios.value.model_dump() if options.name else None
    limits, uncounted = readers(experiment, kind)
    validation = validate(
        options.name or root.name,
        root,
        dialogue_of(experiment, kind),
        expected,
        telling=scored_by(experiment, kind, "cos"),
        readers=limits,
        uncounted=uncounted,
    )
    print(validation.text())
    if options.json:
        write_json(options.json, validation.to_dict())
    if options.html:
        write_text(options.html, validation.html())
    if validation.errors:
        raise DataError(f"{root}: errors: {len(validation.errors)}; mend them, nothing can be trained on this")


def data_manifest(options: argparse.Namespace) -> None:
    from gcl.data.manifest import check_counts, write_manifests
    from gcl.data.raw import read_raw

    experiment = experiment_here(options.scale)
    data = _known_data(experiment, options.name)
    scenarios = read_raw(Path(data.root), data)
    check_counts(scenarios, experiment.datasets[data.name].scenarios.value.model_dump(), data.name)
    write_manifests(scenarios, Path(data.root), manifest_folder(experiment, data.name))


def _known_data(experiment: Experiment, name: str) -> DataSpec:
    if name not in experiment.datasets:
        raise ConfigError(f"unknown data set {name!r}; use one of {', '.join(experiment.datasets)} (see config.yaml)")
    return data_spec(experiment, name)


def backbone_vocabulary(options: argparse.Namespace) -> None:
    from gcl.data.drawing.datasets import text_corpus
    from gcl.models.bpe import train_vocabulary

    experiment = experiment_here()
    if experiment.drawing is None:
        raise ConfigError(f"scale {experiment.scale} has no drawn world; its models bring their own tokenizers")
    corpus = text_corpus(experiment.drawing.seed.value, all_questions(experiment), experiment.prompt.system.value)
    write_json(options.to, train_vocabulary(corpus, experiment.drawing.vocabulary.value))


def backbone_ground(options: argparse.Namespace) -> None:
    from gcl.training.grounding import ground_backbone

    spec = parsed(GroundingSpec, options.spec)
    ground_backbone(spec, options.captions, options.vocabulary, options.to, options.scratch)


def plan(options: argparse.Namespace) -> None:
    experiment = experiment_here(options.scale)
    if options.memory:
        _plan_memory(options, experiment)
    elif options.disk:
        print(disk_plan(experiment, all_trainings(experiment).values(), Path()))
    else:
        from gcl.operations.dry_run import plan

        planned = plan(experiment, options.targets or ["all"], options.tflops, options.results)
        print(json.dumps(planned.to_dict(), indent=2) if options.json else planned)


def _plan_memory(options: argparse.Namespace, experiment: Experiment) -> None:
    run, execution = any_run(experiment, options.memory), changed(execution_spec(experiment), options.set)

    from gcl.operations.memory import memory_plan
    from gcl.operations.model_sizes import model_configs

    configs, notes = model_configs(run, experiment)
    found = memory_plan(run, execution, configs, options.tokens, notes)
    print(json.dumps(found.to_dict(), indent=2) if options.json else found.table())


def status(options: argparse.Namespace) -> None:
    from gcl.operations.status import show, status

    experiment = experiment_here(options.scale)
    runs = [any_run(experiment, run) for run in options.runs] or list(all_trainings(experiment).values())
    found = status(experiment, runs)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        print(show(found, every=options.all or bool(options.runs)))


def doctor(options: argparse.Namespace) -> None:
    from gcl.operations.doctor import examine, here

    experiment = experiment_here(options.scale)
    findings = []
    for finding in here(experiment, Path()) if options.here else examine(experiment, Path(), options.slurm.split()):
        findings.append(finding)
        if not options.json:
            print(finding, flush=True)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    elif bad := sum(finding.level == "bad" for finding in findings):
        raise ConfigError(f"{bad} of {len(findings)} checks are bad: mend these before you train")


def train(options: argparse.Namespace) -> None:
    run, data = parsed(RunSpec, options.run), parsed(DataSpec, options.data)
    experiment = experiment_here()
    execution = changed(execution_spec(experiment), options.set)
    launch.ensure(execution)
    scenarios = _load_split(data, options.manifest)

    with _unswept():
        from gcl.training.feeds import References
        from gcl.training.member_file import data_questions
        from gcl.training.trainer import scratch_folder, train_run

    manifest = sha256_file(options.manifest)
    source = References.of(scenarios, run)
    asked = dict.fromkeys([member.role for member in run.members], data_questions(experiment, data))
    scratch = scratch_folder(options.scratch, run, manifest)
    train_run(run, source, manifest, execution, options.to, scratch, asked=asked)
    if os.environ.get("RANK", "0") == "0":
        _copy_record(options)


@contextmanager
def _unswept() -> Iterator[None]:
    """For imports of torch and its like: nothing imported is garbage, and looking for it takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _copy_record(options: argparse.Namespace) -> None:
    """Keep the run's record where it outlives its checkpoints."""
    if options.record:
        write_json(options.record, read_json(options.to / "run.json"))


def generate(options: argparse.Namespace) -> None:
    with _unswept():
        from gcl.evaluation.generate import predictions, with_exchanged_pictures

    run, data = parsed(RunSpec, options.run), parsed(DataSpec, options.data)
    scenarios = _load_split(data, options.manifest)
    if options.pictures == "exchanged":
        scenarios = with_exchanged_pictures(scenarios)
    sizes = {"batch_size": options.batch_size, "max_new_tokens": options.max_new_tokens}
    write_jsonl(options.to, predictions(run, options.checkpoints, scenarios, data.action, **sizes))


def score(options: argparse.Namespace) -> None:
    with _unswept():
        from gcl.data.manifest import read_manifest
        from gcl.evaluation.score import means, score_run
        from gcl.evaluation.scorer import ScoreSpec
        from gcl.experiment.closure import code_sha256
        from gcl.experiment.provenance import environment

    run, score = parsed(RunSpec, options.run), parsed(ScoreSpec, options.score)
    scenes = list(read_manifest(options.manifests / "test.tsv"))
    record = read_json(options.checkpoints / "run.json")
    provenance = {
        "code_sha256": {"training": record["code_sha256"], "evaluation": code_sha256("generation", "scoring")},
        "manifests": {split: sha256_file(options.manifests / f"{split}.tsv") for split in ("train", "test")},
        "predictions_sha256": sha256_file(options.predictions),
        "checkpoints": record["weights"],
        "start": record["start"],
        "environment": {"training": record["environment"], "scoring": environment()},
    }
    metrics = score_run(run, score, read_jsonl(options.predictions), scenes, provenance, options.pictures)
    write_json(options.summary, means(metrics))
    write_json(options.to, metrics)


def predict(options: argparse.Namespace) -> None:
    from gcl.evaluation.predict import STDIN, chosen_questions, find_member, image_paths, predict, show

    found = find_member(options.checkpoint)
    if found.file is None:
        found = _asked_as_configured(found, options)
    elif options.dataset or options.scale:
        name = "--dataset" if options.dataset else "--scale"
        raise ConfigError(f"{name} is for base models; this member's folder says how it is asked (gcl.json)")
    asked = found.file.asked
    questions = chosen_questions(found.file, options.turn, options.question)
    batch_size, longest = options.batch_size or asked.batch_size, options.max_new_tokens or asked.max_new_tokens
    images = image_paths(options.image, sys.stdin.buffer)
    total = None if STDIN in options.image else len(options.image)
    show(predict(found, images, questions, batch_size=batch_size, max_new_tokens=longest), total, as_json=options.json)


def _asked_as_configured(found: Any, options: argparse.Namespace) -> Any:
    """A base model with the questions of config.yaml: that of this folder, or the project's own."""
    from gcl.evaluation.predict import base_member
    from gcl.training.member_file import data_questions

    experiment = experiment_anywhere(options.scale)
    data = _known_data(experiment, options.dataset or next(iter(experiment.datasets)))
    if options.dataset is None:  # nobody said which data set it is asked like; the closed list is that of one
        data = data.model_copy(update={"actions": None})
    print(f"note: {found.source} is a base model that no training here has touched; it is asked as config.yaml says "
          f"(scale {experiment.scale})", file=sys.stderr)  # fmt: skip
    return base_member(found, experiment, data_questions(experiment, data))


def _load_split(data: DataSpec, manifest: Path) -> list[Any]:
    from gcl.data.manifest import load_split

    return load_split(Path(data.root), manifest, data)
