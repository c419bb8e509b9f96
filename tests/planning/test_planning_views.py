"""Prompts and answers of members: views show different things, but ask for the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import LAKE, MAZE, ROOM, states

from gcl.planning.plans import read_plan
from gcl.planning.states_file import solved
from gcl.planning.views import describe, perception_prompt, prompt, response, route, symbols

RECORDS = [solved(state.task, "train", 0, state) for state in (LAKE, MAZE, ROOM)]
VIEWS = ("image", "symbols", "symbols+plan", "image+plan")


def test_the_module_s_example():
    assert response(RECORDS[0]) == (
        "Map: 4x4. Player (0,0). Goal (3,3). Holes (1,1) (1,3) (3,0).\n"
        "Route: (0,0) down (1,0) down (2,0) right (2,1) down (3,1) right (3,2) right (3,3).\n<answer>DDRDRR</answer>"
    )
    assert response(RECORDS[0], "answer") == "<answer>DDRDRR</answer>"
    assert route(RECORDS[2]).endswith(" DROP") and route(RECORDS[2]).count("(") == 1 + sum(
        a in "LDRU" for a in RECORDS[2].plan
    )


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.id)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_what_its_name_says(record, view):
    shown = prompt(record, view)
    assert shown.image == view.startswith("image")
    assert (record.state.text() in shown.text) == view.startswith("symbols")
    assert (describe(record.state) in shown.text) == view.startswith("symbols")
    plan = f"<answer>{''.join(record.plan)}</answer>", f"<answer>{', '.join(record.plan)}</answer>"
    assert any(block in shown.text for block in plan) == view.endswith("+plan")
    assert (route(record) in shown.text) == view.endswith("+plan")
    assert shown.text.splitlines()[-1] == prompt(record, "image").text.splitlines()[-1]


@given(states(), st.sampled_from(["map, route, answer", "answer"]))
def test_the_reference_is_read_and_succeeds(state, form):
    if state.solve() is None:
        return
    record = solved("a", "train", 0, state)
    plan = read_plan(response(record, form), state.task)
    assert plan == record.plan and state.simulate(plan).success


@given(states(4), states(4))
def test_descriptions_and_symbols_tell_states_apart(one, other):
    assert (symbols(one) == symbols(other)) == (one == other)
    if one.task == other.task:
        assert (describe(one) == describe(other)) == (one == other)


def test_questions_are_about_the_picture_alone():
    for record in RECORDS:
        shown = perception_prompt(record)
        assert shown.image and describe(record.state) not in shown.text
