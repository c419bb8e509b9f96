"""Answers are scored as the released evaluation does, and rates are what they are said to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import LAKE, MAZE, ROOM, states

from gcl.planning import perception
from gcl.planning.plans import spell
from gcl.planning.scoring import score_plan, score_reading
from gcl.planning.states_file import solved
from gcl.planning.views import response

LAKE_RECORD, MAZE_RECORD, ROOM_RECORD = (solved(state.task, "test", None, state) for state in (LAKE, MAZE, ROOM))


def scores(record, text) -> str:
    """Names of the scores that are 1, in order."""
    return " ".join(name for name, value in score_plan(record.state, text).items() if value)


@pytest.mark.parametrize(
    ("record", "plan", "expected"),
    [
        (LAKE_RECORD, "DDRDRR", "parsed success success_staying optimal"),
        (LAKE_RECORD, "DDRDRRL", "parsed success success_staying optimal"),  # behind the goal nothing counts
        (LAKE_RECORD, "RLDDRDRR", "parsed success success_staying"),
        (LAKE_RECORD, "UDDRDRR", "parsed success_staying illegal"),
        (LAKE_RECORD, "DR", "parsed illegal"),
        (LAKE_RECORD, "DD", "parsed"),
        (LAKE_RECORD, "towards the goal", ""),
        (LAKE_RECORD, "", ""),
        (MAZE_RECORD, "D", "parsed illegal"),
        (MAZE_RECORD, "U", "parsed illegal"),
        (ROOM_RECORD, "R, PICK, D", "parsed"),
        (ROOM_RECORD, "DROP", "parsed illegal"),
    ],
)
def test_scores_of_a_plan(record, plan, expected):
    assert scores(record, f"<answer>{plan}</answer>") == expected


@given(states())
def test_the_reference_scores_in_full(state):
    if state.solve() is None:
        return
    record = solved("a", "test", None, state)
    assert scores(record, response(record)) == "parsed success success_staying optimal"
    assert all(score_reading(state, perception.answer(state)).values())


@given(states(4), st.lists(st.sampled_from("LDRU"), min_size=1, max_size=12))
def test_no_success_with_a_fault_and_nothing_optimal_without_success(state, plan):
    if state.solve() is None:
        return
    found = score_plan(state, spell(tuple(plan)))
    assert found["parsed"] == 1.0
    assert found["success"] + found["illegal"] <= 1.0
    assert found["optimal"] <= found["success"] <= found["success_staying"]


def test_reading_counts_each_question_and_all_of_them():
    text = perception.answer(LAKE).replace("(3,3)", "(2,2)")
    expected = {"map_size": 1.0, "player_position": 1.0, "goal_position": 0.0, "h_positions": 1.0, "all": 0.0}
    assert score_reading(LAKE, text) == expected
