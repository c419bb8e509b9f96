"""What the three jobs of every run do: `train(...)`, `generate(...)`, `score(...)`. The verbs of `gcl` call them.

A run is any `RunSpec`; the experiment says where data lies and how members are asked.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gcl.experiment.closure import run_code
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.places import SCRATCH
from gcl.experiment.runs import ReferenceFeed, RunSpec
from gcl.experiment.schema import Experiment
from gcl.files import read_json, write_json


def train(
    experiment: Experiment,
    run: RunSpec,
    execution: ExecutionSpec,
    output: Path,
    record: Path | None = None,
    scratch: Path = SCRATCH,
) -> None:
    """Train one group; an interrupted training continues.

    Args:
        experiment: says where data lies.
        run: the training.
        execution: how it is carried out.
        output: folder for one checkpoint per member.
        record: file for a copy of the run's record, which outlives its checkpoints.
        scratch: root of the folders of unfinished trainings.
    """
    with unswept():
        from gcl.tasks.task import make_feed, open_task
        from gcl.training.trainer import scratch_folder, train_run
    task, code = open_task(experiment, run.dataset), run_code("training", run)
    if not isinstance(run.feed, ReferenceFeed):
        from gcl.training.rollout_vllm import rollout_backend

        execution = execution.model_copy(update={"rollouts": rollout_backend(execution.rollouts, run)})
    feed, data = make_feed(run, task, execution.rollouts), task.data_sha256("train")
    asked = {member.role: task.asked(run, number) for number, member in enumerate(run.members)}
    train_run(run, feed, data, code, execution, output, scratch_folder(scratch, run, data, code), asked)
    if record and os.environ.get("RANK", "0") == "0":
        write_json(record, read_json(output / "run.json"))


@contextmanager
def unswept() -> Iterator[None]:
    """For imports of torch and its like: nothing imported is garbage, and looking for it takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
