"""Files of states: written files are read, damage is named, public test sets are imported, also by commands."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from PIL import Image
from planning_cases import LAKE, MAZE, ROOM, states

from gcl.cli.main import main
from gcl.errors import DataError
from gcl.files import write_jsonl
from gcl.planning.native import native
from gcl.planning.public_sets import import_states, parse_table
from gcl.planning.state_pictures import render
from gcl.planning.states_file import StateRecord, read_records, solved, write_records

RECORDS = [solved("a", "train", 3, LAKE), solved("b-1.x", "val", None, MAZE), solved("c", "test", 0, ROOM)]


def test_records_are_read_as_they_were_written(tmp_path):
    write_records(tmp_path / "states.jsonl", RECORDS)
    assert read_records(tmp_path / "states.jsonl") == RECORDS
    line = json.loads((tmp_path / "states.jsonl").read_text().splitlines()[0])
    assert list(line) == ["id", "task", "level", "split", "seed", "state", "state_hash", "optimal_length", "plan"]
    assert (line["task"], line["level"], line["optimal_length"], line["plan"]) == ("frozenlake", 4, 6, list("DDRDRR"))


@given(states())
def test_any_state_that_can_be_solved_survives(state):
    if state.solve() is not None:
        record = solved("x", "test", 1, state)
        assert StateRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


DAMAGE: dict[str, tuple[dict[str, Any], str]] = {
    "a path as id": ({"id": "../a"}, "id: not fit for the name of a file"),
    "a number as id": ({"id": 3}, "id: not fit for the name of a file"),
    "no split": ({"split": "dev"}, "split: not one of train, val, test"),
    "seed": ({"seed": "7"}, "seed: text; write a whole number or null"),
    "state": ({"state": ["SF", "FG"]}, "state: a list instead of text"),
    "map": ({"state": "frozenlake 2x2\nSF\nFF"}, "state: 0 cells are the goal G"),
    "unsolvable": ({"state": "frozenlake 2x2\nSH\nHG"}, "state: cannot be solved"),
    "task": ({"task": "maze"}, "task: the state's is frozenlake"),
    "level": ({"level": 5}, "level: the state's is 4"),
    "level as text": ({"level": "4"}, "level: the state's is 4"),
    "hash": ({"state_hash": "0" * 64}, "state_hash: the state's is"),
    "length": ({"optimal_length": 7}, "optimal_length: the state's is 6"),
    "plan that fails": ({"plan": list("DDDDDD")}, "plan: not a shortest one; one is D D R D R R"),
    "plan that is long": ({"plan": list("DUDDRRDR")}, "plan: not a shortest one"),
    "plan of another task": ({"plan": ["PICK"] * 6}, "frozenlake has no 'PICK'"),
    "plan as text": ({"plan": "DDRDRR"}, "plan: not a list of texts"),
    "a strange field": ({"image": "x.png"}, "image: missing or unknown"),
}


@pytest.mark.parametrize("change, message", DAMAGE.values(), ids=DAMAGE)
def test_a_bad_line_is_named_with_its_number(tmp_path, change, message):
    path = tmp_path / "states.jsonl"
    write_jsonl(path, [RECORDS[1].to_json(), RECORDS[0].to_json() | change])
    with pytest.raises(DataError) as caught:
        read_records(path)
    heading, line = str(caught.value).split("\n")
    assert heading == f"{path}: 1 problem"
    assert line.startswith(f"  {path}:2: ") and message in line


def test_an_id_must_not_come_twice(tmp_path):
    path = tmp_path / "states.jsonl"
    write_jsonl(path, [RECORDS[0].to_json(), RECORDS[1].to_json() | {"id": "a"}])
    with pytest.raises(DataError) as caught:
        read_records(path)
    assert f"{path}:2: id: a is also that of {path}:1; give another" in str(caught.value)


def test_another_shortest_plan_is_as_good(tmp_path):
    write_jsonl(tmp_path / "states.jsonl", [RECORDS[0].to_json() | {"plan": list("DDRRDR")}])
    assert read_records(tmp_path / "states.jsonl")[0].plan == tuple("DDRDRR")


# Shapes of the public test sets; the states are invented.
LAKE_LINE = {"id": "level3/0", "level": 3, "map": ["SFH", "FFF", "HFG"]}
TABLE = """\
| | Col 1 | Col 2 | Col 3 |
| Row 1 | @ | _ | # |
| Row 2 | _ | _ | _ |
| Row 3 | # | _ | * |
"""
ROOM_LINE = {
    "id": "level5/0",
    "level": 5,
    "start_pos": [0, 0],
    "start_dir": 2,
    "printer_pos": [1, 1],
    "table_pos": [[3, 2], [4, 2], [3, 3], [4, 3], [3, 4], [4, 4]],
}


def original(**changes: Any) -> dict[str, Any]:
    """A record as VisualPlanning has it; of the maps of distances only what the best path needs."""
    meta = {key: value for key, value in ROOM_LINE.items() if key != "id"} | {
        "idx": 77,
        "best_paths": [[[0, 1], [2, 2]]],
        "distance_map_to_printer": {"(0, 1)": {"(0, 0)": 1}},
        "distance_map_to_table": {"(2, 2)": {"(0, 1)": 3}},
    }
    return {"input_tokens": [5, 6], "output_tokens": [7], "input_state": [[[0, 0], False]], "meta": meta | changes}


def test_vsp_comes_from_lines_and_from_its_tables_alike(tmp_path):
    write_jsonl(tmp_path / "vsp.jsonl", [LAKE_LINE, LAKE_LINE | {"id": "level3/10"}])
    for name in ("0", "10"):
        (tmp_path / "maps/level3/table").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"maps/level3/table/{name}.txt").write_text(TABLE)
    (tmp_path / "maps/level3/img").mkdir()
    records = import_states("vsp", tmp_path / "vsp.jsonl")
    assert records == import_states("vsp", tmp_path / "maps")
    assert [record.id for record in records] == ["vsp-level3-0", "vsp-level3-10"]  # the same map twice is no error
    assert {(record.split, record.seed, record.state.rows) for record in records} == {
        ("test", None, ("SFH", "FFF", "HFG"))
    }


def test_tables_are_taken_in_the_order_of_their_numbers(tmp_path):
    for name in ("level10/table/0", "level3/table/10", "level3/table/9"):
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 10 if "10/" in name else 3
        rows = ["@" + "_" * (size - 1), *["_" * size] * (size - 2), "_" * (size - 1) + "*"]
        path.write_text("".join(f"| Row {k} | {' | '.join(row)} |\n" for k, row in enumerate(rows, start=1)))
    assert [r.id for r in import_states("vsp", tmp_path)] == ["vsp-level3-9", "vsp-level3-10", "vsp-level10-0"]


def test_visualplanning_comes_in_both_shapes_alike(tmp_path):
    write_jsonl(tmp_path / "short.jsonl", [ROOM_LINE, ROOM_LINE | {"id": "level5/1", "start_pos": [0, 3]}])
    second = original(
        start_pos=[0, 3],
        best_paths=[[[1, 2], [2, 2]]],
        distance_map_to_printer={"(1, 2)": {"(0, 3)": 2}},
        distance_map_to_table={"(2, 2)": {"(1, 2)": 1}},
    )
    write_jsonl(tmp_path / "original.jsonl", [original(), second])
    records = import_states("visualplanning", tmp_path / "short.jsonl")
    assert records == import_states("visualplanning", tmp_path / "original.jsonl")
    assert [record.id for record in records] == ["visualplanning-level5-0", "visualplanning-level5-1"]
    assert records[0].state == ROOM and len(records[0].plan) == 6


MISTAKES: dict[str, tuple[str, list[Any], str]] = {
    "no level": ("vsp", [{"id": "x", "map": ["SF", "FG"]}], "level: missing; add it"),
    "another level": ("vsp", [LAKE_LINE | {"level": 4}], "level: 4, but the grid has 3 rows"),
    "level as text": ("vsp", [LAKE_LINE | {"level": "3"}], "level: text instead of a whole number"),
    "a hole in the row": ("vsp", [LAKE_LINE | {"map": ["SF", 3]}], "map: not a list of texts"),
    "an odd map": ("vsp", [LAKE_LINE | {"map": ["SFF", "FF", "FFG"]}], "row 2 has 2 cells, the lake 3 rows"),
    "no way": ("vsp", [LAKE_LINE | {"map": ["SHF", "HFF", "FFG"]}], "cannot be solved"),
    "another length": (
        "vsp",
        [LAKE_LINE | {"optimal_length": 6}],
        "optimal length: 6, but a shortest plan has 4 actions",
    ),
    "an id that leads out": ("vsp", [LAKE_LINE | {"id": "lev el"}], "id: not fit for the name of a file"),
    "an id twice": ("vsp", [LAKE_LINE, LAKE_LINE], ":2: id: level3/0 is also that of"),
    "two tables": ("visualplanning", [ROOM_LINE | {"table_pos": [[0, 2], [4, 4]]}], "the table is (0,2) (4,4)"),
    "half a cell": ("visualplanning", [ROOM_LINE | {"start_pos": [1]}], "start_pos: not [row, column]"),
    "agent in the table": (
        "visualplanning",
        [ROOM_LINE | {"start_pos": [3, 3]}],
        "agent (3,3) is in a cell of the table",
    ),
    "a longer best path": (
        "visualplanning",
        [original(distance_map_to_table={"(2, 2)": {"(0, 1)": 4}})],
        "optimal length: 7, but a shortest plan has 6 actions",
    ),
    "no distance": ("visualplanning", [original(distance_map_to_printer={})], "best_paths: gives no length"),
    "no object": ("visualplanning", [[1]], "a whole number instead of an object"),
}


@pytest.mark.parametrize("format, lines, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_public_test_set_is_named(tmp_path, format, lines, message):
    path = tmp_path / "source.jsonl"
    write_jsonl(path, lines)
    with pytest.raises(DataError) as caught:
        import_states(format, path)
    assert f"{path}:{len(lines)}: " in str(caught.value) and message in str(caught.value)


def test_all_mistakes_are_listed(tmp_path):
    write_jsonl(tmp_path / "source.jsonl", [{}, LAKE_LINE, {"id": "x"}])
    with pytest.raises(DataError, match=r"source.jsonl: 2 problems\n.*:1: .*\n.*:3: "):
        import_states("vsp", tmp_path / "source.jsonl")


@pytest.mark.parametrize(
    "text, message",
    [
        (TABLE.replace("Row 2", "Row 4"), "line 3: 'Row 4' where 'Row 2' must be"),
        (TABLE.replace("*", "?"), "line 4: '?' is not a cell; cells are @ * # _"),
        (TABLE.replace("*", "_"), "0 cells are the goal G"),
        ("", "a lake of 0 rows"),
    ],
)
def test_a_damaged_table_is_explained(text, message):
    with pytest.raises(DataError) as caught:
        parse_table(text)
    assert message in str(caught.value)


def test_a_damaged_table_is_named_and_so_is_a_folder_without_any(tmp_path):
    with pytest.raises(DataError, match=r"no level<N>/table/<k>\.txt in it"):
        import_states("vsp", tmp_path)
    path = tmp_path / "level3/table/5.txt"
    path.parent.mkdir(parents=True)
    path.write_text("| Row 1 | @ |")
    with pytest.raises(DataError, match=r"level3/table/5\.txt: a lake of 1 rows"):
        import_states("vsp", tmp_path)


def run(*arguments: Any) -> int:
    return main(["planning", *map(str, arguments)])


def pixels(path: Path) -> bytes:
    with Image.open(path) as picture:
        return picture.tobytes()


def test_the_commands_lead_from_a_seed_to_pictures(tmp_path, capsys):
    states = tmp_path / "maze.jsonl"
    assert run("generate", "--task", "maze", "--level", 3, "--train", 3, "--test", 2, "--seed", 1, "--to", states) == 0
    assert "maze 3 train: 3 states, plans of" in capsys.readouterr().out
    assert run("render", "--states", states, "--out", tmp_path / "pictures", "--pixels", 96) == 0
    records = read_records(states)
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == {record.id for record in records}
    for record in records:
        assert pixels(tmp_path / f"pictures/{record.id}.png") == render(record.state, 96).tobytes()


def test_the_commands_import_draw_natively_and_exclude(tmp_path, capsys):
    write_jsonl(tmp_path / "vsp.jsonl", [LAKE_LINE, LAKE_LINE | {"id": "level3/1"}])
    states = tmp_path / "states.jsonl"
    assert run("import", "--format", "vsp", tmp_path / "vsp.jsonl", "--to", states) == 0
    assert "frozenlake 3 test: 2 states (1 distinct), plans of 4 to 4 actions, half up to 4" in capsys.readouterr().out
    assert run("render", "--states", states, "--out", tmp_path / "out", "--native") == 0
    assert pixels(tmp_path / "out/vsp-level3-1.png") == native(read_records(states)[0].state).tobytes()
    drawn = ["generate", "--task", "frozenlake", "--level", 2, "--test", 4, "--seed", 1]
    assert run(*drawn, "--to", tmp_path / "a.jsonl") == 0
    assert run(*drawn, "--exclude", tmp_path / "a.jsonl", "--to", tmp_path / "b.jsonl") == 0
    a, b = ({record.state for record in read_records(tmp_path / name)} for name in ("a.jsonl", "b.jsonl"))
    assert len(a | b) == 8


def test_a_mistake_is_an_error_of_status_2_and_nothing_is_written(tmp_path, capsys):
    states, out = tmp_path / "states.jsonl", tmp_path / "out"
    write_records(states, RECORDS)
    assert run("render", "--states", states, "--out", out, "--native") == 2
    assert "b-1.x: maze; leave out --native" in capsys.readouterr().err
    states.write_text(states.read_text() + "{}\n")
    assert run("render", "--states", states, "--out", out) == 2
    assert f"{states}:4: " in capsys.readouterr().err
    assert run("import", "--format", "vsp", tmp_path / "nowhere.jsonl", "--to", out) == 2
    assert "nowhere.jsonl: cannot be read" in capsys.readouterr().err
    assert not out.exists()


def test_files_are_gathered_into_one(tmp_path):
    write_records(tmp_path / "a.jsonl", RECORDS[:1])
    write_records(tmp_path / "b.jsonl", RECORDS[1:])
    assert run("gather", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--to", tmp_path / "all.jsonl") == 0
    assert read_records(tmp_path / "all.jsonl") == RECORDS


def test_what_cannot_be_gathered_leaves_nothing_half_written(tmp_path, capsys):
    write_records(tmp_path / "a.jsonl", RECORDS[:1])
    assert run("gather", tmp_path / "a.jsonl", tmp_path / "missing.jsonl", "--to", tmp_path / "all.jsonl") == 2
    assert "missing.jsonl: No such file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_folder_of_pictures_appears_only_when_it_is_whole(tmp_path, monkeypatch):
    from gcl.planning import state_pictures as drawing

    write_records(tmp_path / "states.jsonl", RECORDS)
    save, saved = drawing.save_picture, []

    def failing(picture, path):
        saved.append(path)
        if len(saved) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(picture, path)

    monkeypatch.setattr(drawing, "save_picture", failing)
    assert run("render", "--states", tmp_path / "states.jsonl", "--out", tmp_path / "out", "--pixels", 96) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["states.jsonl"]


def test_a_folder_that_holds_anything_else_is_not_replaced_by_pictures(tmp_path, capsys):
    write_records(tmp_path / "states.jsonl", RECORDS)
    render = ["render", "--states", tmp_path / "states.jsonl", "--pixels", 96, "--out"]
    assert run(*render, tmp_path) == 2
    assert "holds more than pictures, such as states.jsonl" in capsys.readouterr().err
    assert [run(*render, tmp_path / "out") for _ in range(2)] == [0, 0], "pictures of an earlier call give way"
