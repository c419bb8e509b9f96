"""The three jobs of every run: `train(...)`, `generate(...)`, `score(...)`. The verbs of `gcl` call them.

A run is any `RunSpec`. The experiment says where data lies and how members are asked.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gcl.data.scenario import Exchange
from gcl.errors import CheckpointError, ConfigError
from gcl.experiment.asked import evaluation, score_spec
from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.places import RESULTS, SCRATCH, TEACHERS, Places, places
from gcl.experiment.runs import Drawn, RunSpec
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Pictures
from gcl.files import read_json, read_jsonl, sha256_file, write_json, write_jsonl


def train(
    experiment: Experiment,
    run: RunSpec,
    execution: ExecutionSpec,
    output: Path,
    record: Path | None = None,
    scratch: Path = SCRATCH,
) -> None:
    """Train one group. An interrupted training continues.

    Args:
        experiment: says where data lies.
        run: the training.
        execution: how it is carried out.
        output: folder for one checkpoint per member.
        record: file for a copy of the run's record, which outlives its checkpoints.
        scratch: root of the folders of unfinished trainings.

    Raises:
        ConfigError: if nothing is trained in this run.
    """
    if run.feed is None:
        raise ConfigError(f"{run.id}: nothing is trained for a base model; ask it with: gcl generate {run.id}")
    with unswept():
        from gcl.tasks.samples import make_feed
        from gcl.tasks.task import open_task
        from gcl.training.trainer import scratch_folder, train_run
    task, code = open_task(experiment, run.dataset, run.training.context), run_code("training", run)
    if isinstance(run.feed, Drawn):
        from gcl.training.rollout_vllm import rollout_backend

        execution = execution.model_copy(update={"rollouts": rollout_backend(execution.rollouts, run)})
    feed, data = make_feed(run, task, execution.rollouts), task.data_sha256("train")
    asked = {member.role: task.asked(run, number) for number, member in enumerate(run.members)}
    teachers = scratch / TEACHERS if execution.teachers == "cached" else None
    train_run(run, feed, data, code, execution, output, scratch_folder(scratch, run, data, code), asked, teachers)
    if record and os.environ.get("RANK", "0") == "0":
        write_json(record, read_json(output / "run.json"))


def cache(experiment: Experiment, run: RunSpec, scratch: Path = SCRATCH) -> list[tuple[str, Path, int, int]]:
    """Ask a run's teachers about all training samples.

    Args:
        experiment: says where data lies.
        run: in which they teach.
        scratch: root of the caches, as of unfinished trainings.

    Returns:
        Of each teacher: role, folder, training items, bytes of hidden states. Of the main process alone.

    Raises:
        ConfigError: if the run has no teacher, or none that sees the same tokens in every epoch.
    """
    teachers = [member for member in run.members if member.frozen]
    if not teachers or not run.fixed_teachers:
        reason = (
            "has no teacher" if not teachers else "has answers of its own, or GSL, so its teachers have to be there"
        )
        raise ConfigError(f"{run.id} {reason}; name a run such as gcl/<learner>+<guide>/teacher_jsd")
    with unswept():
        from gcl.tasks.samples import make_feed
        from gcl.tasks.task import open_task
        from gcl.training.teacher_cache import make_caches
        from gcl.training.world import World
    task, world = open_task(experiment, run.dataset, run.training.context), World()
    feed = make_feed(run, task)
    code = run_code("training", run)
    folders = make_caches(run, feed.samples, task.data_sha256("train"), code, scratch / TEACHERS, world)
    items = len(task.items("train"))
    found = {role: sum(path.stat().st_size for path in folder.glob("part-*")) for role, folder in folders.items()}
    return [(role, folders[role], items, found[role]) for role in folders] if world.main else []


def generate(
    experiment: Experiment, run: RunSpec, output: Path, pictures: Pictures = "own", results: Path = RESULTS
) -> None:
    """Let the members of a run answer the test questions.

    Args:
        experiment: says where data lies and how members are asked.
        run: whose members answer.
        output: JSONL file to write.
        pictures: each item's own picture, or that of another one as a control.
        results: folder of all results.
    """
    with unswept():
        from gcl.data.spread import spread
        from gcl.evaluation.generate import predictions
        from gcl.tasks.instructions.read import read_instructions
        from gcl.tasks.task import open_task
    asked = evaluation(experiment, run)
    held_out: list[Exchange] = []
    if asked.held_out and pictures == "own":
        items = read_instructions(Path(asked.held_out.folder), "test")
        held_out = [item.exchange for item in spread(items, asked.held_out.questions)]
    queries = open_task(experiment, run.dataset, run.training.context).queries("test", asked.turns, pictures)
    how = {name: getattr(asked, name) for name in ("batch_size", "max_new_tokens", "earlier")}
    write_jsonl(output, predictions(run, places(experiment, results), queries, **how, held_out=held_out))


def score(
    experiment: Experiment,
    run: RunSpec,
    output: Path,
    summary: Path,
    pictures: Pictures = "own",
    results: Path = RESULTS,
) -> None:
    """Score the answers of a run.

    Args:
        experiment: says where data lies and by what answers are scored.
        run: whose answers are scored.
        output: metrics file to write.
        summary: file for the means alone.
        pictures: which ones the members saw.
        results: folder of all results.
    """
    with unswept():
        from gcl.evaluation.score import means, score_run
        from gcl.experiment.provenance import environment
        from gcl.tasks.instructions.read import instructions_sha256
        from gcl.tasks.task import open_task
    here, task = places(experiment, results), open_task(experiment, run.dataset)
    answers, made = here.predictions(run.evaluation(pictures)), _made(run, here)
    provenance = {
        "code_sha256": {"training": made["code_sha256"], "evaluation": evaluation_code(run)},
        "manifests": {split: task.data_sha256(split) for split in ("train", "test")},
        "predictions_sha256": sha256_file(answers),
        "checkpoints": made["weights"],
        "start": made["start"],
        "environment": {"training": made["environment"], "scoring": environment()},
    }
    asked = evaluation(experiment, run)
    if asked.held_out and pictures == "own":
        provenance["manifests"]["held_out"] = instructions_sha256(Path(asked.held_out.folder))
    settings = score_spec(experiment, run)
    metrics = score_run(run, settings, read_jsonl(answers), task.ids("test"), provenance, pictures)
    write_json(summary, means(metrics))
    write_json(output, metrics)


def _made(run: RunSpec, here: Places) -> dict[str, Any]:
    """The record of a training, or the weights of a model that no training made."""
    if run.feed is not None:
        record = here.checkpoints(run.id) / "run.json"
        if not record.is_file():
            raise CheckpointError(f"{record}: no such file; train it with: gcl train {run.id} --to {record.parent}")
        return read_json(record)
    from gcl.experiment.provenance import starts

    found = starts(run)
    return {"code_sha256": None, "weights": found, "start": found, "environment": None}


@contextmanager
def unswept() -> Iterator[None]:
    """Stop the search for garbage while torch and its like are imported. It takes a fifth of the time and finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
