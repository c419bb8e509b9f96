"""The contents of a download are shown. The proposed mapping imports it if nothing is left to choose."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from import_cases import (
    ACTIONS,
    DIALOGUE,
    ROW_COLUMNS,
    WORDINGS,
    as_csv,
    as_json,
    as_jsonl,
    questions,
    row,
    run_import,
    talk,
    write_source,
)
from import_cases import scenes as imported
from turns_case import TURNS

from gcl.data.importing.inspect import inspect_source
from gcl.data.importing.mapping import read_mapping
from gcl.data.importing.mapping_text import in_yaml
from gcl.errors import ConfigError, DataError
from gcl.experiment.yaml_files import parse_document

ROWS = [row(k) for k in range(3)]


def _proposed(source: Path) -> dict[str, Any]:
    return yaml.safe_load(inspect_source(source, DIALOGUE).mapping)


def test_table_is_recognised_by_the_names_of_its_columns(tmp_path: Path) -> None:
    rows = [
        {"Scene ID": r["id"], "img": r["image"].removeprefix("images/"), "Split": r["split"]}
        | {turn.title(): r[turn] for turn in WORDINGS}
        for r in ROWS
    ]
    source = write_source(tmp_path / "source", {"a.csv": as_csv(rows, ";")})
    assert _proposed(source) == {
        "format": "table",
        "files": ["a.csv"],
        "images": "images",
        "ids": "field",
        "columns": {"id": "Scene ID", "image": "img", **{turn: turn.title() for turn in WORDINGS}, "label": None},
        "split": {"column": "Split", "words": {"test": "test", "train": "train"}},
    }
    run_import(source, inspect_source(source, DIALOGUE).mapping, actions=ACTIONS)
    assert [scene["id"] for scene in imported(source)] == ["s0", "s1", "s2"]


def test_dialogues_by_split_are_recognised(tmp_path: Path) -> None:
    files = {"snei_train_base.json": as_json([talk(0), talk(1)]), "snei_test.json": as_json([talk(2)])}
    source = write_source(tmp_path / "source", files)
    inspection = inspect_source(source, DIALOGUE)
    assert yaml.safe_load(inspection.mapping) == {
        "format": "conversations",
        "files": {"train": ["snei_train_base.json"], "test": ["snei_test.json"]},
        "images": ".",
        "ids": "field",
        "turns": "by order",
    }
    assert "# perception: What about perception?" in inspection.mapping
    assert "images: .  # images/2.png is in this folder" in inspection.mapping
    assert "  rounds in a dialogue: 5 in 2" in inspection.text()
    assert "source, pictures: 3\n  3 (.png) in images\n" in inspection.text()
    run_import(source, inspection.mapping)
    assert len(imported(source)) == 3


def test_dialogues_of_other_lengths_leave_the_turns_to_choose(tmp_path: Path) -> None:
    record = talk(0)
    record["conversations"] += [
        {"from": "human", "value": "What should the robot do?"},
        {"from": "gpt", "value": "Stop."},
    ]
    files = {"train.json": as_json([record]), "test.json": as_json([talk(2)])}
    source = write_source(tmp_path / "source", files)
    turns = _proposed(source)["turns"]
    assert turns == dict.fromkeys(WORDINGS.values(), "CHOOSE") | {"What should the robot do?": None}
    (tmp_path / "m.yaml").write_text(inspect_source(source, DIALOGUE).mapping)
    with pytest.raises(ConfigError, match=r"turns\.What about perception\?: CHOOSE stands where nothing could be told"):
        read_mapping(tmp_path / "m.yaml", TURNS)


def test_questions_without_answers_are_taken_for_the_list_of_test_scenes(tmp_path: Path) -> None:
    asked = [{"question_id": q["question_id"], "image": q["image"], "text": q["text"]} for q in questions(2)]
    files = {"all.json": as_json([talk(k) for k in range(3)]), "snei_eval.jsonl": as_jsonl(asked)}
    source = write_source(tmp_path / "source", files)
    assert _proposed(source)["split"] == {"file": "snei_eval.jsonl"}
    run_import(source, inspect_source(source, DIALOGUE).mapping)
    assert [scene["split"] for scene in imported(source)] == ["train", "train", "test"]


def test_questions_with_answers_are_recognised(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(questions(0) + questions(1))})
    proposed = _proposed(source)
    assert (proposed["format"], proposed["turns"]) == ("questions", "by suffix")


def test_what_cannot_be_told_is_left_to_choose(tmp_path: Path) -> None:
    rows = [{"x": f"images/{k}.png", **{name: f"{name}{k}" for name in "bcdef"}} for k in range(3)]
    proposed = _proposed(write_source(tmp_path / "source", {"a.csv": as_csv(rows)}))
    assert proposed["columns"] == {"id": None, "image": "x"} | dict.fromkeys(WORDINGS, "CHOOSE") | {"label": None}
    assert proposed["split"] == {"train": "CHOOSE", "test": "CHOOSE", "seed": 0}


def test_a_table_of_too_few_texts_is_no_data_rather_than_a_mapping_that_cannot_work(tmp_path: Path) -> None:
    rows = [{"x": f"images/{k}.png", "b": "b", "c": "c"} for k in range(3)]
    inspection = inspect_source(write_source(tmp_path / "source", {"a.csv": as_csv(rows)}), DIALOGUE)
    what = "no 5 texts to a picture (there are: x, b, c)"
    assert (inspection.mapping, inspection.reason) == (
        None,
        f"a.csv: {what}; scenes need perception, prediction, reasoning, action, explanation",
    )


def test_records_with_mistakes_are_told_beside_a_mapping_that_fits_the_rest(tmp_path: Path) -> None:
    rows = [row(0), row(1), row(2) | {"reasoning": ""}]
    mapping = inspect_source(write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)}), DIALOGUE).mapping
    assert (
        "# Records with mistakes: 1 of 3 that were tried. The first: 'a.jsonl:3: reasoning: empty; fill it in'"
        in mapping
    )
    assert yaml.safe_load(mapping)["format"] == "table"


def test_sizes_of_a_drawn_split_come_from_the_data_set_that_is_just_as_large(tmp_path: Path) -> None:
    from gcl.data.importing.proposal import Known

    rows = [{name: text for name, text in r.items() if name != "split"} for r in ROWS]
    source = write_source(tmp_path / "source", {"a.csv": as_csv(rows)})
    known = {"muson": Known(ACTIONS, {"train": 2, "test": 1})}
    assert yaml.safe_load(inspect_source(source, DIALOGUE, known).mapping)["split"] == {
        "train": 2,
        "test": 1,
        "seed": 0,
    }
    other = {"muson": Known(ACTIONS, {"train": 640, "test": 160})}
    assert yaml.safe_load(inspect_source(source, DIALOGUE, other).mapping)["split"]["train"] == "CHOOSE"


def test_files_whose_scenes_are_in_others_are_named_and_not_used(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS), "b.csv": as_csv(ROWS[:2])})
    mapping = inspect_source(source, DIALOGUE).mapping
    assert yaml.safe_load(mapping)["files"] == ["a.csv"]
    assert "# not used, as it has scenes of the files above: b.csv\n" in mapping


def test_shards_become_a_pattern_and_saved_splits_are_found(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_dict({name: [r[name] for r in ROWS] for name in ROWS[0]})
    source = write_source(tmp_path / "shards", {})
    for split, part in (("train", [0, 1]), ("test", [2])):
        rows.select(part).to_parquet(source / f"{split}-00000-of-00001.parquet")
    assert _proposed(source)["files"] == {"train": ["train-*.parquet"], "test": ["test-*.parquet"]}
    saved = write_source(tmp_path / "saved", {})
    datasets.DatasetDict({"train": rows.select([0, 1]), "test": rows.select([2])}).save_to_disk(saved / "d")
    assert _proposed(saved)["files"] == {"train": ["d/train"], "test": ["d/test"]}
    assert _proposed(saved)["columns"] == ROW_COLUMNS | {"label": None}


def test_file_that_cannot_be_read_is_shown_as_such(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.json": b"{", "b.csv": as_csv(ROWS)})
    text = inspect_source(source, DIALOGUE).text()
    assert "files of no known format:\n  a.json: a.json:1: not valid JSON: " in text
    assert _proposed(source)["files"] == ["b.csv"]


def test_one_file_can_be_inspected_alone(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS), "b.json": as_json([talk(0)])})
    inspection = inspect_source(source / "a.csv", DIALOGUE)
    assert inspection.source == source
    assert [look.file.name for look in inspection.looks] == ["a.csv"]


def test_source_without_annotations_is_named(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {})
    with pytest.raises(DataError, match=r"source: no annotations; known are \.json"):
        inspect_source(source, DIALOGUE)
    with pytest.raises(DataError, match=r"nowhere: no such file or folder; name what was downloaded"):
        inspect_source(tmp_path / "nowhere", DIALOGUE)


@pytest.mark.parametrize(
    "text", ["1e5", "1_0", "0o17", "no", "12:30", "2020-01-01", "a: b", "~", "line\nbreak", "ünter", ".5e1"]
)
def test_proposed_words_are_read_back_as_the_same_words(text: str) -> None:
    for value in (text, [text, "b"], {text: "train"}):
        assert parse_document(in_yaml(value), "x").value == value


def _in_folders(folder: Path, names: list[str], file: str, **fields: str) -> Path:
    """Folders whose pictures are all called 0.png and so on, each with annotations beside them."""
    source = write_source(folder, {})
    (source / "images").rename(source / "spare")
    for number, name in enumerate(names):
        (source / name).mkdir()
        (source / f"spare/{number}.png").rename(source / name / "0.png")
        record = {"file_name": "0.png", **{turn: row(number)[turn] for turn in WORDINGS}, **fields}
        (source / name / file).write_bytes(as_jsonl([record]))
    shutil.rmtree(source / "spare")
    return source


@pytest.mark.parametrize("fields", [{}, {"id": "1"}], ids=["names", "ids"])
def test_files_that_call_other_pictures_by_the_same_name_have_no_scene_in_common(tmp_path: Path, fields: dict) -> None:
    source = _in_folders(tmp_path / "source", ["train", "test"], "metadata.jsonl", **fields)
    mapping = inspect_source(source, DIALOGUE).mapping
    assert "not used" not in mapping
    proposed = yaml.safe_load(mapping)
    assert proposed["files"] == {"train": ["train/metadata.jsonl"], "test": ["test/metadata.jsonl"]}
    run_import(source, mapping, actions=ACTIONS)
    assert [(scene["id"], scene["image"], scene["split"]) for scene in imported(source)] == [
        ("0", "images/train/0.png", "train"),
        ("test/0", "images/test/0.png", "test"),
    ]


def test_folders_that_each_count_their_pictures_from_0_are_all_proposed(tmp_path: Path) -> None:
    source = _in_folders(tmp_path / "source", ["bag1", "bag2", "bag3"], "labels.jsonl")
    proposed = _proposed(source)
    assert proposed["files"] == [f"bag{k}/labels.jsonl" for k in (1, 2, 3)]
    run_import(source, proposed | {"split": {"train": 2, "test": 1, "seed": 0}}, actions=ACTIONS)
    assert [scene["id"] for scene in imported(source)] == ["0", "bag2/0", "bag3/0"]


def test_a_picture_that_several_folders_have_leaves_the_folder_to_choose(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv([r | {"image": r["image"][7:]} for r in ROWS])})
    (source / "depth").mkdir()
    (source / "depth/1.png").write_bytes((source / "images/2.png").read_bytes())
    mapping = inspect_source(source, DIALOGUE).mapping
    assert "images: CHOOSE  # 1.png is in depth, images; " in mapping
    (tmp_path / "m.yaml").write_text(mapping)
    with pytest.raises(ConfigError, match="images: CHOOSE stands where nothing could be told"):
        read_mapping(tmp_path / "m.yaml", TURNS)
    run_import(source, mapping.replace("CHOOSE", "images"), actions=ACTIONS)
    assert [scene["image"] for scene in imported(source)] == [f"images/{k}.png" for k in range(3)]


def test_a_folder_in_the_path_tells_pictures_of_one_name_apart(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv([r | {"image": f"x/{r['image']}"} for r in ROWS])})
    (source / "depth").mkdir()
    (source / "depth/1.png").write_bytes((source / "images/2.png").read_bytes())
    assert _proposed(source)["images"] == {"strip": "x", "from": "."}


def _without_picture(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "image"}


@pytest.mark.parametrize(
    ("pictures", "columns"),
    [
        (("front_image", "rear_image"), "front_image or rear_image"),
        (("image", "image_path"), "image or image_path"),
        ("images", "images.front or images.rear"),
    ],
    ids=["front and rear", "usual names", "object"],
)
@pytest.mark.parametrize("record", [row, talk], ids=["table", "dialogues"])
def test_of_columns_with_other_pictures_each_none_is_taken_unasked(
    tmp_path: Path, pictures: tuple[str, str] | str, columns: str, record: Any
) -> None:
    records = []
    for k in range(3):
        values = (f"images/{k}.png", f"images/{(k + 1) % 3}.png")
        named = (
            {pictures: dict(zip(("front", "rear"), values, strict=True))}
            if isinstance(pictures, str)
            else dict(zip(pictures, values, strict=True))
        )
        records.append(_without_picture(record(k)) | named)
    mapping = inspect_source(write_source(tmp_path / "source", {"a.json": as_json(records)}), DIALOGUE).mapping
    assert f"  image: CHOOSE  # {columns}; or all, without this line: pictures: {{columns: " in mapping


def test_columns_of_the_same_pictures_are_one(tmp_path: Path) -> None:
    records = [r | {"file_name": r["image"][7:]} for r in ROWS]
    mapping = inspect_source(write_source(tmp_path / "source", {"a.json": as_json(records)}), DIALOGUE).mapping
    assert "  image: image  # the same pictures are in file_name\n" in mapping


def test_a_column_whose_pictures_are_not_here_is_no_choice(tmp_path: Path) -> None:
    records = [r | {"image": f"lost/{k}.jpg", "image_path": r["image"]} for k, r in enumerate(ROWS)]
    assert (
        _proposed(write_source(tmp_path / "source", {"a.json": as_json(records)}))["columns"]["image"] == "image_path"
    )


def test_no_mapping_is_to_be_corrected_where_none_is_written(tmp_path: Path) -> None:
    rows = [r | {"image": f"nowhere/x{k}.png"} for k, r in enumerate(ROWS)]
    inspection = inspect_source(write_source(tmp_path / "source", {"a.json": as_json(rows)}), DIALOGUE)
    what = "'nowhere/x0.png': no such file, like all 3 pictures; put the pictures into the download"
    assert (inspection.mapping, inspection.reason) == (None, f"a.json:2: image: {what}")


def test_a_file_is_not_said_to_repeat_scenes_while_the_folder_of_its_pictures_is_open(tmp_path: Path) -> None:
    plain = [{"image": r["image"][7:], **{turn: r[turn] for turn in WORDINGS}} for r in ROWS]
    files = {f"labels/{k}.json": as_json([r | {"reasoning": f"reasoning {k}"} for r in plain]) for k in (0, 1)}
    source = write_source(tmp_path / "source", files)
    shutil.copytree(source / "images", source / "more")
    mapping = inspect_source(source, DIALOGUE).mapping
    assert (
        "# not used, as it names pictures as the files above do; add it if these are others: labels/1.json\n" in mapping
    )
    assert yaml.safe_load(mapping)["images"] == "CHOOSE"
