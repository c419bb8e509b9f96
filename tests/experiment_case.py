"""Experiments of the tests' own as files for `--experiment`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gcl.experiment.load import load_resolved
from gcl.experiment.schema import Experiment
from gcl.files import write_json

PAIR = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
SFT = "snei/sft/qwen3-vl-4b/default/seed0"


def write_experiment(path: Path, experiment: Experiment, values: Mapping[str, Any]) -> Path:
    """An experiment with other values.

    Args:
        values: by the setting's path, with "/" between its parts.
    """
    tree = experiment.model_dump(mode="json")
    for name, value in values.items():
        node = tree
        for part in name.split("/"):
            node = node[part]
        node["value"] = value
    write_json(path, tree)
    load_resolved(path)  # what a test gets wrong ends here
    return path


def on_small_backbones(folder: Path, backbones: Mapping[str, Path], **training: Any) -> dict[str, Any]:
    """Values with which a run starts from the fixtures' backbones, has data below a folder, and is short.

    Nobody is asked held-out questions, since none are drawn.

    Args:
        folder: of raw data and manifests.
        backbones: of the fixture.
        training: further settings of `training`.
    """
    models = {"qwen2.5-vl-3b": backbones["qwen2_5_vl"], "qwen3-vl-4b": backbones["qwen3_vl"]}
    small = {"epochs": 1, "global_batch": 8, "micro_batch": 8, "lr_ratio": 2.0, "lr_guide": 1e-3, "lr_sft": 2e-3}
    return {
        "data": str(folder),
        "evaluation/forgetting": None,
        **{f"models/{name}/backbone": {"path": str(path), "revision": None} for name, path in models.items()},
        **{f"training/{name}": value for name, value in (small | training).items()},
    }
