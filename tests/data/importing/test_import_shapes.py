"""Whatever shape a download has: its proposal imports it, or one line says why it is no data. See import_shapes.py."""

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml
from import_cases import ACTIONS, DIALOGUE, WORDINGS, run_import, scenes, write_source
from import_shapes import GROUPS, SHAPES, Shape
from turns_case import TURNS, dialogue

from gcl.data.importing.inspect import inspect_source
from gcl.data.importing.proposal import Known
from gcl.data.raw import read_raw

KNOWN = {"snei": Known(), "muson": Known(ACTIONS, {"train": 2, "test": 1})}


def _filled(content: dict[str, Any]) -> dict[str, Any]:
    """A proposal as a person would complete it: sizes that use all scenes, and any meanings in the order of what is open."""
    split = content.get("split") or {}
    for part, size in (("train", 2), ("test", 1)):
        if split.get(part) == "CHOOSE":
            split[part] = size
    if content.get("picture") == "CHOOSE":
        content["picture"] = "first"
    labels = cycle(ACTIONS)
    content["actions"] = (
        {w: next(labels) if a == "CHOOSE" else a for w, a in content["actions"].items()}
        if "actions" in content
        else None
    )
    columns = content.get("columns") or {}
    open_columns = iter(["x1", "x2", "x3", "x4", "x5"])
    columns.update({role: next(open_columns) for role, name in columns.items() if name == "CHOOSE"})
    turns = content.get("turns")
    if isinstance(turns, dict):
        words = turns.get("words", turns)
        words.update({word: turn for word in words for turn in TURNS if words[word] == "CHOOSE" and turn in word})
        missing = iter([turn for turn in TURNS if turn not in words.values()])
        words.update({word: next(missing, None) for word, turn in words.items() if turn == "CHOOSE"})
    return {key: value for key, value in content.items() if value is not None}


def test_there_are_many_shapes_and_no_name_twice() -> None:
    assert len(SHAPES) == sum(map(len, GROUPS)) >= 60


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_shape_is_imported_by_its_proposal_or_refused_in_one_line(tmp_path: Path, shape: Shape) -> None:
    source = write_source(tmp_path / "source", shape.files)
    if shape.change:
        shape.change(source)
    inspection = inspect_source(source, DIALOGUE, KNOWN, shape.data_set)
    inspection.text()
    if isinstance(shape.expected, str):
        assert inspection.mapping is None
        assert inspection.reason.startswith(shape.expected)
        assert "\n" not in inspection.reason
        return
    assert inspection.mapping is not None, inspection.reason
    summary = run_import(
        source, _filled(yaml.safe_load(inspection.mapping)), actions=ACTIONS if shape.data_set else None
    )
    assert sum(summary.scenes.values()) == shape.expected
    found = [{turn: words["answer"] for turn, words in scene["turns"].items()} for scene in scenes(source)]
    expected = [shape.answers(k) for k in range(shape.expected)]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    assert summary.notes == list(shape.notes)
    read_raw(summary.to, dialogue(ACTIONS if shape.data_set else None, WORDINGS))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_proposal_without_a_choice_is_accepted_as_it_is(tmp_path: Path, shape: Shape) -> None:
    source = write_source(tmp_path / "source", shape.files)
    if shape.change:
        shape.change(source)
    mapping = inspect_source(source, DIALOGUE, KNOWN, shape.data_set).mapping
    if mapping is not None and ": CHOOSE" not in mapping:
        run_import(source, mapping, actions=ACTIONS if shape.data_set else None)
