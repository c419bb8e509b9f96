"""The training loop: `train_group(engine, feed, spec, ...)` runs all steps and leaves the members trained.

The same loop serves a group of one (supervised fine-tuning), pairs, and larger groups, on any engine. It also grounds
miniature backbones.
"""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import torch
from tqdm import tqdm

from gcl.data.encoding import words
from gcl.errors import TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import RunSpec
from gcl.training.alignment import align
from gcl.training.batches import global_batches, steps_per_epoch
from gcl.training.checkpoint import Checkpoints
from gcl.training.engine import Engine, StepReport
from gcl.training.feeds import Feed
from gcl.training.log import LossLog
from gcl.training.losses import accumulate, check_finite
from gcl.training.member import Member
from gcl.training.pulls import Pulls
from gcl.training.validation import Validator


class Stopped(SystemExit):
    """The scheduler stopped the training, which left a checkpoint. Status as if the signal had killed it."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def total_steps(feed: Feed, spec: RunSpec) -> int:
    """Optimizer steps of the whole training."""
    return spec.training.epochs * steps_per_epoch(len(feed.exchanges), spec.training.global_batch)


def train_group(
    engine: Engine, feed: Feed, spec: RunSpec, execution: ExecutionSpec, checkpoints: Checkpoints, log: LossLog | None
) -> int:
    """Fine-tune all members together, in place.

    Args:
        engine: holds the members.
        feed: of the samples.
        spec: the run.
        execution: how often to save, how to prepare batches.
        checkpoints: where to continue from and save to.
        log: takes the losses of every step; the main process alone has one.

    Returns:
        The step whose weights the members have in the end, the last or the best one.

    Raises:
        CheckpointError: if the members' tokenizers do not agree on the answers.
        TrainingError: if the loss is no longer finite, memory runs out, or another copy has taken over.
        Stopped: after SIGTERM, once a checkpoint is written.
    """
    training, members = spec.training, engine.members
    alignment = align([member.encoder for member in members], [member.head_rows for member in members])
    placed = alignment.to(engine.world.device)  # processes that prepare batches keep theirs on the CPU
    steps = total_steps(feed, spec)
    done = checkpoints.resume()
    lengths = words(members[0].encoder, feed.exchanges) if training.by_length else None
    order = global_batches(
        len(feed.exchanges), training.global_batch, training.epochs, spec.seed, lengths, training.micro_batch
    )
    batches = list(order)[done:]
    upcoming = feed.steps(engine, spec, batches, done=done, alignment=alignment, workers=execution.workers)
    validator = Validator(engine, feed, spec, alignment, execution.head_chunk) if training.validation else None
    pulls = Pulls(engine, spec, placed, execution.head_chunk)
    for member in members:
        member.train(not member.spec.frozen)
    bar = tqdm(total=steps, initial=done, desc=spec.id, unit="step", mininterval=2, disable=not engine.world.main)
    if log:
        log.begin(done, steps)
    with _stop_requests() as stop_requested, bar:
        for step, batch in enumerate(batches, start=done + 1):
            with memory_explained(spec, execution, f"at step {step}"):
                prepared, pulled = next(upcoming), {}
                if execution.gradient_shares_every and (step % execution.gradient_shares_every == 0 or step == steps):
                    prepared, pulled = pulls.measure(prepared)
                losses = accumulate(engine, prepared, spec, placed, execution.head_chunk)
                check_finite(losses, spec, step, [feed.exchanges[i] for i in batch])
                report = engine.step()
            validated, best = {}, False
            if validator and (step % training.validation.every == 0 or step == steps):
                with memory_explained(spec, execution, f"in the validation after step {step}"):
                    validated = validator.losses(step)
                if training.validation.keep == "best":
                    best = checkpoints.note(step, validator.total(validated))
            if log:
                log.write(step, losses | _norms(members, report) | prepared.facts | validated | pulled)
            bar.update()
            # One question to all processes, so that they stop, or save, together.
            stops, losts = engine.world.sum([stop_requested(), checkpoints.lease.lost])
            if losts:
                raise TrainingError(checkpoints.lease.message)
            # After the last step, too: writing the results can still fail, for instance if the disk is full.
            if stops or best or step % execution.save_every == 0 or step == steps:
                checkpoints.save(step)
            if stops:
                if engine.world.main:
                    print(f"stopped after step {step} of {steps}; run it again to continue", file=sys.stderr)
                raise Stopped
    for member in members:
        member.eval()
    if checkpoints.best is None:
        return steps
    checkpoints.load_best()
    return checkpoints.best.step


def _norms(members: Sequence[Member], report: StepReport) -> dict[str, float]:
    """Gradient norms by role; a step that float16 overflow skipped has none and says so."""
    if report.skipped:
        return {"skipped": 1.0}
    return {f"norm_{m.spec.role}": n for m, n in zip(members, report.norms, strict=True) if n is not None}


@contextmanager
def memory_explained(spec: RunSpec, execution: ExecutionSpec, when: str) -> Iterator[None]:
    """Turn a lack of memory inside the block into advice.

    Raises:
        TrainingError: saying what to lower.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        # The CPU's allocator raises a plain RuntimeError.
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "allocate memory" not in str(error):
            raise
        remedies = [
            f"lower training.micro_batch (now {spec.training.micro_batch})",
            "lower the limit of training.pixels",
        ]
        if not execution.gradient_checkpointing:
            remedies.insert(0, "set execution.gradient_checkpointing: true")
        if not execution.offload:
            remedies.append("set execution.offload: true")
        if execution.engine == "plain":
            remedies.append("use execution.engine: deepspeed with more processes")
        raise TrainingError(
            f"{spec.id}: out of memory {when}; {', or '.join(remedies)}. "
            f"`gcl plan --memory {spec.id}` shows what takes how much"
        ) from error


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM, a scheduler's warning, and Ctrl-C into a question that the loop asks between steps."""
    asked: list[int] = []
    previous = {}

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if number == signal.SIGINT:  # pressed twice, the program ends at once; launchers repeat SIGTERM by themselves
            signal.signal(number, previous[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.signal(number, note)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
