"""What the three planning tasks share: `state.solve()` finds a shortest plan, `state.simulate(plan)` carries one out.

A state is what a picture shows, in symbols. Its task says in `step` what an action does; search and simulation are the same
for all and are here. Cells are (row, column), counted from 0 at the top left. Plans are tuples of "L", "D", "R", "U" and, in
MiniBehaviour, "PICK" and "DROP".
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

# In gymnasium's order, which also decides between plans of the same length.
MOVES: dict[str, Cell] = {"L": (0, -1), "D": (1, 0), "R": (0, 1), "U": (-1, 0)}
PICK, DROP = "PICK", "DROP"


class Position(NamedTuple):
    """Where a run stands: the agent's cell and, in MiniBehaviour, what became of the printer."""

    cell: Cell
    carries: bool = False
    dropped: bool = False


class Fault(StrEnum):
    """What made an action illegal."""

    HOLE = "hole"
    WALL = "wall"
    TABLE = "table"
    PRINTER = "printer"
    OFF_GRID = "off the grid"
    PICK = "wrong PICK"
    DROP = "wrong DROP"


@dataclass(frozen=True)
class Outcome:
    """How a plan ended.

    Attributes:
        success: whether the goal was reached (MiniBehaviour: the printer dropped at the table).
        steps: actions carried out, the illegal one included; what follows the goal or a fault does not count.
        end: the cell in which the agent is at last; of an illegal move the cell before it.
        fault: what was illegal, if anything was.
        at: the cell that an illegal move led to, perhaps outside the grid, or in which PICK or DROP was wrong.
    """

    success: bool
    steps: int
    end: Cell
    fault: Fault | None = None
    at: Cell | None = None


class PlanningState(ABC):
    """A state of one of the tasks; the subclasses are frozen dataclasses that hold nothing impossible."""

    task: ClassVar[str]
    actions: ClassVar[Plan] = tuple(MOVES)
    forgiving_rim: ClassVar[bool] = False  # whether there is a rule under which moves off the grid do nothing
    size: int  # cells along a side of the square grid; the paper's level

    @abstractmethod
    def text(self) -> str:
        """The one spelling of this state, several lines without a last line end; `parse` reads it."""

    @abstractmethod
    def begin(self) -> Position:
        """Where every run starts."""

    @abstractmethod
    def done(self, position: Position) -> bool:
        """Whether the goal is reached."""

    @abstractmethod
    def step(self, position: Position, action: str) -> Position | Fault:
        """What an action of `actions` leads to, or why it is illegal."""

    @property
    def state_hash(self) -> str:
        """Hex SHA-256 of the text: equal for equal states, whatever data set they are in."""
        return sha256_text(self.text())

    def inside(self, cell: Cell) -> bool:
        """Whether a cell is on the grid."""
        return 0 <= cell[0] < self.size and 0 <= cell[1] < self.size

    def solve(self) -> Plan | None:
        """A shortest plan by breadth-first search, or None if there is none.

        Of several the first in the order of `actions`, compared action by action.
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
            off_grid: what a move off the grid of a FrozenLake does. "fail" is MGSD's evaluation: illegal like any other.
                "stay" is its training reward, and gymnasium's rule: nothing happens, and the run goes on. In a maze the
                rim is a wall, and in MiniBehaviour leaving the grid is illegal, in the evaluation and the reward alike.

        Returns:
            The outcome, judged as the released evaluation does: it ends at the goal, actions behind that are not looked at.

        Raises:
            DataError: for an action that the task does not have.
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
    """The next cell in the direction of a move, on the grid or not."""
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
