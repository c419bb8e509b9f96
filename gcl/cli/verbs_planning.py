"""The verbs of the `gcl planning` commands: functions of parsed options, called by gcl.cli.main.

Libraries that draw are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import argparse
import os
from pathlib import Path

from gcl.errors import ConfigError, DataError
from gcl.files import (
    atomic_folder,
    read_json,
    read_jsonl,
    sha256_files,
    sha256_text,
    write_json,
    write_jsonl,
    write_text,
)


def render(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from gcl.errors import raise_all
    from gcl.planning.frozenlake import FrozenLake
    from gcl.planning.native import native
    from gcl.planning.state_pictures import render, save_picture
    from gcl.planning.states_file import read_records

    records = read_records(options.states)
    if options.native:
        others = [f"{r.id}: {r.state.task}; leave out --native" for r in records if not isinstance(r.state, FrozenLake)]
        raise_all(others, f"{options.states}: only FrozenLake has a picture of gymnasium's")
    _check_replaceable(options.out)
    with atomic_folder(options.out) as work:
        for record in tqdm(records, desc="drawing", unit="picture", mininterval=2):
            pixels = options.cell_pixels * record.state.size if options.cell_pixels else options.pixels
            picture = native(record.state) if options.native else render(record.state, pixels)
            save_picture(picture, work / f"{record.id}.png")


def _check_replaceable(folder: Path) -> None:
    """Refuse to put pictures in the place of a folder that holds anything else.

    Raises:
        DataError: naming what else there is.
    """
    others = [path for path in folder.iterdir() if path.suffix != ".png"] if folder.is_dir() else []
    if others:
        raise DataError(f"{folder}: holds more than pictures, such as {others[0].name}; choose another folder, this one "
                        "would be replaced")  # fmt: skip


def generate(options: argparse.Namespace) -> None:
    from gcl.planning.cells import generate
    from gcl.planning.states_file import read_records, summary, write_records

    excluded = {record.state.state_hash for path in options.exclude for record in read_records(path)}
    counts = {"train": options.train, "val": options.val, "test": options.test}
    records = generate(options.task, options.level, counts, options.seed, corners=options.corners, exclude=excluded)
    write_records(options.to, records)
    print(summary(records))


def gather(options: argparse.Namespace) -> None:
    write_text(options.to, "".join(path.read_text(encoding="utf-8") for path in options.states))


def import_states(options: argparse.Namespace) -> None:
    from gcl.planning.public_sets import import_states
    from gcl.planning.states_file import summary, write_records

    records = import_states(options.format, options.source)
    write_records(options.to, records)
    print(summary(records))


def vocabulary(options: argparse.Namespace) -> None:
    from gcl.planning.states_file import read_records
    from gcl.planning.tokenizer import vocabulary

    write_json(options.to, vocabulary(read_records(options.states), options.system, options.size))


def build(options: argparse.Namespace) -> None:
    from gcl.experiment.schema import MiniatureModel
    from gcl.experiment.types import parsed
    from gcl.models.untrained import build

    architecture = parsed(MiniatureModel, options.architecture)
    build(architecture, options.vocabulary, (options.pixels[0], options.pixels[1]), options.seed, options.to)


def train(options: argparse.Namespace) -> None:
    from gcl.experiment.execution import changed, execution_spec
    from gcl.experiment.load import experiment_here
    from gcl.training import launch

    experiment = experiment_here()
    execution = changed(execution_spec(experiment), options.set)
    launch.ensure(execution)
    from gcl.experiment.types import parsed
    from gcl.planning.states_file import read_records
    from gcl.tasks.planning_samples import picture_questions, source
    from gcl.training.rollout_vllm import chosen
    from gcl.training.trainer import scratch_folder, train_run

    spec = parsed(PlanningSpec, options.spec)
    records = [record for record in read_records(options.states) if record.split == "train"]
    if not records:
        raise DataError(f"{options.states}: no states to train on; draw some with split train")
    data = _data_sha256(options.states, options.pictures, [record.id for record in records])
    if spec.kind == "distillation":
        execution = execution.model_copy(update={"rollouts": chosen(execution.rollouts, spec)})
    samples = source(spec, records, options.pictures, execution.rollouts)
    scratch = scratch_folder(options.scratch, spec, data, "planning")
    limits = experiment.planning.evaluation
    sizes = {"batch_size": limits.batch_size.value, "max_new_tokens": limits.max_new_tokens.value}
    asked = {
        member.role: picture_questions(spec, view, records, **sizes)
        for member, view in zip(spec.members, spec.views, strict=False)
    }
    train_run(spec, samples, data, execution, options.to, scratch, "planning", asked)
    if options.record and os.environ.get("RANK", "0") == "0":
        write_json(options.record, read_json(options.to / "run.json"))


def answer(options: argparse.Namespace) -> None:
    from gcl.evaluation.generate import load_any
    from gcl.experiment.weights import Weights
    from gcl.planning.states_file import read_records
    from gcl.tasks.planning_answers import answers

    records = [record for record in read_records(options.states) if record.split == options.split]
    if not records:
        raise DataError(f"{options.states}: no states of split {options.split}; choose another --split")
    source = Weights(path=options.checkpoint, revision=options.revision)
    model, encoder = load_any(source, options.precision, options.pixels, options.system)
    limits = {"batch_size": options.batch_size, "max_new_tokens": options.max_new_tokens}
    with atomic_folder(options.to) as work:
        for question in options.questions:
            lines = answers(model, encoder, records, options.pictures, question=question, **limits)
            write_jsonl(work / f"{question}.jsonl", lines)


def score(options: argparse.Namespace) -> None:
    from gcl.experiment.load import experiment_here
    from gcl.planning.scoring import metrics
    from gcl.planning.states_file import read_records
    from gcl.tasks.planning_provenance import provenance

    lines = read_jsonl(options.answers)
    asked = {line["id"] for line in lines}
    records = [record for record in read_records(options.states) if record.id in asked]
    found = metrics(records, lines, options.resamples)
    if options.run:
        if options.checkpoint is None:
            raise ConfigError("--run says where rates come from; say with --checkpoint who answered")
        made = provenance(options.checkpoint, options.revision, options.states, options.answers)
        found = {"scale": experiment_here().scale, "run": options.run} | found | {"provenance": made}
    write_json(options.to, found)


def _data_sha256(states: Path, pictures: Path, ids: list[str]) -> str:
    """Hash of what is trained on: states and their pictures.

    Raises:
        DataError: if a picture is missing.
    """
    files = [pictures / f"{id}.png" for id in ids]
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: no such picture ({len(missing)} are missing); run gcl planning render --states {states} "
            f"--out {pictures}"
        )
    return sha256_text(f"{sha256_files([states], states.parent)} {sha256_files(files, pictures)}")
