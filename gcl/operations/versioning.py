"""Checks of DVC and of the disk before the workflow starts: `check_link_types()`, `disk_plan(experiment)`.

DVC stores data and checkpoints, see docs/data.md. Only DVC's configuration is imported, which takes milliseconds.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gcl.errors import ConfigError
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
GB = 10**9
MINIATURE_PARAMETERS = 0.9e6  # those of the largest one


def check_link_types(root: Path) -> None:
    """Refuse a cache with symbolic links, because Snakemake compares times.

    Symbolic links give the files of a finished run the time stamps of the cache. Then evaluations look older than their
    checkpoints and run again after every commit. Or a file that DVC replaced looks unchanged.

    Raises:
        ConfigError: if DVC may use symbolic links here.
    """
    if not (root / ".dvc").is_dir():
        return
    from dvc.config import Config
    from dvc.config import ConfigError as DVCConfigError

    try:
        types = Config(dvc_dir=str(root / ".dvc"))["cache"].get("type", [])
    except DVCConfigError as error:
        raise ConfigError(f".dvc/config: {' '.join(str(error).split())}; correct it") from None
    if "symlink" in types:
        raise ConfigError(
            "DVC's cache.type has symlink: links have the time stamps of the cache, so Snakemake would misjudge which "
            "evaluations are finished; type: dvc config cache.type reflink,hardlink,copy && dvc checkout --relink"
        )


@dataclass(frozen=True)
class DiskPlan:
    """Bytes that the checkpoints of some runs need.

    Attributes:
        retain: the setting `execution.retain`.
        runs: number of runs.
        stay: bytes that stay after all runs.
        largest: bytes of the largest run, needed for a while even if nothing stays.
        free: bytes free here now.
    """

    retain: str
    runs: int
    stay: int
    largest: int
    free: int

    def __str__(self) -> str:
        return (
            f"checkpoints of {self.runs} trainings (execution.retain: {self.retain}): about {_gb(self.stay)} will stay, the "
            f"largest one takes {_gb(self.largest)} until it is scored; {_gb(self.free)} are free. DVC's cache "
            "holds a copy of those that stay, unless the file system has reflinks or cache.type is hardlink"
        )


def disk_plan(experiment: Experiment, runs: Iterable[RunSpec], root: Path) -> DiskPlan:
    """Estimate from the models' nominal sizes, before anything is loaded.

    Adapters count as rank / 1000 of the weights. For LoRA on all linear layers of a language model of width d, their share
    is about 1.75 rank / d. Published models of these sizes have d of 2,048 or more.
    """
    retain = experiment.execution.retain.value
    sizes, stay = [], 0.0
    for run in runs:
        size, lora = sum(_weights(experiment, member.model, run) for member in run.members), run.training.lora
        sizes.append(size)
        stay += size * {"none": 0.0, "adapters": lora.rank / 1000 if lora else 0.0, "final": 1.0}[retain]
    return DiskPlan(retain, len(sizes), round(stay), max(sizes, default=0), shutil.disk_usage(root).free)


def _weights(experiment: Experiment, model: str, run: RunSpec) -> int:
    parameters = MINIATURE_PARAMETERS if experiment.base_models else experiment.models[model].size.value * 1e9
    return round(parameters) * _BYTES[run.training.precision]


def _gb(size: int) -> str:
    return f"{size / GB:,.0f} GB"
