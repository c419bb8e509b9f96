"""Questions about planning states: all answers are true of their state, as computed here from its text."""

import re

from instruction_cases import both, cells_in, of, records, state_cases

from gcl.planning.maze import Maze
from gcl.planning.perception import ask
from gcl.planning.plans import read_plan
from gcl.tasks.instructions.state_questions import plan_from_picture


def places(state) -> dict[str, list[tuple[int, int]]]:
    """Cells by name, read from the state's text."""
    if isinstance(state, Maze):
        ends = dict(zip(("start", "target"), map(cells_in, state.text().split("\n")[1:3]), strict=True))
        return ends | {"player": ends["start"], "goal": ends["target"]}
    names = {
        "S": "player",
        "G": "goal",
        "H": "hole",
        "A": "agent",
        "P": "printer",
        "T": "table",
        "F": "ice",
        ".": "floor",
    }
    found: dict[str, list[tuple[int, int]]] = {}
    for row, line in enumerate(state.text().split("\n")[1:]):
        for column, letter in enumerate(line):
            found.setdefault(names[letter], []).append((row, column))
    return found


def cells_of(state, *names: str) -> list[tuple[int, int]]:
    """The cells of several things."""
    return [cell for name, cells in places(state).items() if name in names for cell in cells]


def test_the_size_of_a_grid_is_right():
    for record, question, answer in of(state_cases(), *both("size")):
        size = len(record.state.text().split("\n")) - (3 if record.state.task == "maze" else 1)
        assert answer == (str(size) if "How many" in question else f"{size}x{size}")


def test_things_are_in_the_cells_of_the_answers():
    for record, question, answer in of(state_cases(), *both("where")):
        name = re.search(r"the (\w+)(?: is)?[?.]", question)[1]
        assert cells_in(answer) == places(record.state)[name]
    for record, question, answer in of(state_cases(), *both("at")):
        cell = cells_in(question)[0]
        if answer == "nothing":
            assert cell not in cells_of(record.state, "player", "goal")
        else:
            assert cell in places(record.state)[answer]


def exits(maze, cell) -> list[str]:
    letters = maze.text().split("\n")[3 + cell[0]].split(" ")[cell[1]]
    return [{"L": "left", "D": "down", "R": "right", "U": "up"}[letter] for letter in letters]


def neighbours(state, cells) -> list[tuple[int, int]]:
    grid = [(row, column) for row in range(state.size) for column in range(state.size)]
    return [(r, c) for r, c in grid if (r, c) not in cells and any(abs(r - y) + abs(c - x) == 1 for y, x in cells)]


def test_lists_and_counts_of_cells_are_right():
    for record, question, answer in of(state_cases(), *both("list"), *both("how many")):
        state = record.state
        if isinstance(state, Maze):
            right = exits(state, cells_in(question)[0])
            given = answer.split(", ")
        elif "hole" in question:
            right, given = places(state).get("hole", []), cells_in(answer)
        elif "beside" in question:
            name = re.search("printer|agent", question)[0]
            right, given = neighbours(state, places(state)[name]), cells_in(answer)
        else:
            right, given = places(state)["table"], cells_in(answer)
        assert answer == str(len(right)) if answer.isdigit() else given == right
        assert answer == "none" or right or answer == "0"


def test_cells_and_sides_are_free_or_not_as_answered():
    steps = {"left of": "left", "right of": "right", "above": "up", "below": "down"}
    for record, question, answer in of(state_cases(), *both("free")):
        state, cell = record.state, cells_in(question)[0]
        if isinstance(state, Maze):
            named = re.search("|".join(steps), question) if "wall" in question else None
            way = steps[named[0]] if named else re.search(r"(left|right|up|down)\?", question)[1]
            right = (way in exits(state, cell)) != bool(named)
        elif "hole" in question:
            right = cell in places(state).get("hole", [])
        else:
            right = cell not in cells_of(state, "player", "goal", "hole", "agent", "printer", "table")
        assert answer == ("Yes." if right else "No.")


def test_what_is_beside_shares_a_side():
    for record, question, answer in of(state_cases(), *both("beside")):
        name, other = re.fullmatch(r"Is the (\w+) (?:beside|next to) (.*)\?", question).groups()
        known = places(record.state)
        cell = (cells_in(other) or known[other.removeprefix("the ")])[0]
        assert answer == ("Yes." if cell in neighbours(record.state, known[name]) else "No.")


def moves_from(state, cell) -> list[str]:
    """Legal moves, computed from the text alone."""
    if isinstance(state, Maze):
        return exits(state, cell)
    blocked = cells_of(state, "hole", "table", "printer")
    ways = {"left": (0, -1), "down": (1, 0), "right": (0, 1), "up": (-1, 0)}
    ends = {way: (cell[0] + row, cell[1] + column) for way, (row, column) in ways.items()}
    return [way for way, end in ends.items() if end not in blocked and {*end} <= {*range(state.size)}]


def test_legal_moves_are_those_that_the_map_allows():
    for record, question, answer in of(state_cases(), *both("legal")):
        moves = moves_from(record.state, cells_of(record.state, "player", "agent")[0])
        if answer in ("Yes.", "No."):
            assert (answer == "Yes.") == (re.search("left|down|right|up", question)[0] in moves)
        else:
            assert answer == (", ".join(moves) or "none")


def test_walks_end_where_their_moves_lead():
    steps = {"L": ("left", 0, -1), "D": ("down", 1, 0), "R": ("right", 0, 1), "U": ("up", -1, 0)}
    for record, question, answer in of(state_cases(), "words/walk"):
        cell = cells_in(question)[0]
        for move in re.search("moves ([LDRU]+)", question)[1]:
            way, row, column = steps[move]
            assert way in moves_from(record.state, cell)
            cell = (cell[0] + row, cell[1] + column)
        assert cells_in(answer) == [cell]
    sides = {"left of": (0, -1), "right of": (0, 1), "above": (-1, 0), "below": (1, 0)}
    for record, question, answer in of(state_cases(), "words/neighbour"):
        (cell,), (row, column) = cells_in(question), sides[re.search("|".join(sides), question)[0]]
        near = (cell[0] + row, cell[1] + column)
        assert cells_in(answer) == ([near] if {*near} <= {*range(record.state.size)} else [])


def test_rows_are_lines_of_the_map():
    for record, question, answer in of(state_cases(), *both("row")):
        first = 3 if isinstance(record.state, Maze) else 1
        assert answer == record.state.text().split("\n")[first + int(re.search(r"\d+", question)[0])]


def test_maps_are_the_last_lines_of_the_text():
    for record, _, answer in of(state_cases(), *both("map")):
        assert record.state.text().endswith(f"\n{answer}") and answer.count("\n") == record.state.size - 1


def test_readings_are_never_asked_for_completely():
    for record, one in state_cases():
        if one.kind in both("several"):
            asked = re.findall(r"^\d\. (.*)$", one.question, re.MULTILINE)
            answers = re.findall(r"^\d\. (.*)$", one.answer, re.MULTILINE)
            assert 2 <= len(asked) == len(answers) <= 3 < len(ask(record.state).split("\n"))
            assert all(question in ask(record.state) for question in asked)


def test_only_told_questions_tell_the_state_and_only_they_hide_the_picture():
    for record, one in state_cases():
        assert one.sees == one.kind.startswith("state/") == (record.state.text() not in one.question)


def test_plans_are_shortest_and_the_picture_shows_no_state():
    asked = [(record, one) for record, one in state_cases() if one.kind.startswith("plan/")]
    asked += [(record, plan_from_picture(record)) for record in records()]
    for record, one in asked:
        outcome = record.state.simulate(read_plan(one.answer, record.state.task))
        assert outcome.success and outcome.steps == len(record.plan)
        assert one.answer.startswith("<answer>") == (one.kind == "plan/answer")
    assert all(one.sees and record.state.text() not in one.question for record, one in asked[-len(records()) :])
