"""The contents of a deployed folder and their source: `Manifest`, kept there as deployment.json.

It is written last into a folder that gets its name only when it is whole. So a folder with a manifest is complete, unless
somebody changed it. Sizes of its files are compared when it is loaded, and hashes by whoever wants to know.
"""

from pathlib import Path

from pydantic import ValidationError

from gcl.errors import CheckpointError
from gcl.evaluation.asked_member import DEPLOYED
from gcl.experiment.types import Strict
from gcl.files import read_json, sha256_file, sha256_text, write_json


class DeployedFile(Strict):
    """Bytes and hash of a file."""

    size: int
    sha256: str


class Manifest(Strict):
    """A deployed member.

    Attributes:
        source: the folder or hub id that it was made from.
        run, role, model: names of the member. A base model that no run of an experiment asked has no run.
        weights_sha256: hash of the weights that it was made from; None for a model on the hub, which `source` pins.
        format: one of `gcl.deployment.format.FORMATS`.
        libraries: versions of those that made it.
        files: of the folder, without this one.
    """

    source: str
    run: str | None
    role: str
    model: str
    weights_sha256: str | None
    format: str
    libraries: dict[str, str]
    files: dict[str, DeployedFile]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())

    @property
    def sha256(self) -> str:
        """One hash over all files."""
        return sha256_text("\n".join(f"{name} {file.sha256}" for name, file in sorted(self.files.items())))

    def made_alike(self, other: "Manifest") -> bool:
        """Whether the other folder was made from the same weights, in the same way."""
        return all(
            getattr(self, name) == getattr(other, name) for name in ("weights_sha256", "source", "format", "libraries")
        )


def files_of(folder: Path) -> dict[str, DeployedFile]:
    """All files of a folder but its manifest, by path relative to it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DEPLOYED)
    return {
        path.relative_to(folder).as_posix(): DeployedFile(size=path.stat().st_size, sha256=sha256_file(path))
        for path in paths
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it into the folder."""
    write_json(folder / DEPLOYED, manifest.model_dump())


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a deployed folder.

    Raises:
        CheckpointError: if there is none, it is damaged, or files are missing or of another size.
    """
    path = folder / DEPLOYED
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no {DEPLOYED}; this is no folder of gcl deploy, make one with: gcl deploy RUN --to DIR"
        )
    try:
        manifest = Manifest.model_validate(read_json(path))
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "the file"
        raise CheckpointError(f"{path}: {field}: {problem['msg']}; deploy the member again") from None
    for name, file in manifest.files.items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else None
        if found != file.size:
            state = "is missing" if found is None else f"has {found} bytes instead of {file.size}"
            raise CheckpointError(f"{folder / name}: {state}; copy the folder again, or deploy the member again")
    return manifest
