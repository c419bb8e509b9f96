"""FrozenLake: cross the ice from start to goal without stepping into a hole; nothing slips.

    frozenlake 3x3
    SFF
    FHF
    FFG

S is start, G goal, H hole, F frozen, as in gymnasium's maps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gcl.errors import DataError
from gcl.planning.state import Cell, Fault, PlanningState, Position, beside

START, GOAL, HOLE, FROZEN = "SGHF"


@dataclass(frozen=True)
class FrozenLake(PlanningState):
    """A square lake; `rows` are texts of the letters above.

    Raises:
        DataError: if the map is not square, or has other letters, or has not exactly one start and one goal.
    """

    rows: tuple[str, ...]

    task = "frozenlake"
    forgiving_rim = True

    def __post_init__(self) -> None:
        size, cells = len(self.rows), "".join(self.rows)
        if size < 2:
            raise DataError(f"a lake of {size} rows; give 2 or more")
        for number, row in enumerate(self.rows, start=1):
            if len(row) != size:
                raise DataError(f"row {number} has {len(row)} cells, the lake {size} rows; lakes are square")
            if strange := set(row) - {START, GOAL, HOLE, FROZEN}:
                raise DataError(f"row {number} has {min(strange)!r}; cells are S, F, H and G")
        for letter, name in ((START, "start S"), (GOAL, "goal G")):
            if cells.count(letter) != 1:
                raise DataError(f"{cells.count(letter)} cells are the {name}; exactly one must be")

    @classmethod
    def from_lines(cls, size: int, lines: Sequence[str]) -> "FrozenLake":
        """Read the lines of `text` after the first, which gives the size."""
        if len(lines) != size:
            raise DataError(f"{len(lines)} rows; the first line promises {size}")
        return cls(tuple(lines))

    @property
    def size(self) -> int:
        """Cells along a side."""
        return len(self.rows)

    @property
    def start(self) -> Cell:
        """The agent's cell."""
        return self.cells(START)[0]

    @property
    def goal(self) -> Cell:
        """The cell to be reached."""
        return self.cells(GOAL)[0]

    @property
    def holes(self) -> tuple[Cell, ...]:
        """All holes, row by row."""
        return self.cells(HOLE)

    def cells(self, letter: str) -> tuple[Cell, ...]:
        """All cells with a letter, row by row."""
        return tuple((r, c) for r, row in enumerate(self.rows) for c, found in enumerate(row) if found == letter)

    def text(self) -> str:
        return "\n".join((f"{self.task} {self.size}x{self.size}", *self.rows))

    def begin(self) -> Position:
        return Position(self.start)

    def done(self, position: Position) -> bool:
        row, column = position.cell
        return self.rows[row][column] == GOAL

    def step(self, position: Position, action: str) -> Position | Fault:
        cell = beside(position.cell, action)
        if not self.inside(cell):
            return Fault.OFF_GRID
        return Fault.HOLE if self.rows[cell[0]][cell[1]] == HOLE else Position(cell)
