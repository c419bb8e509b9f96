"""Write a member in a format: `deploy(found, "openvino", folder)`.

The folder gets the model in that format, and all that is needed to ask it: tokenizer, processor, gcl.json. A manifest comes
last. Then the folder gets its name.
"""

from pathlib import Path

import torch

from gcl.deployment.deployment_manifest import Manifest, files_of, read_manifest, write_manifest
from gcl.deployment.format import FORMATS
from gcl.errors import CheckpointError, DataError
from gcl.evaluation.asked_member import DEPLOYED, Found
from gcl.experiment.provenance import weights_sha256
from gcl.experiment.weights import Weights
from gcl.files import atomic_folder, write_json
from gcl.models.backbone import load_model, load_trained
from gcl.models.portable import make_portable
from gcl.models.preprocessor import load_preprocessor
from gcl.training.member_file import MEMBER_FILE


def deploy(found: Found, format_name: str, folder: Path, *, run: str | None = None, replace: bool = False) -> bool:
    """Write a member.

    Args:
        found: the member, with the file that says how it is asked.
        format_name: one of `FORMATS`.
        folder: to be made.
        run: the run that asks a base model; a trained member's file names its own.
        replace: whether to replace a folder that another member or format was written to.

    Returns:
        Whether it was written. False: the same member is there in the same format, made by the same libraries.

    Raises:
        CheckpointError: if the member cannot be loaded, is deployed already, or its family has no such format.
        ConfigError: if a library is missing.
        DataError: if the folder exists, and holds something else.
    """
    file, kind = found.file, FORMATS[format_name]
    if file is None:
        raise CheckpointError(f"{found.source}: nothing says how it is asked; name a run, or a trained member's folder")
    source = found.source
    if source.revision is None and (Path(source.path) / DEPLOYED).is_file():
        made_from = read_manifest(Path(source.path)).source
        raise CheckpointError(f"{source.path}: deployed already; name the member that it was made from, {made_from}")
    sha256 = weights_sha256(Path(source.path)) if source.revision is None else None
    planned = Manifest(
        source=str(source), run=file.run or run, role=file.role, model=file.model, weights_sha256=sha256,
        format=kind.name, libraries=kind.libraries(), files={},
    )  # fmt: skip
    if folder.exists() and _is_made(folder, planned, replace):
        return False
    pixels = (file.pixels[0], file.pixels[1])
    with atomic_folder(folder, replace=True) as work:
        kind.write(_whole(found), work)
        load_preprocessor(source, pixels).save(work)
        make_portable(work)
        write_json(work / MEMBER_FILE, file.model_dump())
        write_manifest(work, planned.model_copy(update={"files": files_of(work)}))
    return True


def _is_made(folder: Path, planned: Manifest, replace: bool) -> bool:
    """Whether an existing folder is what would be written.

    Raises:
        DataError: if it is something that must not be replaced.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return False  # Snakemake, for one, makes it beforehand
    if not (folder / DEPLOYED).is_file():
        raise DataError(f"{folder}: holds something that gcl deploy has not written; choose another folder")
    try:
        there = read_manifest(folder)
    except CheckpointError:  # damaged: write it again
        return False
    if there.made_alike(planned):
        return True
    if not replace:
        raise DataError(
            f"{folder}: holds {there.model} as {there.format}, made of {there.source} or by other versions of libraries; "
            "choose another folder, or add --replace"
        )
    return False


def _whole(found: Found) -> torch.nn.Module:
    """The member with all its weights, in float32 on the CPU; adapters are merged into their base."""
    file, source = found.file, found.source
    base = Weights(path=file.base, revision=file.revision)
    if source.revision is None and source != base and file.run is not None:
        return load_trained(Path(source.path), base)
    return load_model(source)
