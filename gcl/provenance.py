"""Which source files decide which result: the inputs of the workflow's rules, and the code digests in every record."""

import importlib.metadata
import platform
from pathlib import Path

from gcl.files import sha256_files

_PACKAGES = (
    "torch", "transformers", "tokenizers", "accelerate", "deepspeed", "peft", "numpy",
    "pillow", "bert-score", "sentence-transformers",
)  # fmt: skip
ROOT = Path(__file__).parent.parent

# Patterns relative to the project's root. What only reads, checks or prints (config, files, errors, cli) decides nothing.
_LOADING = ("gcl/backbones/load.py", "gcl/data/encoding.py", "gcl/data/images.py", "gcl/data/scenario.py")
_RAW = tuple(f"gcl/data/{name}.py" for name in ("raw", "records", "images", "scenario"))
CODE = {
    "drawing": ("gcl/data/miniature/*.py",),
    "importing": ("gcl/data/importing/*.py", "gcl/data/similar.py", *_RAW),
    "manifest": ("gcl/data/manifest.py", *_RAW),
    "backbones": ("gcl/backbones/*.py", "gcl/training/*.py", "gcl/objective/*.py", *_LOADING),
    "training": ("gcl/training/*.py", "gcl/objective/*.py", "gcl/backbones/vocabulary.py", *_LOADING),
    "generation": ("gcl/evaluation/generate.py", *_LOADING),
    "scoring": tuple(
        f"gcl/evaluation/{name}.py"
        for name in ("score", "encoders", "action_f1", "similarity", "accuracy", "bootstrap")
    ),
    "reporting": ("gcl/reporting/*.py", "gcl/reporting/paper/*.csv"),
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
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _PACKAGES}}
