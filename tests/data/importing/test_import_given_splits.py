"""The split of a download is found and read in every form. Columns that are only called split are named."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from import_cases import ACTIONS, DIALOGUE, TABLE, as_csv, as_json, refused, row, run_import, scenes, write_source

from gcl.data.importing.inspect import inspect_source

PLAIN = [{name: value for name, value in row(k).items() if name != "split"} for k in range(3)]
LISTS = {
    "ids": ("test.txt", b"s2\n"),
    "pictures": ("test_ids.txt", b"images/2.png\n"),
    "names of pictures": ("lists/test.txt", b"2.png\n"),
    "names without suffix": ("test.txt", b"2\n"),
    "JSON by split": ("split.json", json.dumps({"train": ["s0", "s1"], "test": ["s2"]}).encode()),
    "JSON list": ("test_ids.json", b'["s2"]'),
}


def _given(source: Path) -> Any:
    return yaml.safe_load(inspect_source(source, DIALOGUE).mapping)["split"]


def _splits(source: Path) -> list[str]:
    return [scene["split"] for scene in scenes(source)]


@pytest.mark.parametrize(("name", "content"), LISTS.values(), ids=LISTS)
def test_a_file_that_lists_the_test_scenes_is_proposed_and_read(tmp_path: Path, name: str, content: bytes) -> None:
    source = write_source(tmp_path / "source", {"a.json": as_json(PLAIN), name: content})
    assert _given(source) == {"file": name}
    run_import(source, inspect_source(source, DIALOGUE).mapping, actions=ACTIONS)
    assert _splits(source) == ["train", "train", "test"]


def test_a_line_that_could_be_two_pictures_is_refused(tmp_path: Path) -> None:
    rows = [PLAIN[0] | {"image": "a/0.png"}, PLAIN[1] | {"image": "b/0.png"}]
    source = write_source(tmp_path / "source", {"a.json": as_json(rows), "test.txt": b"0.png\n"})
    for k, folder in enumerate("ab"):
        (source / folder).mkdir()
        (source / folder / "0.png").write_bytes((source / f"images/{k}.png").read_bytes())
    mapping = {name: value for name, value in TABLE.items() if name != "split"}
    line = "'0.png' is the picture of several scenes; correct it: ids look like 's0', pictures like 'a/0.png'"
    assert refused(source, mapping | {"files": ["a.json"], "split": {"file": "test.txt"}}) == [f"test.txt:1: {line}"]


FLAGS = {
    "is_test": ([False, False, True], {"false": "train", "true": "test"}),
    "is_train": ([True, True, False], {"false": "test", "true": "train"}),
    "test": ([0, 0, 1], {"0": "train", "1": "test"}),
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_column_of_true_and_false_says_the_split(tmp_path: Path, name: str) -> None:
    values, words = FLAGS[name]
    rows = [r | {name: value} for r, value in zip(PLAIN, values, strict=True)]
    source = write_source(tmp_path / "source", {"a.json": as_json(rows)})
    assert _given(source) == {"column": name, "words": words}
    run_import(source, inspect_source(source, DIALOGUE).mapping, actions=ACTIONS)
    assert _splits(source) == ["train", "train", "test"]


def test_numbers_as_splits_are_left_to_choose_and_may_stand_without_quotes(tmp_path: Path) -> None:
    rows = [r | {"split": value} for r, value in zip(PLAIN, (0, 0, 1), strict=True)]
    source = write_source(tmp_path / "source", {"a.json": as_json(rows)})
    assert _given(source) == {"column": "split", "words": {"0": "CHOOSE", "1": "CHOOSE"}}
    mapping = yaml.safe_load(inspect_source(source, DIALOGUE).mapping)
    run_import(source, mapping | {"split": {"column": "split", "words": {0: "train", 1: "test"}}}, actions=ACTIONS)
    assert _splits(source) == ["train", "train", "test"]


def test_a_validation_split_without_a_test_leaves_the_test_to_choose(tmp_path: Path) -> None:
    files = {"train/metadata.csv": as_csv(PLAIN[:2]), "validation/metadata.csv": as_csv(PLAIN[2:])}
    source = write_source(tmp_path / "files", files)
    found = yaml.safe_load(inspect_source(source, DIALOGUE).mapping)
    assert found["files"] == {"train": ["train/metadata.csv", "validation/metadata.csv"], "test": "CHOOSE"}
    assert "split" not in found
    rows = [r | {"split": word} for r, word in zip(PLAIN, ("train", "train", "val"), strict=True)]
    source = write_source(tmp_path / "column", {"a.csv": as_csv(rows)})
    assert _given(source) == {"column": "split", "words": {"train": "train", "val": "CHOOSE"}}


NAMED = {
    "a field": ([r | {"split": "train"} for r in PLAIN], {}, "the field split ('train')"),
    "a list of other things": (PLAIN, {"test.txt": b"nothing of this\n"}, "test.txt"),
    "a list for training": (PLAIN, {"train.txt": b"s0\n"}, "train.txt"),
}


@pytest.mark.parametrize(("rows", "files", "name"), NAMED.values(), ids=NAMED)
def test_what_is_called_like_a_split_and_says_none_is_named(
    tmp_path: Path, rows: list[dict[str, str]], files: dict[str, bytes], name: str
) -> None:
    text = inspect_source(write_source(tmp_path / "source", {"a.csv": as_csv(rows), **files}), DIALOGUE).mapping
    assert f"called like a split, but train and test cannot be told by it: {name}: a split is drawn" in text
    assert "nothing says it" not in text


def test_records_for_the_test_that_say_train_are_told(tmp_path: Path) -> None:
    content = json.dumps({"train": [row(0), row(1)], "test": [row(2) | {"split": "train"}]}).encode()
    source = write_source(tmp_path / "source", {"a.json": content})
    text = inspect_source(source, DIALOGUE).mapping
    assert "# a.json, test: records for test whose split says 'train'; check which is right\n" in text
    assert "records read for test whose split says 'train': 1" in run_import(source, text, actions=ACTIONS).notes
