"""Questions about states have the answers that a state implies, and readings of answers are exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import LAKE, MAZE, ROOM, states

from gcl.planning.perception import answer, ask, questions, score
from gcl.planning.state import MOVES, Position


def test_answers_by_hand():
    assert answer(LAKE) == "1. 4x4\n2. (0,0)\n3. (3,3)\n4. (1,1) (1,3) (3,0)"
    assert (
        answer(MAZE)
        .splitlines()[3]
        .startswith("4. (0,0): right; (0,1): left, right; (0,2): left, down; (1,0): down, right")
    )
    assert answer(MAZE).splitlines()[4] == "5. right"
    assert answer(ROOM).splitlines() == [
        "1. 5x5",
        "2. (0,0)",
        "3. (1,1)",
        "4. (3,2) (3,3) (3,4) (4,2) (4,3) (4,4)",
        "5. (0,1) (1,0) (1,2) (2,1)",
        "6. (2,2) (2,3) (2,4) (3,1) (4,1)",
        "7. down, right",
    ]
    assert ask(LAKE).splitlines()[3] == "4. Where are holes?"


@given(states())
def test_reference_answers_score_in_full_and_moves_are_those_of_the_simulator(state):
    assert all(score(state, answer(state)).values())
    legal = {move for move in MOVES if isinstance(state.step(state.begin(), move), Position)}
    for q in questions(state):
        if q.key.endswith("legal_actions"):
            assert len(q.read(q.answer)) == len(legal)


def changed(text: str, number: int, content: str) -> str:
    lines = text.splitlines()
    lines[number - 1] = f"{number}. {content}"
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("number", "content", "right"),
    [
        (1, "4 x 4", True),
        (1, "The grid is 4×4.", True),
        (1, "4x5", False),
        (1, "4x4 or 5x5", False),
        (2, "at ( 0 , 0 )", True),
        (2, "(0,1)", False),
        (2, "(0,0) or (0,1)", False),
        (4, "(3,0), (1,3) and (1,1)", True),
        (4, "(1,1) (1,3)", False),
        (4, "(1,1) (1,3) (3,0) (2,2)", False),
        (4, "none", False),
        (4, "", False),
    ],
)
def test_an_answer_is_right_or_wrong_whatever_its_wording(number, content, right):
    found = score(LAKE, changed(answer(LAKE), number, content))
    keys = [q.key for q in questions(LAKE)]
    assert found == {key: right or k != number for k, key in enumerate(keys, start=1)}


def test_directions_are_compared_cell_by_cell():
    line = answer(MAZE).splitlines()[3][3:]
    assert score(MAZE, changed(answer(MAZE), 4, line.replace("; ", "\n")))["open_directions"]
    assert score(MAZE, changed(answer(MAZE), 4, line.replace("left, right", "Right and left")))["open_directions"]
    assert not score(MAZE, changed(answer(MAZE), 4, line.replace("left, right", "left", 1)))["open_directions"]
    assert not score(MAZE, changed(answer(MAZE), 4, line.rsplit(";", 1)[0]))["open_directions"]


def test_missing_and_repeated_numbers():
    assert not any(score(LAKE, "").values())
    assert score(LAKE, "1. 4x4\n1. 5x5")["map_size"]
    assert not score(LAKE, "1. 5x5\n1. 4x4")["map_size"]


@given(states(), st.text(max_size=60))
def test_any_text_can_be_scored(state, text):
    assert set(score(state, text)) == {q.key for q in questions(state)}
