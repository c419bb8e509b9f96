"""One training from start to finish: `train_run(spec, feed, data, code, execution, output, scratch, asked)`.

    <output>/<role>/        ordinary checkpoint: safetensors weights, configuration, processor, model card, gcl.json
    <output>/run.json       resolved specification, hashes of weights, versions; of every attempt: costs, command, machine
    <output>/losses.jsonl   every component of the loss at every step; tensorboard/ and loggers/ have the same for people

While training runs, the log and the checkpoints to resume from are in the scratch folder. Starting the same run again
continues from the newest checkpoint.
"""

import resource
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from gcl.errors import TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.places import start_weights
from gcl.experiment.provenance import environment, starts, weights_sha256
from gcl.experiment.runs import RunSpec
from gcl.files import atomic_folder, canonical_json, read_json, read_jsonl, sha256_text, write_json
from gcl.training import attempts
from gcl.training.checkpoint import Checkpoints
from gcl.training.engine import Engine
from gcl.training.engines import make_engine
from gcl.training.export import export_member
from gcl.training.feeds import Feed
from gcl.training.lease import FinishedElsewhere, Lease, hold_lease
from gcl.training.log import LossLog
from gcl.training.loop import memory_explained, total_steps, train_group
from gcl.training.member import Member
from gcl.training.member_file import Questions
from gcl.training.teacher_cache import CachedTeacher, make_caches
from gcl.training.trackers import check_installed
from gcl.training.world import World


def train_run(
    spec: RunSpec,
    feed: Feed,
    data: str,
    code: str,
    execution: ExecutionSpec,
    output: Path,
    scratch: Path,
    asked: Mapping[str, Questions],
    teachers: Path | None = None,
) -> None:
    """Load the members, train the group, write everything; the output folder appears only when it is whole.

    Args:
        spec: the run.
        feed: of its samples.
        data: hash of the training data.
        code: hash of the code that decides the result.
        execution: on what engine, with how many processes.
        output: folder to be made; an existing one with another content is replaced.
        scratch: this run's own folder for the log and for checkpoints to resume from; removed at the end.
        asked: by role, the questions that the members learn to answer; they are kept in their folders.
        teachers: folder of teachers' caches; None: teachers are loaded. Without references, and with GSL, they always are.

    Raises:
        TrainingError: if adapters alone are to be retained, and a member has none. Also if bitsandbytes is needed, and is
            not installed; if 4-bit weights would have to be divided, or a
            validation comes too late.
        ConfigError: if a logger is not installed.
    """
    check_installed(execution.loggers)
    if (spec.training.quantization or spec.training.optimizer == "AdamW8bit") and not find_spec("bitsandbytes"):
        raise TrainingError(
            f"{spec.id}: training.quantization and AdamW8bit need the library bitsandbytes; pip install 'gcl[quantization]'"
            ", or set quantization: null and optimizer: AdamW"
        )
    if spec.training.quantization and execution.engine == "deepspeed" and execution.zero_stage == 3:
        raise TrainingError(
            f"{spec.id}: ZeRO-3 cannot divide the 4-bit weights of training.quantization; use `--set zero_stage=2`"
        )
    _check_validation(spec, feed)
    if execution.retain == "adapters" and spec.training.lora is None:
        raise TrainingError(
            f"{spec.id}: execution.retain is 'adapters', but this training has none (lora: null). Its weights would be "
            "lost; use `--set retain=final`, or set lora"
        )
    try:
        _train(spec, feed, data, code, execution, output, scratch, asked, teachers if spec.fixed_teachers else None)
    except FinishedElsewhere as finished:
        if not already_trained(spec, data, code, execution, output):
            raise
        print(finished)


def already_trained(spec: RunSpec, data: str, code: str, execution: ExecutionSpec, output: Path) -> bool:
    """Whether the output folder is as a training would make it now; another copy may have made it."""
    if not (output / "run.json").is_file():
        return False
    record = read_json(output / "run.json")
    found = [record.get(name) for name in ("spec", "data", "start", "code_sha256", "environment", "weights")]
    weights = {member.role: weights_sha256(output / member.role) for member in spec.members}
    due = [spec.model_dump(), data, starts(spec), code, environment(), weights]
    return found == due and record["execution"].get("retain") == execution.retain


def _train(
    spec: RunSpec,
    feed: Feed,
    data: str,
    code: str,
    execution: ExecutionSpec,
    output: Path,
    scratch: Path,
    asked: Mapping[str, Questions],
    teachers: Path | None,
) -> None:
    caches: dict[str, Path] = {}
    if teachers:
        with memory_explained(spec, execution, "while a teacher was asked"):
            caches = make_caches(spec, feed.samples, data, code, teachers, World())

    def load() -> list[Member | CachedTeacher]:
        size = spec.objective.semantic_size if spec.objective.gsl_weight else None
        return [
            CachedTeacher(spec, member, caches[member.role], feed.samples)
            if member.role in caches
            else Member.load(
                member, start_weights(spec, member), spec.training, semantic_size=size, seed=1000 * spec.seed + k
            )
            for k, member in enumerate(spec.members)
        ]

    done = partial(already_trained, spec, data, code, execution, output)
    with trained_group(load, feed, spec, data, code, execution, scratch, done) as (engine, lease, log, step):
        if engine.world.main:
            for left in output.parent.glob(f".{output.name}.*"):  # of a copy that was killed while it wrote its models
                shutil.rmtree(left, ignore_errors=True)
        with atomic_folder(output) if engine.world.main else nullcontext() as work:
            work = engine.world.share(work)
            losses = read_jsonl(scratch / "losses.jsonl")[step - 1] if engine.world.main else {}
            which = "the last step" if step == total_steps(feed, spec) else f"step {step}, the best one"
            for member in engine.members:
                facts = {
                    "data": f"{feed.about} of {spec.dataset} (manifest {data[:12]})",
                    f"loss at {which}": ", ".join(
                        f"{k} {v:.4f}" for k, v in losses.items() if not k.startswith(("step", "pull"))
                    ),
                }
                role, adapters_alone = member.spec.role, execution.retain == "adapters"
                kept = {"asked": asked.get(role), "adapters_alone": adapters_alone}
                export_member(engine, member, spec, work / role, facts, **kept)
            peak = max(engine.world.collect(torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0))
            if log:
                costs = _costs(attempts.finished(scratch), peak)
                log.end(costs, work)
                record = _record(spec, data, code, execution, work) | {"costs": costs}
                if spec.training.validation:
                    record["validation"] = {"step": step, "held_out": [sample.id for sample in feed.held_out]}
                write_json(work / "run.json", record)
                lease.check()
        engine.world.barrier()


def scratch_folder(root: Path, spec: RunSpec, data: str, code: str) -> Path:
    """Folder for the state of an unfinished training. All causes are in the path: with changed data or code it starts anew.

    Args:
        root: folder of all of them.
        spec: the run.
        data: hash of the training data.
        code: hash of the code that decides the result.
    """
    return root / spec.id / sha256_text(canonical_json([spec.fingerprint, data, code, starts(spec)]))[:12]


@contextmanager
def trained_group(
    load: Callable[[], list[Member | CachedTeacher]],
    feed: Feed,
    spec: RunSpec,
    data: str,
    code: str,
    execution: ExecutionSpec,
    scratch: Path,
    done: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Engine, Lease, LossLog | None, int]]:
    """Train the members that `load` gives; the block finds them trained, with the weights of a step that it is told.

    Scratch is removed when the block ends well.

    Raises:
        FinishedElsewhere: if another copy finished the run: while this one waited, or, by `done`, before.
    """
    world = World()
    _check_processes(world, execution)
    seed_everything(spec.seed)
    with hold_lease(scratch, main=world.main, share=world.share) as lease:
        # Another copy may have ended right before, so the holder of the lease looks again.
        if world.share(world.main and done()):
            if world.main:
                shutil.rmtree(scratch, ignore_errors=True)
            raise FinishedElsewhere("another copy of this run has just finished it; nothing is left to do")
        if world.main:
            attempts.begin(scratch, world.size)
        log = LossLog(scratch, spec, execution.loggers) if world.main else None
        if execution.engine == "deepspeed":
            from gcl.training.zero import divided_loading

            loading = divided_loading(spec.training, execution, len(spec.members))
        else:
            loading = nullcontext()
        with memory_explained(spec, execution, "before the first step"), loading:
            members = load()
            for member in members:
                member.attend(execution.attention)
            engine = make_engine(members, spec.training, execution, total_steps(feed, spec))
        begun = canonical_json(starts(spec))
        identity = {"run": spec.fingerprint, "data": data, "start": begun, "code": code, **environment()}
        if feed.held_out:  # chosen anew by every attempt
            identity["held_out"] = sha256_text(canonical_json([sample.id for sample in feed.held_out]))
        checkpoints = Checkpoints(scratch / "checkpoints", identity, execution.keep, engine, lease)
        with log or nullcontext():
            step = train_group(engine, feed, spec, execution, checkpoints, log)
            yield engine, lease, log, step
        if engine.world.main:
            lease.check()
            # At once for whoever waits for the lease in it.
            ended = scratch.rename(scratch.with_name(f".{scratch.name}.finished"))
            shutil.rmtree(ended, ignore_errors=True)
        engine.world.barrier()


def _check_validation(spec: RunSpec, feed: Feed) -> None:
    validation, steps = spec.training.validation, total_steps(feed, spec)
    if validation and validation.every > steps:
        raise TrainingError(
            f"{spec.id}: training.validation.every is {validation.every}, and the training has {steps} steps; lower it"
        )


def _check_processes(world: World, execution: ExecutionSpec) -> None:
    if world.size != execution.processes:
        raise TrainingError(
            f"{world.size} processes were started, execution.processes is {execution.processes}; start with "
            f"`gcl train ... --set processes={execution.processes}`, which starts them itself"
        )


def seed_everything(seed: int) -> None:
    """Seed torch and ask for deterministic kernels. On a CPU all are; a GPU's attention has none for some shapes."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # finds bugs, costs time


def _costs(made: list[dict[str, Any]], peak_gpu_memory: int) -> dict[str, Any]:
    """Costs of the run over all attempts; memory is the last attempt's, of its largest process."""
    return {
        "gpu_hours": round(sum(attempt["seconds"] * attempt["gpus"] for attempt in made) / 3600, 4),
        "seconds": round(sum(attempt["seconds"] for attempt in made), 1),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "peak_gpu_memory_mib": peak_gpu_memory // 2**20,
        "attempts": made,
    }


def _record(spec: RunSpec, data: str, code: str, execution: ExecutionSpec, folder: Path) -> dict[str, Any]:
    """The record of a training: its specification, inputs, outputs and environment."""
    return {
        "run": spec.id,
        "spec": spec.model_dump(),
        "data": data,
        "execution": execution.model_dump(),
        "start": starts(spec),
        "weights": {member.role: weights_sha256(folder / member.role) for member in spec.members},
        "code_sha256": code,
        "environment": environment(),
    }
