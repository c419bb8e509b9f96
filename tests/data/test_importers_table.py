"""Tables (MUSON) become the same scenarios as dialogues, whatever the file type; labels come from the closed list."""

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gcl.data.importers import COLUMNS, read_scenarios
from gcl.data.scenario import TURNS, Scenario, Turn
from gcl.errors import DataError

QUESTIONS = {turn: f"{turn}?" for turn in TURNS}
ACTIONS = ["Move Forward", "Stop"]
Records = list[dict[str, Any]]


def _row(number: int, split: str) -> dict[str, Any]:
    answers = {turn: f"{turn} {number}" for turn in TURNS} | {"action": "Stop."}
    return {"id": f"s{number}", "image": f"images/{number}.png", "split": split, **answers}


def _images(root: Path) -> None:
    (root / "images").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(root / "images" / f"{number}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with three different pictures."""
    _images(tmp_path)
    return tmp_path


def _write_jsonl(path: Path, records: Records) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def _write_csv(path: Path, records: Records) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(records)


def _read(root: Path, actions: list[str] | None = None) -> list[Scenario]:
    return read_scenarios(root, "table", QUESTIONS, actions)


def _problems(root: Path, actions: list[str] | None = None) -> list[str]:
    with pytest.raises(DataError) as caught:
        _read(root, actions)
    heading, *lines = str(caught.value).split("\n")
    assert heading.startswith(f"{root}: {len(lines)} problem")
    return [line.removeprefix("  ") for line in lines]


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_table_reads_the_same_from_each_file_type(root: Path, kind: str) -> None:
    rows = [_row(0, "train") | {"perception": 'A "wall",\nleft'}, _row(1, "test")]
    path = root / f"annotations.{kind}"
    if kind == "json":
        path.write_text(json.dumps(rows))
    else:
        {"csv": _write_csv, "jsonl": _write_jsonl}[kind](path, rows)
    train, test = _read(root)
    assert list(train.turns) == list(TURNS)
    assert train.turns["perception"] == Turn("perception?", 'A "wall",\nleft')
    assert (train.split, test.split, test.image, test.action) == ("train", "test", root / "images/1.png", None)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_byte_order_mark_and_windows_line_ends_change_nothing(root: Path, kind: str) -> None:
    path = root / f"annotations.{kind}"
    rows = [_row(0, "train") | {"reasoning": "two\nlines é"}, _row(1, "test")]
    {"csv": _write_csv, "jsonl": _write_jsonl}[kind](path, rows)
    unix = path.read_text().replace("\r\n", "\n")
    path.write_bytes(unix.encode())
    plain = [scenario.text_sha256 for scenario in _read(root)]
    path.write_bytes(b"\xef\xbb\xbf" + unix.replace("\n", "\r\n").encode())
    assert [scenario.text_sha256 for scenario in _read(root)] == plain


@pytest.mark.parametrize("text", ["Move Forward", " move forward ", "MOVE FORWARD.", "Move forward. "])
def test_label_is_the_listed_action_whatever_its_case_and_full_stop(root: Path, text: str) -> None:
    _write_csv(root / "annotations.csv", [_row(0, "train") | {"action": text}, _row(1, "test")])
    assert [scenario.action for scenario in _read(root, ACTIONS)] == ["Move Forward", "Stop"]


def test_action_outside_the_list_is_named_with_the_list(root: Path) -> None:
    _write_csv(root / "annotations.csv", [_row(0, "train") | {"action": "Stop now"}, _row(1, "test")])
    expected = "annotations.csv:2: action: unknown action 'Stop now'; use one of Move Forward, Stop"
    assert _problems(root, ACTIONS) == [expected]


def test_folder_without_annotations_says_which_files_are_expected(root: Path) -> None:
    names = "annotations.csv or annotations.json or annotations.jsonl"
    assert _problems(root) == [f"{names}: no such file; put exactly one of them into {root}"]


def test_split_without_a_scene_is_named(root: Path) -> None:
    _write_csv(root / "annotations.csv", [_row(0, "train")])
    assert _problems(root) == ["annotations.csv: split: no record has 'test'; both splits need scenes"]


def test_table_that_breaks_off_is_not_blamed_for_what_follows(root: Path) -> None:
    _write_csv(root / "annotations.csv", [_row(0, "train"), _row(1, "test")])
    text = (root / "annotations.csv").read_text()
    (root / "annotations.csv").write_text(text.replace("perception 1", '"perception 1'))
    problems = _problems(root)
    assert len(problems) == 1
    assert problems[0].startswith("annotations.csv:3: not valid CSV: ")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mood": "x"}, "annotations.jsonl:2: 'mood': unknown column; remove it"),
        ({"reasoning": 3.5}, "annotations.jsonl:2: reasoning: a decimal number instead of text"),
        ({"split": ["train"]}, "annotations.jsonl:2: split: a list instead of text"),
        ({"split": "Test"}, "annotations.jsonl:2: split: unknown split 'Test'; use train or test"),
    ],
)
def test_broken_object_is_named_with_its_line(root: Path, change: dict[str, Any], expected: str) -> None:
    _write_jsonl(root / "annotations.jsonl", [_row(0, "train"), _row(2, "test") | change, _row(1, "test")])
    problems = _problems(root)
    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_duplicate_of_unknown_split_is_not_said_to_be_in_both_splits(root: Path) -> None:
    _write_jsonl(root / "annotations.jsonl", [_row(0, "train"), _row(1, "test"), _row(0, "dev")])
    assert _problems(root) == [
        "annotations.jsonl:3: split: unknown split 'dev'; use train or test",
        "annotations.jsonl:3: id: 's0' is a duplicate (see annotations.jsonl:1); give each scene its own id",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ROW = st.fixed_dictionaries(
    {"split": st.sampled_from(["train", "test"]) | JSON, "image": st.sampled_from(["images/0.png", ".."]) | JSON},
    optional=dict.fromkeys(("id", "mood", *TURNS), JSON),
)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.sampled_from([_row(0, "train"), _row(1, "test")]) | ROW | JSON, max_size=4),
    junk=st.none() | st.binary(max_size=40) | st.text('",\n\r\0x', max_size=40).map(str.encode),
)
def test_any_table_gives_scenarios_or_a_data_error(rows: list[Any], junk: bytes | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _images(root)
        if junk is None:
            _write_jsonl(root / "annotations.jsonl", rows)
        else:
            _write_csv(root / "annotations.csv", [_row(0, "train"), _row(1, "test")])
            with (root / "annotations.csv").open("ab") as stream:
                stream.write(junk)
        try:
            scenarios = _read(root, ACTIONS)
        except DataError as error:
            str(error).encode()  # a message that cannot be printed would be a traceback after all
            return
        assert {scenario.split for scenario in scenarios} == {"train", "test"}
        assert all(scenario.action in ACTIONS and scenario.text_sha256 for scenario in scenarios)
