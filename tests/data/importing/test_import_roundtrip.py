"""The drawn miniatures survive the import unchanged, and a hundred thousand records fit into little memory."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from turns_case import TURNS

from gcl.data.drawing.datasets import write_dataset
from gcl.data.importing.importer import import_source
from gcl.data.raw import read_raw
from gcl.experiment.dialogue import dialogue_of
from gcl.experiment.schema import Experiment

ROOT = Path(__file__).parents[3]
COUNTS = {"train": 14, "test": 6}


@pytest.fixture
def imported(tmp_path: Path, experiment: Experiment, request: pytest.FixtureRequest) -> tuple[Path, list]:
    """A drawn data set and its scenes after the import with the shipped mapping."""
    name = request.param
    asked = dialogue_of(experiment, name)
    write_dataset(name, COUNTS, asked.questions, 3, tmp_path / name)
    mapping = ROOT / "workflow" / "mappings" / f"{name}.yaml"
    summary = import_source(name, tmp_path / name, mapping, tmp_path / "raw", asked)
    assert (summary.scenes, summary.left_out, summary.pictures, summary.notes) == (COUNTS, 0, 20, [])
    return tmp_path / name, read_raw(tmp_path / "raw", asked)


@pytest.mark.parametrize("imported", ["snei"], indirect=True)
def test_drawn_dialogues_keep_texts_order_ids_and_pictures(imported: tuple[Path, list]) -> None:
    source, scenes = imported
    records = [
        (split, record)
        for split in COUNTS
        for record in json.loads((source / f"{split}.json").read_text(encoding="utf-8"))
    ]
    assert len(records) == len(scenes)
    for (split, record), scene in zip(records, scenes, strict=True):
        assert (scene.id, scene.split) == (record["id"], split)
        texts = [text for turn in TURNS for text in (scene.turns[turn].question, scene.turns[turn].answer)]
        assert texts == [m["value"].removeprefix("<image>\n") for m in record["conversations"]]
        assert scene.pictures[0].path.read_bytes() == (source / record["image"]).read_bytes()
        assert scene.pictures[0].path.parts[-2:] == Path(record["image"]).parts


@pytest.mark.parametrize("imported", ["muson"], indirect=True)
def test_drawn_table_keeps_texts_order_ids_and_pictures(imported: tuple[Path, list], experiment: Experiment) -> None:
    source, scenes = imported
    with (source / "annotations.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row, scene in zip(rows, scenes, strict=True):
        assert (scene.id, scene.split, scene.action) == (row["id"], row["split"], row["action"])
        assert {turn: scene.turns[turn].answer for turn in TURNS} == {turn: row[turn] for turn in TURNS}
        assert scene.turns["action"].question == dialogue_of(experiment, "muson").questions["action"]
        assert scene.pictures[0].path.read_bytes() == (source / row["image"]).read_bytes()


@pytest.mark.slow
def test_a_hundred_thousand_records_fit_into_one_gib(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/importing.py", "--records", "100000", "--to", str(tmp_path / "out.json")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert {result["format"] for result in results} == {"jsonl", "json", "csv", "parquet"}
    assert all(result["records"] == 100_000 for result in results)
    assert max(result["peak_mib"] for result in results) < 1024
