"""The place of weights: `Weights` is a folder, or a hub id with its commit."""

from typing import Annotated, Any

from pydantic import Field

from gcl.experiment.types import Strict


class Weights(Strict):
    """A local folder, a hub id with a pinned commit, or `package:NAME` for an encoder in an installed package.

    Attributes:
        revision: commit on the hub.
        sha256: hash of a local folder's weights; None: any weights will do.
    """

    path: str
    revision: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    def __str__(self) -> str:
        return self.path if self.revision is None else f"{self.path}@{self.revision[:8]}"

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `from_pretrained`; a local folder never asks the hub."""
        if self.revision is None:
            return {"pretrained_model_name_or_path": self.path, "local_files_only": True}
        return {"pretrained_model_name_or_path": self.path, "revision": self.revision}
