"""Checkpoints as sources: `check_source(source)` refuses one that is not whole, `guarded` explains failures."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jinja2
from safetensors import SafetensorError
from transformers import AutoConfig

from gcl.errors import CheckpointError
from gcl.experiment.provenance import weights_sha256
from gcl.experiment.weights import Weights
from gcl.models.family import Family, get_family

T = TypeVar("T")


def check_source(source: Weights) -> Family:
    """Return a checkpoint's family.

    Raises:
        CheckpointError: if files are missing, its weights have another hash than `source.sha256`, or nobody knows its
            family.
    """
    folder = Path(source.path)
    if source.revision is None:
        for name in ("config.json", "tokenizer_config.json"):
            if not (folder / name).is_file():
                raise CheckpointError(
                    f"{folder}: no {name}; this is not a whole checkpoint folder, make or download it again"
                )
    if source.sha256 and (found := weights_sha256(folder)) != source.sha256:
        raise CheckpointError(
            f"{folder}: its weights have the hash {found[:12]}..., the configuration names {source.sha256[:12]}...; restore "
            "the folder, or name its hash"
        )
    name = guarded(source, lambda: AutoConfig.from_pretrained(**source.arguments)).model_type
    try:
        return get_family(name)
    except CheckpointError as error:
        raise CheckpointError(f"{source}: {error}") from None


def guarded(source: Weights, load: Callable[[], T]) -> T:
    """Call `load` and return its result.

    Raises:
        CheckpointError: instead of the errors of other libraries.
    """
    try:
        return load()
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError, jinja2.TemplateError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{source}: cannot be loaded ({reason}); make or download it again") from error
