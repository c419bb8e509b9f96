"""Maze: walk from start to target through a perfect maze, where exactly one way joins any two cells.

    maze 2x2
    start (0,0)
    target (1,0)
    D RU
    RU L

The last lines list the open directions of each cell, in the order L, D, R, U.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gcl.errors import DataError
from gcl.planning.state import MOVES, Cell, Fault, PlanningState, Position, beside, cell_text

BACK = {"L": "R", "R": "L", "U": "D", "D": "U"}
_END = re.compile(r"(start|target) \((\d{1,4}),(\d{1,4})\)")


@dataclass(frozen=True)
class Maze(PlanningState):
    """A maze; `openings[row][column]` lists the open directions of a cell, in the order LDRU.

    Raises:
        DataError: if the maze is not square, or an opening has one side only or leads out. Also if a cell has no way or two
            ways to it. Also if start and target are the same cell or outside.
    """

    openings: tuple[tuple[str, ...], ...]
    start: Cell
    target: Cell

    task = "maze"

    def __post_init__(self) -> None:
        if self.size < 2:
            raise DataError(f"a maze of {self.size} rows; give 2 or more")
        for number, row in enumerate(self.openings, start=1):
            if len(row) != self.size:
                raise DataError(f"row {number} has {len(row)} cells, the maze {self.size} rows; mazes are square")
        for name, cell in (("start", self.start), ("target", self.target)):
            if not self.inside(cell):
                raise DataError(f"{name} {cell_text(cell)} is not in the maze of {self.size} rows and columns")
        if self.start == self.target:
            raise DataError(f"start and target are both {cell_text(self.start)}; they must differ")
        self._check_openings()

    def _check_openings(self) -> None:
        cells = [(row, column) for row in range(self.size) for column in range(self.size)]
        for cell in cells:
            letters = self.openings[cell[0]][cell[1]]
            if letters != "".join(move for move in MOVES if move in letters):
                raise DataError(f"cell {cell_text(cell)} is open in {letters!r}; write letters of LDRU in that order")
            for move in letters:
                neighbour = beside(cell, move)
                if not self.inside(neighbour) or BACK[move] not in self.openings[neighbour[0]][neighbour[1]]:
                    raise DataError(f"cell {cell_text(cell)} is open in direction {move}, the other side is not")
        reached, todo = {self.start}, [self.start]
        while todo:
            cell = todo.pop()
            new = {beside(cell, move) for move in self.openings[cell[0]][cell[1]]} - reached
            reached |= new
            todo.extend(new)
        if len(reached) < len(cells):
            raise DataError(f"no way leads to cell {cell_text(min(set(cells) - reached))}; open a wall")
        # A connected graph is a tree if it has one edge less than cells. Every opening counts from both sides.
        if sum(len(letters) for row in self.openings for letters in row) != 2 * (len(cells) - 1):
            raise DataError("a second way leads somewhere; close a wall, perfect mazes have one way only")

    @classmethod
    def from_lines(cls, size: int, lines: Sequence[str]) -> "Maze":
        """Read the lines of `text` after the first, which gives the size."""
        if len(lines) != size + 2:
            raise DataError(f"{len(lines)} lines after the first; start, target and {size} rows must follow")
        ends: list[Cell] = []
        for name, line in zip(("start", "target"), lines, strict=False):
            found = _END.fullmatch(line)
            if found is None or found[1] != name:
                raise DataError(f"{line!r} where '{name} (row,column)' must be")
            ends.append((int(found[2]), int(found[3])))
        return cls(tuple(tuple(line.split(" ")) for line in lines[2:]), ends[0], ends[1])

    @property
    def size(self) -> int:
        """Cells along a side."""
        return len(self.openings)

    def text(self) -> str:
        ends = (f"start {cell_text(self.start)}", f"target {cell_text(self.target)}")
        return "\n".join((f"{self.task} {self.size}x{self.size}", *ends, *(" ".join(row) for row in self.openings)))

    def begin(self) -> Position:
        return Position(self.start)

    def done(self, position: Position) -> bool:
        return position.cell == self.target

    def step(self, position: Position, action: str) -> Position | Fault:
        row, column = position.cell
        # A wall surrounds the maze, so no move leaves the grid.
        return Position(beside(position.cell, action)) if action in self.openings[row][column] else Fault.WALL
