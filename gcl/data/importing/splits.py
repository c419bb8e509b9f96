"""A drawn split into training and test scenes, where the data says none: `draw_split(...)`.

It has exactly the sizes asked for, or the nearest ones. Scenes with near-identical pictures stay together. Actions are
spread as evenly as that allows. The same input and seed give the same split.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from gcl.data.scenario import SPLITS
from gcl.errors import DataError

RARE = "rare"  # stratum of the labels of which a test of this size would not expect a single scene


def draw_split(
    labels: Sequence[str], groups: Sequence[int], train: int, test: int, seed: int, *, exact: bool = True
) -> list[str | None]:
    """Draw a split.

    Args:
        labels: action of each scene. Texts that differ in case or a final full stop are the same action.
        groups: scenes with the same number stay together.
        train, test: number of scenes of each.
        seed: of all randomness.
        exact: whether a split of other sizes is refused. If not, no scene is left out, and sizes are the nearest ones.

    Returns:
        "train", "test" or None (left out) for each scene.

    Raises:
        DataError: if there is no such split. The message says the nearest one.
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
    quotas = _quotas(sizes, [len(by_size[size]) for size in sizes], {"train": train, "test": test}, exact)
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
    """Take `count` of these groups, always the one that best fits the need of the strata. Return them and the others."""
    if count == len(groups):
        return groups, []
    alike: dict[tuple[tuple[str, int], ...], list[list[int]]] = defaultdict(list)
    for scenes in groups:
        alike[tuple(sorted(Counter(strata[scene] for scene in scenes).items()))].append(scenes)
    chosen = []
    for _ in range(count):
        # The best group reduces the squared distance to the need most.
        best = max((key for key in alike if alike[key]), key=lambda key: sum(n * (2 * need[s] - n) for s, n in key))
        chosen.append(alike[best].pop())
        for stratum, number in best:
            need[stratum] -= number
    return chosen, [scenes for rest in alike.values() for scenes in rest]


def _quotas(
    sizes: Sequence[int], counts: Sequence[int], totals: dict[str, int], exact: bool
) -> dict[str, dict[int, int]]:
    """The number of groups of each size for each split. Sizes are exact, and each split gets its share of all.

    An integer program in few unknowns. A missed scene costs more than any choice out of proportion.
    """
    every, kinds = sum(size * count for size, count in zip(sizes, counts, strict=True)), len(sizes)
    # Unknowns: the number of groups of each size in train, then in test. Then come the misses of each goal above and below.
    sums, goals = np.kron(np.eye(2), np.array(sizes, dtype=float)), [totals[split] for split in SPLITS]
    share = [count * goal / every for goal in goals for count in counts]
    matrix, misses = np.vstack([sums, np.eye(2 * kinds)]), np.eye(2 + 2 * kinds)
    weights = [4 * every, 4 * every, *sizes, *sizes]
    inside = np.hstack([np.eye(kinds), np.eye(kinds), np.zeros((kinds, 2 * len(weights)))])
    program = {
        "c": np.concatenate([np.zeros(2 * kinds), weights, weights]),
        "integrality": np.concatenate([np.ones(2 * kinds), np.zeros(2 * len(weights))]),
        "bounds": Bounds(lb=0),
        "constraints": [
            LinearConstraint(inside, lb=0 if exact else counts, ub=counts),
            LinearConstraint(np.hstack([matrix, -misses, misses]), lb=[*goals, *share], ub=[*goals, *share]),
        ],
    }
    for presolve in (True, False):  # HiGHS presolves by default, and then gives up on some small programs
        solution = milp(**program, options={"mip_rel_gap": 0, "presolve": presolve})
        if solution.success:
            break
    numbers = solution.x[: 2 * kinds].round().astype(int)
    found = (sums @ numbers).round().astype(int).tolist()
    if exact and found != goals:
        raise DataError(
            f"{totals['train']} for training and {totals['test']} for the test are not possible while near-identical "
            f"pictures stay together ({sum(counts)} groups, the largest of {max(sizes)}); "
            f"nearest: train: {found[0]}, test: {found[1]}"
        )
    return {split: dict(zip(sizes, numbers[k * kinds :], strict=False)) for k, split in enumerate(SPLITS)}
