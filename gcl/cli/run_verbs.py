"""The verbs of a run: train a group, let its members answer, score the answers, ask one about other pictures.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gcl.cli.arguments import Changes, Count, File, Json, Results, Scale, Scratch, known_data, opened
from gcl.errors import ConfigError
from gcl.files import STDIN

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
    from gcl.experiment.methods.registry import find_run
    from gcl.tasks import jobs
    from gcl.training import launch

    experiment = opened(file, scale)
    spec, execution = find_run(experiment, run), changed(execution_spec(experiment.execution), changes)
    launch.ensure(execution)
    jobs.train(experiment, spec, execution, to, record, scratch)
    launch.leave()


def cache(
    run: str, /, *, file: File = None, scale: Scale = None, scratch: Scratch = Path("scratch"), changes: Changes = (),
) -> None:  # fmt: skip
    """Ask the teachers of a run once, and keep their hidden states on the disk.

    A training with `--set teachers=cached` reads them, and needs no teacher in memory. If they are missing, it asks first.

    For example:

        gcl cache snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/teacher_jsd/seed0

    Args:
        run: Its id (see gcl runs).
    """
    from gcl.experiment.execution import changed, execution_spec
    from gcl.experiment.methods.registry import find_run
    from gcl.tasks import jobs
    from gcl.training import launch

    experiment = opened(file, scale)
    spec, execution = find_run(experiment, run), changed(execution_spec(experiment.execution), changes)
    launch.ensure(execution)
    for role, folder, scenes, size in jobs.cache(experiment, spec, scratch):
        print(f"{role}: {size / 2**20:.1f} MiB in {folder}, {size / scenes / 2**10:.1f} KiB a training scene")
    launch.leave()


def generate(
    run: str, /, *, to: Path, pictures: Pictures = "own", file: File = None, scale: Scale = None,
    results: Results = Path("results"),
) -> None:  # fmt: skip
    """Let the members of a run answer the test questions.

    For example:

        gcl generate snei/sft/qwen3-vl-4b/default/seed0 --to predictions.jsonl

    Args:
        run: Its id (see gcl runs).
        to: JSONL file to write.
        pictures: Each scene's own picture, or that of another scene as a control.
    """
    from gcl.experiment.methods.registry import find_run
    from gcl.tasks import jobs

    experiment = opened(file, scale)
    jobs.generate(experiment, find_run(experiment, run), to, pictures, results)


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
    from gcl.experiment.methods.registry import find_run
    from gcl.tasks import jobs

    experiment = opened(file, scale)
    jobs.score(experiment, find_run(experiment, run), to, summary, pictures, results)


def predict(
    *, checkpoint: str, image: Annotated[list[str] | None, Parameter(consume_multiple=(1, None))] = None,
    picture: list[str] | None = None, no_image: Annotated[bool, Parameter(negative="")] = False,
    turn: list[str] | None = None, question: list[str] | None = None, dataset: str | None = None,
    batch_size: Count | None = None, max_new_tokens: Count | None = None, as_json: Json = False,
    scale: Scale = None,
) -> None:  # fmt: skip
    """Ask a member, or any base model, about pictures of your own.

    For example:

        gcl predict --checkpoint results/miniature/checkpoints/snei/sft/qwen3-vl-4b/default/seed0/solo --image photo.png
        find photos -name '*.jpg' | gcl predict --checkpoint DIR --image - --json
        gcl predict --checkpoint DIR --picture 'front camera=a.png' --picture 'rear camera=b.png'

    Args:
        checkpoint: A member, `results/<scale>/checkpoints/<run>/<role>`, deployed or not;
            or a base model: folder or hub id[@commit].
        image: Pictures, each of another moment; - reads paths from standard input, one a line.
        picture: One of several pictures of one moment, [NAME=]PATH, in their order; can be repeated.
        no_image: Ask in words alone.
        turn: Ask this one of the member's questions, such as action; can be repeated. By default all are asked.
        question: Ask this, in your own words; can be repeated. After its turns, where the member reads a dialogue.
        dataset: Base models only: read actions with the closed list of this data set of config.yaml.
        batch_size: Moments answered together, then printed. By default as in the evaluation.
        max_new_tokens: Longest answer, in tokens. By default as in the evaluation.
    """
    from gcl.deployment.loaded_member import load
    from gcl.evaluation import predict

    if [bool(image), bool(picture), no_image].count(True) != 1:
        raise ConfigError(
            "say what is shown: --image for pictures of a moment each, --picture for several of one moment, or --no-image"
        )
    found = found_model(checkpoint, dataset, scale)
    questions = predict.chosen_questions(found.file, turn, question)
    batch_size = batch_size or found.file.asked.batch_size
    longest = max_new_tokens or found.file.asked.max_new_tokens
    if image:
        moments, total = predict.moments(image, sys.stdin.buffer), None if STDIN in image else len(image)
    else:
        moments, total = [[predict.named_picture(argument) for argument in picture or ()]], 1

    def answers() -> Any:
        member = load(found)  # when the first is asked for, and `show` has put its bar there
        yield from predict.predict(
            member.model, member.encoder, member.file, moments, questions, batch_size=batch_size, max_new_tokens=longest
        )

    predict.show(answers(), total, as_json=as_json)


def found_model(name: str, dataset: str | None, scale: str | None) -> Any:
    """A model that can be asked, with the file that says how.

    Raises:
        CheckpointError: if there is none of this name.
        ConfigError: if a member is to be asked in another way than it was trained.
    """
    from gcl.evaluation.asked_member import find_member

    found = find_member(name)
    if found.file is None:
        return _asked_as_configured(found, dataset, scale)
    if dataset or scale:
        option = "--dataset" if dataset else "--scale"
        raise ConfigError(f"{option} is for base models; this member's folder says how it is asked (gcl.json)")
    return found


def _asked_as_configured(found: Any, dataset: str | None, scale: str | None) -> Any:
    """A base model with the questions of config.yaml: that of this folder, or the project's own."""
    from gcl.evaluation.asked_member import base_member
    from gcl.experiment.load import experiment_anywhere
    from gcl.tasks.social_task import SocialTask

    experiment = experiment_anywhere(scale)
    data = known_data(experiment, dataset or next(iter(experiment.datasets)))
    if dataset is None:  # nobody said which one; the closed list is that of one
        data = data.model_copy(update={"actions": None})
    print(f"note: {found.source} is a base model that no training here has touched; it is asked as config.yaml says "
          f"(scale {experiment.scale})", file=sys.stderr)  # fmt: skip
    return base_member(found, experiment, SocialTask(experiment.evaluation, data, Path()).all_turns())


VERBS = (train, cache, generate, score, predict)
