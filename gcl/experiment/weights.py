"""The place of weights: `Weights` is a folder, or a hub id with its commit."""

from typing import Any

from gcl.experiment.types import Strict


class Weights(Strict):
    """A local folder, a hub id with a pinned commit, or `package:NAME` for an encoder in an installed package."""

    path: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.path if self.revision is None else f"{self.path}@{self.revision[:8]}"

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `from_pretrained`; a local folder never asks the hub."""
        if self.revision is None:
            return {"pretrained_model_name_or_path": self.path, "local_files_only": True}
        return {"pretrained_model_name_or_path": self.path, "revision": self.revision}
