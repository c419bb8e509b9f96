"""The place of weights: `Source` is a folder, or a hub id with its commit."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """The place of a checkpoint: a local folder, or a hub id with a commit."""

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
