"""Questions about one fact of a planning state, as a picture or as words show it: `FACTS` by kind.

Directions and "none" are written as in `gcl.planning.perception`.
"""

import random
from collections.abc import Callable

from gcl.planning.frozenlake import FrozenLake
from gcl.planning.maze import Maze
from gcl.planning.minibehaviour import MiniBehaviour
from gcl.planning.perception import DIRECTIONS, NONE, around, questions
from gcl.planning.state import MOVES, Cell, PlanningState, Position, cell_text
from gcl.tasks.instructions.instruction import Asked, several, worded, yes_no

# Words for a cell without anything in it.
EMPTY = {"frozenlake": "ice", "maze": "nothing", "minibehaviour": "floor"}
# Other names of the ends of a maze.
ENDS = {"player": "start", "goal": "target"}
# Words for the next cell in the direction of a move.
NEXT_TO = {"L": "left of", "D": "below", "R": "right of", "U": "above"}


def all_cells(state: PlanningState) -> list[Cell]:
    """The cells of the grid, row by row."""
    return [(row, column) for row in range(state.size) for column in range(state.size)]


def things(state: PlanningState) -> dict[str, tuple[Cell, ...]]:
    """The cells of each thing in a state, by its name."""
    if isinstance(state, FrozenLake):
        return {"player": (state.start,), "goal": (state.goal,), "hole": state.holes}
    if isinstance(state, Maze):
        return {"player": (state.start,), "goal": (state.target,)}
    if isinstance(state, MiniBehaviour):
        return {"agent": (state.agent,), "printer": (state.printer,), "table": state.table_cells}
    raise TypeError(f"no things in a {type(state).__name__}")


def at(*cells: Cell) -> str:
    """The cells of an answer, one after another, or "none".

    A space stands before each, as everywhere in plans and readings. So one token, not two, means a cell.
    """
    return f"At {' '.join(map(cell_text, cells))}." if cells else NONE


def _size(state: PlanningState, rng: random.Random) -> Asked:
    if rng.random() < 0.3:
        return worded(rng, ("How many rows are there?", "How many columns are there?")), str(state.size)
    return worded(rng, ("How large is the grid?", "Say how large the map is.")), f"{state.size}x{state.size}"


def _where(state: PlanningState, rng: random.Random) -> Asked:
    name, cells = rng.choice([(name, cells) for name, cells in things(state).items() if name not in ("hole", "table")])
    if isinstance(state, Maze):
        name = rng.choice((name, ENDS[name]))
    return worded(rng, ("Where is the {}?", "In which cell is the {}?", "Say where the {} is."), name), at(*cells)


def _at(state: PlanningState, rng: random.Random) -> Asked:
    known = things(state)
    taken = sum(known.values(), ())
    known[EMPTY[state.task]] = tuple(cell for cell in all_cells(state) if cell not in taken)
    name, cells = rng.choice([(name, cells) for name, cells in known.items() if cells])
    return worded(rng, ("What is at {}?", "What is in cell {}?"), cell_text(rng.choice(cells))), name


def _list(state: PlanningState, rng: random.Random) -> Asked:
    if isinstance(state, FrozenLake):
        wordings = ("Where are holes?", "List all holes.", "Which cells are holes?")
        return worded(rng, wordings), at(*state.holes)
    if isinstance(state, Maze):
        cell = rng.choice(all_cells(state))
        wordings = ("In which directions is {} open?", "List the open directions of {}.")
        return worded(rng, wordings, cell_text(cell)), _ways(_exits(state, cell))
    if rng.random() < 0.5:
        wordings = ("Which cells are the table?", "Where is the table?", "List the cells of the table.")
        return worded(rng, wordings), at(*things(state)["table"])
    name = rng.choice(("printer", "agent"))
    wordings = ("Which cells are beside the {}?", "List the cells beside the {}.")
    return worded(rng, wordings, name), at(*around(state, things(state)[name]))


def _how_many(state: PlanningState, rng: random.Random) -> Asked:
    if isinstance(state, FrozenLake):
        return worded(rng, ("How many holes are there?", "Count the holes.")), str(len(state.holes))
    if isinstance(state, Maze):
        cell = rng.choice(all_cells(state))
        wordings = ("How many directions of {} are open?", "How many ways lead out of {}?")
        return worded(rng, wordings, cell_text(cell)), str(len(_exits(state, cell)))
    name = rng.choice(("printer", "agent"))
    cells = around(state, things(state)[name])
    return worded(rng, ("How many cells are beside the {}?", "Count the cells beside the {}."), name), str(len(cells))


def _free(state: PlanningState, rng: random.Random) -> Asked:
    if isinstance(state, Maze):
        return _passage(state, rng)
    known = things(state)
    taken = sum(known.values(), ())
    blocking = known["hole"] if isinstance(state, FrozenLake) else taken
    if not blocking:
        return None
    free = rng.random() < 0.5
    cell = rng.choice([cell for cell in all_cells(state) if cell not in taken] if free else blocking)
    if isinstance(state, FrozenLake) and rng.random() < 0.5:
        return worded(rng, ("Is {} a hole?", "Is there a hole at {}?"), cell_text(cell)), yes_no(not free)
    return worded(rng, ("Is {} free?", "Is cell {} free?"), cell_text(cell)), yes_no(free)


def _passage(maze: Maze, rng: random.Random) -> Asked:
    """Whether a side of a cell is open or has a wall."""
    opened = rng.random() < 0.5
    sides = [(cell, move) for cell in all_cells(maze) for move in MOVES if (move in _exits(maze, cell)) == opened]
    cell, move = rng.choice(sides)
    if rng.random() < 0.5:
        return worded(rng, ("Is there a wall {} {}?",), NEXT_TO[move], cell_text(cell)), yes_no(not opened)
    wordings = ("Is {} open in the direction {}?", "Does a way lead from {} {}?")
    return worded(rng, wordings, cell_text(cell), DIRECTIONS[move]), yes_no(opened)


def _beside(state: PlanningState, rng: random.Random) -> Asked:
    known = {name: cells for name, cells in things(state).items() if name != "hole"}
    name, cells = rng.choice([*known.items()])
    near, yes = around(state, cells), rng.random() < 0.5
    others = near if yes else [cell for cell in all_cells(state) if cell not in near and cell not in cells]
    if not others:
        return None
    cell = rng.choice(others)
    named = [f"the {other}" for other, (place, *more) in known.items() if place == cell and not more]
    said = named[0] if named and rng.random() < 0.5 else cell_text(cell)
    return worded(rng, ("Is the {} beside {}?", "Is the {} next to {}?"), name, said), yes_no(yes)


def _legal(state: PlanningState, rng: random.Random) -> Asked:
    moves = "".join(move for move in MOVES if isinstance(state.step(state.begin(), move), Position))
    if rng.random() < 0.6:
        return worded(rng, ("Which moves are legal now?", "List the legal moves.")), _ways(moves)
    legal = rng.random() < 0.5
    known = [move for move in MOVES if (move in moves) == legal]
    if not known:
        return None
    wordings = ("Is the move {} legal now?", "Is it legal to go {} now?")
    return worded(rng, wordings, DIRECTIONS[rng.choice(known)]), yes_no(legal)


def _row(state: PlanningState, rng: random.Random) -> Asked:
    row = rng.randrange(state.size)
    line = state.text().split("\n")[-state.size :][row]
    return worded(rng, ("Write row {} of the map in letters.", "Row {} of the map in letters:"), str(row)), line


def _map(state: PlanningState, rng: random.Random) -> Asked:
    """The whole map in letters, as its text has it."""
    return worded(rng, ("Write the map in letters.", "Map in letters:")), "\n".join(
        state.text().split("\n")[-state.size :]
    )


def _several(state: PlanningState, rng: random.Random) -> Asked:
    """Two or three of the numbered questions. Those of a reading are more, and ask for all ways of a maze."""
    known = [one for one in questions(state) if one.key != "open_directions"]
    chosen = rng.sample(known, rng.choice((2, 3)))
    return f"{several([one.question for one in chosen])}\nNumber the answers.", several([one.answer for one in chosen])


def _exits(maze: Maze, cell: Cell) -> str:
    return maze.openings[cell[0]][cell[1]]


def _ways(letters: str) -> str:
    return ", ".join(DIRECTIONS[letter] for letter in letters) or NONE


FACTS: dict[str, Callable[[PlanningState, random.Random], Asked]] = {
    "size": _size,
    "where": _where,
    "at": _at,
    "list": _list,
    "how many": _how_many,
    "free": _free,
    "beside": _beside,
    "legal": _legal,
    "row": _row,
    "map": _map,
    "several": _several,
}
