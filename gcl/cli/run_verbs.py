"""The verbs of a run: train a group, let its members answer, score the answers; ask one about pictures of one's own.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gcl.cli.arguments import Changes, Count, File, Json, Results, Scale, Scratch, known_data, opened
from gcl.errors import ConfigError
from gcl.files import STDIN, read_json, read_jsonl, sha256_file, write_json, write_jsonl

Pictures = Literal["own", "exchanged"]  # as gcl.experiment.types, which would cost `gcl --help` a tenth of a second


def train(
    run: str, /, *, to: Path, record: Path | None = None, file: File = None, scale: Scale = None,
    scratch: Scratch = Path("scratch"), changes: Changes = (),
) -> None:  # fmt: skip
    """Train one group; an interrupted training continues.

    For example:

        gcl train snei/sft/qwen3-vl-4b/default/seed0 --to checkpoints

    Args:
        run: Its id (see gcl runs).
        to: Folder for one checkpoint per member.
        record: File for a copy of the run's record: costs, versions.
    """
    from gcl.experiment.execution import changed, execution_spec
    from gcl.experiment.runs import data_spec, find_run, manifest_folder
    from gcl.training import launch

    experiment = opened(file, scale)
    spec, execution = find_run(experiment, run), changed(execution_spec(experiment), changes)
    launch.ensure(execution)
    data, manifest = data_spec(experiment, spec.dataset), manifest_folder(experiment, spec.dataset) / "train.tsv"
    scenarios = _load_split(data, manifest)

    with _unswept():
        from gcl.training.feeds import References
        from gcl.training.member_file import data_questions
        from gcl.training.trainer import scratch_folder, train_run

    bound = sha256_file(manifest)
    asked = dict.fromkeys([member.role for member in spec.members], data_questions(experiment, data))
    own = scratch_folder(scratch, spec, bound)
    train_run(spec, References.of(scenarios, spec), bound, execution, to, own, asked=asked)
    if record and os.environ.get("RANK", "0") == "0":  # where it outlives the checkpoints
        write_json(record, read_json(to / "run.json"))


@contextmanager
def _unswept() -> Iterator[None]:
    """For imports of torch and its like: nothing imported is garbage, and looking for it takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def generate(
    run: str, /, *, to: Path, pictures: Pictures = "own", file: File = None, scale: Scale = None,
    results: Results = Path("results"),
) -> None:  # fmt: skip
    """Let every member of a trained run answer the test questions.

    For example:

        gcl generate snei/sft/qwen3-vl-4b/default/seed0 --to predictions.jsonl

    Args:
        run: Its id (see gcl runs).
        to: JSONL file to write.
        pictures: Each scene's own picture, or that of another scene as a control.
    """
    with _unswept():
        from gcl.evaluation.generate import predictions, with_exchanged_pictures
    from gcl.experiment.runs import data_spec, find_run, manifest_folder

    experiment = opened(file, scale)
    spec, limits = find_run(experiment, run), experiment.evaluation
    manifest = manifest_folder(experiment, spec.dataset) / "test.tsv"
    scenarios = _load_split(data_spec(experiment, spec.dataset), manifest)
    if pictures == "exchanged":
        scenarios = with_exchanged_pictures(scenarios)
    sizes = {"batch_size": limits.batch_size.value, "max_new_tokens": limits.max_new_tokens.value}
    write_jsonl(to, predictions(spec, results / spec.scale / "checkpoints" / spec.id, scenarios, **sizes))


def score(
    run: str, /, *, to: Path, summary: Path, pictures: Pictures = "own", file: File = None, scale: Scale = None,
    results: Results = Path("results"),
) -> None:  # fmt: skip
    """Score the answers of a run's members.

    For example:

        gcl score snei/sft/qwen3-vl-4b/default/seed0 --summary summary.json --to metrics.json

    Args:
        run: Its id (see gcl runs).
        to: Metrics file to write.
        summary: File for the means alone.
        pictures: Which ones the members saw.
    """
    with _unswept():
        from gcl.data.manifest import read_manifest
        from gcl.evaluation.score import means, score_run
        from gcl.experiment.closure import code_sha256
        from gcl.experiment.provenance import environment
    from gcl.experiment.runs import find_run, manifest_folder
    from gcl.experiment.score_spec import score_spec

    experiment = opened(file, scale)
    spec = find_run(experiment, run)
    made, manifests = results / spec.scale, manifest_folder(experiment, spec.dataset)
    answers = made / "predictions" / f"{spec.evaluation(pictures)}.jsonl"
    scenes = list(read_manifest(manifests / "test.tsv"))
    record = read_json(made / "checkpoints" / spec.id / "run.json")
    provenance = {
        "code_sha256": {"training": record["code_sha256"], "evaluation": code_sha256("generation", "scoring")},
        "manifests": {split: sha256_file(manifests / f"{split}.tsv") for split in ("train", "test")},
        "predictions_sha256": sha256_file(answers),
        "checkpoints": record["weights"],
        "start": record["start"],
        "environment": {"training": record["environment"], "scoring": environment()},
    }
    settings = score_spec(experiment, spec.dataset)
    metrics = score_run(spec, settings, read_jsonl(answers), scenes, provenance, pictures)
    write_json(summary, means(metrics))
    write_json(to, metrics)


def predict(
    *, checkpoint: str, image: Annotated[list[str], Parameter(consume_multiple=(1, None))],
    turn: list[str] | None = None, question: list[str] | None = None, dataset: str | None = None,
    batch_size: Count | None = None, max_new_tokens: Count | None = None, as_json: Json = False,
    scale: Scale = None,
) -> None:  # fmt: skip
    """Ask a member, or any base model, about pictures of your own.

    For example:

        gcl predict --checkpoint results/miniature/checkpoints/snei/sft/qwen3-vl-4b/default/seed0/solo --image photo.png
        find photos -name '*.jpg' | gcl predict --checkpoint DIR --image - --json

    Args:
        checkpoint: A member, `results/<scale>/checkpoints/<run>/<role>`; or a base model: folder or hub id[@commit].
        image: Pictures; - reads paths from standard input, one a line.
        turn: Ask this one of the member's questions, such as action; can be repeated. By default all are asked.
        question: Ask this, in your own words; can be repeated.
        dataset: Base models only: read actions with the closed list of this data set of config.yaml.
        batch_size: Pictures answered together, then printed. By default as in the evaluation.
        max_new_tokens: Longest answer, in tokens. By default as in the evaluation.
    """
    from gcl.evaluation import predict

    found = predict.find_member(checkpoint)
    if found.file is None:
        found = _asked_as_configured(found, dataset, scale)
    elif dataset or scale:
        name = "--dataset" if dataset else "--scale"
        raise ConfigError(f"{name} is for base models; this member's folder says how it is asked (gcl.json)")
    questions = predict.chosen_questions(found.file, turn, question)
    batch_size = batch_size or found.file.asked.batch_size
    longest = max_new_tokens or found.file.asked.max_new_tokens
    images = predict.image_paths(image, sys.stdin.buffer)
    total = None if STDIN in image else len(image)
    answers = predict.predict(found, images, questions, batch_size=batch_size, max_new_tokens=longest)
    predict.show(answers, total, as_json=as_json)


def _asked_as_configured(found: Any, dataset: str | None, scale: str | None) -> Any:
    """A base model with the questions of config.yaml: that of this folder, or the project's own."""
    from gcl.evaluation.predict import base_member
    from gcl.experiment.load import experiment_anywhere
    from gcl.training.member_file import data_questions

    experiment = experiment_anywhere(scale)
    data = known_data(experiment, dataset or next(iter(experiment.datasets)))
    if dataset is None:  # any data set has the questions; the closed list is that of one
        data = data.model_copy(update={"actions": None})
    print(f"note: {found.source} is a base model that no training here has touched; it is asked as config.yaml says "
          f"(scale {experiment.scale})", file=sys.stderr)  # fmt: skip
    return base_member(found, experiment, data_questions(experiment, data))


def _load_split(data: Any, manifest: Path) -> list[Any]:
    from gcl.data.manifest import load_split

    return load_split(Path(data.root), manifest, data.questions, data.actions)


VERBS = (train, generate, score, predict)
