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

from gcl.cli.arguments import Changes, Count, Json, Scale, Scratch
from gcl.errors import ConfigError
from gcl.files import STDIN, read_json, read_jsonl, sha256_file, write_json, write_jsonl

Pictures = Literal["own", "exchanged"]  # as gcl.experiment.types, which would cost `gcl --help` a tenth of a second


def train(
    *, run: str, data: str, manifest: Path, to: Path, record: Path | None = None,
    scratch: Scratch = Path("scratch"), changes: Changes = (),
) -> None:  # fmt: skip
    """Train one group; an interrupted training continues.

    For example:

        gcl train --run run.json --data data.json --manifest train.tsv --to checkpoints

    Args:
        run: Run specification as JSON, or a file with it (see gcl runs ID).
        data: Data specification as JSON, or a file with it.
        manifest: Its train.tsv.
        to: Folder for one checkpoint per member.
        record: File for a copy of the run's record: costs, versions.
    """
    from gcl.experiment.execution import changed, execution_spec
    from gcl.experiment.load import experiment_here
    from gcl.experiment.runs import DataSpec, RunSpec
    from gcl.experiment.types import parsed
    from gcl.training import launch

    spec, source = parsed(RunSpec, run), parsed(DataSpec, data)
    experiment = experiment_here()
    execution = changed(execution_spec(experiment), changes)
    launch.ensure(execution)
    scenarios = _load_split(source, manifest)

    with _unswept():
        from gcl.training.feeds import References
        from gcl.training.member_file import data_questions
        from gcl.training.trainer import scratch_folder, train_run

    bound = sha256_file(manifest)
    asked = dict.fromkeys([member.role for member in spec.members], data_questions(experiment, source))
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
    *, run: str, data: str, manifest: Path, checkpoints: Path, batch_size: Count, max_new_tokens: Count, to: Path,
    pictures: Pictures = "own",
) -> None:  # fmt: skip
    """Let every member answer the test questions.

    For example:

        gcl generate --run r.json --data d.json --manifest test.tsv --checkpoints c --batch-size 8 --max-new-tokens 64
          --to p.jsonl

    Args:
        run: Run specification as JSON, or a file with it (see gcl runs ID).
        data: Data specification as JSON, or a file with it.
        manifest: Its test.tsv.
        checkpoints: The run's checkpoint folder.
        batch_size: Answers that are made at once.
        max_new_tokens: Longest answer.
        to: JSONL file to write.
        pictures: Each scene's own picture, or that of another scene as a control.
    """
    with _unswept():
        from gcl.evaluation.generate import predictions, with_exchanged_pictures
    from gcl.experiment.runs import DataSpec, RunSpec
    from gcl.experiment.types import parsed

    spec, source = parsed(RunSpec, run), parsed(DataSpec, data)
    scenarios = _load_split(source, manifest)
    if pictures == "exchanged":
        scenarios = with_exchanged_pictures(scenarios)
    sizes = {"batch_size": batch_size, "max_new_tokens": max_new_tokens}
    write_jsonl(to, predictions(spec, checkpoints, scenarios, source.action, **sizes))


def score(
    *, run: str, score: str, predictions: Path, checkpoints: Path, manifests: Path, summary: Path, to: Path,
    pictures: Pictures = "own",
) -> None:  # fmt: skip
    """Score predictions.

    For example:

        gcl score --run r --score s --predictions p --checkpoints c --manifests m --summary u --to metrics.json

    Args:
        run: Run specification as JSON, or a file with it (see gcl runs ID).
        score: Encoders, intervals, closed list of actions, as JSON.
        predictions: As `gcl generate` writes them.
        checkpoints: The run's checkpoint folder.
        manifests: Folder of the data set's manifests.
        summary: File for the means alone.
        to: Metrics file to write.
        pictures: Which ones the members saw.
    """
    with _unswept():
        from gcl.data.manifest import read_manifest
        from gcl.evaluation.score import means, score_run
        from gcl.evaluation.scorer import ScoreSpec
        from gcl.experiment.closure import code_sha256
        from gcl.experiment.provenance import environment
    from gcl.experiment.runs import RunSpec
    from gcl.experiment.types import parsed

    spec, settings = parsed(RunSpec, run), parsed(ScoreSpec, score)
    scenes = list(read_manifest(manifests / "test.tsv"))
    record = read_json(checkpoints / "run.json")
    provenance = {
        "code_sha256": {"training": record["code_sha256"], "evaluation": code_sha256("generation", "scoring")},
        "manifests": {split: sha256_file(manifests / f"{split}.tsv") for split in ("train", "test")},
        "predictions_sha256": sha256_file(predictions),
        "checkpoints": record["weights"],
        "start": record["start"],
        "environment": {"training": record["environment"], "scoring": environment()},
    }
    metrics = score_run(spec, settings, read_jsonl(predictions), scenes, provenance, pictures)
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
    from gcl.cli.opened import known_data
    from gcl.evaluation.predict import base_member
    from gcl.experiment.load import experiment_anywhere
    from gcl.training.member_file import data_questions

    experiment = experiment_anywhere(scale)
    data = known_data(experiment, dataset or next(iter(experiment.datasets)))
    if dataset is None:  # nobody said which one; the closed list is that of one
        data = data.model_copy(update={"actions": None})
    print(f"note: {found.source} is a base model that no training here has touched; it is asked as config.yaml says "
          f"(scale {experiment.scale})", file=sys.stderr)  # fmt: skip
    return base_member(found, experiment, data_questions(experiment, data))


def _load_split(data: Any, manifest: Path) -> list[Any]:
    from gcl.data.manifest import load_split

    return load_split(Path(data.root), manifest, data)


VERBS = (train, generate, score, predict)
