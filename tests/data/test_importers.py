"""Dialogues (SNEI) become scenarios, and every mistake of a data set is named at its place, all in one go."""

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gcl.data.importers import read_scenarios
from gcl.data.scenario import TURNS, Scenario, Turn
from gcl.errors import DataError

Records = list[dict[str, Any]]


def _dialogue(first: str = "<image>\nQ1") -> list[dict[str, str]]:
    questions = [first, "Q2", "Q3", "Q4", "Q5"]
    answers = ["A1", "A2", "A3", "Stop.", "A5"]
    pairs = zip(questions, answers, strict=True)
    return [m for q, a in pairs for m in ({"from": "human", "value": q}, {"from": "gpt", "value": a})]


def _talk(number: int) -> dict[str, Any]:
    return {"id": f"s{number}", "image": f"images/{number}.png", "conversations": _dialogue()}


def _images(root: Path, numbers: range = range(4)) -> None:
    (root / "images").mkdir(exist_ok=True)
    for number in numbers:
        Image.new("RGB", (8, 6), (number, 0, 0)).save(root / "images" / f"{number}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with four different pictures."""
    _images(tmp_path)
    return tmp_path


def _write_jsonl(path: Path, records: Records) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def _write(root: Path, train: Records, test: Records) -> None:
    (root / "train.json").write_text(json.dumps(train))
    _write_jsonl(root / "test.jsonl", test)


def _read(root: Path) -> list[Scenario]:
    return read_scenarios(root, "conversations", {}, None)


def _problems(root: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        _read(root)
    heading, *lines = str(caught.value).split("\n")
    assert heading.startswith(f"{root}: {len(lines)} problem")
    return [line.removeprefix("  ") for line in lines]


def test_dialogue_becomes_five_turns_in_the_papers_order(root: Path) -> None:
    _write(root, [_talk(0)], [_talk(1)])
    train, test = _read(root)
    assert train == Scenario(
        id="s0",
        image=root / "images/0.png",
        turns={
            "perception": Turn("Q1", "A1"),
            "prediction": Turn("Q2", "A2"),
            "reasoning": Turn("Q3", "A3"),
            "action": Turn("Q4", "Stop."),
            "explanation": Turn("Q5", "A5"),
        },
        split="train",
    )
    assert (test.id, test.split) == ("s1", "test")


@pytest.mark.parametrize("first", ["<image>\nWhat?", "What?\n<image>", " <image> What? ", "What?"])
def test_image_tag_is_removed_wherever_it_stands(root: Path, first: str) -> None:
    _write(root, [_talk(0) | {"conversations": _dialogue(first)}], [_talk(1)])
    assert _read(root)[0].turns["perception"].question == "What?"


def test_role_and_content_are_read_like_from_and_value(root: Path) -> None:
    roles = {"human": "user", "gpt": "assistant"}
    messages = [{"role": roles[m["from"]], "content": m["value"]} for m in _dialogue()]
    _write(root, [_talk(0) | {"conversations": messages}], [_talk(1)])
    train, test = _read(root)
    assert train.turns == test.turns


def test_whole_number_as_id_becomes_text_and_other_fields_are_ignored(root: Path) -> None:
    _write(root, [_talk(0) | {"id": 7, "source": {"bag": 3}}], [_talk(1)])
    assert _read(root)[0].id == "7"


def _changed(**fields: Any) -> dict[str, Any]:
    return _talk(0) | fields


def _message(position: int, **fields: Any) -> dict[str, Any]:
    record = copy.deepcopy(_talk(0))
    record["conversations"][position] |= fields
    return record


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in _talk(0).items() if key != name}


OUT = "leads out of the data set; write a path relative to"
BROKEN = {
    "no object": ("x", ": text instead of an object; write the fields between { and }"),
    "null id": (_changed(id=None), ": id: null instead of text"),
    "bool id": (_changed(id=True), ": id: true or false instead of text"),
    "empty id": (_changed(id=" "), ": id: empty; fill it in"),
    "no id": (_without("id"), ": id: missing; add it"),
    "half a character": (_changed(id="\ud800"), r": id: '\ud800' is half a character (a lone surrogate)"),
    "no image": (_without("image"), ": image: missing; add it"),
    "image list": (_changed(image=["images/0.png"]), ": image: a list instead of text"),
    "absolute image": (_changed(image="/etc/passwd"), f": image: '/etc/passwd': {OUT}"),
    "dotted image": (_changed(image="images/../../x.png"), f": image: 'images/../../x.png': {OUT}"),
    "null in image": (_changed(image="a\0.png"), r": image: 'a\x00.png': no file name; remove the null character"),
    "missing image": (_changed(image="images/9.png"), ": image: 'images/9.png': no such file or directory; "),
    "folder as image": (_changed(image="images"), ": image: 'images': not a file; "),
    "long image name": (_changed(image="a" * 5000), ": file name too long; "),
    "no dialogue": (_without("conversations"), ": conversations: missing; write the list of messages"),
    "dialogue text": (_changed(conversations="hi"), ": conversations: text instead of a list; "),
    "four turns": (_changed(conversations=_dialogue()[:8]), ": conversations: 4 turns instead of 5; give one question"),
    "no last answer": (_changed(conversations=_dialogue()[:9]), ": conversations: 4.5 turns instead of 5; "),
    "message text": (_changed(conversations=["x"] * 10), ": conversations: message 10: text instead of an object; "),
    "unknown role": (_message(2, **{"from": "system"}), ": message 3: from: unknown role 'system'; use human and gpt"),
    "role number": (_message(2, **{"from": 3}), ": message 3: from: a whole number instead of text"),
    "wrong order": (_message(1, **{"from": "human"}), ": message 2: from: 'human' where the answer is due; "),
    "null answer": (_message(3, value=None), ": message 4: value: null instead of text"),
    "empty answer": (_message(9, value=" \n"), ": message 10: value: empty; fill it in"),
    "empty question": (_message(4, value=""), ": message 5: value: empty; fill it in"),
    "only a tag": (_message(0, value="<image>\n"), ": message 1: value: empty but for <image>; write the question"),
    "NaN": (_changed(score=float("nan")), ": NaN or Infinity is not JSON; write null or text"),
}


@pytest.mark.parametrize(("record", "expected"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize(("kind", "where"), [("json", "train.json: record 2"), ("jsonl", "train.jsonl:2")])
def test_broken_record_is_named_with_file_place_and_field(
    root: Path, record: Any, expected: str, kind: str, where: str
) -> None:
    (root / "test.json").write_text(json.dumps([_talk(1)]))
    if kind == "json":
        (root / "train.json").write_text(json.dumps([_talk(2), record]))
    else:
        _write_jsonl(root / "train.jsonl", [_talk(2), record])
    problem = _problems(root)[-1]
    assert problem.startswith(f"{where}: ")
    assert expected in problem
    assert "; " in problem


@pytest.mark.parametrize("text", ["NaN", "", "{}", "[]", "[{}"])
def test_file_that_is_no_list_of_records_is_the_only_problem(root: Path, text: str) -> None:
    _write(root, [], [_talk(1)])
    (root / "train.json").write_text(text)
    problems = _problems(root)
    assert len(problems) == 1
    assert problems[0].startswith("train.json:")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"raw: no such folder; put the raw data set there"):
        _read(tmp_path / "raw")


def test_label_is_found_in_the_answer_to_the_action_question(root: Path) -> None:
    _write(root, [_talk(0)], [_talk(1)])
    assert [s.action for s in read_scenarios(root, "conversations", {}, ["Go", "stop"])] == ["stop", "stop"]


def test_folder_without_annotations_says_which_files_are_expected(root: Path) -> None:
    remedy = f"no such file; put exactly one of them into {root}"
    assert _problems(root) == [
        f"train.json or train.jsonl: {remedy}",
        f"test.json or test.jsonl: {remedy}",
    ]


def test_two_files_for_one_split_are_refused(root: Path) -> None:
    _write(root, [_talk(0)], [_talk(1)])
    _write_jsonl(root / "train.jsonl", [_talk(2)])
    assert _problems(root) == ["train.json and train.jsonl: only one of them may exist; remove the others"]


def test_duplicate_id_points_to_both_places(root: Path) -> None:
    _write(root, [_talk(0), _talk(2) | {"id": "s0"}], [_talk(1)])
    expected = "train.json: record 2: id: 's0' is a duplicate (see train.json: record 1); give each scene its own id"
    assert _problems(root) == [expected]


def test_number_and_text_that_read_alike_are_the_same_id(root: Path) -> None:
    _write(root, [_talk(0) | {"id": 5}, _talk(2) | {"id": "5"}], [_talk(1)])
    assert "id: '5' is a duplicate" in _problems(root)[0]


def test_scene_in_both_splits_is_refused(root: Path) -> None:
    _write(root, [_talk(0)], [_talk(1), _talk(0)])
    expected = "test.jsonl:2: id: 's0' is in both splits (see train.json: record 1); keep the scene in one split"
    assert _problems(root) == [expected]


def test_same_picture_under_two_names_in_both_splits_is_refused(root: Path) -> None:
    (root / "images/1.png").write_bytes((root / "images/0.png").read_bytes())
    _write(root, [_talk(0)], [_talk(1)])
    assert _problems(root) == [
        "test.jsonl:1: image: 'images/1.png' is the same picture as in the train split (see train.json: record 1); "
        "keep the scene in one split"
    ]


def test_two_scenes_of_one_split_may_share_a_picture(root: Path) -> None:
    _write(root, [_talk(0), _talk(2) | {"image": "images/0.png"}], [_talk(1)])
    assert len(_read(root)) == 3


def test_symbolic_link_out_of_the_data_set_is_refused(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    Image.new("RGB", (8, 6)).save(outside / "x.png")
    (root / "linked").symlink_to(outside)
    _write(root, [_talk(0) | {"image": "linked/x.png"}], [_talk(1)])
    assert _problems(root) == [
        f"train.json: record 1: image: 'linked/x.png': leads out of {root} through a symbolic link; "
        "copy the picture into the folder"
    ]


def test_data_set_behind_a_symbolic_link_is_read(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    _write(root, [_talk(0)], [_talk(1)])
    link = tmp_path_factory.mktemp("links") / "data"
    link.symlink_to(root)
    assert _read(link)[0].image == link / "images/0.png"


def test_damaged_picture_is_named_unless_pictures_are_not_checked(root: Path) -> None:
    (root / "images/0.png").write_bytes(b"")
    _write(root, [_talk(0)], [_talk(1)])
    expected = "train.json: record 1: image: 'images/0.png': empty file (0 bytes); fetch it again"
    assert _problems(root) == [expected]
    assert len(read_scenarios(root, "conversations", {}, None, check_images=False)) == 2


def test_all_problems_come_together_and_the_rest_is_counted(root: Path) -> None:
    _write(root, [_talk(0) | {"id": f"s{k}", "image": 1} for k in range(23)], [_without("id")])
    with pytest.raises(DataError) as caught:
        _read(root)
    lines = str(caught.value).split("\n")
    assert lines[0] == f"{root}: 24 problems"
    assert lines[-1] == "  ... and 4 more"
    assert len(lines) == 22


TEXT = st.text(st.characters(), max_size=8)  # lone surrogates and control characters included
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PICTURE = st.sampled_from(["images/0.png", "images/1.png", "images", "/", ".."]) | JSON
MESSAGES = st.lists(
    st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt"]) | JSON, "value": TEXT | JSON}), max_size=11
)
DIALOGUE = st.just(_dialogue()) | MESSAGES | JSON
TALK = st.fixed_dictionaries({}, optional={"id": TEXT | JSON, "image": PICTURE, "conversations": DIALOGUE}) | JSON


@settings(max_examples=200, deadline=None)
@given(train=st.lists(st.just(_talk(0)) | TALK, max_size=3) | JSON, test=st.lists(st.just(_talk(1)) | TALK, max_size=3))
def test_any_file_gives_scenarios_or_a_data_error(train: Any, test: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _images(root, range(2))
        (root / "train.json").write_text(json.dumps(train))
        _write_jsonl(root / "test.jsonl", test)
        try:
            scenarios = _read(root)
        except DataError as error:
            str(error).encode()  # a message that cannot be printed would be a traceback after all
            return
        assert {scenario.split for scenario in scenarios} == {"train", "test"}
        assert all(set(scenario.turns) == set(TURNS) and scenario.text_sha256 for scenario in scenarios)
