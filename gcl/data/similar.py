"""Pictures that show nearly the same: `perceptual_hash(picture)`, `near_across(tests, trains)`, `scene_groups(scenes)`.

Frames of one recording a moment apart differ in most pixels, but in few bits of the hash. If training sees one of them, the
other tests little. All hashes are compared with all others.
"""

from collections.abc import Iterator, Sequence

import imagehash
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Of 64 bits. The same frame, compressed again or scaled, differs in up to 2. Moved by 16 of 1280 pixels, it differs in up
# to 6. Independent frames differ in 16 to 48. Measured on 200 pictures of benchmarks/validation.py.
NEAR = 6


def perceptual_hash(picture: Image.Image) -> int:
    """64 bits of a picture's low frequencies (pHash)."""
    # pHash looks at 32 x 32 pixels. The gap makes the way there four times as fast, for at most a bit or two.
    small = picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return int(str(imagehash.phash(small)), 16)


def near_across(
    tests: Sequence[int], trains: Sequence[int], distance: int = NEAR
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Near pictures of two splits, by their hashes.

    Yields:
        Each position of `tests` that has near ones in `trains`, with their (position, distance), nearest first.
    """
    values = np.array(trains, dtype=np.uint64)
    for position, value in enumerate(tests):
        distances = np.bitwise_count(values ^ np.uint64(value))
        near = np.flatnonzero(distances <= distance)
        if len(near):
            near = near[np.argsort(distances[near], kind="stable")]
            yield position, list(zip(near.tolist(), distances[near].tolist(), strict=True))


def near_groups(hashes: Sequence[int], distance: int = NEAR) -> list[int]:
    """A group number for every picture. Near pictures share it, and so do those near to them."""
    return scene_groups([[value] for value in hashes], distance)


def scene_groups(scenes: Sequence[Sequence[int]], distance: int = NEAR) -> list[int]:
    """A group number for every scene, from the hashes of its pictures. Scenes share it if some of their pictures are near.

    A scene without pictures is a group of its own.
    """
    owners = np.repeat(np.arange(len(scenes)), [len(hashes) for hashes in scenes])
    flat = np.array([value for hashes in scenes for value in hashes], dtype=np.uint64)
    values, inverse = np.unique(flat, return_inverse=True)
    near = [
        k + 1 + np.flatnonzero(np.bitwise_count(values[k + 1 :] ^ value) <= distance) for k, value in enumerate(values)
    ]
    # Nodes are the different hashes, then the scenes. A scene is joined with its pictures.
    count = len(values) + len(scenes)
    rows = np.concatenate([np.repeat(np.arange(len(values)), [len(others) for others in near]), inverse])
    columns = np.concatenate([*near, len(values) + owners])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1][len(values) :].tolist()
