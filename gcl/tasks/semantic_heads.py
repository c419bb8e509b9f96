"""The semantic heads of a finished training, which its checkpoints do not keep: an answer needs none of them.

`train_again(experiment, run, execution, results, scratch)` makes the training a second time and keeps the heads in
results/<scale>/semantic_heads/<run>/. A head counts only if the second training ends with the very weights of the first.
`kept_heads(run, here)` reads them.
"""

import tempfile
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gcl.errors import CheckpointError, ConfigError
from gcl.experiment.closure import run_code
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.places import Places, places, start_weights
from gcl.experiment.provenance import weights_sha256
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.files import atomic_folder, read_json
from gcl.objective.gsl import SemanticHead
from gcl.tasks.samples import make_feed
from gcl.tasks.task import open_task
from gcl.training.export import export_member
from gcl.training.member import Member
from gcl.training.trainer import scratch_folder, trained_group

_WEIGHTS = "weights_sha256"  # in a head's file: the hash of the member's weights


def kept_heads(run: RunSpec, here: Places) -> dict[str, SemanticHead]:
    """The kept heads by role; empty if there are none, or if they belong to another training.

    Raises:
        CheckpointError: if the training has no record.
    """
    trained, found = _weights(run, here), {}
    for member in run.members:
        path = here.semantic_heads(run.id) / f"{member.role}.safetensors"
        if not path.is_file():
            return {}
        with safe_open(path, "pt") as file:
            if file.metadata()[_WEIGHTS] != trained[member.role]:
                return {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        semantic_size, hidden_size = state["projection.weight"].shape
        head = SemanticHead(hidden_size, semantic_size)
        head.load_state_dict(state)
        found[member.role] = head
    return found


def train_again(
    experiment: Experiment, run: RunSpec, execution: ExecutionSpec, results: Path, scratch: Path
) -> dict[str, SemanticHead]:
    """Make a training again, in one process, and keep its heads.

    Args:
        experiment: says where data lies.
        run: the training, with GSL.
        execution: how it was carried out.
        results: folder of all results.
        scratch: folder for the state of this training; an interrupted one continues.

    Raises:
        ConfigError: if the training has no GSL.
        CheckpointError: if the weights differ from those of the first training.
    """
    if not run.objective.gsl_weight:
        raise ConfigError(f"{run.id}: trained without GSL, so it has no semantic heads; name a run with GSL")
    here = places(experiment, results)
    trained, task = _weights(run, here), open_task(experiment, run.dataset, run.training.context)
    feed, code, data = make_feed(run, task), run_code("training", run), task.data_sha256("train")
    execution = execution.model_copy(update={"processes": 1, "loggers": []})
    size = run.objective.semantic_size

    def load() -> list[Member]:
        return [
            Member.load(spec, start_weights(run, spec), run.training, semantic_size=size, seed=1000 * run.seed + k)
            for k, spec in enumerate(run.members)
        ]

    place = scratch_folder(scratch, run, data, code)
    with (
        trained_group(load, feed, run, data, code, execution, place) as (engine, *_),
        tempfile.TemporaryDirectory() as work,
    ):
        kept = {"adapters_alone": execution.retain == "adapters"}
        for member in engine.members:
            export_member(engine, member, run, Path(work) / member.spec.role, {}, **kept)
        made = {spec.role: weights_sha256(Path(work) / spec.role) for spec in run.members}
        heads = {member.spec.role: member.semantic_head.cpu() for member in engine.members}
    if differing := [role for role, digest in made.items() if digest != trained[role]]:
        raise CheckpointError(
            f"{run.id}: trained again, the weights of {' and '.join(differing)} are others than those of "
            f"{here.checkpoints(run.id)}. The code, the machine or the number of processes has changed since; "
            f"make the run again with: snakemake --cores 2 --forcerun train -- {here.metrics(run.id)}"
        )
    with atomic_folder(here.semantic_heads(run.id)) as folder:
        for role, head in heads.items():
            state = {name: weight.detach().to(torch.float32).contiguous() for name, weight in head.state_dict().items()}
            save_file(state, folder / f"{role}.safetensors", metadata={_WEIGHTS: trained[role]})
    return heads


def _weights(run: RunSpec, here: Places) -> dict[str, str]:
    """Hashes of the members' weights, by the training's record."""
    record = here.checkpoints(run.id) / "run.json"
    if not record.is_file():
        raise CheckpointError(f"{record}: no such file; train it with: snakemake --cores 2 {here.metrics(run.id)}")
    return read_json(record)["weights"]
