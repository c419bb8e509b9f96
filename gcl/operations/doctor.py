"""`gcl doctor`: check everything before hours of GPUs are spent. Each check says its finding and the remedy.

`examine(experiment, root)` checks this machine. With SLURM, one short job runs `gcl doctor --here` on a compute node.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from gcl.data.manifest import check_current
from gcl.errors import ConfigError, DataError, missing
from gcl.experiment.data_spec import data_spec
from gcl.experiment.grid import all_runs
from gcl.experiment.places import places
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights
from gcl.files import read_json
from gcl.operations.versioning import GB, check_link_types, disk_plan

NODE_TIMEOUT = 60  # seconds until a node must have answered
STATUS_CHECKS = 120  # seconds that a finished job must stay in squeue: three times the plugin's first interval
_TOKEN = "GCL_DOCTOR_FILE"
_MARKS = {"ok": "ok  ", "look": "look", "bad": "BAD "}


@dataclass(frozen=True)
class Finding:
    """One check: "ok", "look" (may be intended) or "bad" (trainings will fail), and the remedy."""

    level: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{_MARKS[self.level]}  {self.what}" + (f"; {self.remedy}" if self.remedy else "")


def examine(experiment: Experiment, root: Path, slurm_options: Sequence[str] = ()) -> Iterator[Finding]:
    """All checks: of this machine, then of a compute node; `slurm_options` are those of the job there."""
    yield from here(experiment, root)
    yield from _data(experiment, root)
    yield from _weights(experiment)
    yield from _disk(experiment, root)
    yield from _versions_of_data(root)
    yield from _slurm(experiment, root, slurm_options)


def here(experiment: Experiment, root: Path) -> Iterator[Finding]:
    """Checks of this machine: Python, GPUs, and whether it shares files with the machine that asked."""
    names = ("torch", "transformers", "deepspeed", "snakemake")
    found = [name for name in names if find_spec(name)]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in found)
    yield Finding("ok", f"{platform.node()}: Python {platform.python_version()} in {sys.prefix}, {versions}")
    for name in names:
        if name not in found:
            yield Finding("bad", missing(name) or f"{name} is not installed")
    yield from _gpus(experiment)
    if token := os.environ.get(_TOKEN):
        try:
            Path(f"{token}.answer").write_text(Path(token).read_text())
            yield Finding("ok", f"{root.resolve()} is shared")
        except OSError as error:
            remedy = "put the project on a file system that all nodes share"
            yield Finding("bad", f"{token} cannot be seen or written here ({error.strerror})", remedy)


def _gpus(experiment: Experiment) -> Iterator[Finding]:
    import torch

    precision, processes = experiment.training.precision.value, experiment.execution.processes.value
    count = torch.cuda.device_count()
    if count == 0:
        needed = experiment.drawing is None and _TOKEN in os.environ
        remedy = "install torch's CUDA build, and check the driver with nvidia-smi" if needed else ""
        yield Finding("bad" if needed else "ok", "no GPU here", remedy)
        return
    device = torch.cuda.get_device_properties(0)
    memory = f"{device.total_memory / 2**30:.0f} GiB"
    # The job on a node asks for one GPU only.
    enough = count >= processes or _TOKEN in os.environ
    level, remedy = ("ok", "") if enough else ("look", f"execution.processes is {processes}")
    yield Finding(
        level, f"{count} GPU(s) visible: {device.name}, {memory}; `gcl plan --memory` estimates the need", remedy
    )
    if precision == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        yield Finding("bad", f"{device.name} has no bfloat16", "set training.precision to float16")


def _data(experiment: Experiment, root: Path) -> Iterator[Finding]:
    if experiment.drawing is not None and experiment.drawing.datasets.value:
        return
    here = places(experiment)
    for dataset in experiment.groups:
        folder, raw = root / here.manifests(dataset), root / here.raw(dataset)
        if not raw.is_dir():
            yield Finding("bad", f"{dataset}: no raw data in {raw}", "`gcl data import`, or `dvc pull` (docs/data.md)")
        elif not (folder / "train.tsv").is_file():
            yield Finding("bad", f"{dataset}: no manifest", f"dvc repro manifest@{dataset}")
        else:
            data = data_spec(experiment, dataset)
            try:
                check_current(raw, folder, data)
                yield Finding("ok", f"{dataset}: raw data and manifest agree")
            except DataError as error:
                yield Finding("bad", f"{dataset}: {str(error).splitlines()[0]}", f"dvc repro manifest@{dataset}")


def _weights(experiment: Experiment) -> Iterator[Finding]:
    for name, model in experiment.models.items():
        backbone = model.backbone.value
        if backbone.revision is None:
            continue
        if _in_cache(backbone):
            yield Finding("ok", f"{name}: {backbone.path} is in the hub's cache")
        else:
            remedy = f"hf download {backbone.path} --revision {backbone.revision}"
            yield Finding(
                "look", f"{name}: {backbone.path} is not in the hub's cache; nodes may have no network", remedy
            )


def _in_cache(backbone: Weights) -> bool:
    """Whether configuration and all shards of the weights are there: an interrupted download leaves some of them."""
    from huggingface_hub import try_to_load_from_cache

    def cached(file: str) -> str | None:
        path = try_to_load_from_cache(backbone.path, file, revision=backbone.revision)
        return path if isinstance(path, str) else None

    index = cached("model.safetensors.index.json")
    shards = set(read_json(index)["weight_map"].values()) if index else {"model.safetensors"}
    return cached("config.json") is not None and all(cached(shard) for shard in shards)


def _disk(experiment: Experiment, root: Path) -> Iterator[Finding]:
    checkpoints = root / places(experiment).checkpoints("")
    missing = [run for run in all_runs(experiment).values() if not (checkpoints / run.id).is_dir()]
    plan = disk_plan(experiment, missing, root)
    needed = plan.stay + plan.largest
    level, remedy = ("ok", "") if needed < plan.free else ("bad", "free some, or lower execution.retain")
    yield Finding(level, f"checkpoints need up to {needed / GB:,.0f} GB, {plan.free / GB:,.0f} GB are free", remedy)


def _versions_of_data(root: Path) -> Iterator[Finding]:
    try:
        check_link_types(root)
    except ConfigError as error:
        yield Finding("bad", str(error))
    done = _run([sys.executable, "-m", "dvc", "remote", "list"], root)
    if done is None or not done.stdout.strip():
        remedy = "dvc remote add --default store PLACE, if results are to leave this machine"
        yield Finding("look", "no DVC remote", remedy)
    else:
        yield Finding("ok", f"DVC remote {' '.join(done.stdout.split())}")


def _slurm(experiment: Experiment, root: Path, options: Sequence[str]) -> Iterator[Finding]:
    if shutil.which("squeue") is None:
        yield Finding("look", "no SLURM here", "on a cluster, run this on a login node")
        return
    config = _run(["scontrol", "show", "config"], root)
    if config is None or _run(["squeue", "--me"], root) is None:
        yield Finding("bad", "squeue or scontrol do not answer", "ask those who run the cluster")
        return
    settings = dict(line.split("=", 1) for line in config.stdout.splitlines() if "=" in line)
    age = next((value.split()[0] for name, value in settings.items() if name.strip() == "MinJobAge"), "0")
    if int(age) < STATUS_CHECKS:
        remedy = f"lower slurm-init-seconds-before-status-checks in slurm/profile.yaml to {int(age) // 3}"
        yield Finding("bad", f"squeue forgets finished jobs after {age} s (MinJobAge)", remedy)
    else:
        yield Finding("ok", f"squeue remembers finished jobs for {age} s (MinJobAge)")
    yield from _node(experiment, root, options)


def _node(experiment: Experiment, root: Path, options: Sequence[str]) -> Iterator[Finding]:
    """One short job that runs the checks of `here` on a compute node."""
    token = root / "scratch" / f".doctor-{uuid.uuid4().hex[:8]}"
    token.parent.mkdir(exist_ok=True)
    token.write_text(str(time.time()))
    gpus = ["--gpus-per-node=1"] if experiment.drawing is None else []
    program = [sys.executable, "-m", "gcl", "doctor", "--here", "--json", "--scale", experiment.scale]
    job = ["srun", "--ntasks=1", "--nodes=1", "--time=3", "--mem=4G", "--job-name=gcl-doctor", *gpus, *options]
    try:
        done = _run([*job, *program], root, {_TOKEN: str(token.resolve())})
        if done is None:
            yield Finding("bad", f"no compute node answered within {NODE_TIMEOUT} s", f"try: {' '.join(job)} hostname")
            return
        yield from (Finding(**finding) for finding in json.loads(done.stdout[done.stdout.index("[") :]))
        if not Path(f"{token}.answer").exists():
            yield Finding(
                "bad", "files written by a node do not arrive here", "put the project on a shared file system"
            )
    finally:
        token.unlink(missing_ok=True)
        Path(f"{token}.answer").unlink(missing_ok=True)


def _run(command: Sequence[str], root: Path, extra: dict[str, str] | None = None) -> subprocess.CompletedProcess | None:
    """Run a command; None if it is missing, fails, or takes too long."""
    environment = os.environ | (extra or {})
    try:
        return subprocess.run(
            command, cwd=root, env=environment, text=True, capture_output=True, timeout=NODE_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
