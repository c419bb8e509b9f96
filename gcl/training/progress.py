"""The progress of a training: the loop's log writes scratch/<run>/<hash>/progress.json, `gcl status` reads it.

No torch is imported here, since `gcl status` has to answer at once.
"""

import time
from pathlib import Path

from gcl.files import write_json

FILE = "progress.json"
EVERY = 2.0  # seconds between two writings, at least


class Progress:
    """Writes the progress of a training, whole each time.

    Args:
        folder: the run's scratch folder; the file of another attempt is removed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._path.unlink(missing_ok=True)

    def begin(self, done: int, steps: int) -> None:
        """Start the clock of this attempt.

        Args:
            done: steps that earlier attempts made.
            steps: of the whole training.
        """
        self._done, self._steps, self._begun, self._next = done, steps, time.monotonic(), 0.0

    def at(self, step: int) -> None:
        """Tell that a step is made; the file follows at most every `EVERY` seconds."""
        now = time.monotonic()
        if now >= self._next:
            self._next, passed = now + EVERY, now - self._begun
            left = passed / (step - self._done) * (self._steps - step)
            said = {"step": step, "steps": self._steps, "seconds": round(passed, 1), "left": round(left, 1)}
            write_json(self._path, said)
