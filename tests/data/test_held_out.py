"""Scenes held out for the validation: whole groups of near pictures, near the share, in any order the same."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gcl.data.held_out import drawn, hold_out
from gcl.data.scenario import Picture, Scenario, Turn
from gcl.errors import DataError

SCENES = st.lists(st.tuples(st.sampled_from(["Stop", "Go", "Turn Left"]), st.integers(0, 12)), min_size=2, max_size=40)


@settings(max_examples=100)
@given(scenes=SCENES, share=st.floats(0.02, 0.98), seed=st.integers(0, 9))
def test_whole_groups_are_held_out_as_near_to_the_share_as_they_allow(scenes, share, seed):
    labels, groups = map(list, zip(*scenes, strict=True))
    ids = [f"s{k:02d}" for k in range(len(scenes))]
    wanted = round(share * len(ids))
    reached = {0}  # every number of scenes that whole groups can have
    for size in Counter(groups).values():
        reached |= {count + size for count in reached}
    miss = min(abs(count - wanted) for count in reached)
    try:
        found = drawn(ids, labels, groups, share)
    except DataError:
        assert wanted in (0, len(ids)) or any(abs(count - wanted) == miss for count in (0, len(ids)))
        return
    assert 0 < len(found) < len(ids) and abs(len(found) - wanted) == miss
    for group in set(groups):
        assert len({id in found for id, own in zip(ids, groups, strict=True) if own == group}) == 1
    renamed = random.Random(seed).sample(range(100), 13)
    assert drawn(ids, labels, [renamed[group] for group in groups], share) == found, "numbers of groups mean nothing"


def scene(folder, name: str, number: int, frame: int = 0) -> Scenario:
    """A scene whose picture is blocks of colour; frames of one number differ a little."""
    pixels = np.random.default_rng(number).integers(0, 200, (8, 8, 3)).repeat(8, 0).repeat(8, 1) + 4 * frame
    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
    return Scenario(name, (Picture(folder / f"{name}.png"),), {"action": Turn("?", "Go.")}, "train", None)


def test_the_order_of_scenes_does_not_matter(tmp_path):
    scenes = [scene(tmp_path, f"s{k}", k) for k in range(20)]
    found = hold_out(scenes, 0.2)
    assert len(found) == 4 and found == hold_out(scenes, 0.2)
    for seed in range(5):
        assert hold_out(random.Random(seed).sample(scenes, 20), 0.2) == found
    assert hold_out([replace(one, split="test") for one in scenes], 0.2) == found


def test_frames_of_one_moment_are_held_out_together_or_not_at_all(tmp_path):
    scenes = [scene(tmp_path, f"s{number}-{frame}", number, frame) for number in range(8) for frame in range(3)]
    found = hold_out(scenes, 0.25)
    assert len(found) == 6
    assert set(Counter(name.partition("-")[0] for name in found).values()) == {3}


def test_each_action_gets_its_share():
    labels = ["Stop", "Go"] * 20
    found = drawn([f"s{k:02d}" for k in range(40)], labels, range(40), 0.2)
    assert Counter(labels[int(name[1:])] for name in found) == {"Stop": 4, "Go": 4}


@pytest.mark.parametrize(
    "count, share, message",
    [
        (40, 0.01, "training.validation.share: 0.01 of 40 training scenes is 0; raise the share"),
        (40, 0.99, "training.validation.share: 0.99 of 40 training scenes is 40; lower the share"),
        (1, 0.5, "0.5 of 1 training scenes is 0; raise"),
    ],
)
def test_a_share_that_leaves_nothing_is_refused(count, share, message):
    with pytest.raises(DataError, match=message):
        drawn([f"s{k}" for k in range(count)], [""] * count, list(range(count)), share)


def test_scenes_of_one_group_cannot_be_divided(tmp_path):
    scenes = [scene(tmp_path, f"s{frame}", 1, frame) for frame in range(6)]
    with pytest.raises(DataError, match=r"0.5 of 6 training scenes is 3, but .* in 1 group, the smallest of 6; take"):
        hold_out(scenes, 0.5)
    with pytest.raises(DataError, match=r"0.1 of 40 training scenes is 4, but .* in 2 groups, the smallest of 20"):
        drawn([f"s{k:02d}" for k in range(40)], [""] * 40, [k // 20 for k in range(40)], 0.1)
