"""States of the planning tasks: texts, shortest plans and simulations, each against something slow or independent."""

import itertools

import pytest
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_cases import LAKE, MAZE, ROOM, lakes, mazes, rooms, states

from gcl.errors import DataError
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.maze import Maze
from gcl.planning.minibehaviour import MiniBehaviour
from gcl.planning.state import Fault, Outcome, PlanningState
from gcl.planning.states_file import parse

TEXTS = {
    LAKE: "frozenlake 4x4\nSFFF\nFHFH\nFFFF\nHFFG",
    MAZE: "maze 3x3\nstart (0,0)\ntarget (2,2)\nR LR LD\nDR LR LU\nRU LR L",
    ROOM: "minibehaviour 5x5\nA....\n.P...\n.....\n..TTT\n..TTT",
}


@pytest.mark.parametrize("state", TEXTS)
def test_the_text_is_as_documented_and_is_read(state):
    assert state.text() == TEXTS[state]
    assert parse(TEXTS[state]) == state


@given(states())
def test_parse_undoes_text(state):
    assert parse(state.text()) == state


@given(states(), states())
def test_hashes_are_equal_for_equal_states_only(one, other):
    assert (one.state_hash == other.state_hash) == (one == other)


@given(st.sampled_from(list(TEXTS.values())), st.data())
def test_any_damaged_text_is_refused_or_another_state(text, data):
    place = data.draw(st.integers(0, len(text)))
    damaged = text[:place] + data.draw(st.text(max_size=3)) + text[place + data.draw(st.integers(0, 2)) :]
    try:
        state = parse(damaged)
    except DataError:
        return
    assert state.text() == damaged


FAULTY = {
    "lake 2x2\nSF\nFG": "no first line of a state",
    "frozenlake 2x3\nSF\nFG": "no first line of a state",
    "frozenlake 02x02\nSF\nFG": "write frozenlake 2x2",
    "frozenlake 3x3\nSF\nFG": "2 rows; the first line promises 3",
    "frozenlake 2x2\nSF\nFGF": "row 2 has 3 cells",
    "frozenlake 2x2\nSX\nFG": "row 1 has 'X'",
    "frozenlake 2x2\nSS\nFG": "2 cells are the start S",
    "frozenlake 2x2\nSF\nFF": "0 cells are the goal G",
    "maze 2x2\nstart (0,0)\ntarget (0,2)\nD RU\nRU L": "target (0,2) is not in the maze",
    "maze 2x2\nstart (0,0)\ntarget (0,0)\nD D\nRU LU": "start and target are both (0,0)",
    "maze 2x2\ntarget (0,0)\nstart (0,1)\nD D\nRU LU": "where 'start (row,column)' must be",
    "maze 2x2\nstart (0,0)\ntarget (0,1)\nDR D\nRU LU": "cell (0,0) is open in direction R, the other side is not",
    "maze 2x2\nstart (0,0)\ntarget (0,1)\nDU D\nRU LU": "cell (0,0) is open in direction U, the other side is not",
    "maze 2x2\nstart (0,0)\ntarget (0,1)\nRD L\nU ": "cell (0,0) is open in 'RD'",
    "maze 2x2\nstart (0,0)\ntarget (0,1)\nR L\nR L": "no way leads to cell (1,0)",
    "maze 2x2\nstart (0,0)\ntarget (0,1)\nDR LD\nRU LU": "a second way",
    "minibehaviour 4x4\nA...\nP...\n.TTT\n.TT.": "must be a block of 2 rows and 3 columns",
    "minibehaviour 4x4\nA...\n....\n.TTT\n.TTT": "0 cells are the printer P",
    "minibehaviour 4x4\nA..?\nP...\n.TTT\n.TTT": "row 1 has '?'",
    "minibehaviour 4x4\nA...\nP...\n.TTT": "not 4 rows of 4 cells",
}


@pytest.mark.parametrize("text, message", FAULTY.items(), ids=range(len(FAULTY)))
def test_a_faulty_text_is_explained(text, message):
    with pytest.raises(DataError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "room", [((0, 0), (0, 0), (3, 2)), ((3, 3), (0, 0), (3, 2)), ((0, 0), (4, 4), (3, 2)), ((0, 0), (1, 1), (4, 2))]
)
def test_things_in_one_cell_or_outside_are_refused(room):
    with pytest.raises(DataError):
        MiniBehaviour(5, *room)


def flood(size, free, start):
    """Steps from a cell to all others over cells that are free: relaxation until nothing changes, no queue."""
    distance = {start: 0}
    for _ in range(size * size):
        for row, column in itertools.product(range(size), repeat=2):
            for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                if free((row, column), near) and near in distance:
                    distance[row, column] = min(distance.get((row, column), 99), distance[near] + 1)
    return distance


def shortest(state: PlanningState) -> int | None:
    """Length of a shortest plan, worked out from the state's text."""
    lines, size = state.text().split("\n"), state.size
    if isinstance(state, Maze):
        rows = [line.split(" ") for line in lines[3:]]
        letters = {(-1, 0): "U", (1, 0): "D", (0, -1): "L", (0, 1): "R"}
        distance = flood(size, lambda a, b: letters[b[0] - a[0], b[1] - a[1]] in rows[a[0]][a[1]], state.start)
        return distance.get(state.target)
    cells = {(row, column): sign for row, line in enumerate(lines[1:]) for column, sign in enumerate(line)}
    place = {sign: cell for cell, sign in cells.items()}
    if isinstance(state, FrozenLake):
        return flood(size, lambda a, b: "H" not in (cells[a], cells.get(b, "H")), place["S"]).get(place["G"])
    before = flood(size, lambda a, b: not {cells[a], cells.get(b, "T")} & {"T", "P"}, place["A"])
    lengths = []
    for cell, steps in before.items():
        if abs(cell[0] - place["P"][0]) + abs(cell[1] - place["P"][1]) == 1:
            after = flood(size, lambda a, b: "T" not in (cells[a], cells.get(b, "T")), cell)
            for (row, column), more in after.items():
                near = ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1))
                if "T" in map(cells.get, near):
                    lengths.append(steps + 1 + more + 1)
    return min(lengths, default=None)


@settings(max_examples=60)
@given(states(largest=5))
def test_the_plan_is_as_short_as_any_and_works(state):
    plan = state.solve()
    assert (None if plan is None else len(plan)) == shortest(state)
    if plan is not None:
        assert state.simulate(plan) == Outcome(True, len(plan), state.simulate(plan).end)


@settings(max_examples=25)
@given(st.one_of(lakes(3), mazes(3), rooms(3)))
def test_of_all_shortest_plans_it_is_the_first_in_the_order_of_the_actions(state):
    plan = state.solve()
    if plan is not None and len(plan) <= 5:
        plans = itertools.product(state.actions, repeat=len(plan))
        assert plan == next(other for other in plans if state.simulate(other).success)


@given(lakes(4), st.text("LDRU", max_size=12))
def test_staying_at_the_rim_is_what_gymnasium_does(lake, plan):
    environment = FrozenLakeEnv(desc=list(lake.rows), is_slippery=False)
    cell, _ = environment.reset()
    reward, steps = 0.0, 0
    for action in plan:
        cell, reward, over, *_ = environment.step("LDRU".index(action))
        steps += 1
        if over:
            break
    outcome = lake.simulate(plan, off_grid="stay")
    assert (outcome.success, outcome.steps) == (reward == 1, steps)
    row, column = divmod(int(cell), lake.size)
    assert (outcome.fault is Fault.HOLE) == (lake.rows[row][column] == "H")
    assert (outcome.at if outcome.fault else outcome.end) == (row, column)


GOLDEN = [
    # LAKE: SFFF / FHFH / FFFF / HFFG
    (LAKE, "DDRRDR", Outcome(True, 6, (3, 3))),
    (LAKE, "DDRRD", Outcome(False, 5, (3, 2))),
    (LAKE, "", Outcome(False, 0, (0, 0))),
    (LAKE, "DDRRDRLLLL", Outcome(True, 6, (3, 3))),  # past the goal: what follows is not looked at
    (LAKE, "DR", Outcome(False, 2, (1, 0), Fault.HOLE, (1, 1))),
    (LAKE, "DDRRRU", Outcome(False, 6, (2, 3), Fault.HOLE, (1, 3))),  # on the last step
    (LAKE, "UDDRRDR", Outcome(False, 1, (0, 0), Fault.OFF_GRID, (-1, 0))),
    # MAZE: along the first row, back along the second, along the third
    (MAZE, "RRDLLDRR", Outcome(True, 8, (2, 2))),
    (MAZE, "RRDLLDRRR", Outcome(True, 8, (2, 2))),
    (MAZE, "RD", Outcome(False, 2, (0, 1), Fault.WALL, (1, 1))),
    (MAZE, "L", Outcome(False, 1, (0, 0), Fault.WALL, (0, -1))),  # the rim is a wall
    # ROOM: agent (0,0), printer (1,1), table rows 3 and 4, columns 2 to 4
    (ROOM, "R PICK D D R DROP", Outcome(True, 6, (2, 2))),  # through the printer's cell, once it is carried
    (ROOM, "R PICK D D R DROP U U", Outcome(True, 6, (2, 2))),
    (ROOM, "R D", Outcome(False, 2, (0, 1), Fault.PRINTER, (1, 1))),
    (ROOM, "R PICK D", Outcome(False, 3, (1, 1))),
    (ROOM, "PICK", Outcome(False, 1, (0, 0), Fault.PICK, (0, 0))),  # the printer is there only across the corner
    (ROOM, "R PICK PICK", Outcome(False, 3, (0, 1), Fault.PICK, (0, 1))),
    (ROOM, "R PICK DROP", Outcome(False, 3, (0, 1), Fault.DROP, (0, 1))),
    (ROOM, "D D R R DROP", Outcome(False, 5, (2, 2), Fault.DROP, (2, 2))),  # before PICK
    (ROOM, "D D R R D", Outcome(False, 5, (2, 2), Fault.TABLE, (3, 2))),
    (ROOM, "R PICK D D R D", Outcome(False, 6, (2, 2), Fault.TABLE, (3, 2))),
    (ROOM, "U", Outcome(False, 1, (0, 0), Fault.OFF_GRID, (-1, 0))),
]


@pytest.mark.parametrize("state, plan, outcome", GOLDEN, ids=lambda value: value if isinstance(value, str) else "")
def test_a_plan_ends_as_it_must(state, plan, outcome):
    assert state.simulate(plan.split() if state is ROOM else plan) == outcome


def test_off_the_grid_is_forgiven_on_lakes_only_and_counts_as_a_step():
    assert LAKE.simulate("UDDRRDR", off_grid="stay") == Outcome(True, 7, (3, 3))
    assert MAZE.simulate("L", off_grid="stay").fault is Fault.WALL
    assert ROOM.simulate("U", off_grid="stay").fault is Fault.OFF_GRID


def test_an_action_that_the_task_lacks_is_named():
    with pytest.raises(DataError, match="action 2 of the plan: maze has no 'PICK'; use L, D, R, U"):
        MAZE.simulate(["R", "PICK"])


def test_what_cannot_be_solved_has_no_plan():
    assert FrozenLake(("SHF", "HFF", "FFG")).solve() is None
