"""Every format, file type and encoding gives the same scenes from the same content."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from import_cases import (
    ACTIONS,
    QUESTIONS,
    ROW_COLUMNS,
    SPLITS,
    TABLE,
    TALKS,
    WORDINGS,
    answers,
    as_csv,
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
from turns_case import TURNS, dialogue

from gcl.data.raw import read_raw
from gcl.data.scenario import Turn

ROWS, TRAIN, TEST = [row(k) for k in range(3)], [talk(0), talk(1)], [talk(2)]
BY_SPLIT = {"train": ["train.json"], "test": ["test.json"]}


def _texts(source: Path) -> list[tuple[str, str, dict[str, str]]]:
    return [(s["id"], s["split"], {turn: s["turns"][turn]["answer"] for turn in TURNS}) for s in scenes(source)]


def in_parts(number: int) -> dict[str, Any]:
    """A dialogue as chat data has it."""
    messages = [
        {"role": message["from"], "content": [{"type": "image"}, {"type": "text", "text": message["value"]}]}
        for message in talk(number)["conversations"]
    ]
    return {"id": f"s{number}", "image": f"images/{number}.png", "messages": messages}


EXPECTED = [(f"s{k}", SPLITS[k], answers(k)) for k in range(3)]
PLAIN: dict[str, tuple[dict[str, Any], dict[str, bytes]]] = {
    "csv": (TABLE | {"files": ["a.csv"]}, {"a.csv": as_csv(ROWS)}),
    "csv with semicolons": (TABLE | {"files": ["a.csv"]}, {"a.csv": as_csv(ROWS, ";")}),
    "tsv": (TABLE | {"files": ["a.tsv"]}, {"a.tsv": as_csv(ROWS, "\t")}),
    "csv with Windows line ends": (TABLE | {"files": ["a.csv"]}, {"a.csv": as_csv(ROWS).replace(b"\n", b"\r\n")}),
    "csv in UTF-16": (TABLE | {"files": ["a.csv"]}, {"a.csv": as_csv(ROWS).decode().encode("utf-16")}),
    "csv with Excel's first line": (TABLE | {"files": ["a.csv"]}, {"a.csv": b"sep=;\r\n" + as_csv(ROWS, ";")}),
    "csv with a mark": (TABLE | {"files": ["a.csv"]}, {"a.csv": b"\xef\xbb\xbf" + as_csv(ROWS)}),
    "table json": (TABLE | {"files": ["a.json"]}, {"a.json": as_json(ROWS)}),
    "table json on one line": (TABLE | {"files": ["a.json"]}, {"a.json": json.dumps(ROWS).encode()}),
    "table jsonl": (TABLE | {"files": ["a.jsonl"]}, {"a.jsonl": as_jsonl(ROWS)}),
    "several tables by a pattern": (
        TABLE | {"files": ["part-*.csv"]},
        {f"part-{k}.csv": as_csv([ROWS[k]]) for k in range(3)},
    ),
    "talks": (TALKS | {"files": BY_SPLIT}, {"train.json": as_json(TRAIN), "test.json": as_json(TEST)}),
    "talks whose texts come in parts": (
        TALKS | {"files": BY_SPLIT},
        {"train.json": as_json([in_parts(k) for k in (0, 1)]), "test.json": as_json([in_parts(2)])},
    ),
    "talks in jsonl": (
        TALKS | {"files": {"train": ["train.jsonl"], "test": ["test.jsonl"]}},
        {"train.jsonl": as_jsonl(TRAIN), "test.jsonl": as_jsonl(TEST)},
    ),
    "talks in big-endian UTF-16": (
        TALKS | {"files": BY_SPLIT},
        {
            "train.json": b"\xfe\xff" + as_json(TRAIN).decode().encode("utf-16-be"),
            "test.json": b"\xef\xbb\xbf" + as_json(TEST).replace(b"\n", b"\r\n"),
        },
    ),
    "talks by wording": (
        TALKS | {"files": BY_SPLIT, "turns": {text: turn for turn, text in WORDINGS.items()}},
        {"train.json": as_json(TRAIN), "test.json": as_json(TEST)},
    ),
    "talks with a file of test ids": (
        TALKS | {"files": ["all.json"], "split": {"file": "test.txt"}},
        {"all.json": as_json(TRAIN + TEST), "test.txt": b"\ns2\r\n"},
    ),
    "talks with the test's questions": (
        TALKS | {"files": ["all.json"], "split": {"file": "eval.jsonl"}},
        {
            "all.json": as_json(TRAIN + TEST),
            "eval.jsonl": as_jsonl([{"question_id": f"s2_q{k}", "text": "?"} for k in range(1, 6)]),
        },
    ),
    "questions": (
        QUESTIONS | {"files": {"train": ["a.jsonl"], "test": ["b.jsonl"]}},
        {"a.jsonl": as_jsonl(questions(0) + questions(1)), "b.jsonl": as_jsonl(questions(2))},
    ),
    "questions by wording, ids from pictures' names": (
        QUESTIONS
        | {"files": ["a.jsonl"], "turns": {text: turn for turn, text in WORDINGS.items()}, "ids": "picture"}
        | {"images": "images", "split": {"file": "test.txt"}},
        {
            "a.jsonl": as_jsonl([q | {"question_id": 7, "image": f"s{k}.png"} for k in range(3) for q in questions(k)]),
            "test.txt": b"s2",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("mapping", "files"), PLAIN.values(), ids=PLAIN)
def test_same_content_gives_the_same_scenes(tmp_path: Path, mapping: dict[str, Any], files: dict[str, bytes]) -> None:
    source = write_source(tmp_path / "source", files)
    for k in range(3):
        (source / "images" / f"s{k}.png").write_bytes((source / "images" / f"{k}.png").read_bytes())
    run_import(source, mapping, actions=ACTIONS)
    assert _texts(source) == EXPECTED
    scenarios = read_raw(source.parent / "raw", dialogue(ACTIONS, WORDINGS))
    assert [scenario.turns["prediction"] for scenario in scenarios] == [
        Turn(WORDINGS["prediction"], answers(k)["prediction"]) for k in range(3)
    ]
    assert [scenario.action for scenario in scenarios] == [answers(k)["action"] for k in range(3)]
    for k, scenario in enumerate(scenarios):
        assert scenario.pictures[0].path.read_bytes() == (source / "images" / f"{k}.png").read_bytes()


def _parquet(source: Path, rows: Any) -> dict[str, Any]:
    rows.to_parquet(source / "a.parquet")
    return {"files": ["a.parquet"]}


def _shards(source: Path, rows: Any) -> dict[str, Any]:
    (source / "data").mkdir()
    for k in range(3):
        rows.select([k]).to_parquet(source / f"data/part-{k:05d}-of-00003.parquet")
    return {"files": ["data/part-*.parquet"]}


def _saved(source: Path, rows: Any) -> dict[str, Any]:
    rows.save_to_disk(source / "saved")
    return {"files": ["saved"]}


def _saved_splits(source: Path, rows: Any) -> dict[str, Any]:
    import datasets

    parts = {"train": rows.select([0, 1]), "test": rows.select([2])}
    datasets.DatasetDict(parts).save_to_disk(source / "saved")
    return {"files": {"train": ["saved/train"], "test": ["saved/test"]}, "split": None}


@pytest.mark.parametrize("write", [_parquet, _shards, _saved, _saved_splits])
@pytest.mark.parametrize("pictures", ["paths", "embedded", "bytes"])
def test_data_sets_of_hugging_face_give_the_same_scenes(tmp_path: Path, write: Callable, pictures: str) -> None:
    import datasets

    datasets.disable_progress_bars()
    source = write_source(tmp_path / "source", {})
    names = list(ROWS[0])
    rows = {name: [r[name] for r in ROWS] for name in names}
    features = {name: datasets.Value("string") for name in names}
    features["action"] = datasets.ClassLabel(names=ACTIONS)
    if pictures != "paths":
        contents = [(source / r["image"]).read_bytes() for r in ROWS]
        rows["image"] = [{"bytes": b, "path": None} for b in contents] if pictures == "embedded" else contents
        features["image"] = datasets.Image() if pictures == "embedded" else datasets.Value("binary")
    mapping = TABLE | write(source, datasets.Dataset.from_dict(rows, features=datasets.Features(features)))
    summary = run_import(source, {key: value for key, value in mapping.items() if value is not None}, actions=ACTIONS)
    assert _texts(source) == EXPECTED
    stored = [scene["image"] for scene in scenes(source)]
    expected = [f"images/{k}.png" if pictures == "paths" else f"images/{k:06d}.png" for k in range(3)]
    assert stored == expected
    for k, name in enumerate(stored):
        assert (summary.to / name).read_bytes() == (source / "images" / f"{k}.png").read_bytes()


@pytest.mark.parametrize("first", ["<image>\nWhat?", "What?\n<image>", " <image> What? ", "What?"])
def test_image_tag_is_removed_wherever_it_stands(tmp_path: Path, first: str) -> None:
    record = talk(0)
    record["conversations"][0]["value"] = first
    files = {"train.json": as_json([record]), "test.json": as_json(TEST)}
    source = write_source(tmp_path / "source", files)
    run_import(source, TALKS | {"files": BY_SPLIT})
    assert scenes(source)[0]["turns"]["perception"]["question"] == "What?"


def test_other_spellings_of_dialogues_are_the_same(tmp_path: Path) -> None:
    roles = {"human": "user", "gpt": "assistant"}
    messages = [{"role": roles[m["from"]], "content": m["value"]} for m in talk(0)["conversations"]]
    spoken = {
        "id": "s0",
        "images": ["images/0.png"],
        "messages": [{"role": "system", "content": "Be kind."}, *messages],
    }
    pairs = zip(WORDINGS.values(), answers(1).values(), strict=True)
    preferred = {
        "id": "s1",
        "image": "images/1.png",
        "turns": [{"human": q, "chosen": a, "rejected": "Wrong."} for q, a in pairs],
    }
    files = {"train.json": as_json([spoken, preferred]), "test.json": as_json(TEST)}
    source = write_source(tmp_path / "source", files)
    summary = run_import(source, TALKS | {"files": BY_SPLIT})
    assert _texts(source) == EXPECTED
    assert summary.notes == ["leading system messages left out: 1", "rejected answers left out: 5"]


def test_questions_that_the_mapping_does_not_use_are_counted(tmp_path: Path) -> None:
    record = talk(0)
    extra = [{"from": "human", "value": "What is the\n weather?"}, {"from": "gpt", "value": "Fine."}]
    record["conversations"] += extra
    files = {"train.json": as_json([record, talk(1)]), "test.json": as_json(TEST)}
    source = write_source(tmp_path / "source", files)
    turns = {text: turn for turn, text in WORDINGS.items()} | {"What is the weather?": None}
    assert run_import(source, TALKS | {"files": BY_SPLIT, "turns": turns}).notes == [
        "questions left out, as the mapping does not use them: 1"
    ]
    assert _texts(source) == EXPECTED


def test_scenes_of_a_split_that_is_not_used_are_left_out_with_their_pictures(tmp_path: Path) -> None:
    rows = [row(0), row(1) | {"split": "val"}, row(2)]
    source = write_source(tmp_path / "source", {"a.csv": as_csv(rows)})
    words = {"train": "train", "val": None, "test": "test"}
    summary = run_import(source, TABLE | {"files": ["a.csv"], "split": {"column": "split", "words": words}})
    assert (summary.scenes, summary.left_out, summary.pictures) == ({"train": 1, "test": 1}, 1, 2)
    assert summary.notes == ["scenes left out, their split being 'val': 1"]
    assert sorted(file.name for file in (summary.to / "images").iterdir()) == ["0.png", "2.png"]


def test_label_column_becomes_the_action_beside_the_answer(tmp_path: Path) -> None:
    rows = [row(k) | {"decision": label} for k, label in enumerate(("stop.", " MOVE forward ", "Stop"))]
    source = write_source(tmp_path / "source", {"a.csv": as_csv(rows)})
    run_import(source, TABLE | {"files": ["a.csv"], "columns": ROW_COLUMNS | {"label": "decision"}}, actions=ACTIONS)
    assert [scene["action"] for scene in scenes(source)] == ["Stop", "Move Forward", "Stop"]


@pytest.mark.parametrize(("ids", "expected"), [("picture", ["0", "1", "2"]), ("row", ["1", "2", "3"])])
def test_ids_can_come_from_the_pictures_or_the_rows(tmp_path: Path, ids: str, expected: list[str]) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS)})
    run_import(source, TABLE | {"files": ["a.csv"], "ids": ids, "columns": ROW_COLUMNS | {"id": None}})
    assert [scene["id"] for scene in scenes(source)] == expected


def test_numbers_of_records_go_on_from_file_to_file(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS[:2]), "b.csv": as_csv(ROWS[2:])})
    run_import(source, TABLE | {"files": ["*.csv"], "ids": "row", "columns": ROW_COLUMNS | {"id": None}})
    assert [scene["id"] for scene in scenes(source)] == ["1", "2", "3"]


def test_whole_number_as_id_becomes_text(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl([r | {"id": k} for k, r in enumerate(ROWS)])})
    run_import(source, TABLE | {"files": ["a.jsonl"]})
    assert [scene["id"] for scene in scenes(source)] == ["0", "1", "2"]


def test_source_may_be_named_by_a_file_in_it(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS)})
    from import_cases import write_mapping

    from gcl.data.importing.importer import import_source

    mapping = write_mapping(tmp_path / "mapping.yaml", TABLE | {"files": ["a.csv"]})
    import_source("muson", source / "a.csv", mapping, tmp_path / "raw", dialogue(ACTIONS))
    assert _texts(source) == EXPECTED


def test_existing_folder_is_not_replaced(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS)})
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "corrected.txt").touch()
    expected = f"{tmp_path / 'raw'}: exists already; remove it, or choose another folder"
    assert refused(source, TABLE | {"files": ["a.csv"]}) == [expected]
    assert (tmp_path / "raw" / "corrected.txt").exists()


def test_kind_refuses_a_mapping_of_another_format(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS)})
    expected = f"{tmp_path / 'mapping.yaml'}: format: table does not fit llava; use conversations"
    assert refused(source, TABLE | {"files": ["a.csv"]}, kind="llava") == [expected]


def test_record_of_the_import_says_where_everything_came_from(tmp_path: Path) -> None:
    import yaml

    from gcl.files import sha256_file

    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS)})
    mapping = TABLE | {"files": ["a.csv"]}
    summary = run_import(source, mapping)
    record = yaml.safe_load((summary.to / "import.yaml").read_text())
    assert record == {
        "kind": "muson",
        "mapping": mapping,
        "sources": {"a.csv": sha256_file(source / "a.csv")},
        "scenes": {"train": 2, "test": 1},
        "left_out": 0,
        "pictures": 3,
        "changed": [],
    }
    assert str(summary).startswith(f"{tmp_path / 'raw'}: 3 scenes (2 train, 1 test), 3 pictures\n  ")
    assert sorted(path.name for path in summary.to.iterdir()) == ["images", "import.yaml", "scenarios.jsonl"]
