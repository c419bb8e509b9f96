"""Checkpoints to resume from: `Checkpoints(folder, identity, ...)` saves them whole, keeps the newest, refuses unfit ones.

    checkpoints/step-000200/state.json      the checkpoint's identity, and the hash of every other file
    checkpoints/step-000200/...             a file (plain) or folder (DeepSpeed) per member; random states; the log

A checkpoint is written under a hidden name and renamed when every process is done. So a kill at any moment leaves the one
before. All processes call every method.

Where the best step of a validation counts, `note` compares steps. Every checkpoint knows the best step so far. That step's
checkpoint stays for as long as a newer one may need it.
"""

import errno
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gcl.errors import DataError, TrainingError
from gcl.files import read_json, sha256_file, write_json, write_text
from gcl.training.engine import Engine
from gcl.training.lease import Lease

FORMAT = 1


class Best(NamedTuple):
    """The lowest validation loss so far, and the first step that has it."""

    loss: float
    step: int


class Checkpoints:
    """The resume checkpoints of one run.

    Args:
        folder: holds them; nothing else should.
        identity: all that a checkpoint must have in common with the run that continues it.
        keep: how many of the newest stay.
        engine: whose state is saved.
        lease: says whether this copy of the run may still write.

    Attributes:
        best: of all steps that `note` was told; None before.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str], keep: int, engine: Engine, lease: Lease) -> None:
        self.folder, self.keep, self.engine, self.lease = folder, keep, engine, lease
        self._log = folder.parent / "losses.jsonl"
        self.best: Best | None = None
        self.identity = {"format": str(FORMAT), **engine.arrangement, **identity}
        # Another copy that is not quite dead must not write into the same unfinished folder.
        self._name = engine.world.share(secrets.token_hex(4))
        if engine.world.main:
            folder.mkdir(parents=True, exist_ok=True)
            for unfinished in folder.glob(".step-*"):
                shutil.rmtree(unfinished, ignore_errors=True)
        engine.world.barrier()

    def note(self, step: int, loss: float) -> bool:
        """Take down the validation loss after a step; returns whether it is the lowest. Then `save` has to follow."""
        if self.best is not None and loss >= self.best.loss:
            return False
        self.best = Best(loss, step)
        return True

    def save(self, step: int) -> None:
        """Write the state after `step` steps; it exists once it is whole."""
        engine = self.engine
        target, work = self._path(step), self.folder / f".step-{step:06d}.{self._name}"
        if engine.world.main:
            work.mkdir()
        engine.world.barrier()
        try:
            self._write(work, step)
        except (OSError, RuntimeError) as error:
            shutil.rmtree(work, ignore_errors=True)
            if "inline_container" in str(error) or "PytorchStreamWriter" in str(error):  # torch's words for a full disk
                raise OSError(errno.ENOSPC, "no space left on device", str(work)) from error
            raise
        if engine.world.main:
            self.lease.check()
            shutil.rmtree(target, ignore_errors=True)
            work.replace(target)
            found = self.found()
            newest = found[-self.keep :]
            # Of every one that stays, since a damaged one is deleted and the one before continues.
            bests = {self._path(best.step) for best in map(_best, newest) if best}
            for old in found:
                if old not in newest and old not in bests:
                    shutil.rmtree(old)
        engine.world.barrier()

    def _write(self, work: Path, step: int) -> None:
        engine = self.engine
        engine.save(work)
        torch.save(_random_state(), work / f"random-{engine.world.rank}.pt")
        if engine.world.main and self._log.exists():
            shutil.copy(self._log, work / self._log.name)
        engine.world.barrier()
        files = sorted(path for path in work.rglob("*") if path.is_file())
        mine = files[engine.world.rank :: engine.world.size]
        own = {path.relative_to(work).as_posix(): sha256_file(path) for path in mine}
        hashes = {name: digest for part in engine.world.collect(own) for name, digest in part.items()}
        if engine.world.main:
            scale = engine.loss_scale.state()
            state = {"step": step, "identity": self.identity, "loss_scale": scale, "best": self.best, "files": hashes}
            write_json(work / "state.json", state)

    def resume(self) -> int:
        """Load the newest checkpoint; returns its number of steps, 0 without one.

        Raises:
            TrainingError: if the checkpoint is damaged, or belongs to another run, code or arrangement of processes.
                Also if that of the best step is.
        """
        found = self.engine.world.share(self.found())
        if not found:
            return 0
        newest = found[-1]
        self._check(newest, f"delete {newest} to continue from the checkpoint before, or from the start")
        state = read_json(newest / "state.json")
        self.best = _best(newest)
        if self.best and self.best.step != state["step"]:
            self._check_best()
        self.engine.load(newest)
        self.engine.loss_scale.restore(state["loss_scale"])
        path = newest / f"random-{self.engine.world.rank}.pt"
        _restore_random(torch.load(path if path.exists() else newest / "random-0.pt", weights_only=True))
        if self.engine.world.main and (newest / self._log.name).exists():
            write_text(self._log, (newest / self._log.name).read_text(encoding="utf-8"))
        return state["step"]

    def load_best(self) -> None:
        """Give the members the weights of the best step.

        Raises:
            TrainingError: if its checkpoint is damaged.
        """
        self._check_best()
        self.engine.load(self._path(self.best.step))

    def found(self) -> list[Path]:
        """Whole checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:06d}"

    def _check_best(self) -> None:
        self._check(self._path(self.best.step), f"it has the best weights; delete {self.folder} to start over")

    def _check(self, path: Path, remedy: str) -> None:
        """Refuse a checkpoint that cannot be used, in all processes alike."""
        problem = self._problem(path, remedy)
        if self.engine.world.any(problem is not None):
            raise TrainingError(problem or f"{path}: another process cannot use this checkpoint; see its message")

    def _problem(self, path: Path, remedy: str) -> str | None:
        """Why a checkpoint cannot be used, or None."""
        damaged = f"damaged; {remedy}"
        try:
            state = read_json(path / "state.json")
            identity, files = state["identity"], sorted(state["files"].items())
        except (OSError, DataError, KeyError, TypeError, AttributeError):
            return f"{path}: state.json is missing or broken; {damaged}"
        differing = sorted(key for key in {*identity, *self.identity} if identity.get(key) != self.identity.get(key))
        if differing:
            changes = "; ".join(f"{key}: {identity.get(key)} then, {self.identity.get(key)} now" for key in differing)
            return (
                f"{path}: made by another run, code or arrangement ({changes}); restore what has changed to continue, "
                f"or delete {self.folder} to start over"
            )
        for name, digest in files[self.engine.world.rank :: self.engine.world.size]:
            if not (path / name).is_file():
                return f"{path}: {name} is missing; {damaged}"
            if sha256_file(path / name) != digest:
                return f"{path}: {name} is not what was written; {damaged}"
        return None


def _best(path: Path) -> Best | None:
    """The best step that a checkpoint knows; None without one, or if the checkpoint is damaged."""
    try:
        found = read_json(path / "state.json")["best"]
        return found and Best(*found)
    except (OSError, DataError, KeyError, TypeError):
        return None


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _restore_random(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
