"""Plans as models write them are read, what is none is not, and nothing makes the reader fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcl.planning.plans import read_plan, spell
from gcl.planning.states_file import TASKS

RRD = ("R", "R", "D")
FETCH = ("R", "D", "PICK", "L", "DROP")


@pytest.mark.parametrize(
    "text",
    [
        "<answer>RRD</answer>", "The goal is right.\n<answer>R R D</answer>", "<ANSWER> r, r, d </ANSWER>",
        "<answer>right, right, down</answer>", "<answer>Right -> Right -> Down</answer>", "<answer>R→R→D</answer>",
        "<answer>RIGHT RIGHT DOWN.</answer>", "<answer>['R', 'R', 'D']</answer>",
        '<answer>["right","right","down"]</answer>',
        "<answer>\n1. right\n2. right\n3. down\n</answer>",
        "<answer>Step 1: move right\nStep 2: go right\nStep 3: Down</answer>",
        "<answer>2 2 1</answer>", "<answer>221</answer>", "<answer>[2, 2, 1]</answer>", "<answer>→→↓</answer>",
        "<answer>**RRD**</answer>", "<answer>move_right, move_right, move_down</answer>", "RRD", "Answer: RRD",
        "Final answer: R, R, D", "`RRD`", "<answer>LLL</answer> No, better: <answer>RRD</answer>",
        "<answer>go nowhere</answer><answer>R RD</answer>", "<answer>Actions: R, R, D</answer>",
    ],
)  # fmt: skip
def test_plans_are_read_in_many_forms(text):
    assert read_plan(text, "frozenlake") == RRD


@pytest.mark.parametrize(
    "text",
    [
        "<answer>R, D, PICK, L, DROP</answer>", "<answer>right, down, pick up, left, drop</answer>",
        "<answer>RD PICK L DROP</answer>", "<answer>R\nD\nPICK_UP\nL\nDROP_OFF</answer>",
        "<answer>R -> D -> Pickup -> L -> Drop off</answer>",
    ],
)  # fmt: skip
def test_picking_and_dropping_are_read_where_they_exist(text):
    assert read_plan(text, "minibehaviour") == FETCH
    assert read_plan(text, "maze") is None


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "<answer></answer>", "<answer> , </answer>", "I would go right, right and then down.", "<answer>RRD",
        "<answer>RRD</answer> wait <answer>RD", "<answer>right twice, then down</answer>", "<answer>RXD</answer>",
        "<answer>R 2 D</answer>", "<answer>224</answer>", "<answer>R, R, ...</answer>", "<answer>R, R, …, D</answer>",
        "<answer>jump</answer>",
        "The answer is RRD", "<answer>no plan exists</answer>", "</answer>RRD<answer>",
        "<answer>R→R↓</answer>",
        "<answer>PICKDROP</answer>", "<answer>0.1</answer>",
    ],
)  # fmt: skip
def test_what_is_in_doubt_is_no_plan(text):
    assert read_plan(text, "frozenlake") is None


def test_a_text_behind_the_answer_changes_nothing():
    assert read_plan("<answer>RRD</answer>\nThis avoids (1,1).", "maze") == RRD


@given(st.sampled_from(sorted(TASKS)), st.data())
def test_what_is_spelt_is_read(task, data):
    plan = tuple(data.draw(st.lists(st.sampled_from(TASKS[task].actions), min_size=1, max_size=20)))
    around = data.draw(st.text(alphabet="abc xyz.,\n0123LRDU", max_size=30))
    assert read_plan(around + spell(plan), task) == plan


@given(st.text(alphabet=st.characters(), max_size=80), st.sampled_from(sorted(TASKS)))
def test_any_text_gives_a_plan_of_the_task_or_none(text, task):
    for written in (text, f"<answer>{text}</answer>", f"<answer>{text}"):
        plan = read_plan(written, task)
        assert plan is None or (plan and set(plan) <= set(TASKS[task].actions))


@given(
    st.lists(
        st.sampled_from(["<answer>", "</answer>", "R", "right", "2", "→", "->", ",", " ", "\n", "1.", "pick", "x"]),
        max_size=15,
    )
)
def test_pieces_in_any_order_never_fail(pieces):
    text = "".join(pieces)
    plan = read_plan(text, "minibehaviour")
    if plan is not None:
        assert read_plan(spell(plan), "minibehaviour") == plan
