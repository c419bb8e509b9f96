"""Choices of a mapping besides columns: records to leave out, the picture that counts, the folder of pictures."""

# ruff: noqa: E501 (the exact messages stay on one line)

from pathlib import Path

import pytest
import yaml
from import_cases import (
    ACTIONS,
    QUESTIONS,
    TABLE,
    TALKS,
    as_json,
    as_jsonl,
    questions,
    refused,
    row,
    run_import,
    scenes,
    talk,
    write_source,
)

from gcl.cli.main import main

ROWS = [row(k) for k in range(3)]
JSONL = TABLE | {"files": ["a.jsonl"]}
BAD = ROWS[1] | {"id": "bad", "reasoning": "", "image": "nowhere.png"}


@pytest.mark.parametrize("name", ["a.jsonl:2", "bad"])
def test_a_record_that_skip_names_is_left_out_and_import_yaml_says_so(tmp_path: Path, name: str) -> None:
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl([ROWS[0], BAD, ROWS[2]])})
    summary = run_import(source, JSONL | {"skip": [name]}, actions=ACTIONS)
    assert [scene["id"] for scene in scenes(source)] == ["s0", "s2"]
    assert summary.notes == ["records left out, as skip names them: 1"]
    record = yaml.safe_load((summary.to / "import.yaml").read_text())
    assert record["mapping"]["skip"] == [name]
    assert record["changed"] == summary.notes


def test_a_line_that_is_no_json_can_be_left_out(tmp_path: Path) -> None:
    content = as_jsonl(ROWS[:1]) + b"{broken\n" + as_jsonl(ROWS[2:])
    source = write_source(tmp_path / "source", {"a.jsonl": content})
    run_import(source, JSONL | {"skip": ["a.jsonl:2"]}, actions=ACTIONS)
    assert [scene["id"] for scene in scenes(source)] == ["s0", "s2"]


def test_a_name_to_skip_that_is_no_record_is_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(ROWS)})
    what = "'a.jsonl:9' is no record of the data; write its place, like train.json:17, or its id"
    assert refused(source, JSONL | {"skip": ["a.jsonl:9"]}) == [f"mapping.yaml: skip: {what}"]


@pytest.mark.parametrize(("which", "expected"), [("first", 0), ("last", 1), (2, 1)])
def test_of_several_pictures_the_one_counts_that_the_mapping_says(
    tmp_path: Path, which: str | int, expected: int
) -> None:
    record = ROWS[0] | {"image": ["images/0.png", "images/1.png"]}
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl([record, ROWS[2]])})
    summary = run_import(source, JSONL | {"picture": which}, actions=ACTIONS)
    assert scenes(source)[0]["image"] == f"images/{expected}.png"
    assert summary.notes == ["records of which one picture of several is used: 1"]


def test_a_picture_number_that_a_record_does_not_have_is_refused(tmp_path: Path) -> None:
    record = ROWS[0] | {"image": ["images/0.png", "images/1.png"]}
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl([record, *ROWS[1:]])})
    what = "2 pictures instead of one; write picture: last, first or a number, or pictures: all in mapping.yaml"
    assert refused(source, JSONL | {"picture": 3}) == [f"a.jsonl:1: image: {what}"]


def test_pictures_that_all_lie_elsewhere_are_told_once_with_what_to_write(tmp_path: Path) -> None:
    rows = [r | {"image": f"/home/user/data/{r['image']}"} for r in ROWS]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)})
    what = "'/home/user/data/images/0.png': no such file, like all 3 pictures"
    assert refused(source, JSONL) == [
        f"a.jsonl:1: image: {what}; write images: {{strip: /home/user/data, from: .}} in mapping.yaml"
    ]
    run_import(source, JSONL | {"images": {"strip": "/home/user/data", "from": "."}}, actions=ACTIONS)
    assert [scene["image"] for scene in scenes(source)] == [f"images/{k}.png" for k in range(3)]


def test_what_strip_leaves_must_not_lead_out_of_the_source(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"image": "/x/../../secret.png"}, *ROWS[1:]]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)})
    (problem,) = refused(source, JSONL | {"images": {"strip": "/x", "from": "."}})
    assert problem.startswith("a.jsonl:1: image: '/x/../../secret.png': leads out of the data set")


def test_what_is_wrong_with_every_record_is_said_once(tmp_path: Path) -> None:
    records = [talk(0) | {"id": f"s{k}", "conversations": talk(0)["conversations"][:6]} for k in range(5)]
    source = write_source(tmp_path / "source", {"a.json": as_json(records)})
    mapping = TALKS | {"files": ["a.json"], "split": {"train": 1, "test": 1, "seed": 0}}
    remedy = "correct the record, or name the turns by their wording"
    assert refused(source, mapping) == [
        f"a.json:2: 3 rounds instead of 5 (perception, prediction, reasoning, action, explanation), as in all 5 records; {remedy}"
    ]


def test_two_labels_of_one_scene_are_refused(tmp_path: Path) -> None:
    rows = [q | {"label": "Stop"} for q in questions(0)] + [q | {"label": "Stop"} for q in questions(2)]
    rows[3]["label"] = "Move Forward"
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows), "t.txt": b"s2"})
    mapping = {"format": "questions", "turns": "by suffix", "files": ["a.jsonl"], "split": {"file": "t.txt"}}
    what = "label: 'Move Forward', but 'Stop' in a.jsonl:1; a scene has one action"
    assert refused(source, mapping | {"columns": {"label": "label"}}) == [f"a.jsonl:4: {what}"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"join": True}, "join: table does not know it: only dialogues can be joined; remove it, or correct format"),
        ({"records": {"train": "a"}, "split": None}, "records: needs both splits; write {train: ..., test: ...}, or one place and split"),
        ({"records": {"train": "a", "test": "b"}}, "split: the records name the splits already; remove it, or write one place in records"),
        ({"images": {"strip": "/x", "from": "../y"}}, "images.from: '../y' is not inside the source; write a path relative to it, without '..'"),
        ({"picture": "middle"}, "picture: 'middle' is not possible; input should be 'first' or 'last'"),
        ({"turns": {"column": "x", "words": {"a": "action"}}}, "turns: table has no questions to tell apart; remove it, or correct format"),
    ],
)  # fmt: skip
def test_a_mapping_whose_values_do_not_fit_is_refused(tmp_path: Path, change: dict, expected: str) -> None:
    source = write_source(tmp_path / "source", {})
    assert refused(source, JSONL | change) == [f"{tmp_path / 'mapping.yaml'}: {expected}"]


def test_a_folder_that_no_configuration_names_is_validated_with_the_actions_of_its_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(ROWS)})
    summary = run_import(source, JSONL, kind="muson", actions=ACTIONS)
    assert main(["data", "validate", "--folder", str(summary.to)]) == 0
    assert "raw: 3 scenes (2 train, 1 test), 3 pictures" in capsys.readouterr().out
    lines = (summary.to / "scenarios.jsonl").read_text()
    (summary.to / "scenarios.jsonl").write_text(lines.replace("Move Forward", "Fly"))
    assert main(["data", "validate", "--folder", str(summary.to)]) == 2
    assert "unknown action 'Fly'" in capsys.readouterr().out


def test_a_folder_that_does_not_say_what_it_is_needs_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "validate", "--folder", str(tmp_path)]) == 2
    assert "name its data set: gcl data validate DATASET --folder DIR" in capsys.readouterr().err
    assert main(["data", "validate"]) == 2
    assert "or a folder: --folder DIR" in capsys.readouterr().err


def test_inspect_ends_with_the_reason_where_it_has_no_mapping(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_source(
        tmp_path / "source", {"a.json": as_json([talk(0) | {"conversations": talk(0)["conversations"][:6]}])}
    )
    assert main(["data", "inspect", str(source), "--to", str(tmp_path / "m.yaml")]) == 2
    assert "a.json:2: 3 rounds instead of 5 (perception, " in capsys.readouterr().err
    assert not (tmp_path / "m.yaml").exists()


def test_muson_s_published_tree_takes_three_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from import_shapes import MUSON

    shape = MUSON["MUSON by number"]
    source = write_source(tmp_path / "MUSON", shape.files)
    shape.change(source)
    mapping, to = str(tmp_path / "muson.yaml"), str(tmp_path / "raw")
    assert main(["data", "inspect", str(source), "--for", "muson", "--to", mapping]) == 0
    # The miniature plans another size, so the person says it.
    text = Path(mapping).read_text().replace("{train: CHOOSE, test: CHOOSE, seed: 0}", "{train: 2, test: 1, seed: 0}")
    Path(mapping).write_text(text)
    assert main(["data", "import", "muson", str(source), "--mapping", mapping, "--to", to]) == 0
    assert main(["data", "validate", "--folder", to]) == 0


def test_a_single_picture_that_is_nearly_called_so_is_named(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"image": "images/0.JPG"}, *ROWS[1:]]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)})
    what = "no such file or directory; images/0.png is there: its suffix differs"
    assert refused(source, JSONL) == [
        f"a.jsonl:1: image: 'images/0.JPG': {what}; rename the pictures, or correct the paths in the data"
    ]


def test_pictures_that_are_nowhere_send_an_import_to_its_mapping(tmp_path: Path) -> None:
    rows = [r | {"image": f"nowhere/x{k}.png"} for k, r in enumerate(ROWS)]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)})
    what = "'nowhere/x0.png': no such file, like all 3 pictures"
    assert refused(source, JSONL) == [
        f"a.jsonl:1: image: {what}; put the pictures into the download, or correct images in mapping.yaml"
    ]


def test_a_name_without_suffix_that_two_pictures_have_is_told_as_such(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"image": "images/0"}, *ROWS[1:]]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)})
    (source / "images/0.jpg").write_bytes((source / "images/0.png").read_bytes())
    what = "several pictures are called so (images/0.jpg, images/0.png); write the folder and the suffix in the data"
    assert refused(source, JSONL) == [f"a.jsonl:1: image: 'images/0': no such file or directory; {what}"]


def test_a_scene_of_which_one_question_is_skipped_has_to_be_skipped_whole(tmp_path: Path) -> None:
    rows = [q | {"question_id": q["question_id"].replace("s", "00")} for k in range(3) for q in questions(k)]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows), "test.txt": b"001\n"})
    mapping = QUESTIONS | {"files": ["a.jsonl"], "split": {"file": "test.txt"}}
    remedy = "add it, or leave the whole scene out by its id: skip: ['002'] in mapping.yaml"
    assert refused(source, mapping | {"skip": ["a.jsonl:14"]}) == [f"a.jsonl:11: no question on action; {remedy}"]
    text = yaml.safe_dump(mapping) + "skip: [002]\n"
    assert run_import(source, text, actions=ACTIONS).scenes == {"train": 1, "test": 1}
