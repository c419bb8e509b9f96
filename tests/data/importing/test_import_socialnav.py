"""SocialNav-SUB's layout becomes scenes whose turns are composed from what most people answered."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from import_cases import colour, refused, run_import, scenes

from gcl.data.importing.socialnav import compose
from gcl.files import sha256_file

HEADER = (
    "sample_name,human_answers_filepath,human_raw_answers_filepath,n_people_filepath,human_tracking_filepath,"
    "tracking_id_to_obj_label_filepath,odometry_filepath,raw_img_filepaths,bev_img_filepaths"
)
MAPPING = {"format": "socialnav-sub", "files": ["test.csv"], "split": {"train": 2, "test": 1, "seed": 0}}
ANSWERS: dict[str, Any] = {
    "q_goal_position_end": (["ahead", "to the left"], [0.6, 0.4]),
    "q_robot_moving_direction": ([["moving ahead", "turning left"], ["moving ahead"]], [0.7, 0.3]),
    "q_person_spatial_position_end_p10": (["behind"], [1.0]),
    "q_person_spatial_position_end_p2": (["ahead of", "to the right of"], [0.4, 0.4]),
    "q_obstructing_path_p2": (["no", "yes"], [0.3, 0.7]),
    "q_obstructing_path_p10": (["no"], [1.0]),
    "q_robot_suggested_affected_p2": (["yes"], [1.0]),
    "q_robot_suggested_affected_p10": (["no"], [1.0]),
    "q_robot_suggested_action_p2": (["yield to", "avoid"], [0.5, 0.5]),
    "q_robot_suggested_action_p10": (["not consider"], [1.0]),
    "q_human_future_action_prediction_p2": (["avoid"], [1.0]),
    "q_human_future_action_prediction_p10": (["not consider"], [1.0]),
}
EXPECTED = {
    "perception": "Person 2 is ahead of the robot. Person 10 is behind the robot. The goal is ahead.",
    "prediction": "Person 2 will probably avoid the robot. Person 10 will probably take no notice of the robot.",
    "reasoning": "The path of person 2 is in the way of the robot. The path of person 10 is not in the way of the robot.",
    "action": "Yield to person 2.",
    "explanation": "Person 2 matters to the robot, being in its way.",
}


def _file(answers: dict[str, Any] = ANSWERS) -> dict[str, Any]:
    content: dict[str, Any] = {"": ["next"], "_probabilities": [1.0], "_n_answers": 2}
    for question, (given, shares) in answers.items():
        content |= {question: given, f"{question}_probabilities": shares, f"{question}_n_answers": 9}
    return content


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three samples in the data set's layout."""
    source, lines = tmp_path / "source", [HEADER]
    for k, name in enumerate(("101_Spot_1_155", "101_Spot_1_22", "129_Spot_7_94")):
        frames = [f"front_view/{name}/{frame}.jpg" for frame in range(3)]
        answers = f"human_labels/{name}/common_answers.json"
        lines.append(f'{name},{answers},r.json,n.json,t.json,l.json,o.pkl,"[{", ".join(frames)}]","[bev.png]"')
        (source / answers).parent.mkdir(parents=True)
        (source / answers).write_text(json.dumps(_file()))
        (source / f"front_view/{name}").mkdir(parents=True)
        for frame, path in enumerate(frames):
            colour(10 * k + frame).save(source / path)
    (source / "test.csv").write_text("\n".join(lines) + "\n")
    return source


def test_sample_becomes_a_scene_of_composed_sentences_and_its_last_frame(source: Path) -> None:
    run_import(source, MAPPING)
    first, *_ = scenes(source)
    assert first["id"] == "101_Spot_1_155"
    assert first["image"] == "images/front_view/101_Spot_1_155/2.jpg"
    assert {turn: words["answer"] for turn, words in first["turns"].items()} == EXPECTED
    assert all("question" not in words for words in first["turns"].values())
    assert sorted(scene["split"] for scene in scenes(source)) == ["test", "train", "train"]
    sources = yaml.safe_load((source.parent / "raw" / "import.yaml").read_text())["sources"]
    answers = [f"human_labels/{scene['id']}/common_answers.json" for scene in scenes(source)]
    assert sources == {name: sha256_file(source / name) for name in ("test.csv", *answers)}


@pytest.mark.parametrize(
    ("pictures", "frames"),
    [("all", [0, 1, 2]), ({"last": 2, "names": ["before", "now"]}, [1, 2]), ({"every": 2}, [0, 2])],
)
def test_all_frames_or_a_selection_of_them(source: Path, pictures: Any, frames: list[int]) -> None:
    run_import(source, MAPPING | {"pictures": pictures})
    first, *_ = scenes(source)
    assert [Path(p["path"]).name for p in first["images"]] == [f"{frame}.jpg" for frame in frames]
    names = pictures.get("names", [None] * 3) if isinstance(pictures, dict) else [None] * 3
    assert [picture.get("name") for picture in first["images"]] == names[: len(frames)]


@pytest.mark.parametrize("pictures", ["none", {"columns": {"a": "b"}}, {"pattern": "*.jpg"}, {"seconds": 1.0}])
def test_frames_are_not_looked_for_elsewhere(source: Path, pictures: Any) -> None:
    assert any(
        "pictures" in line and "socialnav-sub" in line for line in refused(source, MAPPING | {"pictures": pictures})
    )


def test_nobody_to_heed_means_to_go_on() -> None:
    turns = compose({"q_robot_suggested_action_p1": "not consider", "q_robot_suggested_affected_p1": "no"})
    assert turns["action"] == "Continue towards the goal."
    assert turns["explanation"] == "Nobody needs to change what the robot does."


def test_person_who_matters_without_being_in_the_way_is_explained() -> None:
    answers = {"q_robot_suggested_affected_p1": "yes", "q_obstructing_path_p1": "no"}
    assert compose(answers)["explanation"] == "Person 1 matters to the robot, though not in its way."


def test_turn_without_answers_is_named(source: Path) -> None:
    few = {question: value for question, value in ANSWERS.items() if "future" not in question}
    (source / "human_labels/101_Spot_1_22/common_answers.json").write_text(json.dumps(_file(few)))
    assert refused(source, MAPPING) == [
        "test.csv:3: human_labels/101_Spot_1_22/common_answers.json: "
        "no answers to the questions that prediction is composed from; remove the sample"
    ]


PLACE = "test.csv:3: human_answers_filepath: 'human_labels/101_Spot_1_22/common_answers.json'"
FOREIGN = [
    b"[1]",
    b"{",
    b'"x"',
    b"[" * 99_999,
    b'{"q_a": ["x"], "q_a_probabilities": []}',
    b'{"q_a": ["x"], "q_a_probabilities": ["y", 1]}',
    b'{"q_a": [], "q_a_probabilities": [1]}',
]


@pytest.mark.parametrize("content", FOREIGN)
def test_foreign_file_of_answers_is_named(source: Path, content: bytes) -> None:
    (source / "human_labels/101_Spot_1_22/common_answers.json").write_bytes(content)
    what = "not what SocialNav-SUB's files of answers hold: answers and their shares for each question; fetch it again"
    assert refused(source, MAPPING) == [f"{PLACE}: {what}"]


@pytest.mark.parametrize(("answer", "shown"), [("flee", "'flee'"), (["avoid"], "['avoid']")])
def test_answer_without_a_sentence_is_named(source: Path, answer: Any, shown: str) -> None:
    changed = ANSWERS | {"q_robot_suggested_action_p2": ([answer], [1.0])}
    (source / "human_labels/101_Spot_1_22/common_answers.json").write_text(json.dumps(_file(changed)))
    what = f"unknown answer {shown} to q_robot_suggested_action_p2"
    assert refused(source, MAPPING) == [f"{PLACE}: {what}; use avoid, overtake, follow, yield to, not consider"]


def test_file_of_answers_outside_the_source_is_not_read(source: Path) -> None:
    table = (source / "test.csv").read_text().replace("human_labels/101_Spot_1_22/common", "../common")
    (source / "test.csv").write_text(table)
    expected = f"leads out of the data set; write a path relative to {source}, without '..'"
    assert refused(source, MAPPING) == [f"test.csv:3: human_answers_filepath: '../common_answers.json': {expected}"]


def test_sample_without_frames_is_named(source: Path) -> None:
    table = (source / "test.csv").read_text()
    cell = table.split('"')[3]
    assert cell == "[bev.png]"
    frames = table.split('"')[1]
    (source / "test.csv").write_text(table.replace(frames, "[]", 1))
    assert refused(source, MAPPING) == [
        "test.csv:2: raw_img_filepaths: '[]' names no picture; write [first, ..., last]"
    ]
