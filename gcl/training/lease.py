"""One live copy of a run: a lease with a heartbeat on its scratch folder.

A requeue after a lost node, or a second workflow, may start a run again while the first copy lives. The later copy waits. If
the heartbeat stops, the first one is dead, and the later one takes over. If the first one finishes, its result counts. To
leave at once would be a failed job, whose outputs the workflow removes. These may be the results of the first copy. A copy
that was only asleep finds its lease lost and leaves without writing.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import SoftFileLease, Timeout

from gcl.errors import TrainingError

DURATION = 60.0  # seconds without a heartbeat after which a copy on another machine counts as dead


class Lease:
    """Whether this copy may still write. Processes other than the main one have no lock and rely on its answer."""

    def __init__(self, folder: Path, lock: SoftFileLease | None) -> None:
        self._folder, self._lock = folder, lock

    @property
    def lost(self) -> bool:
        """Whether the heartbeat found that another copy has taken over."""
        return self._lock is not None and self._lock.compromise is not None

    @property
    def message(self) -> str:
        """The message to the user then."""
        return (
            f"{self._folder}: another copy of this run has taken over. This one gave no sign of life for "
            f"{DURATION:.0f} s; it leaves, nothing is lost"
        )

    def check(self) -> None:
        """Look at the lease itself, right before something takes its final name.

        Raises:
            TrainingError: if another copy has taken over.
        """
        if self._lock is not None and (self.lost or not self._lock.is_lock_held_by_us):
            raise TrainingError(self.message)


class FinishedElsewhere(TrainingError):
    """Another copy of this run ended it while this one waited."""


@contextmanager
def hold_lease(
    folder: Path, *, main: bool = True, share: Callable[[Any], Any] = lambda value: value, duration: float = DURATION
) -> Iterator[Lease]:
    """Hold the folder's lease during the block; wait for it as long as another copy gives signs of life.

    A dead holder on this machine is found out at once, one on another machine after `duration` seconds.

    Args:
        folder: the run's scratch folder, which whoever finishes the run removes.
        main: whether this is the process that writes; the others only learn how it went.
        share: gives all processes the main one's value.
        duration: seconds between two signs that mean death.

    Raises:
        FinishedElsewhere: if the other copy finished the run.
    """
    claim = _Claim(folder, duration) if main else None
    try:
        # All processes hear of every attempt, so that none waits for longer than that without a word.
        while (state := share(claim.attempt() if claim else None)) != "held":
            if state == "finished":
                raise FinishedElsewhere(f"{folder}: the other copy has just finished this run; nothing is left to do")
        yield Lease(folder, claim and claim.lock)
    finally:
        if claim and claim.held:
            claim.lock.release()


class _Claim:
    """Repeated attempts at the lease."""

    def __init__(self, folder: Path, duration: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lock, self.held = SoftFileLease(folder / "lease", lease_duration=duration), False
        self._folder, self._duration, self._patience = folder, duration, 0.0

    def attempt(self) -> str:
        """ "held", "waiting", or "finished"."""
        try:
            self.lock.acquire(timeout=self._patience)
        except FileNotFoundError:
            if not self._folder.is_dir():
                return "finished"
            time.sleep(0.1)  # a dead copy's marker vanished while it was looked at
        except Timeout:
            if (owner := self.lock.owner) is not None:
                who = f"process {owner.pid} on {owner.hostname}"
                print(f"{self._folder}: {who} has this run; waiting until it finishes or dies", flush=True)
            self._patience = self._duration
        else:
            self.held = True
            return "held"
        return "waiting"
