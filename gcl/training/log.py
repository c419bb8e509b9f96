"""The loss of every step, each component by itself: losses.jsonl for programs, TensorBoard for people."""

import json
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from gcl.files import write_text


class LossLog:
    """Use as a context manager; the files can be read while training runs.

    Args:
        folder: where losses.jsonl and tensorboard/ are.
        after: steps that count; what an interrupted training wrote beyond them is forgotten.
    """

    def __init__(self, folder: Path, after: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "losses.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:after] if path.exists() else []
        # A new file in the place of the old one: a copy of this run that is not quite dead writes into the old one.
        write_text(path, "".join(lines))
        self._lines = path.open("a", encoding="utf-8", buffering=1)
        self._board = SummaryWriter(folder / "tensorboard", purge_step=after + 1 if after else None)

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
