"""Prompts and answers of each member on a planning task: `prompt(record, view)`, `response(record)`.

A view is a way to ask one and the same question. MGSD's student has "image". Its teacher has "symbols+plan": the state in
symbols and a shortest plan, without a picture. "symbols" leaves out the plan. "image+plan" is a control: its teacher sees no
more of the state than the student. All views ask for the same form, so teacher and student can be compared token by token:

    Map: 3x3. Player (0,0). Goal (2,2). Holes (1,1).
    Route: (0,0) right (0,1) right (0,2) down (1,2) down (2,2).
    <answer>RRDD</answer>

The map comes first, so the teacher's knowledge helps on tokens that the student must read from the picture. The route names
every cell, so each action follows from the cell before it. The order is that of the released prompts, the wording is ours.
"""

from typing import NamedTuple

from gcl.experiment.planning_schema import Form, View
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.maze import Maze
from gcl.planning.minibehaviour import MiniBehaviour
from gcl.planning.perception import DIRECTIONS, NONE, ask
from gcl.planning.plans import spell
from gcl.planning.state import MOVES, Cell, PlanningState, beside, cell_text
from gcl.planning.states_file import StateRecord


class ShownPrompt(NamedTuple):
    """One user turn; `image` puts a picture before the words."""

    image: bool
    text: str


_RULES = {
    "frozenlake": "Plan a way over the ice from the player to the goal. Avoid holes and do not leave the grid. Actions: L "
    "(left), D (down), R (right), U (up).",
    "maze": "Plan a way through the maze from the yellow start to the blue target. Walls cannot be crossed. Actions: "
    "L (left), D (down), R (right), U (up).",
    "minibehaviour": "Plan how the agent (red) fetches the printer (white) and puts it on the table (tan). PICK needs the "
    "printer beside the agent, DROP the table. Table, rim, and the printer until it is picked up, are not entered. Actions: "
    "L (left), D (down), R (right), U (up), PICK, DROP.",
}
CELLS = "Cells are (row,column) from 0 at the top left."
_ASKED: dict[Form, str] = {
    "map, route, answer": "First write the map, then the route cell by cell, then the plan in <answer></answer>.",
    "answer": "Write nothing but the plan in <answer></answer>.",
}


def prompt(record: StateRecord, view: View, form: Form = "map, route, answer") -> ShownPrompt:
    """The question as one member sees it, with the information of `view`. It asks for the parts of `form`."""
    parts = [_RULES[record.state.task], CELLS]
    if view.startswith("symbols"):
        parts.append(f"The state:\n{symbols(record.state)}")
    if view.endswith("+plan"):
        parts.append(f"A shortest route is {route(record)}, the plan {spell(record.plan)}.")
        parts.append("Do not say that you were told.")
    return ShownPrompt(view.startswith("image"), "\n".join([*parts, _ASKED[form]]))


def perception_prompt(record: StateRecord) -> ShownPrompt:
    """Stage 1: all questions about the picture at once."""
    return ShownPrompt(True, f"{ask(record.state)}\n{CELLS} Number the answers.")


def response(record: StateRecord, form: Form = "map, route, answer") -> str:
    """The answer of a perfect member, with the record's plan."""
    block = spell(record.plan)
    return block if form == "answer" else f"Map: {describe(record.state)}\nRoute: {route(record)}.\n{block}"


def symbols(state: PlanningState) -> str:
    """The state in symbols: its text, and the cells of its objects."""
    return f"{state.text()}\n{describe(state)}"


def describe(state: PlanningState) -> str:
    """The map in one line: size, agent, aim, obstacles."""
    parts = [f"{state.size}x{state.size}"]
    if isinstance(state, FrozenLake):
        parts += [_object("Player", state.start), _object("Goal", state.goal), _object("Holes", *state.holes)]
    elif isinstance(state, Maze):
        ways = " ".join(
            f"{cell_text((row, column))}{letters}"
            for row, line in enumerate(state.openings)
            for column, letters in enumerate(line)
        )
        parts += [_object("Player", state.start), _object("Goal", state.target), f"Open {ways}"]
    elif isinstance(state, MiniBehaviour):
        parts += [
            _object("Agent", state.agent),
            _object("Printer", state.printer),
            _object("Table", *state.table_cells),
        ]
    else:
        raise TypeError(f"no description of a {type(state).__name__}")
    return ". ".join(parts) + "."


def route(record: StateRecord) -> str:
    """A record's plan with the cells on its way; PICK and DROP add no cell."""
    cell = record.state.begin().cell
    words = [cell_text(cell)]
    for action in record.plan:
        if action in MOVES:
            cell = beside(cell, action)
            words += [DIRECTIONS[action], cell_text(cell)]
        else:
            words.append(action)
    return " ".join(words)


def _object(name: str, *cells: Cell) -> str:
    return f"{name} {' '.join(cell_text(cell) for cell in cells) or NONE}"
