"""One live copy of a run: a lease with a heartbeat on its scratch folder.

A requeue after a lost node, or a second workflow, may start a run again while the first copy lives. The later copy waits for
the heartbeat to stop (the first one is dead: it takes over) or leaves with a message. A copy that was taken for dead, but
was only asleep, finds its lease lost and leaves without writing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        """What to tell the user then."""
        return (
            f"{self._folder}: another copy of this run has taken over, since this one gave no sign of life for "
            f"{DURATION:.0f} s; this copy leaves, nothing is lost"
        )

    def check(self) -> None:
        """Look at the lease itself, right before something takes its final name.

        Raises:
            TrainingError: if another copy has taken over.
        """
        if self._lock is not None and (self.lost or not self._lock.is_lock_held_by_us):
            raise TrainingError(self.message)


@contextmanager
def hold_lease(folder: Path, duration: float = DURATION) -> Iterator[Lease]:
    """Hold the folder's lease for the length of the block.

    A dead holder on this machine is found out at once, one on another machine after `duration` seconds.

    Raises:
        TrainingError: if another copy is alive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = SoftFileLease(folder / "lease", lease_duration=duration)
    try:
        lock.acquire(timeout=0)
    except (Timeout, FileNotFoundError):
        if (owner := lock.owner) is not None:
            print(f"{folder}: waiting {duration:.0f} s for signs of life of process {owner.pid} on {owner.hostname}")
        _wait(lock, folder, 1.2 * duration)
    try:
        yield Lease(folder, lock)
    finally:
        lock.release()


def _wait(lock: SoftFileLease, folder: Path, seconds: float) -> None:
    """Take over from a copy that gives no sign of life for so long, or leave."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            lock.acquire(timeout=max(0.0, deadline - time.monotonic()))
            return
        except FileNotFoundError:
            if not folder.is_dir():
                raise TrainingError(
                    f"{folder}: the other copy has just finished this run; nothing is left to do"
                ) from None
            time.sleep(0.1)  # a dead copy's marker vanished while it was looked at
        except Timeout:
            owner = lock.owner
            where = f"process {owner.pid} on {owner.hostname}" if owner else "another process"
            raise TrainingError(
                f"{folder}: {where} is training this run right now; wait for it, or stop it and start again"
            ) from None
