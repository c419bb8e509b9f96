"""The loss of every step, each component by itself: losses.jsonl for programs, TensorBoard for people."""

import json
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter


class LossLog:
    """Use as a context manager; the files can be read while training runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = (folder / "losses.jsonl").open("w", encoding="utf-8", buffering=1)
        self._board = SummaryWriter(folder / "tensorboard")

    def write(self, step: int, values: dict[str, float]) -> None:
        """Record one optimizer step."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def __enter__(self) -> "LossLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._board.close()
