"""Questions about a picture: `questions(state)` for stage 1 of MGSD, `score(state, text)` for a model's answers.

All questions of a task are one numbered turn, and so are the answers. The keys are those of the released evaluation. The
wording is ours. Cells are (row,column) from 0.

    1. 3x3
    2. (0,0)
    3. (2,2)
    4. (1,1)
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from gcl.planning.frozenlake import FrozenLake
from gcl.planning.maze import Maze
from gcl.planning.minibehaviour import MiniBehaviour
from gcl.planning.state import MOVES, Cell, PlanningState, Position, beside, cell_text

DIRECTIONS = dict(zip(MOVES, ("left", "down", "right", "up"), strict=True))
NONE = "none"
_CELL = re.compile(r"\(\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\)")
_SIZE = re.compile(r"\b(\d{1,4})\s*[x×*]\s*(\d{1,4})\b", re.IGNORECASE)
_WAY = re.compile("|".join(DIRECTIONS.values()), re.IGNORECASE)
_ITEM = re.compile(r"^\s*(\d{1,2})\s*[.):]\s*", re.MULTILINE)


class Question(NamedTuple):
    """A question about a state.

    Attributes:
        key: its name in tables.
        question: in words.
        answer: the reference, in words.
        read: turns an answer into a value that ignores order and wording; None if it cannot be read.
    """

    key: str
    question: str
    answer: str
    read: Callable[[str], object]


def questions(state: PlanningState) -> list[Question]:
    """The questions about a state, in their order."""
    size = Question("map_size", "How large is the grid?", f"{state.size}x{state.size}", _read_size)
    if isinstance(state, FrozenLake):
        return [
            size,
            _one_cell("player_position", "Where is the player?", state.start),
            _one_cell("goal_position", "Where is the goal?", state.goal),
            _cells("h_positions", "Where are holes?", state.holes),
        ]
    if isinstance(state, Maze):
        open_ways = "; ".join(
            f"{cell_text((row, column))}: {_ways(letters)}"
            for row, line in enumerate(state.openings)
            for column, letters in enumerate(line)
        )
        return [
            size,
            _one_cell("player_position", "Where is the player?", state.start),
            _one_cell("goal_position", "Where is the goal?", state.target),
            Question("open_directions", "In which directions is each cell open?", open_ways, _read_openings),
            _legal("player_legal_actions", state),
        ]
    if isinstance(state, MiniBehaviour):
        return [
            size,
            _one_cell("agent_position", "Where is the agent?", state.agent),
            _one_cell("printer_position", "Where is the printer?", state.printer),
            _cells("table_cells", "Which cells are the table?", state.table_cells),
            _cells("printer_adjacent_cells", "Which cells are beside the printer?", around(state, [state.printer])),
            _cells("table_adjacent_cells", "Which cells are beside the table?", around(state, state.table_cells)),
            _legal("movement_legal_actions", state),
        ]
    raise TypeError(f"no questions about a {type(state).__name__}")


def around(state: PlanningState, cells: Iterable[Cell]) -> list[Cell]:
    """The other cells on the grid that share a side with one of `cells`, row by row."""
    inner = set(cells)
    return sorted({near for cell in inner for move in MOVES if state.inside(near := beside(cell, move))} - inner)


def ask(state: PlanningState) -> str:
    """All questions as one text."""
    return "\n".join(f"{number}. {q.question}" for number, q in enumerate(questions(state), start=1))


def answer(state: PlanningState) -> str:
    """All reference answers as one text."""
    return "\n".join(f"{number}. {q.answer}" for number, q in enumerate(questions(state), start=1))


def score(state: PlanningState, text: str) -> dict[str, bool]:
    """By key, whether the numbered answers in `text` are exactly right. If a number occurs twice, the first counts."""
    parts = _ITEM.split(text)
    given: dict[str, str] = {}
    for number, content in zip(parts[1::2], parts[2::2], strict=True):
        given.setdefault(str(int(number)), content)
    return {
        q.key: str(number) in given and q.read(given[str(number)]) == q.read(q.answer)
        for number, q in enumerate(questions(state), start=1)
    }


def _one_cell(key: str, question: str, cell: Cell) -> Question:
    return Question(key, question, cell_text(cell), _read_cells)


def _cells(key: str, question: str, cells: Iterable[Cell]) -> Question:
    return Question(key, question, " ".join(cell_text(cell) for cell in cells) or NONE, _read_cells)


def _legal(key: str, state: PlanningState) -> Question:
    """The question for legal moves at the start. It leaves out PICK and DROP."""
    begin = state.begin()
    legal = "".join(move for move in MOVES if isinstance(state.step(begin, move), Position))
    return Question(key, "Which moves are legal now?", _ways(legal), _read_ways)


def _ways(letters: str) -> str:
    return ", ".join(DIRECTIONS[letter] for letter in letters) or NONE


def _read_size(text: str) -> tuple[int, int] | None:
    sizes = _SIZE.findall(text)
    return (int(sizes[0][0]), int(sizes[0][1])) if len(sizes) == 1 else None


def _read_cells(text: str) -> frozenset[Cell] | None:
    cells = frozenset((int(row), int(column)) for row, column in _CELL.findall(text))
    return cells if cells or NONE in text.lower() else None


def _read_ways(text: str) -> frozenset[str] | None:
    ways = frozenset(way.lower() for way in _WAY.findall(text))
    return ways if ways or NONE in text.lower() else None


def _read_openings(text: str) -> dict[Cell, frozenset[str] | None]:
    """Directions by cell, with any separator; a cell that is named twice has the last ones."""
    parts = _CELL.split(text)
    return {
        (int(row), int(column)): _read_ways(content)
        for row, column, content in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }
