"""One reader of actions: labels and sentences mean the same whatever their case, hyphens, blanks and full stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcl.experiment.actions import label_of, named_action, named_actions

ACTIONS = ["Move Forward", "Move Forward Left", "Move Forward Right", "Stop", "Turn Left", "Turn Right"]


@pytest.mark.parametrize(
    "text",
    [
        "Move Forward Left",
        "move forward left.",
        "Move forward-left.",
        "MOVE_FORWARD_LEFT",
        "Move Forward, left",
        "Move  Forward\n left",
        "Move\u00a0Forward\u2011Left。",
        "Ｍove Forward Left．",
        "“Move forward left!”",
        "**Move Forward Left**",
        "Move Forward/Left",
        "Move forward (left)",
        "Move forward and left",
        "move forward to the left",
    ],
)
def test_a_label_is_read_in_every_spelling(text):
    assert label_of(text, ACTIONS) == "Move Forward Left"
    assert named_action(f"Then {text} to give way", ACTIONS) == "Move Forward Left"


@pytest.mark.parametrize("text", ["", ".", "Fly", "Stop now", "Wait until she has passed.", "Move Forward or stop"])
def test_what_is_no_name_is_no_label(text):
    assert label_of(text, ACTIONS) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("move forward", ["Move Forward"]),
        ("I would MOVE FORWARD LEFT, to give way.", ["Move Forward Left"]),
        ("turn_left", ["Turn Left"]),
        ("Move forward, then TURN LEFT", ["Move Forward", "Turn Left"]),
        ("Move forward left or move forward", ["Move Forward Left", "Move Forward"]),
        ("Move forward. Left of us is a wall.", ["Move Forward"]),
        ("Turn left. Turn left!", ["Turn Left"]),
        ("Keep going; people are stopping.", []),
        ("Turn around on the left", []),
        ("", []),
    ],
)
def test_a_sentence_names_actions_by_the_longest_whole_words(text, named):
    assert named_actions(text, ACTIONS) == named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Do not turn left; stop.", ["Stop"]),
        ("Don't turn left, stop.", ["Stop"]),
        ("Don’t turn left. Stop.", ["Stop"]),
        ("do not stop or turn left; move forward", ["Move Forward"]),
        ("Never turn right, nor turn left; stop", ["Stop"]),
        ("There is no need to stop.", []),
        ("The robot shouldn't suddenly stop", []),
        ("Instead of a stop, move forward.", ["Move Forward"]),
        ("It is not busy, so move forward.", ["Move Forward"]),
        ("Stop, not because of her", ["Stop"]),
        ("Do not, under any circumstances, turn left.", []),
        ("It shouldnt turn left", []),
        ("We can't stop; move forward", ["Move Forward"]),
        ("No stop.", []),
        ("No, turn left.", ["Turn Left"]),
        ("Neither stop nor turn left; move forward", ["Move Forward"]),
        ("She went past; stop", ["Stop"]),
    ],
)
def test_a_negated_name_does_not_count(text, named):
    assert named_actions(text, ACTIONS) == named


@pytest.mark.parametrize("text", ["Stop or turn left", "", "Fly", "Do not stop"])
def test_none_or_two_are_no_action(text):
    assert named_action(text, ACTIONS) is None


def test_a_label_with_a_hyphen_is_found_without_it():
    assert named_actions("Then slow down.", ["Slow-Down", "Stop"]) == ["Slow-Down"]


def test_signs_of_regular_expressions_in_labels_are_letters():
    assert named_action("Take exit 2.*1.", ["exit 2.*1", "exit 2331"]) == "exit 2.*1"
    assert named_action("Take exit 2331.", ["exit 2.*1", "exit 2331"]) == "exit 2331"


@given(st.sampled_from(ACTIONS), st.text(alphabet="aZ .,-_\n\t'’。", max_size=12))
def test_a_label_names_itself_whatever_stands_around_it(action, rest):
    assert label_of(f" {action.upper().replace(' ', '_')}. ", ACTIONS) == action
    assert named_actions(f"{action}; {rest}", ACTIONS) == [action]


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text):
    assert set(named_actions(text, ACTIONS)) <= set(ACTIONS)
