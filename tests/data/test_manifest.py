"""Manifests say exactly which pictures and words were checked, and data that changed since is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from turns_case import TURNS, dialogue

from gcl.data.manifest import check_counts, check_current, load_split, write_manifests
from gcl.data.raw import read_raw
from gcl.data.scenario import Scenario
from gcl.errors import DataError
from gcl.files import sha256_file, write_jsonl

DIALOGUE = dialogue(["Stop"])
SPLIT_OF = {"b": "train", "a": "train", "c": "test"}


def _row(id: str, **fields: Any) -> dict[str, Any]:
    turns = {turn: {"answer": fields.pop(turn, "Stop")} for turn in TURNS}
    return {"id": id, "image": f"{id}.png", "split": SPLIT_OF.get(id, "train"), "turns": turns, **fields}


def _annotate(root: Path, *rows: dict[str, Any]) -> None:
    write_jsonl(root / "scenarios.jsonl", rows)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Raw data: b and a for training, c for testing."""
    root = tmp_path / "raw"
    root.mkdir()
    for shade, id in enumerate(SPLIT_OF):
        Image.new("RGB", (8, 6), (shade, 0, 0)).save(root / f"{id}.png")
    _annotate(root, *(_row(id) for id in SPLIT_OF))
    return root


@pytest.fixture
def manifests(root: Path) -> Path:
    """Folder of the manifests of `root`."""
    folder = root.parent / "manifests"
    write_manifests(_read(root), root, folder)
    return folder


def _read(root: Path) -> list[Scenario]:
    return read_raw(root, DIALOGUE)


def _load(root: Path, path: Path) -> list[Scenario]:
    return load_split(root, path, DIALOGUE)


def _remedy(path: Path) -> str:
    drawn = f"(drawn data: snakemake {path} -R manifest --cores 1)"
    return f"rebuild the manifest: dvc repro manifest@{path.parent.name} {drawn}"


def _mismatch(root: Path, path: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        _load(root, path)
    heading, *lines = str(caught.value).split("\n  ")
    assert heading.startswith(
        f"{path} does not match {root} (restore the data, or {_remedy(path)}): {len(lines)} problem"
    )
    return lines


def test_manifest_lists_ids_in_order_with_relative_paths_and_hashes(root: Path, manifests: Path) -> None:
    b, a, _ = _read(root)
    assert (manifests / "train.tsv").read_text() == (
        "id\timage\timage_sha256\ttext_sha256\n"
        f"a\ta.png\t{sha256_file(root / 'a.png')}\t{a.text_sha256}\n"
        f"b\tb.png\t{sha256_file(root / 'b.png')}\t{b.text_sha256}\n"
    )
    assert [line.split("\t")[0] for line in (manifests / "test.tsv").read_text().splitlines()] == ["id", "c"]


def test_manifest_does_not_depend_on_the_order_of_the_annotations(root: Path, manifests: Path) -> None:
    before = (manifests / "train.tsv").read_bytes()
    write_manifests(_read(root)[::-1], root, manifests)
    assert (manifests / "train.tsv").read_bytes() == before


@pytest.mark.parametrize("character", ["\t", "\n", "\r"])
@pytest.mark.parametrize("field", ["id", "image"])
def test_what_would_break_a_line_of_a_manifest_is_refused_where_it_stands(
    root: Path, character: str, field: str
) -> None:
    _annotate(root, _row("b"), _row("a") | {field: f"x{character}y"}, _row("c"))
    with pytest.raises(DataError, match=rf"scenarios.jsonl:2: {field}: .* has a tab or a line break; rename it"):
        _read(root)


def test_split_is_loaded_in_manifest_order_with_its_texts(root: Path, manifests: Path) -> None:
    scenarios = _load(root, manifests / "train.tsv")
    assert scenarios == sorted(_read(root)[:2], key=lambda scenario: scenario.id)
    assert [scenario.id for scenario in _load(root, manifests / "test.tsv")] == ["c"]


def test_changed_picture_is_named(root: Path, manifests: Path) -> None:
    Image.new("RGB", (8, 6), (99, 0, 0)).save(root / "a.png")
    assert _mismatch(root, manifests / "train.tsv") == [f"'a': image_sha256: {root / 'a.png'} has changed"]
    assert len(_load(root, manifests / "test.tsv")) == 1


def test_removed_picture_is_named(root: Path, manifests: Path) -> None:
    (root / "a.png").unlink()
    expected = f"'a': image: {root / 'a.png'} cannot be read (No such file or directory)"
    assert _mismatch(root, manifests / "train.tsv") == [expected]


@pytest.mark.parametrize("field", ["perception", "action"])
def test_changed_words_are_named(root: Path, manifests: Path, field: str) -> None:
    _annotate(root, _row("b"), _row("a", **{field: "stop"}), _row("c"))
    expected = "'a': text_sha256: a question, an answer, a picture's name or the action has changed"
    assert _mismatch(root, manifests / "train.tsv") == [expected]


def test_changed_question_is_named(root: Path, manifests: Path) -> None:
    with pytest.raises(DataError, match="'c': text_sha256: a question"):
        load_split(root, manifests / "test.tsv", dialogue(["Stop"], DIALOGUE.questions | {"action": "And now?"}))


def test_missing_and_extra_scenes_are_named(root: Path, manifests: Path) -> None:
    _annotate(root, _row("a"), _row("new", image="b.png"), _row("c"))
    assert _mismatch(root, manifests / "train.tsv") == [
        "'b': in the manifest, but not in the train split",
        "'new': in the train split, but not in the manifest",
    ]


def test_scene_moved_to_the_other_split_is_named_in_both(root: Path, manifests: Path) -> None:
    _annotate(root, _row("b"), _row("a", split="test"), _row("c"))
    assert _mismatch(root, manifests / "train.tsv") == ["'a': in the manifest, but not in the train split"]
    assert _mismatch(root, manifests / "test.tsv") == ["'a': in the test split, but not in the manifest"]


def test_data_that_became_invalid_is_reported_as_by_the_importer(root: Path, manifests: Path) -> None:
    _annotate(root, _row("b"), _row("a", reasoning=""), _row("c"))
    with pytest.raises(DataError, match=r"scenarios.jsonl:2: turns.reasoning: answer: empty; fill it in"):
        _load(root, manifests / "train.tsv")


HEADER = "id\timage\timage_sha256\ttext_sha256\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "train.tsv:1: header is '' instead of id image image_sha256 text_sha256, tab-separated; "),
        (b"id,image,image_sha256,text_sha256\n", "train.tsv:1: header is 'id,image,image_sha256,text_sha256' instead"),
        (HEADER.encode() + b"a\ta.png\t0\n", "train.tsv:2: 3 columns instead of 4; "),
        (HEADER.encode() + b"a\ta.png\t0\t0\n\n", "train.tsv:3: 1 columns instead of 4; "),
        (HEADER.encode() + b"a\ta.png\t0\t0\n" * 2, "train.tsv:3: id 'a' stands there twice; "),
        (HEADER.encode() + b"\xff", "train.tsv:2: not UTF-8; "),
        (None, "train.tsv: cannot be read (No such file or directory); "),
    ],
)
def test_broken_manifest_is_named_with_its_line_and_remedy(root: Path, content: bytes | None, expected: str) -> None:
    path = root.parent / "train.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        _load(root, path)
    assert expected in str(caught.value)
    assert str(caught.value).endswith(_remedy(path))


def test_manifest_whose_name_is_no_split_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"dev.tsv: the name says no split; manifests are called train.tsv and test.tsv"
    ):
        _load(root, tmp_path / "dev.tsv")


def test_expected_counts_pass(root: Path) -> None:
    check_counts(_read(root), {"train": 2, "test": 1}, "muson")


@pytest.mark.parametrize("expected", [{"train": 3, "test": 1}, {"train": 2, "test": 2}])
def test_other_counts_are_refused_with_the_setting_to_change(root: Path, expected: dict[str, int]) -> None:
    with pytest.raises(DataError) as caught:
        check_counts(_read(root), expected, "muson")
    assert str(caught.value) == (
        f"muson: found 2 train, 1 test scenes, expected {expected['train']} train, {expected['test']} test; "
        "complete the data, or change datasets.muson.scenarios in config.yaml or workflow/scales/<scale>.yaml"
    )


def test_a_quick_look_finds_changed_words_and_pictures_that_are_newer_than_the_manifest(root, manifests) -> None:
    check_current(root, manifests, DIALOGUE)
    Image.new("RGB", (8, 6), (99, 0, 0)).save(root / "a.png")
    with pytest.raises(DataError, match=r"'a': image_sha256: .* has changed"):
        check_current(root, manifests, DIALOGUE)
    os.utime(root / "a.png", (0, 0))  # as after `mv` or `unzip` of an older file
    with pytest.raises(DataError, match=r"'a': image_sha256: .* has changed"):
        check_current(root, manifests, DIALOGUE)
    write_manifests(_read(root), root, manifests)
    _annotate(root, _row("b"), _row("a"), _row("c", reasoning="Go"))
    with pytest.raises(DataError, match="'c': text_sha256"):
        check_current(root, manifests, DIALOGUE)
