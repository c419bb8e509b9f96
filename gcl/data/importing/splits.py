"""Which scenes are for training, which for the test, where nothing says it: `draw_split(...)`.

A drawn split has exactly the sizes asked for. Scenes with near-identical pictures stay together, and actions are spread as
evenly as that allows. The same input and seed give the same split.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from gcl.data.scenario import SPLITS
from gcl.errors import DataError

RARE = "rare"  # stratum of the labels of which a test of this size would not expect a single scene


def draw_split(labels: Sequence[str], groups: Sequence[int], train: int, test: int, seed: int) -> list[str | None]:
    """Draw a split.

    Args:
        labels: action of each scene; texts that differ in case or a final full stop are the same action.
        groups: scenes with the same number stay together.
        train, test: number of scenes of each.
        seed: where all randomness comes from.

    Returns:
        "train", "test" or None (left out) for each scene.

    Raises:
        DataError: if there is no such split; the message says which is nearest.
    """
    if len(labels) < train + test:
        raise DataError(f"{len(labels)} scenes cannot give {train} for training and {test} for the test; ask for fewer")
    strata = _strata(labels, test)
    members: dict[int, list[int]] = defaultdict(list)
    for scene, group in enumerate(groups):
        members[group].append(scene)
    by_size: dict[int, list[list[int]]] = defaultdict(list)
    for scenes in members.values():
        by_size[len(scenes)].append(scenes)
    sizes = sorted(by_size, reverse=True)
    quotas = _quotas(sizes, [len(by_size[size]) for size in sizes], {"train": train, "test": test})
    rng, result = random.Random(seed), [None] * len(labels)
    left = {size: rng.sample(by_size[size], len(by_size[size])) for size in sizes}
    for split, total in (("test", test), ("train", train)):
        need = {stratum: count * total / len(labels) for stratum, count in Counter(strata).items()}
        for size in sizes:
            chosen, left[size] = _choose(left[size], strata, need, quotas[split][size])
            for scene in (scene for scenes in chosen for scene in scenes):
                result[scene] = split
    return result


def _strata(labels: Sequence[str], test: int) -> list[str]:
    texts = [label.casefold().strip().removesuffix(".") for label in labels]
    counts = Counter(texts)
    return [text if counts[text] * test >= len(texts) else RARE for text in texts]


def _choose(
    groups: list[list[int]], strata: Sequence[str], need: dict[str, float], count: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Take `count` of these groups, one after another whichever fits best what the strata still need; and the others."""
    if count == len(groups):
        return groups, []
    alike: dict[tuple[tuple[str, int], ...], list[list[int]]] = defaultdict(list)
    for scenes in groups:
        alike[tuple(sorted(Counter(strata[scene] for scene in scenes).items()))].append(scenes)
    chosen = []
    for _ in range(count):
        # How much nearer the squared distance to the need gets.
        best = max((key for key in alike if alike[key]), key=lambda key: sum(n * (2 * need[s] - n) for s, n in key))
        chosen.append(alike[best].pop())
        for stratum, number in best:
            need[stratum] -= number
    return chosen, [scenes for rest in alike.values() for scenes in rest]


def _quotas(sizes: Sequence[int], counts: Sequence[int], totals: dict[str, int]) -> dict[str, dict[int, int]]:
    """How many groups of each size go into each split, so that the sizes are exact and each split gets its share of all.

    Two integer programs in few unknowns: the first finds the nearest possible totals, the second, once these are exact,
    the most proportional choice.
    """
    every, kinds = sum(size * count for size, count in zip(sizes, counts, strict=True)), len(sizes)
    # Unknowns: the number of groups of each size in train, then in test.
    share = [count * totals[split] / every for split in SPLITS for count in counts]
    inside = LinearConstraint(np.hstack([np.eye(kinds), np.eye(kinds)]), ub=counts)
    sums = np.kron(np.eye(2), np.array(sizes, dtype=float))
    goals = np.array([totals[split] for split in SPLITS], dtype=float)
    numbers = _nearest(sums, goals, np.ones(2), [inside])
    found = (sums @ numbers).round().astype(int).tolist()
    if found != [totals[split] for split in SPLITS]:
        raise DataError(
            f"{totals['train']} for training and {totals['test']} for the test are not possible while near-identical "
            f"pictures stay together ({sum(counts)} groups, the largest of {max(sizes)}); "
            f"nearest: train: {found[0]}, test: {found[1]}"
        )
    exact = LinearConstraint(sums, lb=goals, ub=goals)
    numbers = _nearest(np.eye(2 * kinds), np.array(share), np.tile(sizes, 2), [inside, exact])
    return {split: dict(zip(sizes, numbers[k * kinds :], strict=False)) for k, split in enumerate(SPLITS)}


def _nearest(
    matrix: np.ndarray, goals: np.ndarray, weights: np.ndarray, constraints: Iterable[LinearConstraint]
) -> np.ndarray:
    """Whole numbers x >= 0 within the constraints for which matrix @ x is nearest to the goals."""
    rows, unknowns = matrix.shape
    # Two more unknowns for each goal: by how much it is missed above and below.
    padded = [LinearConstraint(np.pad(c.A, ((0, 0), (0, 2 * rows))), c.lb, c.ub) for c in constraints]
    misses = LinearConstraint(np.hstack([matrix, -np.eye(rows), np.eye(rows)]), lb=goals, ub=goals)
    program = {
        "c": np.concatenate([np.zeros(unknowns), weights, weights]),
        "integrality": np.concatenate([np.ones(unknowns), np.zeros(2 * rows)]),
        "bounds": Bounds(lb=0),
        "constraints": [*padded, misses],
    }
    for presolve in (True, False):  # which HiGHS does by default, and with which it gives up on some small programs
        solution = milp(**program, options={"mip_rel_gap": 0, "presolve": presolve})
        if solution.success:
            break
    return solution.x[:unknowns].round().astype(int)
