"""Which model is asked by `gcl predict`: `find_member(name)`; `base_member(found, ...)` says how a base model is asked.

A trained member's folder alone says how to ask it (gcl/training/member_file.py). Any other model is a base model.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from gcl.errors import CheckpointError
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights
from gcl.files import read_json
from gcl.models.backbone import ADAPTER
from gcl.training.member_file import MEMBER_FILE, MemberFile, Questions, read_member_file

DEPLOYED = "deployment.json"  # in a folder that `gcl deploy` wrote; it comes last, so the folder is whole
_EXAMPLE = "results/<scale>/checkpoints/<run>/<role>"
_HUB_ID = re.compile(r"(?P<path>[\w.-]+/[\w.-]+)(@(?P<commit>[\w.-]+))?")


@dataclass(frozen=True)
class Found:
    """A model that can be asked: its weights, and the file that says how to ask it. A base model has no such file."""

    source: Weights
    file: MemberFile | None


def find_member(name: str) -> Found:
    """The model that is meant.

    Args:
        name: the folder of a trained or deployed member, of a run with one member, or of a base model. Or a base model's
            hub id, which may end with @commit.

    Raises:
        CheckpointError: if it is none of these, or has lost its weights. A run with several members raises it with
            their names.
    """
    folder = Path(name)
    if not folder.is_dir():
        hub = _HUB_ID.fullmatch(name)
        if hub and not folder.parent.is_dir():  # nobody's name on the hub, but a folder here
            return Found(Weights(path=hub["path"], revision=hub["commit"] or "main"), None)
        raise CheckpointError(f"{name}: no such folder; give a trained member's, {_EXAMPLE}, a model's, or a hub id")
    if (folder / MEMBER_FILE).is_file():
        return _with_weights(folder, read_member_file(folder))
    members = {path.parent: read_member_file(path.parent) for path in sorted(folder.glob(f"*/{MEMBER_FILE}"))}
    if len(members) > 1:
        choices = " or ".join(f"--checkpoint {place} ({file.model})" for place, file in members.items())
        raise CheckpointError(f"{folder}: a run of {len(members)} members; choose one: {choices}")
    for place, file in members.items():
        return _with_weights(place, file)
    record = folder.resolve().parent / "run.json"  # the name of "." says nothing
    if record.is_file():
        raise _unexplained(folder, record)
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder}: neither {MEMBER_FILE} nor config.json in it; give the folder that a training has left, {_EXAMPLE}, "
            "or a model's"
        )
    return Found(Weights(path=name), None)


def base_member(found: Found, experiment: Experiment, asked: Questions) -> Found:
    """A base model, asked as an experiment's members are.

    Args:
        found: from `find_member`.
        experiment: says the system message, the size of pictures and the precision.
        asked: the questions of a data set.
    """
    training, source = experiment.training, found.source
    file = MemberFile(
        run=None,
        scale=experiment.scale,
        role="base",
        model=str(source),
        base=source.path,
        revision=source.revision,
        lr=0.0,
        system=experiment.prompt.system.value,
        pixels=training.pixels.value,
        precision=training.precision.value,
        context=experiment.prompt.context.value,
        asked=asked,
    )
    return Found(source, file)


def _with_weights(folder: Path, file: MemberFile) -> Found:
    """The member. Refuse one without weights: only a teacher, which is not trained, answers as its base."""
    if (folder / DEPLOYED).is_file():  # formats have weights of their own
        return Found(Weights(path=str(folder)), file)
    if file.lr and not any(file for place in (folder, folder / ADAPTER) for file in place.glob("*.safetensors")):
        raise CheckpointError(f"{folder}: no weights (*.safetensors) there; train the run again, or fetch them")
    if not any(folder.glob("*.safetensors")) and file.revision is None and not Path(file.base).is_dir():
        has = "LoRA adapters alone" if (folder / ADAPTER).is_dir() else "no weights of its own"
        raise CheckpointError(
            f"{folder}: has {has}, and its base model {file.base} is not here; run this where that folder is, or train with "
            "execution.retain: final"
        )
    return Found(Weights(path=str(folder)), file)


def _unexplained(folder: Path, record: Path) -> CheckpointError:
    """The reason why a folder beside a training's record is not asked like a base model."""
    roles = [member["role"] for member in read_json(record)["spec"]["members"]]
    if folder.resolve().name in roles:
        return CheckpointError(
            f"{folder}: no {MEMBER_FILE} in it, which says how to ask this member; train the run again"
        )
    return CheckpointError(f"{folder}: no member of its run; the folders beside it are those of {', '.join(roles)}")
