"""Answers are scored as the released evaluation does, and rates are what they are said to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import LAKE, MAZE, ROOM, states

from gcl.errors import DataError
from gcl.planning import perception
from gcl.planning.plans import spell
from gcl.planning.scoring import Scored, rates, score_answer, score_reading
from gcl.planning.states_file import solved
from gcl.planning.views import response

LAKE_RECORD, MAZE_RECORD, ROOM_RECORD = (solved(state.task, "test", None, state) for state in (LAKE, MAZE, ROOM))


def scores(record, text) -> str:
    """Names of the scores that are 1, in order."""
    return " ".join(name for name, value in score_answer(record, text).scores.items() if value)


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
    assert all(score_reading(record, perception.answer(state)).scores.values())


@given(states(4), st.lists(st.sampled_from("LDRU"), min_size=1, max_size=12))
def test_no_success_with_a_fault_and_nothing_optimal_without_success(state, plan):
    if state.solve() is None:
        return
    found = score_answer(solved("a", "test", None, state), spell(tuple(plan))).scores
    assert found["parsed"] == 1.0
    assert found["success"] + found["illegal"] <= 1.0
    assert found["optimal"] <= found["success"] <= found["success_staying"]


def test_reading_counts_each_question_and_all_of_them():
    text = perception.answer(LAKE).replace("(3,3)", "(2,2)")
    expected = {"map_size": 1.0, "player_position": 1.0, "goal_position": 0.0, "h_positions": 1.0, "all": 0.0}
    assert score_reading(LAKE_RECORD, text).scores == expected


def case(task: str, level: int, value: float, **more: float) -> Scored:
    return Scored(f"{task}{level}", task, level, {"success": value, **more})


def test_rates_by_hand():
    scored = [
        case("maze", 3, 1),
        case("maze", 3, 0),
        case("maze", 4, 0),
        case("maze", 4, 0),
        case("frozenlake", 3, 1, x=1),
    ]
    found = rates(scored, resamples=500)
    assert found["all"]["success"]["mean"] == pytest.approx(2 / 5)
    assert found["maze"]["success"]["mean"] == pytest.approx(1 / 4)
    assert found["maze 3"]["success"]["mean"] == pytest.approx(1 / 2)
    assert found["macro"]["success"]["mean"] == pytest.approx((1 / 4 + 1) / 2)
    assert found["macro"]["success"]["n"] == 5
    assert set(found["frozenlake"]) == {"success", "x"} and set(found["macro"]) == {"success"}


def test_the_macro_interval_covers_and_narrows():
    wide = rates(
        [case("maze", 3, k % 2) for k in range(20)] + [case("frozenlake", 3, k % 3 == 0) for k in range(20)], 1000
    )
    narrow = rates(
        [case("maze", 3, k % 2) for k in range(500)] + [case("frozenlake", 3, k % 3 == 0) for k in range(500)], 1000
    )
    for found in (wide, narrow):
        value = found["macro"]["success"]
        assert value["low"] < value["mean"] < value["high"]
    width = [found["macro"]["success"]["high"] - found["macro"]["success"]["low"] for found in (wide, narrow)]
    assert width[1] == pytest.approx(width[0] / 5, rel=0.2)  # one over the root of 25


def test_nothing_to_score_is_said():
    with pytest.raises(DataError, match="no answers to score"):
        rates([], resamples=10)
