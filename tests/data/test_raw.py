"""A raw folder becomes scenarios. All mistakes of a data set are named at their places, in one go."""

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from turns_case import TURNS, dialogue

from gcl.data.raw import read_raw, scene_record
from gcl.data.scenario import Picture, Scenario, Turn
from gcl.errors import DataError

ACTIONS = ["Move Forward", "Stop"]
SPLITS = ("train", "train", "test")


def _scene(number: int) -> dict[str, Any]:
    answers = {turn: (None, f"{turn} {number}") for turn in TURNS} | {"action": ("What now?", "Stop.")}
    return scene_record(f"s{number}", [(f"images/{number}.png", None)], SPLITS[number], answers, None)


def _images(root: Path) -> None:
    (root / "images").mkdir(exist_ok=True)
    for number in range(3):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(root / "images" / f"{number}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with three different pictures."""
    _images(tmp_path)
    return tmp_path


def _write(root: Path, *scenes: Any) -> None:
    (root / "scenarios.jsonl").write_text("".join(json.dumps(scene) + "\n" for scene in scenes))


def _read(root: Path, actions: list[str] | None = None) -> list[Scenario]:
    return read_raw(root, dialogue(actions))


def _problems(root: Path, actions: list[str] | None = None) -> list[str]:
    with pytest.raises(DataError) as caught:
        _read(root, actions)
    heading, *lines = str(caught.value).split("\n")
    assert heading.startswith(f"{root}: {len(lines)} problem")
    return [line.removeprefix("  ") for line in lines]


def test_line_becomes_a_scenario_with_its_own_questions_or_those_of_the_configuration(root: Path) -> None:
    _write(root, _scene(0), _scene(2))
    train, test = _read(root)
    answers = {turn: Turn(f"{turn}?", f"{turn} 0") for turn in TURNS} | {"action": Turn("What now?", "Stop.")}
    assert train == Scenario("s0", (Picture(root / "images/0.png"),), answers, "train")
    assert list(train.turns) == list(TURNS)
    assert (test.id, test.split) == ("s2", "test")


def test_byte_order_mark_and_windows_line_ends_change_nothing(root: Path) -> None:
    _write(root, _scene(0), _scene(2))
    plain = [scenario.text_sha256 for scenario in _read(root)]
    data = (root / "scenarios.jsonl").read_bytes()
    (root / "scenarios.jsonl").write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    assert [scenario.text_sha256 for scenario in _read(root)] == plain


@pytest.mark.parametrize("text", ["Move Forward", " move forward ", "MOVE FORWARD.", "Move forward. "])
def test_label_is_the_listed_action_whatever_its_case_and_full_stop(root: Path, text: str) -> None:
    _write(root, _scene(0) | {"action": text}, _scene(2))
    assert [scenario.action for scenario in _read(root, ACTIONS)] == ["Move Forward", "Stop"]


def test_action_outside_the_list_is_named_with_the_list(root: Path) -> None:
    _write(root, _scene(0) | {"action": "Stop now"}, _scene(2))
    expected = "scenarios.jsonl:1: action: unknown action 'Stop now'; use one of Move Forward, Stop"
    assert _problems(root, ACTIONS) == [expected]


@pytest.mark.parametrize("text", ["Stop now, she is near.", "Do not move forward; stop.", "STOP"])
def test_a_sentence_that_names_one_action_is_labelled_by_it(root: Path, text: str) -> None:
    scene = _scene(0)
    scene["turns"]["action"]["answer"] = text
    _write(root, scene, _scene(2))
    assert _read(root, ACTIONS)[0].action == "Stop"


@pytest.mark.parametrize("text", ["Wait until she has passed.", "Stop or move forward.", "Do not stop."])
def test_a_sentence_that_names_none_or_two_needs_a_label_beside_it(root: Path, text: str) -> None:
    scene = _scene(0)
    scene["turns"]["action"]["answer"] = text
    _write(root, scene, _scene(2))
    expected = f"scenarios.jsonl:1: action: unknown action {text!r}; use one of Move Forward, Stop, or add a label"
    assert _problems(root, ACTIONS) == [expected]
    _write(root, scene | {"action": "Stop"}, _scene(2))
    assert _read(root, ACTIONS)[0].action == "Stop"


@pytest.mark.parametrize("word", ["<image>", "<|im_end|>", "<|im_start|>", "<video>", "<image 1>", "</img>", "<s>"])
@pytest.mark.parametrize("part", ["question", "answer"])
@pytest.mark.parametrize("turn", TURNS)
def test_a_control_word_is_refused_with_line_field_and_word(root: Path, turn: str, part: str, word: str) -> None:
    scene = _scene(1)
    scene["turns"][turn] = {"question": "What?", "answer": "Stop."} | {part: f"Stop {word} now."}
    _write(root, _scene(0), scene, _scene(2))
    remedy = "is a sign that models do not read as text; remove it, or write it in other words"
    assert _problems(root, ACTIONS if turn == "action" else None) == [
        f"scenarios.jsonl:2: turns.{turn}: {part}: {word!r} {remedy}"
    ]


def _changed(**fields: Any) -> dict[str, Any]:
    return _scene(1) | fields


def _turn(name: str, words: Any) -> dict[str, Any]:
    scene = copy.deepcopy(_scene(1))
    scene["turns"][name] = words
    return scene


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in _scene(1).items() if key != name}


OUT = "leads out of the data set; write a path relative to {root}, without '..'"
BROKEN = {
    "no object": ("x", "text instead of an object; write the fields between { and }"),
    "unknown field": (
        _changed(mood="x"),
        "'mood': unknown field; remove it, or use one of id, image, images, split, action, turns",
    ),
    "null id": (_changed(id=None), "id: null instead of text; write text in double quotes"),
    "empty id": (_changed(id=" "), "id: empty; fill it in"),
    "no id": (_without("id"), "id: missing; add it"),
    "no image": (_without("image"), "image: missing; add it"),
    "image list": (_changed(image=["x"]), "image: a list instead of text; write text in double quotes"),
    "absolute image": (_changed(image="/etc/passwd"), f"image: '/etc/passwd': {OUT}"),
    "dotted image": (_changed(image="images/../../x.png"), f"image: 'images/../../x.png': {OUT}"),
    "null in image": (_changed(image="a\0"), r"image: 'a\x00': no file name; remove the null character"),
    "folder as image": (_changed(image="images"), "image: 'images': not a file; name the picture itself"),
    "no split": (_without("split"), "split: missing; add it"),
    "unknown split": (_changed(split="dev"), "split: unknown split 'dev'; use train or test"),
    "action number": (_changed(action=3), "action: a whole number instead of text; write text in double quotes"),
    "no turns": (_without("turns"), 'turns: missing; write {"perception": {"answer": ...}, ...}'),
    "turns list": (
        _changed(turns=[]),
        'turns: a list instead of an object; write {"perception": {"answer": ...}, ...}',
    ),
    "turn missing": (_turn("action", None), 'turns.action: missing; write {"answer": ...}'),
    "turn text": (_turn("action", "Stop"), 'turns.action: text instead of an object; write {"answer": ...}'),
    "unknown turn": (
        _turn("mood", {"answer": "x"}),
        "turns: 'mood': unknown turn; use perception, prediction, reasoning, action, explanation",
    ),
    "unknown word": (
        _turn("action", {"answer": "Stop", "score": 1}),
        "turns.action: 'score': unknown field; use question and answer",
    ),
    "no answer": (_turn("action", {"question": "?"}), "turns.action: answer: missing; add it"),
    "empty answer": (_turn("reasoning", {"answer": "\n"}), "turns.reasoning: answer: empty; fill it in"),
    "question number": (
        _turn("action", {"question": 1, "answer": "Stop"}),
        "turns.action: question: a whole number instead of text; write text in double quotes",
    ),
    "NaN": (_changed(action=float("nan")), "NaN or Infinity is not JSON; write null or text"),
}


@pytest.mark.parametrize(("scene", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken_scene_is_named_with_file_line_and_field(root: Path, scene: Any, expected: str) -> None:
    _write(root, _scene(0), scene, _scene(2))
    assert _problems(root) == [f"scenarios.jsonl:2: {expected.replace('{root}', str(root))}"]


def test_missing_folder_and_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"raw: no such folder; `gcl data import` makes it"):
        _read(tmp_path / "raw")
    assert _problems(tmp_path)[0].startswith("scenarios.jsonl: cannot be read (No such file or directory); ")


def test_duplicate_id_points_to_both_places(root: Path) -> None:
    _write(root, _scene(0), _scene(1) | {"id": "s0"}, _scene(2))
    expected = "scenarios.jsonl:2: id: 's0' is a duplicate (see scenarios.jsonl:1); give each scene its own id"
    assert _problems(root) == [expected]


def test_scene_in_both_splits_is_refused(root: Path) -> None:
    _write(root, _scene(0), _scene(2), _scene(0) | {"split": "test", "image": "images/1.png"})
    expected = "scenarios.jsonl:3: id: 's0' is in both splits (see scenarios.jsonl:1); keep the scene in one split"
    assert _problems(root) == [expected]


def test_duplicate_of_unknown_split_is_not_said_to_be_in_both_splits(root: Path) -> None:
    _write(root, _scene(0), _scene(2), _scene(0) | {"split": "dev"})
    assert _problems(root) == [
        "scenarios.jsonl:3: split: unknown split 'dev'; use train or test",
        "scenarios.jsonl:3: id: 's0' is a duplicate (see scenarios.jsonl:1); give each scene its own id",
    ]


def test_same_picture_under_two_names_in_both_splits_is_refused(root: Path) -> None:
    (root / "images/2.png").write_bytes((root / "images/0.png").read_bytes())
    _write(root, _scene(0), _scene(2))
    assert _problems(root) == [
        "scenarios.jsonl:2: image: 'images/2.png' is the same picture as in the train split (see scenarios.jsonl:1); "
        "keep the scene in one split"
    ]


def test_two_scenes_of_one_split_may_share_a_picture(root: Path) -> None:
    _write(root, _scene(0), _scene(1) | {"image": "images/0.png"}, _scene(2))
    assert len(_read(root)) == 3


def test_symbolic_link_out_of_the_data_set_is_refused(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    Image.new("RGB", (8, 6)).save(outside / "x.png")
    (root / "linked").symlink_to(outside)
    _write(root, _scene(0) | {"image": "linked/x.png"}, _scene(2))
    assert _problems(root) == [
        f"scenarios.jsonl:1: image: 'linked/x.png': leads out of {root} through a symbolic link; "
        "copy the picture into the folder"
    ]


def test_data_set_behind_a_symbolic_link_is_read(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    _write(root, _scene(0), _scene(2))
    link = tmp_path_factory.mktemp("links") / "data"
    link.symlink_to(root)
    assert _read(link)[0].pictures[0].path == link / "images/0.png"


def test_damaged_picture_is_named_unless_pictures_are_not_checked(root: Path) -> None:
    (root / "images/0.png").write_bytes(b"")
    _write(root, _scene(0), _scene(2))
    assert _problems(root) == ["scenarios.jsonl:1: image: 'images/0.png': empty file (0 bytes); fetch it again"]
    assert len(read_raw(root, dialogue(), check_images=False)) == 2


def test_all_problems_come_together_and_the_rest_is_counted(root: Path) -> None:
    _write(root, *(_scene(0) | {"id": f"s{k}", "image": 1} for k in range(23)), _without("id"))
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
WORDS = st.fixed_dictionaries({"answer": TEXT | JSON}, optional={"question": TEXT | JSON})
SCENE = st.fixed_dictionaries(
    {"split": st.sampled_from(["train", "test"]) | JSON, "image": PICTURE},
    optional={"id": JSON, "action": JSON, "turns": st.fixed_dictionaries(dict.fromkeys(TURNS, WORDS)) | JSON},
)


@settings(max_examples=200)
@given(
    scenes=st.lists(st.sampled_from([_scene(0), _scene(2)]) | SCENE | JSON, max_size=4),
    junk=st.binary(max_size=20),
    actions=st.sampled_from([None, ACTIONS]),
)
def test_any_file_gives_scenarios_or_a_data_error(scenes: list[Any], junk: bytes, actions: list[str] | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _images(root)
        _write(root, *scenes)
        with (root / "scenarios.jsonl").open("ab") as stream:
            stream.write(junk)
        try:
            scenarios = _read(root, actions)
        except DataError as error:
            str(error).encode()  # a message that cannot be printed would be a traceback after all
            return
        assert all(set(scenario.turns) == set(TURNS) and scenario.text_sha256 for scenario in scenarios)
