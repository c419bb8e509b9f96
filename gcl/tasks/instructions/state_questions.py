"""Questions about a planning state: `about_state(record, rng, count)`, from its picture, from words, and for plans.

Plans are asked for from the state in words. `plan_from_picture(record)` asks for one from the picture, `reading_of(record)`
for all that is in it, both as MGSD does.
"""

import random
from collections.abc import Callable

from gcl.experiment.planning_schema import View
from gcl.planning import perception
from gcl.planning.perception import NONE
from gcl.planning.state import MOVES, Cell, PlanningState, Position, beside, cell_text
from gcl.planning.states_file import StateRecord
from gcl.planning.views import CELLS, perception_prompt, prompt, response, symbols
from gcl.tasks.instructions.instruction import Asked, Instruction, draw_different, worded
from gcl.tasks.instructions.state_facts import FACTS, NEXT_TO, all_cells, at, things

# Shares of the groups of questions.
GROUPS = {"state": 4, "words": 2, "plan": 8}
TOLD_VIEWS: tuple[View, ...] = ("symbols", "symbols+plan")
LONGEST_WALK = 4  # moves
BLOCKING = ("hole", "table", "printer")


def about_state(record: StateRecord, rng: random.Random, count: int) -> list[Instruction]:
    """Different questions about a state, with their answers.

    Raises:
        DataError: if there are too few different questions.
    """

    def draw() -> Instruction | None:
        group = rng.choices([*GROUPS], weights=[*GROUPS.values()])[0]
        if group == "plan":
            return _plan(record, rng)
        return _seen(record.state, rng) if group == "state" else _told(record.state, rng)

    return draw_different(draw, count)


def plan_from_picture(record: StateRecord) -> Instruction:
    """The question for map, route and plan from the picture alone."""
    return Instruction("plan/image", prompt(record, "image").text, response(record), sees=True)


def reading_of(record: StateRecord) -> Instruction:
    """The question for all that is in the picture."""
    return Instruction("state/reading", perception_prompt(record).text, perception.answer(record.state), sees=True)


def _seen(state: PlanningState, rng: random.Random) -> Instruction | None:
    kind = rng.choice([*FACTS, "map", "map"])
    asked = FACTS[kind](state, rng)
    return asked and Instruction(f"state/{kind}", _with_cells(asked[0], rng), asked[1], sees=True)


def _told(state: PlanningState, rng: random.Random) -> Instruction | None:
    kind = rng.choice([*TOLD, "map", "map"])
    asked = TOLD[kind](state, rng)
    words = symbols(state) if rng.random() < 0.5 else state.text()
    return asked and Instruction(f"words/{kind}", f"The state:\n{words}\n{_with_cells(asked[0], rng)}", asked[1], False)


def _with_cells(question: str, rng: random.Random) -> str:
    """The question, at times with the rule for cells, as the longer prompts have it."""
    return f"{CELLS}\n{question}" if rng.random() < 0.3 else question


def _plan(record: StateRecord, rng: random.Random) -> Instruction:
    view = rng.choice(TOLD_VIEWS)
    if rng.random() < 0.3:
        return Instruction("plan/answer", prompt(record, view, "answer").text, response(record, "answer"), False)
    return Instruction(f"plan/{view}", prompt(record, view).text, response(record), False)


def _neighbour(state: PlanningState, rng: random.Random) -> Asked:
    cell, move = rng.choice(all_cells(state)), rng.choice([*MOVES])
    near = beside(cell, move)
    answer = at(near) if state.inside(near) else NONE
    return worded(rng, ("Which cell is {} {}?", "Say which cell is {} {}."), NEXT_TO[move], cell_text(cell)), answer


def _walk(state: PlanningState, rng: random.Random) -> Asked:
    """The end of a random walk of legal moves, from a cell that can be entered."""
    blocked = {cell for name, cells in things(state).items() if name in BLOCKING for cell in cells}
    cell = rng.choice([cell for cell in all_cells(state) if cell not in blocked])
    end, moves = cell, ""
    for _ in range(rng.randint(1, LONGEST_WALK)):
        legal = _legal_moves(state, end)
        if not legal:
            return None
        move = rng.choice(legal)
        end, moves = beside(end, move), moves + move
    return worded(rng, ("Where do you end after the moves {} from {}?",), moves, cell_text(cell)), at(end)


def _legal_moves(state: PlanningState, cell: Cell) -> list[str]:
    return [move for move in MOVES if isinstance(state.step(Position(cell), move), Position)]


TOLD: dict[str, Callable[[PlanningState, random.Random], Asked]] = {**FACTS, "neighbour": _neighbour, "walk": _walk}
