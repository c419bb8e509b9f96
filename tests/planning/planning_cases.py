"""States for tests: some by hand, and hypothesis strategies for any."""

import random

from hypothesis import strategies as st

from gcl.planning.draw import draw_state
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.maze import Maze
from gcl.planning.minibehaviour import MiniBehaviour
from gcl.planning.state import PlanningState

LAKE = FrozenLake(("SFFF", "FHFH", "FFFF", "HFFG"))
# A corridor that winds from the top left over the right to the bottom left.
MAZE = Maze((("R", "LR", "LD"), ("DR", "LR", "LU"), ("RU", "LR", "L")), (0, 0), (2, 2))
# A....
# .P...
# .....
# ..TTT
# ..TTT
ROOM = MiniBehaviour(5, (0, 0), (1, 1), (3, 2))


@st.composite
def lakes(draw: st.DrawFn, largest: int = 6) -> FrozenLake:
    """Any lake, with a solution or without."""
    size = draw(st.integers(2, largest))
    letters = draw(st.lists(st.sampled_from("FFH"), min_size=size * size, max_size=size * size))
    start, goal = draw(st.lists(st.integers(0, size * size - 1), min_size=2, max_size=2, unique=True))
    letters[start], letters[goal] = "S", "G"
    return FrozenLake(tuple("".join(letters[row * size : (row + 1) * size]) for row in range(size)))


@st.composite
def mazes(draw: st.DrawFn, largest: int = 6) -> Maze:
    """A drawn maze: perfect ones are too rare to be found by chance."""
    maze = draw_state("maze", draw(st.integers(2, largest)), random.Random(draw(st.integers(0, 10**6))))
    assert isinstance(maze, Maze)
    return maze


@st.composite
def rooms(draw: st.DrawFn, largest: int = 6) -> MiniBehaviour:
    """Any room, with a solution or without."""
    size = draw(st.integers(3, largest))
    table = (draw(st.integers(0, size - 2)), draw(st.integers(0, size - 3)))
    free = [
        (row, column)
        for row in range(size)
        for column in range(size)
        if not (table[0] <= row < table[0] + 2 and table[1] <= column < table[1] + 3)
    ]
    agent, printer = draw(st.lists(st.sampled_from(free), min_size=2, max_size=2, unique=True))
    return MiniBehaviour(size, agent, printer, table)


def states(largest: int = 6) -> st.SearchStrategy[PlanningState]:
    """Any state of any task."""
    return st.one_of(lakes(largest), mazes(largest), rooms(largest))
