"""Questions about drawn scenes: all answers are true of their scene, as computed here from the words."""

import random
import re

import pytest
from instruction_cases import of, scene_cases

from gcl.data.drawing import language
from gcl.data.drawing.constellation import Person, Scene
from gcl.errors import DataError
from gcl.tasks.instructions.scene_questions import about_scene

LANES = {
    **dict.fromkeys(("on the left", "to the left", "left"), "left"),
    **dict.fromkeys(("straight ahead", "in the middle", "middle"), "ahead"),
    **dict.fromkeys(("on the right", "to the right", "right"), "right"),
}
DISTANCES = {"near": "near", "close": "near", "far": "far", "distant": "far"}
MOTIONS = {
    **dict.fromkeys(("comes closer", "walks towards us"), "approaching"),
    **dict.fromkeys(("leaves", "walks away"), "leaving"),
    **dict.fromkeys(("crosses leftwards", "walks leftwards"), "crossing left"),
    **dict.fromkeys(("crosses rightwards", "walks rightwards"), "crossing right"),
    **dict.fromkeys(("stands", "waits"), "standing"),
}
WALLS = {
    "both sides are open": "open open", "no walls": "open open", "a wall on the left": "wall .*",
    "the left is walled": "wall .*", "a wall on the right": ".* wall", "the right is walled": ".* wall",
    "walls on both sides": "wall wall", "both sides are walled": "wall wall",
}  # fmt: skip
AHEAD = {
    "a plain path": "nothing", "the path runs on": "nothing", "a marked crossing": "crossing",
    "a zebra crossing": "crossing", "an open door": "open door", "the door is open": "open door",
    "a closed door": "closed door", "the door is shut": "closed door",
}  # fmt: skip
PLACE, MOTION = "|".join(LANES), "|".join(MOTIONS)


def test_people_are_where_the_answers_say():
    for scene, question, answer in of(scene_cases(), "scene/where"):
        one = re.search(r"the one who (.*?)(?: is)?[?.]|the (\w+) one", question)
        fits = [p for p in scene.people if MOTIONS.get(one[1]) == p.motion or DISTANCES.get(one[2]) == p.distance]
        assert [p.lane for p in fits] == ([] if answer == "Nowhere." else [LANES[answer.lower().strip(".")]])


def test_who_is_named_stands_there():
    for scene, question, answer in of(scene_cases(), "scene/who"):
        lane = LANES[re.search(PLACE, question)[0]]
        person = re.fullmatch(r"Someone (near|far), who (.*)\.", answer)
        found = [(p.distance, p.motion) for p in scene.people if p.lane == lane]
        assert found == ([] if answer == "Nobody." else [(person[1], MOTIONS[person[2]])])


def test_people_are_counted():
    for scene, question, answer in of(scene_cases(), "scene/how many"):
        word = next((word for word in DISTANCES if f" {word}" in question), None)
        number = len([p for p in scene.people if word is None or p.distance == DISTANCES[word]])
        assert answer == (str(number) if "number" in question else ("None.", "One.", "Two.")[number])


def test_walls_and_open_sides_are_named():
    for scene, question, answer in of(scene_cases(), "scene/walls"):
        wanted = "open" if "open" in question or "no wall" in question else "wall"
        sides = (scene.left == wanted, scene.right == wanted)
        assert answer == {(1, 1): "Both.", (1, 0): "Left.", (0, 1): "Right.", (0, 0): "None."}[sides]
    for scene, question, answer in of(scene_cases(), "scene/open"):
        side = scene.left if "left" in question else scene.right
        assert answer == ("Yes." if side == ("open" if re.search("open|free", question) else "wall") else "No.")


def holds(scene, said: str) -> bool:
    """Whether a sentence of a view is true."""
    said = said.lower().strip(" .")
    if person := re.fullmatch(rf"(\w+) ({PLACE}), someone ({MOTION})", said):
        one = Person(LANES[person[2]], DISTANCES[person[1]], MOTIONS[person[3]])
        return one in scene.people
    if nobody := re.fullmatch(rf"nobody is ({PLACE})", said):
        return LANES[nobody[1]] not in [person.lane for person in scene.people]
    if said in ("nobody in view", "no people"):
        return not scene.people
    if said in WALLS:
        return re.fullmatch(WALLS[said], f"{scene.left} {scene.right}") is not None
    return AHEAD[said] == scene.ahead


def test_statements_are_true_or_false_as_answered():
    for scene, question, answer in of(scene_cases(), "scene/statement"):
        said = re.sub(r"^(Is this (true|right)|True or false)\?|Answer yes or no\.$", "", question)
        assert holds(scene, said) == (answer in ("Yes.", "True."))


def test_descriptions_say_all_and_only_truths():
    for scene, _, answer in of(scene_cases(), "scene/describe"):
        sentences = re.findall(r"[^.]+\.", answer)
        assert all(holds(scene, sentence) for sentence in sentences)
        assert len(sentences) == max(1, len(scene.people)) + 2


def test_lists_and_forms_have_the_facts():
    for scene, _, answer in of(scene_cases(), "scene/list"):
        assert answer == language.caption(scene)
    for scene, question, answer in of(scene_cases(), "scene/form"):
        facts = {"left side": scene.left, "right side": scene.right, "ahead": scene.ahead}
        facts |= dict.fromkeys(("left", "middle", "right"), "nobody")
        facts |= {p.lane.replace("ahead", "middle"): f"{p.distance}, {p.motion}" for p in scene.people}
        names = re.findall(r"([a-z][a-z ]+): \?", question)
        assert answer == "; ".join(f"{name}: {facts[name]}" for name in names)
    for scene, _, answer in of(scene_cases(), "scene/people"):
        assert answer.count(",") == max(0, len(scene.people) - 1) and (answer == "nobody.") == (not scene.people)


def test_distances_and_directions_fit_the_person():
    ways = {"Towards us.": "approaching", "Away.": "leaving", "Leftwards.": "crossing left",
            "Rightwards.": "crossing right", "Nowhere.": "standing"}  # fmt: skip
    for scene, question, answer in of(scene_cases(), "scene/how far", "scene/which way"):
        person = next((p for p in scene.people if p.lane == LANES[re.search(PLACE, question)[0]]), None)
        assert (answer == "Nobody is there.") == (person is None)
        assert person is None or answer == f"{person.distance.capitalize()}." or ways.get(answer) == person.motion
    for scene, question, answer in of(scene_cases(), "scene/compare"):
        near, far = ([p.lane for p in scene.people if p.distance == word] for word in ("near", "far"))
        nearest = near if "nearer" in question else far
        assert (answer == "The same.") == (len(near) != 1)
        assert answer == "The same." or LANES[answer.lower().strip(".")] in nearest


def test_short_and_loud_answers_keep_their_form():
    assert all(answer == answer.upper() for _, _, answer in of(scene_cases(), "scene/capitals"))
    assert all(re.fullmatch(r"[A-Z][a-z]+\.", answer) for _, _, answer in of(scene_cases(), "scene/one word"))


def test_too_many_questions_about_a_scene_are_an_error():
    scene = Scene((), "open", "open", "nothing")
    with pytest.raises(DataError, match=r"only \d+ different questions were found instead of 100000; ask for fewer"):
        about_scene(scene, random.Random(0), 100_000)


def test_two_people_who_do_the_same_can_be_asked_about():
    scene = Scene((Person("left", "near", "standing"), Person("right", "near", "standing")), "open", "wall", "nothing")
    asked = about_scene(scene, random.Random(0), 200)
    assert {one.answer for one in asked if one.kind == "scene/where"} == {"Nowhere."}
