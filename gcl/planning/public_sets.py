"""States of the two public test sets: `import_states("vsp", source)` and `import_states("visualplanning", source)`.

    vsp             VSP's FrozenLake maps (UCSB-NLP-Chang/Visual-Spatial-Planning, arXiv 2407.01863): its folder
                    maze/task-main/maps with level<N>/table/<k>.txt, or JSONL with id, level and map
    visualplanning  VisualPlanning's MiniBehaviour (yix8/VisualPlanning, arXiv 2505.11409): its test_dataset.jsonl with the
                    state in `meta`, or JSONL with id, level, start_pos, printer_pos and table_pos, all (row, column)

Every state must have a solution. If the file gives a length, it must be the shortest one. VisualPlanning's agents have a
direction. The task ignores it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gcl.data.annotations import kind, read_json, read_text, shown
from gcl.data.problem import GeneralProblem, Problem
from gcl.errors import DataError, raise_all
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.minibehaviour import MiniBehaviour, table_corner
from gcl.planning.state import Cell, PlanningState, cell_text
from gcl.planning.states_file import StateRecord, solved

# Place in the source, id, level, state, and length of its plan if known.
SourceState = tuple[str, str, int, PlanningState, int | None]
_SIGNS = {"@": "S", "*": "G", "#": "H", "_": "F"}  # of VSP's tables
_LEVEL = re.compile(r"level(\d{1,3})")


def import_states(format: str, source: Path) -> list[StateRecord]:
    """Read and check a public test set.

    Args:
        format: "vsp" or "visualplanning".
        source: file or folder, as described above.

    Returns:
        Records in the order of the source, all of the split "test". Two may have the same state, as in VSP.

    Raises:
        DataError: listing all mistakes, each with its place.
    """
    problems: list[Problem] = []
    reader = {"vsp": _vsp, "visualplanning": _visualplanning}[format]
    records: list[StateRecord] = []
    places: dict[str, str] = {}
    for where, name, level, state, length in tqdm(
        reader(source, problems), desc="importing", unit="state", mininterval=2
    ):
        try:
            record = _checked(f"{format}-{name.replace('/', '-')}", level, state, length)
        except DataError as error:
            problems.append(Problem(where, "", str(error)))
            continue
        if record.id in places:
            problems.append(Problem(where, "id", f"{name} is also that of {places[record.id]}", "give another"))
        places.setdefault(record.id, where)
        records.append(record)
    raise_all(problems, str(source))
    return records


def _checked(name: str, level: int, state: PlanningState, length: int | None) -> StateRecord:
    if state.size != level:
        raise DataError(f"level: {level}, but the grid has {state.size} rows; correct one")
    record = solved(name, "test", None, state)
    if length is not None and length != len(record.plan):
        raise DataError(
            f"optimal length: {length}, but a shortest plan has {len(record.plan)} actions; correct the state"
        )
    return record


def _vsp(source: Path, problems: list[Problem]) -> Iterator[SourceState]:
    if not source.is_dir():
        for line in read_json(source, problems, str(source)):
            try:
                rows = _field(line.fields, "map", list)
                if not all(isinstance(row, str) for row in rows):
                    raise DataError("map: not a list of texts; write one text a row")
                state, level = FrozenLake(tuple(rows)), _field(line.fields, "level", int)
                yield line.where, _field(line.fields, "id", str), level, state, _length(line.fields)
            except DataError as error:
                problems.append(Problem(line.where, "", str(error)))
        return
    tables = [path for path in source.glob("level*/table/*.txt") if _LEVEL.fullmatch(path.parts[-3])]
    if not tables:
        remedy = "name the folder that has the folders level3 to level8"
        problems.append(GeneralProblem("", "", "no level<N>/table/<k>.txt in it", remedy))
    for path in sorted(tables, key=lambda path: (int(path.parts[-3][5:]), path.stem.zfill(9))):
        folder, text = path.parts[-3], read_text(path, problems)
        if text is None:
            continue
        try:
            lake = parse_table(text)
        except DataError as error:
            problems.append(Problem(str(path), "", str(error)))
            continue
        yield str(path), f"{folder}/{path.stem}", int(folder[5:]), lake, None


def parse_table(text: str) -> FrozenLake:
    """The lake of one of VSP's tables, with rows like `| Row 1 | _ | * | # |`: @ start, * goal, # hole, _ ice.

    Raises:
        DataError: if a line is not a row of the table, or the rows do not form a lake.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [part.strip() for part in line.strip().strip("|").split("|")]
        if not line.strip() or not cells[0]:  # the head's first cell is empty
            continue
        if cells[0] != f"Row {len(rows) + 1}":
            raise DataError(f"line {number}: {shown(cells[0])} where 'Row {len(rows) + 1}' must be")
        if strange := [cell for cell in cells[1:] if cell not in _SIGNS]:
            raise DataError(f"line {number}: {shown(strange[0])} is not a cell; cells are @ * # _")
        rows.append("".join(_SIGNS[cell] for cell in cells[1:]))
    return FrozenLake(tuple(rows))


def _visualplanning(source: Path, problems: list[Problem]) -> Iterator[SourceState]:
    running: Counter[int] = Counter()
    for line in read_json(source, problems, str(source)):
        try:
            original = "meta" in line.fields
            fields = _field(line.fields, "meta", dict) if original else line.fields
            level = _field(fields, "level", int)
            # The original has no ids, so its records get numbers within their level.
            name = f"level{level}/{running[level]}" if original else _field(fields, "id", str)
            running[level] += 1
            table = table_corner([_cell(value, "table_pos") for value in _field(fields, "table_pos", list)])
            agent, printer = (_cell(_field(fields, field, list), field) for field in ("start_pos", "printer_pos"))
            length = _original_length(fields, agent) if original else _length(fields)
            yield line.where, name, level, MiniBehaviour(level, agent, printer, table), length
        except DataError as error:
            problems.append(Problem(line.where, "", str(error)))


def _original_length(meta: Mapping[str, Any], agent: Cell) -> int | None:
    """Length of a best path: to a cell beside the printer, PICK, on to a cell beside the table, DROP.

    None if the record has no best paths. Each cell beside the printer or the table has its own map of distances. The keys
    are cells, written "(2, 1)".
    """
    if "best_paths" not in meta:
        return None
    try:
        beside_printer, beside_table = (str(tuple(cell)) for cell in meta["best_paths"][0])
        walk = meta["distance_map_to_printer"][beside_printer][str(agent)]
        return walk + 1 + meta["distance_map_to_table"][beside_table][beside_printer] + 1
    except (KeyError, IndexError, TypeError, ValueError):
        raise DataError(
            f"best_paths: gives no length for the agent in {cell_text(agent)}; fetch the file again"
        ) from None


def _length(fields: Mapping[str, Any]) -> int | None:
    return _field(fields, "optimal_length", int) if "optimal_length" in fields else None


def _field(fields: Mapping[str, Any], name: str, expected: type) -> Any:
    """A field, checked for its type."""
    if name not in fields:
        raise DataError(f"{name}: missing; add it")
    value = fields[name]
    if not isinstance(value, expected) or isinstance(value, bool):
        raise DataError(f"{name}: {kind(value)} instead of {kind(expected())}; correct it")
    return value


def _cell(value: Any, name: str) -> Cell:
    if not isinstance(value, list) or len(value) != 2 or not all(type(part) is int for part in value):
        raise DataError(f"{name}: not [row, column]; write two whole numbers")
    return value[0], value[1]
