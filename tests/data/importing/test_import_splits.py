"""A drawn split has exactly the sizes asked for, never separates near-identical pictures, and spreads actions evenly."""

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_cases import TABLE, as_jsonl, colour, row, run_import, scenes, write_source
from PIL import Image

from gcl.data.importing.splits import draw_split
from gcl.errors import DataError

LABELS = st.sampled_from(["Stop", "stop.", "Go", "Turn Left", "unique"])
SCENES = st.lists(st.tuples(LABELS, st.integers(0, 12)), min_size=2, max_size=40)


def _possible(sizes: list[int]) -> set[tuple[int, int]]:
    """Every (train, test) that groups of these sizes can give: each group goes to one of them or is left out."""
    reached = {(0, 0)}
    for size in sizes:
        reached |= {(a + size, b) for a, b in reached} | {(a, b + size) for a, b in reached}
    return reached


@settings(max_examples=150)
@given(scenes=SCENES, data=st.data(), seed=st.integers(0, 9))
def test_drawn_split_is_exact_or_impossible(scenes: list[tuple[str, int]], data: st.DataObject, seed: int) -> None:
    labels, groups = map(list, zip(*scenes, strict=True))
    train = data.draw(st.integers(1, len(scenes) - 1))
    test = data.draw(st.integers(1, len(scenes) - train))
    possible = _possible(list(Counter(groups).values()))
    try:
        split = draw_split(labels, groups, train, test, seed)
    except DataError as error:
        assert (train, test) not in possible
        nearest = min(abs(a - train) + abs(b - test) for a, b in possible)
        found = str(error).rpartition("nearest: train: ")[2].split(", test: ")
        assert (int(found[0]), int(found[1])) in possible
        assert abs(int(found[0]) - train) + abs(int(found[1]) - test) == nearest
        return
    assert (split.count("train"), split.count("test")) == (train, test)
    for group in set(groups):
        assert len({split[k] for k in range(len(scenes)) if groups[k] == group}) == 1
    assert split == draw_split(labels, groups, train, test, seed)


def test_a_program_that_the_solver_s_presolve_gives_up_on_is_solved() -> None:
    """Groups of 2 and 5 scenes, 6 and 1 asked for."""
    with pytest.raises(DataError, match=r"nearest: train: (5, test: [02]|7, test: 0)"):
        draw_split(["Stop"] * 7, [0, 0, 1, 1, 1, 1, 1], 6, 1, 0)


@settings(max_examples=100)
@given(labels=st.lists(st.sampled_from("abcdefg"), min_size=20, max_size=120), data=st.data(), seed=st.integers(0, 9))
def test_each_action_gets_its_share_of_both_splits(labels: list[str], data: st.DataObject, seed: int) -> None:
    test = data.draw(st.integers(1, len(labels) // 2))
    train = data.draw(st.integers(len(labels) // 2, len(labels) - test))
    split = draw_split(labels, range(len(labels)), train, test, seed)
    for label, count in Counter(labels).items():
        if count * test < len(labels):
            continue  # too rare to be its own stratum
        found = sum(name == "test" and own == label for name, own in zip(split, labels, strict=True))
        assert abs(found - count * test / len(labels)) < 1


def test_other_seed_gives_another_split() -> None:
    labels, groups = ["a"] * 40, range(40)
    splits = {tuple(draw_split(labels, groups, 30, 10, seed)) for seed in range(5)}
    assert len(splits) == 5


def test_labels_that_differ_in_case_or_full_stop_are_one_stratum() -> None:
    labels = ["Stop", "stop."] * 20 + ["Go"] * 40
    split = draw_split(labels, range(80), 60, 20, 0)
    assert sum(name == "test" for name in split[:40]) == 10


def test_groups_go_to_the_splits_in_proportion() -> None:
    groups = [k // 4 for k in range(400)]
    split = draw_split(["a"] * 400, groups, 320, 80, 0)
    assert (split.count("train"), split.count("test")) == (320, 80)


def test_impossible_sizes_are_answered_with_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        draw_split(["a"] * 12, [k // 3 for k in range(12)], 8, 4, 0)
    assert str(caught.value) == (
        "8 for training and 4 for the test are not possible while near-identical pictures stay together "
        "(4 groups, the largest of 3); nearest: train: 9, test: 3"
    )


def test_a_hundred_thousand_scenes_are_split_in_seconds() -> None:
    rng = np.random.default_rng(0)
    labels = [f"action {k}" for k in rng.integers(0, 12, 100_000)]
    split = draw_split(labels, [int(k) for k in rng.integers(0, 60_000, 100_000)], 80_000, 20_000, 0)
    assert (split.count("train"), split.count("test")) == (80_000, 20_000)


def test_near_identical_pictures_stay_on_one_side_of_an_imported_split(tmp_path: Path) -> None:
    rows = [row(0) | {"id": f"s{k}", "image": f"p{k}.png"} for k in range(12)]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)})
    for scene, frame in product(range(6), range(2)):
        pixels = np.asarray(colour(scene)).astype(int) + frame * 3
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(source / f"p{2 * scene + frame}.png")
    mapping = TABLE | {"files": ["a.jsonl"], "split": {"train": 6, "test": 4, "seed": 3}}
    summary = run_import(source, mapping)
    assert (summary.scenes, summary.left_out, summary.pictures) == ({"train": 6, "test": 4}, 2, 10)
    assert summary.notes == [
        "records whose split is not read: 12",
        "scenes left out, being more than the split asks for: 2",
    ]
    split = {int(scene["id"][1:]): scene["split"] for scene in scenes(source)}
    assert all(split.get(2 * k) == split.get(2 * k + 1) for k in range(6))
    assert len(list((summary.to / "images").iterdir())) == 10
