"""Seeded data sets of states: `generate(task, level, counts, seed)`; `gcl planning generate --help` shows a call.

One call never gives a state twice. Every split has its own random numbers. Test states are drawn first, then validation
states, then training states. So a larger training split keeps all other states, and its own first ones.
"""

import random
from collections.abc import Collection, Mapping
from dataclasses import replace

from tqdm import tqdm

from gcl.errors import DataError
from gcl.planning.draw import BUCKETS, bucket, draw_state
from gcl.planning.states_file import SPLITS, TASKS, StateRecord, solved

# After this many draws in a row without a new state, there are no more.
PATIENCE = 20_000


def generate(
    task: str,
    level: int,
    counts: Mapping[str, int],
    seed: int,
    *,
    corners: bool = False,
    exclude: Collection[str] = (),
) -> list[StateRecord]:
    """Draw the states of one task and level.

    A third each of mazes and rooms is easy, medium and hard (`gcl.planning.draw.bucket`), in turn.

    Args:
        task: "frozenlake", "maze" or "minibehaviour".
        level: cells along a side.
        counts: states per split; splits are "train", "val" and "test".
        seed: decides all draws, together with task, level and split.
        corners: leave start and goal of a lake in the corners.
        exclude: hashes of states to leave out, such as those of a public test set.

    Returns:
        The records in the order train, val, test.

    Raises:
        DataError: if there are too few different states, with the number found. There are 8 lakes of level 2 and 1218 of
            level 3. There are 4104 rooms of level 5 (1592 easy, 1496 medium, 1016 hard) and 17400 of level 6.
    """
    if task not in TASKS:
        raise DataError(f"unknown task {task!r}; use one of {', '.join(TASKS)}")
    if unknown := set(counts) - set(SPLITS):
        raise DataError(f"unknown split {min(unknown)!r}; use {', '.join(SPLITS)}")
    if not any(counts.values()):
        raise DataError("no states asked for; give a number for one split at least")
    seen = set(exclude)
    records: dict[str, list[StateRecord]] = {}
    with tqdm(total=sum(counts.values()), desc=f"{task} {level}", unit="state", mininterval=2) as bar:
        for split in reversed(SPLITS):
            records[split] = _draw_split(task, level, split, counts.get(split, 0), seed, seen, bar, corners)
    return [record for split in SPLITS for record in records[split]]


def _draw_split(
    task: str, level: int, split: str, count: int, seed: int, seen: set[str], bar: tqdm, corners: bool
) -> list[StateRecord]:
    """Draw `count` states that are not in `seen`, buckets in turn; add their hashes to `seen`."""
    rng = random.Random(f"planning {task} {level} {seed} {split}")
    names = ("any",) if task == "frozenlake" else BUCKETS
    wanted = {name: len(range(first, count, len(names))) for first, name in enumerate(names)}
    drawn: dict[str, list[StateRecord]] = {name: [] for name in names}
    misses = 0
    while any(len(drawn[name]) < wanted[name] for name in names):
        misses += 1
        if misses > PATIENCE:
            had = ", ".join(f"{len(drawn[name])} of {wanted[name]} {name}" for name in names)
            raise DataError(
                f"{task} level {level}: there are too few different states: this split has {had}, all splits together "
                f"{bar.n}, and {PATIENCE} more draws brought none; ask for fewer, exclude less, or take a higher level"
            )
        state = draw_state(task, level, rng, corners=corners)
        if state.state_hash in seen:
            continue
        record = solved(f"{task}-{level}-{split}", split, seed, state)
        name = bucket(state, len(record.plan))
        if len(drawn[name]) < wanted[name]:
            misses = 0
            seen.add(state.state_hash)
            number = names.index(name) + len(names) * len(drawn[name])
            drawn[name].append(replace(record, id=f"{record.id}-{number:05d}"))
            bar.update()
    return sorted((record for group in drawn.values() for record in group), key=lambda record: record.id)
