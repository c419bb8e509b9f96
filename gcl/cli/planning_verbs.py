"""The verbs of `gcl planning`: MGSD's states and pictures, trainings on them, answers and scores.

Libraries that draw are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter, validators

from gcl.cli.arguments import Changes, Count, CountOrNone, File, Scale, Scratch, known_model, opened
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

System = Annotated[str, Parameter(help="System message.")]
Pixels = Annotated[tuple[Count, Count], Parameter(help="Smallest and largest picture area after resizing.")]
_Size = Parameter(group=Group("Size", validator=validators.mutually_exclusive))
_MGSD_PIXELS = (65536, 262144)


def generate(
    *, task: Literal["frozenlake", "maze", "minibehaviour"], level: Count, seed: int, to: Path,
    train: CountOrNone = 0, val: CountOrNone = 0, test: CountOrNone = 0, corners: bool = False,
    exclude: tuple[Path, ...] = (),
) -> None:  # fmt: skip
    """Draw states of one task and level, no state twice.

    For example:

        gcl planning generate --task maze --level 4 --train 1500 --val 25 --test 250 --seed 1 --to maze-4.jsonl
        gcl planning generate --task frozenlake --level 3 --train 1500 --seed 1 --exclude vsp.jsonl --to frozenlake-3.jsonl

    Args:
        task: Of which kind.
        level: Cells along a side; the paper has 3 to 8 (frozenlake), 3 to 6 (maze), 5 and 6 (minibehaviour).
        seed: Of all that is drawn.
        to: JSONL file to write.
        train: States to train on.
        val: States to choose settings on.
        test: States to test on.
        corners: frozenlake: leave start and goal in the corners. By default they are anywhere, two moves apart or more.
        exclude: A file of states that must not come, such as a public test set; can be repeated.
    """
    from gcl.planning import cells
    from gcl.planning.states_file import read_records, summary, write_records

    excluded = {record.state.state_hash for path in exclude for record in read_records(path)}
    counts = {"train": train, "val": val, "test": test}
    records = cells.generate(task, level, counts, seed, corners=corners, exclude=excluded)
    write_records(to, records)
    print(summary(records))


def import_(source: Path, /, *, format: Literal["vsp", "visualplanning"], to: Path) -> None:
    """Check a public test set's states and write them.

    For example:

        gcl planning import --format vsp ~/Downloads/VSP-main/maze/task-main/maps --to vsp.jsonl
        gcl planning import --format visualplanning test_dataset.jsonl --to visualplanning.jsonl

    Args:
        source: VSP's folder of maps, or a JSONL file.
        format: vsp: its FrozenLake maps; visualplanning: its MiniBehaviour test set.
        to: JSONL file to write.
    """
    from gcl.planning.public_sets import import_states
    from gcl.planning.states_file import summary, write_records

    records = import_states(format, source)
    write_records(to, records)
    print(summary(records))


def gather(states: list[Path], /, *, to: Path) -> None:
    """Put several files of states into one, whole or not at all.

    For example:

        gcl planning gather maze-3.jsonl maze-4.jsonl --to states.jsonl

    Args:
        states: JSONL files, as generate and import write them.
        to: JSONL file to write.
    """
    write_text(to, "".join(path.read_text(encoding="utf-8") for path in states))


def render(
    *, states: Path, out: Path, native: Annotated[bool, _Size] = False,
    cell_pixels: Annotated[Count | None, _Size] = None, pixels: Annotated[Count, _Size] = 256,
) -> None:  # fmt: skip
    """Draw a picture of every state of a file.

    For example:

        gcl planning render --states maze-4.jsonl --out pictures
        gcl planning render --states vsp.jsonl --out vsp --native

    Args:
        states: JSONL, as generate and import write it.
        out: Folder for one `<id>.png` a state.
        native: frozenlake: as gymnasium draws it, 64 pixels a cell.
        cell_pixels: Along a side of each cell.
        pixels: Along a side.
    """
    from tqdm import tqdm

    from gcl.errors import raise_all
    from gcl.planning import state_pictures
    from gcl.planning.frozenlake import FrozenLake
    from gcl.planning.native import native as drawn_natively
    from gcl.planning.states_file import read_records

    records = read_records(states)
    if native:
        others = [f"{r.id}: {r.state.task}; leave out --native" for r in records if not isinstance(r.state, FrozenLake)]
        raise_all(others, f"{states}: only FrozenLake has a picture of gymnasium's")
    _check_replaceable(out)
    with atomic_folder(out) as work:
        for record in tqdm(records, desc="drawing", unit="picture", mininterval=2):
            size = cell_pixels * record.state.size if cell_pixels else pixels
            picture = drawn_natively(record.state) if native else state_pictures.render(record.state, size)
            state_pictures.save_picture(picture, work / f"{record.id}.png")


def _check_replaceable(folder: Path) -> None:
    """Refuse to put pictures in the place of a folder that holds anything else.

    Raises:
        DataError: naming what else there is.
    """
    others = [path for path in folder.iterdir() if path.suffix != ".png"] if folder.is_dir() else []
    if others:
        raise DataError(f"{folder}: holds more than pictures, such as {others[0].name}; choose another folder, this one "
                        "would be replaced")  # fmt: skip


def vocabulary(*, states: Path, size: Count, to: Path, system: System = "You are a helpful assistant.") -> None:
    """Train a miniature tokenizer on words about states.

    For example:

        gcl planning vocabulary --states maze-4.jsonl --size 400 --to vocabulary.json

    Args:
        states: JSONL, as generate writes it.
        size: Tokens, special ones apart.
        to: JSON file to write.
    """
    from gcl.planning import tokenizer
    from gcl.planning.states_file import read_records

    write_json(to, tokenizer.vocabulary(read_records(states), system, size))


def build(
    model: str, /, *, vocabulary: Path, to: Path, pixels: Pixels = _MGSD_PIXELS, seed: int = 0, file: File = None,
    scale: Scale = None,
) -> None:  # fmt: skip
    """Write an untrained miniature model.

    For example:

        gcl planning build qwen3-vl-4b --vocabulary vocabulary.json --to model

    Args:
        model: Its name in config.yaml.
        vocabulary: As `gcl planning vocabulary` writes it.
        to: Checkpoint folder to make.
        seed: Of its weights.
    """
    from gcl.experiment.schema import MiniatureModel
    from gcl.models import untrained

    experiment = opened(file, scale)
    architecture = experiment.models[known_model(experiment, model)].backbone.value
    if not isinstance(architecture, MiniatureModel):
        raise ConfigError(f"{model} has published weights at scale {experiment.scale}; only miniature models are built")
    untrained.build(architecture, vocabulary, pixels, seed, to)


def train(
    *, spec: str, states: Path, pictures: Path, to: Path, record: Path | None = None,
    scratch: Scratch = Path("scratch"), changes: Changes = (), file: File = None,
) -> None:  # fmt: skip
    """Train on planning tasks; an interrupted training continues.

    For example:

        gcl planning train --spec run.json --states maze-4.jsonl --pictures maze-4 --to checkpoints

    Args:
        spec: Specification as JSON, or a file with it.
        states: JSONL, as generate writes it.
        pictures: Folder with one `<id>.png` a state, as render makes it.
        to: Folder for one checkpoint per member.
        record: File for a copy of the run's record: costs, versions.
    """
    from gcl.experiment.execution import changed, execution_spec
    from gcl.training import launch

    experiment = opened(file)
    execution = changed(execution_spec(experiment), changes)
    launch.ensure(execution)
    from gcl.experiment.mgsd_runs import PlanningSpec
    from gcl.experiment.types import parsed
    from gcl.planning.states_file import read_records
    from gcl.tasks.planning_samples import picture_questions, source
    from gcl.training.rollout_vllm import chosen
    from gcl.training.trainer import scratch_folder, train_run

    run = parsed(PlanningSpec, spec)
    records = [record for record in read_records(states) if record.split == "train"]
    if not records:
        raise DataError(f"{states}: no states to train on; draw some with split train")
    data = _data_sha256(states, pictures, [record.id for record in records])
    if run.kind == "distillation":
        execution = execution.model_copy(update={"rollouts": chosen(execution.rollouts, run)})
    samples = source(run, records, pictures, execution.rollouts)
    limits = experiment.planning.evaluation
    sizes = {"batch_size": limits.batch_size.value, "max_new_tokens": limits.max_new_tokens.value}
    asked = {
        member.role: picture_questions(run, view, records, **sizes)
        for member, view in zip(run.members, run.views, strict=False)
    }
    train_run(run, samples, data, execution, to, scratch_folder(scratch, run, data, "planning"), "planning", asked)
    if record and os.environ.get("RANK", "0") == "0":
        write_json(record, read_json(to / "run.json"))


def answer(
    *, checkpoint: str, states: Path, pictures: Path, to: Path, split: Literal["train", "val", "test"] = "test",
    questions: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, None))] = ("image",),
    revision: str | None = None, system: System = "You are a helpful assistant.", pixels: Pixels = _MGSD_PIXELS,
    precision: Literal["float32", "bfloat16", "float16"] = "bfloat16", batch_size: Count = 16,
    max_new_tokens: Count = 1024,
) -> None:  # fmt: skip
    """Let a member find plans, or read pictures.

    For example:

        gcl planning answer --checkpoint checkpoints/student --states maze-4.jsonl --pictures pictures --to answers
        gcl planning answer --checkpoint model --questions symbols symbols+plan --states maze-4.jsonl
          --pictures pictures --to upper-bounds

    Args:
        checkpoint: The member's folder, or a hub id.
        states: JSONL, as generate writes it.
        pictures: Folder with one `<id>.png` a state, as render makes it.
        to: Folder to make, with `<question>.jsonl` for each.
        split: Of the states.
        questions: image, symbols, symbols+plan, image+plan: a plan from these; answer: the moves alone; reading: the map.
        revision: Commit of a model on the hub.
        precision: On a GPU.
        batch_size: Answers that are made at once.
        max_new_tokens: Longest answer, in tokens.
    """
    from gcl.experiment.mgsd_schema import QUESTIONS

    for question in questions:
        if question not in QUESTIONS:
            raise ConfigError(f"unknown question {question!r}; use some of {', '.join(QUESTIONS)}")
    from gcl.evaluation.generate import load_any
    from gcl.models.weights import Source
    from gcl.planning.states_file import read_records
    from gcl.tasks.planning_answers import answers

    records = [record for record in read_records(states) if record.split == split]
    if not records:
        raise DataError(f"{states}: no states of split {split}; choose another --split")
    model, encoder = load_any(Source(checkpoint, revision), precision, pixels, system)
    limits = {"batch_size": batch_size, "max_new_tokens": max_new_tokens}
    with atomic_folder(to) as work:
        for question in questions:
            lines = answers(model, encoder, records, pictures, question=question, **limits)
            write_jsonl(work / f"{question}.jsonl", lines)


def score(
    *, answers: Path, states: Path, to: Path, resamples: Count = 2000, run: str | None = None,
    checkpoint: str | None = None, revision: str | None = None, file: File = None,
) -> None:  # fmt: skip
    """Score answers: success, optimal, illegal, with intervals.

    For example:

        gcl planning score --answers answers/image.jsonl --states maze-4.jsonl --to metrics.json

    Args:
        answers: JSONL, as answer writes it.
        states: The states that were asked about.
        to: Metrics file to write.
        resamples: Of the bootstrap.
        run: What was asked, such as planning/mgsd/M+M/full/seed0/image: the file then says what its rates were made from.
        checkpoint: With --run: who answered, the member's folder or a hub id.
        revision: Commit of a model on the hub.
    """
    from gcl.planning.scoring import metrics
    from gcl.planning.states_file import read_records
    from gcl.tasks.planning_provenance import provenance

    lines = read_jsonl(answers)
    asked = {line["id"] for line in lines}
    records = [record for record in read_records(states) if record.id in asked]
    found = metrics(records, lines, resamples)
    if run:
        if checkpoint is None:
            raise ConfigError("--run says where rates come from; say with --checkpoint who answered")
        made = provenance(checkpoint, revision, states, answers)
        found = {"scale": opened(file).scale, "run": run} | found | {"provenance": made}
    write_json(to, found)


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


VERBS = (generate, import_, gather, render, vocabulary, build, train, answer, score)
