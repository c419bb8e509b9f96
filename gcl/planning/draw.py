"""Draw one state: `draw_state(task, level, rng)` gives a random one that can be solved.

The distributions are those of MGSD's generators (arXiv 2606.06076; its code, task_envs). Lakes are gymnasium's maps with a
tenth of holes. Mazes come from randomised depth-first search. Rooms have everything in random places.
"""

import random

from gymnasium.envs.toy_text.frozen_lake import generate_random_map

from gcl.errors import DataError
from gcl.planning.frozenlake import FROZEN, GOAL, HOLE, START, FrozenLake
from gcl.planning.maze import BACK, Maze
from gcl.planning.minibehaviour import TABLE_COLUMNS, TABLE_ROWS, MiniBehaviour, table_block
from gcl.planning.state import MOVES, Cell, PlanningState, beside

FROZEN_SHARE = 0.9
SHORTEST = 2  # fewest moves between start and goal of a lake, if they are not in the corners
SMALLEST = {"frozenlake": 2, "maze": 2, "minibehaviour": 3}
BUCKETS = ("easy", "medium", "hard")


def draw_state(task: str, level: int, rng: random.Random, *, corners: bool = False) -> PlanningState:
    """Draw a state. It can be solved: mazes have a way, and a table of 2 x 3 cells cannot divide a room.

    Args:
        task: "frozenlake", "maze" or "minibehaviour".
        level: cells along a side.
        rng: source of all randomness.
        corners: leave start and goal of a lake in the corners, where gymnasium puts them.

    Raises:
        DataError: if the level is too small to plan.
    """
    if level < SMALLEST[task]:
        raise DataError(f"{task} level {level}: too small; use {SMALLEST[task]} or more")
    if task == "frozenlake":
        return _draw_lake(level, rng, corners)
    return _draw_maze(level, rng) if task == "maze" else _draw_room(level, rng)


def bucket(state: PlanningState, length: int) -> str:
    """Difficulty of a state, one of `BUCKETS`, by the length of its shortest plan; lakes are all "any"."""
    if state.task == "frozenlake":
        return "any"
    limits = {"maze": (max(1, state.size // 2), state.size), "minibehaviour": (state.size - 1, state.size + 1)}
    easy, medium = limits[state.task]
    return "easy" if length <= easy else "medium" if length <= medium else "hard"


def _draw_lake(level: int, rng: random.Random, corners: bool) -> FrozenLake:
    rows = [list(row) for row in generate_random_map(level, FROZEN_SHARE, seed=rng.getrandbits(32))]
    if corners:
        return _lake(rows)
    rows[0][0] = rows[-1][-1] = FROZEN
    ice = [(r, c) for r, row in enumerate(rows) for c, letter in enumerate(row) if letter != HOLE]
    while True:  # ends, because a way joins the corners
        start, goal = rng.sample(ice, 2)
        moved = [row[:] for row in rows]
        moved[start[0]][start[1]], moved[goal[0]][goal[1]] = START, GOAL
        lake = _lake(moved)
        plan = lake.solve()
        if plan is not None and len(plan) >= SHORTEST:
            return lake


def _lake(rows: list[list[str]]) -> FrozenLake:
    return FrozenLake(tuple("".join(row) for row in rows))


def _draw_maze(level: int, rng: random.Random) -> Maze:
    cells = [(row, column) for row in range(level) for column in range(level)]
    openings: dict[Cell, set[str]] = {cell: set() for cell in cells}
    path = [rng.choice(cells)]
    reached = {path[0]}
    while path:
        ways = [(move, beside(path[-1], move)) for move in MOVES]
        ways = [(move, cell) for move, cell in ways if cell in openings and cell not in reached]
        if not ways:
            path.pop()
            continue
        move, cell = rng.choice(ways)
        openings[path[-1]].add(move)
        openings[cell].add(BACK[move])
        reached.add(cell)
        path.append(cell)
    start, target = rng.sample(cells, 2)
    letters = ["".join(move for move in MOVES if move in openings[cell]) for cell in cells]
    return Maze(tuple(tuple(letters[row * level : (row + 1) * level]) for row in range(level)), start, target)


def _draw_room(level: int, rng: random.Random) -> MiniBehaviour:
    table = (rng.randint(0, level - TABLE_ROWS), rng.randint(0, level - TABLE_COLUMNS))
    taken = table_block(table)
    printer, agent = rng.sample([(r, c) for r in range(level) for c in range(level) if (r, c) not in taken], 2)
    return MiniBehaviour(level, agent, printer, table)
