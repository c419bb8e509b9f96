"""What the workflow asks of DVC and of the disk before it starts: `check_link_types()`, `disk_plan(experiment)`.

DVC stores data and checkpoints; docs/data.md tells how. Imports DVC's configuration only, which takes milliseconds.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gcl.errors import ConfigError
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment, MiniatureModel

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
GB = 10**9
MINIATURE_PARAMETERS = 1.5e6  # of the largest, about


def check_link_types(root: Path) -> None:
    """Refuse a cache that links instead of copying in a way that makes Snakemake's evaluations stale.

    With symbolic links the files of a finished run get the time stamps of the cache: after every commit all evaluations
    look older than their checkpoints and run again, or a file that DVC replaced looks unchanged.

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
            "DVC's cache.type has symlink: links carry the time stamps of the cache, so Snakemake would take finished "
            "evaluations for stale, or stale ones for finished; type: dvc config cache.type reflink,hardlink,copy && "
            "dvc checkout --relink"
        )


@dataclass(frozen=True)
class DiskPlan:
    """Bytes that the checkpoints of some runs need.

    Attributes:
        retain: the setting `execution.retain`.
        runs: how many are counted.
        stay: bytes that stay when all are finished.
        largest: bytes of the largest run, which are needed for a while even where nothing stays.
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
            f"largest one takes {_gb(self.largest)} until it is scored; {_gb(self.free)} are free. DVC's cache holds a copy "
            "of what stays, unless the file system has reflinks or cache.type is hardlink"
        )


def disk_plan(experiment: Experiment, runs: Iterable[RunSpec], root: Path) -> DiskPlan:
    """Estimate from the models' nominal sizes, before anything is loaded.

    Adapters are counted as rank / 1000 of the weights: for LoRA on all linear layers of a language model of width d their
    share is about 1.75 rank / d, and published models of these sizes have d of 2,048 or more.
    """
    retain = experiment.execution.retain.value
    sizes, stay = [], 0.0
    for run in runs:
        size, lora = sum(_weights(experiment, member.model, run) for member in run.members), run.training.lora
        sizes.append(size)
        stay += size * {"none": 0.0, "adapters": lora.rank / 1000 if lora else 0.0, "final": 1.0}[retain]
    return DiskPlan(retain, len(sizes), round(stay), max(sizes, default=0), shutil.disk_usage(root).free)


def _weights(experiment: Experiment, model: str, run: RunSpec) -> int:
    miniature = isinstance(experiment.models[model].backbone.value, MiniatureModel)
    parameters = MINIATURE_PARAMETERS if miniature else experiment.models[model].size.value * 1e9
    return round(parameters) * _BYTES[run.training.precision]


def _gb(size: int) -> str:
    return f"{size / GB:,.0f} GB"
