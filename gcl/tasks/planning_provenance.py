"""Where a metrics file of planning tasks comes from: `provenance(checkpoint, ...)`, kept in the file beside its rates."""

from pathlib import Path
from typing import Any

from gcl.errors import CheckpointError
from gcl.experiment.closure import code_sha256
from gcl.experiment.provenance import environment, weights_sha256
from gcl.files import canonical_json, read_json, sha256_file, sha256_text


def provenance(checkpoint: str, revision: str | None, states: Path, answers: Path) -> dict[str, Any]:
    """What rates were made from, by hashes.

    Args:
        checkpoint: of who answered: the folder that a training left, with run.json beside it, or a hub id.
        revision: commit of a model on the hub.
        states: that were asked about.
        answers: that were scored.

    Returns:
        As in the metrics files of the other method (see `gcl.reporting.metrics.Provenance`), and the training's id. Of a
        published model, which no training made here, whatever is about a training is None and the checkpoint is its commit.

    Raises:
        CheckpointError: if it is a folder without run.json beside it, or with none that has this member.
    """
    folder = Path(checkpoint)
    if revision is None or folder.is_dir():
        record = _record(folder)
        if record["weights"].get(folder.name) != weights_sha256(folder):
            raise CheckpointError(f"{folder}: not the weights that run.json beside it tells of; train again")
    else:
        record = {"start": {}, "weights": {checkpoint: revision}}
    spec = record.get("spec")
    return {
        "training": record.get("run"),
        "spec": spec,
        "spec_sha256": sha256_text(canonical_json(spec)) if spec else None,
        "code_sha256": {"training": record.get("code_sha256"), "evaluation": code_sha256("answering", "plans")},
        "manifests": {"train": record.get("data"), "states": sha256_file(states)},
        "metric_models": {},
        "predictions_sha256": sha256_file(answers),
        "checkpoints": record["weights"],
        "start": record["start"],
        "environment": {"training": record.get("environment"), "scoring": environment()},
    }


def _record(folder: Path) -> dict[str, Any]:
    path = folder.parent / "run.json"
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the folder of a member that `gcl planning train` has left")
    return read_json(path)
