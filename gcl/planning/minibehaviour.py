"""MiniBehaviour: go to the printer, PICK it up, go to the table, DROP it there.

    minibehaviour 5x5
    .....
    .P...
    ....A
    .TTT.
    .TTT.

A is the agent, P the printer, T the table of 2 rows and 3 columns, . the floor. The agent never enters the table. It enters
the printer's cell only after PICK. PICK needs the printer beside the agent. DROP needs a cell of the table beside it. The
task is that of MGSD (its code, task_envs/Minibehaviour). It is simpler than the package mini_behavior: agents have no
direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gcl.errors import DataError
from gcl.planning.state import DROP, MOVES, PICK, Cell, Fault, PlanningState, Position, beside, cell_text

TABLE_ROWS, TABLE_COLUMNS = 2, 3
AGENT, PRINTER, TABLE, FLOOR = "APT."


@dataclass(frozen=True)
class MiniBehaviour(PlanningState):
    """A room of `size` x `size` cells; `table` is the table's cell at the top left.

    Raises:
        DataError: if something is outside the room, or two things share a cell.
    """

    size: int
    agent: Cell
    printer: Cell
    table: Cell

    task = "minibehaviour"
    actions = (*MOVES, PICK, DROP)

    def __post_init__(self) -> None:
        corner = (self.table[0] + TABLE_ROWS - 1, self.table[1] + TABLE_COLUMNS - 1)
        for name, cell in (("agent", self.agent), ("printer", self.printer), ("table", self.table), ("table", corner)):
            if not self.inside(cell):
                raise DataError(f"{name} {cell_text(cell)} is not in the room of {self.size} rows and columns")
        for name, cell in (("agent", self.agent), ("printer", self.printer)):
            if self.is_table(cell):
                raise DataError(f"{name} {cell_text(cell)} is in a cell of the table; move it")
        if self.agent == self.printer:
            raise DataError(f"agent and printer are both in {cell_text(self.agent)}; move one")

    @classmethod
    def from_lines(cls, size: int, lines: Sequence[str]) -> "MiniBehaviour":
        """Read the lines of `text` after the first, which gives the size."""
        if len(lines) != size or any(len(line) != size for line in lines):
            raise DataError(f"not {size} rows of {size} cells, as the first line promises")
        cells: dict[str, list[Cell]] = {sign: [] for sign in (AGENT, PRINTER, TABLE, FLOOR)}
        for row, line in enumerate(lines):
            for column, sign in enumerate(line):
                if sign not in cells:
                    raise DataError(f"row {row + 1} has {sign!r}; cells are A, P, T and .")
                cells[sign].append((row, column))
        for sign, name in ((AGENT, "agent A"), (PRINTER, "printer P")):
            if len(cells[sign]) != 1:
                raise DataError(f"{len(cells[sign])} cells are the {name}; exactly one must be")
        return cls(size, cells[AGENT][0], cells[PRINTER][0], table_corner(cells[TABLE]))

    def is_table(self, cell: Cell) -> bool:
        """Whether a cell belongs to the table."""
        return 0 <= cell[0] - self.table[0] < TABLE_ROWS and 0 <= cell[1] - self.table[1] < TABLE_COLUMNS

    @property
    def table_cells(self) -> tuple[Cell, ...]:
        """The six cells of the table, row by row."""
        return table_block(self.table)

    def text(self) -> str:
        rows = [[FLOOR] * self.size for _ in range(self.size)]
        for row, column in self.table_cells:
            rows[row][column] = TABLE
        for (row, column), sign in ((self.printer, PRINTER), (self.agent, AGENT)):
            rows[row][column] = sign
        return "\n".join((f"{self.task} {self.size}x{self.size}", *("".join(row) for row in rows)))

    def begin(self) -> Position:
        return Position(self.agent)

    def done(self, position: Position) -> bool:
        return position.dropped

    def step(self, position: Position, action: str) -> Position | Fault:
        cell, carries, _ = position
        if action == PICK:
            near = any(beside(cell, move) == self.printer for move in MOVES)
            return Position(cell, True) if near and not carries else Fault.PICK
        if action == DROP:
            near = any(self.is_table(beside(cell, move)) for move in MOVES)
            return Position(cell, False, True) if near and carries else Fault.DROP
        cell = beside(cell, action)
        if not self.inside(cell):
            return Fault.OFF_GRID
        if self.is_table(cell):
            return Fault.TABLE
        return Fault.PRINTER if cell == self.printer and not carries else Position(cell, carries)


def table_block(corner: Cell) -> tuple[Cell, ...]:
    """The six cells of a table whose top left is `corner`, row by row."""
    return tuple((corner[0] + r, corner[1] + c) for r in range(TABLE_ROWS) for c in range(TABLE_COLUMNS))


def table_corner(cells: Sequence[Cell]) -> Cell:
    """The cell at the top left of the table that consists of `cells`, in any order.

    Raises:
        DataError: if they do not form a block of 2 rows and 3 columns.
    """
    corner = min(cells, default=(0, 0))
    if tuple(sorted(cells)) != table_block(corner):
        where = " ".join(cell_text(cell) for cell in cells) or "nowhere"
        raise DataError(f"the table is {where}; it must be a block of {TABLE_ROWS} rows and {TABLE_COLUMNS} columns")
    return corner
