"""The base of the three planning tasks: `state.solve()` finds a shortest plan, `state.simulate(plan)` carries one out.

A state holds the content of a picture in symbols. Each task defines the effect of an action in `step`. Search and simulation
are the same for all tasks. Cells are (row, column), counted from 0 at the top left. Plans are tuples of "L", "D", "R", "U"
and, in MiniBehaviour, "PICK" and "DROP".
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal, NamedTuple

from gcl.errors import DataError
from gcl.files import sha256_text

Cell = tuple[int, int]
Plan = tuple[str, ...]

# In gymnasium's order. It also decides between plans of the same length.
MOVES: dict[str, Cell] = {"L": (0, -1), "D": (1, 0), "R": (0, 1), "U": (-1, 0)}
PICK, DROP = "PICK", "DROP"


class Position(NamedTuple):
    """The agent's cell and, in MiniBehaviour, whether the printer is carried or dropped."""

    cell: Cell
    carries: bool = False
    dropped: bool = False


class Fault(StrEnum):
    """The reason why an action is illegal."""

    HOLE = "hole"
    WALL = "wall"
    TABLE = "table"
    PRINTER = "printer"
    OFF_GRID = "off the grid"
    PICK = "wrong PICK"
    DROP = "wrong DROP"


@dataclass(frozen=True)
class Outcome:
    """The end of a plan.

    Attributes:
        success: whether the goal was reached (MiniBehaviour: the printer dropped at the table).
        steps: actions carried out, the illegal one included; later actions do not count.
        end: the agent's last legal cell.
        fault: why an action was illegal; None if all were legal.
        at: the cell of the fault. For an illegal move it is the target, perhaps outside the grid.
    """

    success: bool
    steps: int
    end: Cell
    fault: Fault | None = None
    at: Cell | None = None


class PlanningState(ABC):
    """A state of one of the tasks; the subclasses are frozen dataclasses that refuse impossible states."""

    task: ClassVar[str]
    actions: ClassVar[Plan] = tuple(MOVES)
    forgiving_rim: ClassVar[bool] = False  # true if a rule allows moves off the grid, without effect
    size: int  # cells along a side of the square grid; the paper's level

    @abstractmethod
    def text(self) -> str:
        """The only spelling of this state, several lines without a final line end; `parse` reads it."""

    @abstractmethod
    def begin(self) -> Position:
        """The position at the start."""

    @abstractmethod
    def done(self, position: Position) -> bool:
        """Whether the goal is reached."""

    @abstractmethod
    def step(self, position: Position, action: str) -> Position | Fault:
        """The position after an action of `actions`, or why it is illegal."""

    @property
    def state_hash(self) -> str:
        """Hex SHA-256 of the text; equal states have equal hashes in any data set."""
        return sha256_text(self.text())

    def inside(self, cell: Cell) -> bool:
        """Whether a cell is on the grid."""
        return 0 <= cell[0] < self.size and 0 <= cell[1] < self.size

    def solve(self) -> Plan | None:
        """A shortest plan by breadth-first search, or None if the goal cannot be reached.

        Of several plans it gives the first in the order of `actions`.
        """
        start = self.begin()
        came: dict[Position, tuple[Position, str] | None] = {start: None}
        queue = deque([start])
        while queue:
            position = queue.popleft()
            if self.done(position):
                return _way(came, position)
            for action in self.actions:
                after = self.step(position, action)
                if isinstance(after, Position) and after not in came:
                    came[after] = (position, action)
                    queue.append(after)
        return None

    def simulate(self, plan: Sequence[str], off_grid: Literal["fail", "stay"] = "fail") -> Outcome:
        """Carry out a plan until the goal, an illegal action or the plan's end.

        Args:
            plan: actions.
            off_grid: the effect of a move off the grid of a FrozenLake. "fail", as in MGSD's evaluation, makes it illegal.
                "stay", as in MGSD's training reward and gymnasium, makes it a move without effect. In other tasks such a
                move is always illegal.

        Returns:
            The outcome. As in the released evaluation, actions after the goal do not count.

        Raises:
            DataError: if the task has no such action.
        """
        position, steps = self.begin(), 0
        for number, action in enumerate(plan, start=1):
            if self.done(position):
                break
            if action not in self.actions:
                known = ", ".join(self.actions)
                raise DataError(f"action {number} of the plan: {self.task} has no {action!r}; use {known}")
            steps, after = number, self.step(position, action)
            if isinstance(after, Position):
                position = after
            elif not (after is Fault.OFF_GRID and off_grid == "stay" and self.forgiving_rim):
                at = beside(position.cell, action) if action in MOVES else position.cell
                return Outcome(False, steps, position.cell, after, at)
        return Outcome(self.done(position), steps, position.cell)


def beside(cell: Cell, move: str) -> Cell:
    """The next cell in the direction of a move, perhaps outside the grid."""
    row, column = MOVES[move]
    return cell[0] + row, cell[1] + column


def cell_text(cell: Cell) -> str:
    """A cell as messages and texts write it: (row,column)."""
    return f"({cell[0]},{cell[1]})"


def _way(came: dict[Position, tuple[Position, str] | None], end: Position) -> Plan:
    actions: list[str] = []
    step = came[end]
    while step is not None:
        actions.append(step[1])
        step = came[step[0]]
    return tuple(reversed(actions))
