"""Scenes of several pictures, or none: their lines, their hashes, and the groups they form with near ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from turns_case import TURNS, dialogue

from gcl.data.manifest import check_current, load_split, write_manifests
from gcl.data.raw import read_raw, scene_record
from gcl.data.scenario import Picture, Scenario
from gcl.data.similar import near_groups, scene_groups
from gcl.errors import DataError
from gcl.files import sha256_file, sha256_text, write_jsonl

DIALOGUE = dialogue(["Stop"])
FRAMES = [{"path": "0.png", "name": "2 s before"}, {"path": "1.png", "name": "now"}]


def row(id: str, split: str, images: Any) -> dict[str, Any]:
    return {"id": id, "images": images, "split": split, "turns": {turn: {"answer": "Stop"} for turn in TURNS}}


@pytest.fixture
def root(tmp_path) -> Path:
    """Four pictures, a scene of two frames for training and one of words alone for the test."""
    for shade in range(4):
        Image.new("RGB", (8, 6), (shade, 0, 0)).save(tmp_path / f"{shade}.png")
    write(tmp_path, row("a", "train", FRAMES), row("b", "test", []))
    return tmp_path


def write(root: Path, *rows: dict[str, Any]) -> None:
    write_jsonl(root / "scenarios.jsonl", rows)


def problems(root: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_raw(root, DIALOGUE)
    return [line.removeprefix("  ") for line in str(caught.value).split("\n")[1:]]


def test_pictures_are_read_in_their_order_with_their_names(root):
    frames, words = read_raw(root, DIALOGUE)
    assert frames.pictures == (Picture(root / "0.png", "2 s before"), Picture(root / "1.png", "now"))
    assert frames.exchange("action").pictures == frames.pictures and words.exchange("action").pictures == ()


def test_a_line_is_written_as_it_is_read_and_one_picture_without_a_name_as_ever(root):
    answers = dict.fromkeys(TURNS, (None, "Stop"))
    shown = [("0.png", "2 s before"), ("1.png", "now")]
    assert scene_record("a", shown, "train", answers, None) == row("a", "train", FRAMES)
    assert scene_record("a", [], "train", answers, None) == row("a", "train", [])
    assert scene_record("a", [("0.png", None), ("1.png", None)], "", answers, None)["images"] == [
        {"path": "0.png"},
        {"path": "1.png"},
    ]
    alone = scene_record("a", [("0.png", None)], "train", answers, None)
    assert alone["image"] == "0.png" and "images" not in alone


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("0.png", 'images: text instead of a list; write [{"path": ...}, ...]'),
        (["0.png"], 'images: 1: text instead of an object; write {"path": ...}'),
        ([FRAMES[0], {"name": "now"}], "images: 2: path: missing; add it"),
        ([FRAMES[0], {"path": "1.png", "when": "now"}], "images: 2: 'when': unknown field; use path and name"),
        ([FRAMES[0], {"path": "1.png", "name": 2}], "images: 2: name: a whole number instead of text; write text"),
        ([FRAMES[0], {"path": "1.png", "name": "<|im_end|>"}], "images: 2: name: '<|im_end|>' is a sign that models"),
        ([FRAMES[0], {"path": "../1.png"}], "images: 2: path: '../1.png': leads out of the data set"),
        ([FRAMES[0], {"path": "9.png"}], "image: '9.png': no such file or directory"),
    ],
)
def test_each_mistake_is_named_with_its_picture(root, images, message):
    write(root, row("a", "train", images), row("b", "test", []))
    (found,) = problems(root)
    assert found.startswith(f"scenarios.jsonl:1: {message}")


def test_one_frame_of_a_test_scene_in_training_is_a_leak(root):
    write(root, row("a", "train", FRAMES), row("b", "test", [{"path": "2.png"}, {"path": "1.png"}]))
    (found,) = problems(root)
    assert found.startswith("scenarios.jsonl:2: image: '1.png' is the same picture as in the train split")
    write(root, row("a", "train", FRAMES) | {"image": "0.png"}, row("b", "test", []))
    assert problems(root) == ["scenarios.jsonl:1: images: stands beside image; keep one of them"]


def test_the_manifest_has_one_hash_of_all_pictures_and_one_picture_has_its_own(root):
    write_manifests(read_raw(root, DIALOGUE), root, root / "manifests")
    cells = (root / "manifests" / "train.tsv").read_text().splitlines()[1].split("\t")
    hashes = [sha256_file(root / f"{k}.png") for k in (0, 1)]
    assert cells[:3] == ["a", "0.png, 1.png", sha256_text(json.dumps(hashes, separators=(",", ":")))]
    (scene, _) = read_raw(root, DIALOGUE)
    assert Scenario("x", (Picture(root / "0.png"),), scene.turns, "train").pictures_sha256 == hashes[0]
    assert Scenario("x", (Picture(root / "0.png"),), scene.turns, "train").text_sha256 != scene.text_sha256


@pytest.mark.parametrize(
    "images",
    [FRAMES[::-1], FRAMES[:1], [*FRAMES, {"path": "2.png"}], [FRAMES[0], {"path": "1.png", "name": "1 s before"}]],
    ids=["order", "fewer", "more", "name"],
)
def test_another_list_of_pictures_is_refused_even_if_no_picture_changed(root, images):
    write_manifests(read_raw(root, DIALOGUE), root, root / "manifests")
    check_current(root, root / "manifests", DIALOGUE)
    write(root, row("a", "train", images), row("b", "test", []))
    with pytest.raises(DataError, match="'a': text_sha256: a question, an answer, a picture's name"):
        check_current(root, root / "manifests", DIALOGUE)


def test_a_changed_or_absent_frame_is_named(root):
    write_manifests(read_raw(root, DIALOGUE), root, root / "manifests")
    manifest = root / "manifests" / "train.tsv"
    Image.new("RGB", (8, 6), (99, 0, 0)).save(root / "1.png")
    with pytest.raises(DataError, match=r"'a': image_sha256: .*/0.png or .*/1.png has changed"):
        load_split(root, manifest, DIALOGUE)
    (root / "1.png").unlink()
    with pytest.raises(DataError, match=r"'a': image: .*/1.png cannot be read"):
        load_split(root, manifest, DIALOGUE)


@given(st.lists(st.lists(st.integers(0, 40), max_size=3), max_size=8), st.integers(0, 2))
def test_scenes_are_grouped_as_their_pictures_are(scenes, distance):
    """Against merging by hand: groups of near pictures, joined wherever a scene has pictures of two."""
    flat = [value for hashes in scenes for value in hashes]
    near = iter(near_groups(flat, distance))
    expected: list[set[Any]] = []
    for number, hashes in enumerate(scenes):
        mine = {("scene", number), *(("near", next(near)) for _ in hashes)}
        for other in [other for other in expected if other & mine]:
            expected.remove(other)
            mine |= other
        expected.append(mine)
    groups = scene_groups(scenes, distance)
    assert [[k for k, own in enumerate(groups) if own == group] for group in dict.fromkeys(groups)] == sorted(
        sorted(number for what, number in group if what == "scene") for group in expected
    )
