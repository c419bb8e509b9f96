"""Instructions: all answers are true of their scene or state, and nothing of the compared trainings is taught."""

import json
import random
import re
from collections import Counter

import pytest

from gcl.data.drawing import language
from gcl.data.drawing.constellation import TRAINED, Person, Scene, sample_scenes, third
from gcl.data.drawing.datasets import SHARES
from gcl.errors import DataError
from gcl.experiment.dialogue import all_questions
from gcl.planning.cells import generate
from gcl.planning.maze import Maze
from gcl.planning.perception import ask
from gcl.planning.plans import read_plan
from gcl.planning.states_file import parse
from gcl.tasks.instructions import scene_questions, word_questions
from gcl.tasks.instructions.instruction import is_right
from gcl.tasks.instructions.read import read_instructions
from gcl.tasks.instructions.scene_questions import about_scene
from gcl.tasks.instructions.state_facts import FACTS
from gcl.tasks.instructions.state_questions import TOLD, about_state, plan_from_picture
from gcl.tasks.instructions.word_questions import about_words
from gcl.tasks.instructions.write import QUESTIONS, write_instructions

LEVELS = {"frozenlake": [3, 4], "maze": [3, 4], "minibehaviour": [4, 5]}
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


@pytest.fixture(scope="module")
def scenes():
    """Pairs of a scene and an instruction about it."""
    rng = random.Random(0)
    drawn = sample_scenes(rng, 500, SHARES["captions"], thirds=TRAINED)
    return [(scene, one) for scene in drawn for one in about_scene(scene, rng, 12)]


@pytest.fixture(scope="module")
def records():
    cells = [(task, level) for task, levels in LEVELS.items() for level in levels]
    return [record for cell in cells for record in generate(*cell, {"train": 45}, 1)]


@pytest.fixture(scope="module")
def states(records):
    """Pairs of a record and an instruction about its state."""
    rng = random.Random(0)
    return [(record, one) for record in records for one in about_state(record, rng, 20)]


def of(pairs, *kinds):
    """The subjects, questions and answers of some kinds."""
    found = [(subject, one.question.split("\n")[-1], one.answer) for subject, one in pairs if one.kind in kinds]
    assert len(found) > 20
    return found


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("On the left.", True), ("on  the LEFT", True), (" on the left. \n", True), ("On the right.", False),
        ("the left", False), ("On the left..", False), ("", False), ("On the left. A wall.", False),
    ],
)  # fmt: skip
def test_capitals_spaces_and_the_last_stop_do_not_count(answer, right):
    assert is_right(answer, "On the left.") == right


def test_people_are_where_the_answers_say(scenes):
    for scene, question, answer in of(scenes, "scene/where"):
        one = re.search(r"the one who (.*?)(?: is)?[?.]|the (\w+) one", question)
        fits = [p for p in scene.people if MOTIONS.get(one[1]) == p.motion or DISTANCES.get(one[2]) == p.distance]
        assert [p.lane for p in fits] == ([] if answer == "Nowhere." else [LANES[answer.lower().strip(".")]])


def test_who_is_named_stands_there(scenes):
    for scene, question, answer in of(scenes, "scene/who"):
        lane = LANES[re.search(PLACE, question)[0]]
        person = re.fullmatch(r"Someone (near|far), who (.*)\.", answer)
        found = [(p.distance, p.motion) for p in scene.people if p.lane == lane]
        assert found == ([] if answer == "Nobody." else [(person[1], MOTIONS[person[2]])])


def test_people_are_counted(scenes):
    for scene, question, answer in of(scenes, "scene/how many"):
        word = next((word for word in DISTANCES if f" {word}" in question), None)
        number = len([p for p in scene.people if word is None or p.distance == DISTANCES[word]])
        assert answer == (str(number) if "number" in question else ("None.", "One.", "Two.")[number])


def test_walls_and_open_sides_are_named(scenes):
    for scene, question, answer in of(scenes, "scene/walls"):
        wanted = "open" if "open" in question or "no wall" in question else "wall"
        sides = (scene.left == wanted, scene.right == wanted)
        assert answer == {(1, 1): "Both.", (1, 0): "Left.", (0, 1): "Right.", (0, 0): "None."}[sides]
    for scene, question, answer in of(scenes, "scene/open"):
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


def test_statements_are_true_or_false_as_answered(scenes):
    for scene, question, answer in of(scenes, "scene/statement"):
        said = re.sub(r"^(Is this (true|right)|True or false)\?|Answer yes or no\.$", "", question)
        assert holds(scene, said) == (answer in ("Yes.", "True."))


def test_descriptions_say_all_and_only_truths(scenes):
    for scene, _, answer in of(scenes, "scene/describe"):
        sentences = re.findall(r"[^.]+\.", answer)
        assert all(holds(scene, sentence) for sentence in sentences)
        assert len(sentences) == max(1, len(scene.people)) + 2


def test_lists_and_forms_have_the_facts(scenes):
    for scene, _, answer in of(scenes, "scene/list"):
        assert answer == language.caption(scene)
    for scene, question, answer in of(scenes, "scene/form"):
        facts = {"left side": scene.left, "right side": scene.right, "ahead": scene.ahead}
        facts |= dict.fromkeys(("left", "middle", "right"), "nobody")
        facts |= {p.lane.replace("ahead", "middle"): f"{p.distance}, {p.motion}" for p in scene.people}
        names = re.findall(r"([a-z][a-z ]+): \.\.\.", question)
        assert answer == "; ".join(f"{name}: {facts[name]}" for name in names)
    for scene, _, answer in of(scenes, "scene/people"):
        assert answer.count(",") == max(0, len(scene.people) - 1) and (answer == "nobody.") == (not scene.people)


def test_distances_and_directions_fit_the_person(scenes):
    ways = {"Towards us.": "approaching", "Away.": "leaving", "Leftwards.": "crossing left",
            "Rightwards.": "crossing right", "Nowhere.": "standing"}  # fmt: skip
    for scene, question, answer in of(scenes, "scene/how far", "scene/which way"):
        person = next((p for p in scene.people if p.lane == LANES[re.search(PLACE, question)[0]]), None)
        assert (answer == "Nobody is there.") == (person is None)
        assert person is None or answer == f"{person.distance.capitalize()}." or ways.get(answer) == person.motion
    for scene, question, answer in of(scenes, "scene/compare"):
        near, far = ([p.lane for p in scene.people if p.distance == word] for word in ("near", "far"))
        nearest = near if "nearer" in question else far
        assert (answer == "The same.") == (len(near) != 1)
        assert answer == "The same." or LANES[answer.lower().strip(".")] in nearest


def test_short_and_loud_answers_keep_their_form(scenes):
    assert all(answer == answer.upper() for _, _, answer in of(scenes, "scene/capitals"))
    assert all(re.fullmatch(r"[A-Z][a-z]+\.", answer) for _, _, answer in of(scenes, "scene/one word"))


def cells_in(text: str) -> list[tuple[int, int]]:
    return [(int(row), int(column)) for row, column in re.findall(r"\((\d+),(\d+)\)", text)]


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


def both(kind: str) -> tuple[str, str]:
    """A kind of fact from the picture and from words."""
    return f"state/{kind}", f"words/{kind}"


def test_the_size_of_a_grid_is_right(states):
    for record, question, answer in of(states, *both("size")):
        size = len(record.state.text().split("\n")) - (3 if record.state.task == "maze" else 1)
        assert answer == (str(size) if "How many" in question else f"{size}x{size}")


def test_things_are_in_the_cells_of_the_answers(states):
    for record, question, answer in of(states, *both("where")):
        name = re.search(r"the (\w+)(?: is)?[?.]", question)[1]
        assert cells_in(answer) == places(record.state)[name]
    for record, question, answer in of(states, *both("at")):
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


def test_lists_and_counts_of_cells_are_right(states):
    for record, question, answer in of(states, *both("list"), *both("how many")):
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


def test_cells_and_sides_are_free_or_not_as_answered(states):
    steps = {"left of": "left", "right of": "right", "above": "up", "below": "down"}
    for record, question, answer in of(states, *both("free")):
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


def test_what_is_beside_shares_a_side(states):
    for record, question, answer in of(states, *both("beside")):
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


def test_legal_moves_are_those_that_the_map_allows(states):
    for record, question, answer in of(states, *both("legal")):
        moves = moves_from(record.state, cells_of(record.state, "player", "agent")[0])
        if answer in ("Yes.", "No."):
            assert (answer == "Yes.") == (re.search("left|down|right|up", question)[0] in moves)
        else:
            assert answer == (", ".join(moves) or "none")


def test_walks_end_where_their_moves_lead(states):
    steps = {"L": ("left", 0, -1), "D": ("down", 1, 0), "R": ("right", 0, 1), "U": ("up", -1, 0)}
    for record, question, answer in of(states, "words/walk"):
        cell = cells_in(question)[0]
        for move in re.search("moves ([LDRU]+)", question)[1]:
            way, row, column = steps[move]
            assert way in moves_from(record.state, cell)
            cell = (cell[0] + row, cell[1] + column)
        assert cells_in(answer) == [cell]
    sides = {"left of": (0, -1), "right of": (0, 1), "above": (-1, 0), "below": (1, 0)}
    for record, question, answer in of(states, "words/neighbour"):
        (cell,), (row, column) = cells_in(question), sides[re.search("|".join(sides), question)[0]]
        near = (cell[0] + row, cell[1] + column)
        assert cells_in(answer) == ([near] if {*near} <= {*range(record.state.size)} else [])


def test_rows_are_lines_of_the_map(states):
    for record, question, answer in of(states, *both("row")):
        first = 3 if isinstance(record.state, Maze) else 1
        assert answer == record.state.text().split("\n")[first + int(re.search(r"\d+", question)[0])]


def test_readings_are_never_asked_for_completely(states):
    for record, one in states:
        if one.kind in both("several"):
            asked = re.findall(r"^\d\. (.*)$", one.question, re.MULTILINE)
            answers = re.findall(r"^\d\. (.*)$", one.answer, re.MULTILINE)
            assert 2 <= len(asked) == len(answers) <= 3 < len(ask(record.state).split("\n"))
            assert all(question in ask(record.state) for question in asked)


def test_only_told_questions_tell_the_state_and_only_they_hide_the_picture(states):
    for record, one in states:
        assert one.sees == one.kind.startswith("state/") == (record.state.text() not in one.question)


def test_plans_are_shortest_and_the_picture_shows_no_state(states, records):
    asked = [(record, one) for record, one in states if one.kind.startswith("plan/")]
    asked += [(record, plan_from_picture(record)) for record in records]
    for record, one in asked:
        outcome = record.state.simulate(read_plan(one.answer, record.state.task))
        assert outcome.success and outcome.steps == len(record.plan)
        assert one.answer.startswith("<answer>") == (one.kind == "plan/answer")
    assert all(one.sees and record.state.text() not in one.question for record, one in asked[-len(records) :])


def test_text_is_copied_counted_and_turned_around():
    for one in about_words(random.Random(1), 1500):
        kind, text = one.kind.removeprefix("text/"), one.question.rstrip("?.")
        words = text.split(": ")[-1].split(", ")
        right = {
            "copy": lambda text=text: text.split(": ")[-1],
            "capitals": lambda text=text: text.split(": ")[-1].upper(),
            "first": lambda words=words: words[0],
            "last": lambda words=words: words[-1],
            "how many": lambda words=words: str(len(words)),
            "contains": lambda text=text, words=words: "Yes." if text.split("'")[1] in words else "No.",
            "reversed": lambda words=words: ", ".join(words[::-1]),
            "say": lambda text=text: f"{text.split()[-1].capitalize()}.",
            "row": lambda text=text: str(cells_in(text)[0]["column" in text]),
        }
        assert not one.sees
        if kind in right:
            assert one.answer == right[kind]()


def test_yes_and_no_are_balanced(scenes, states):
    counts: dict[str, Counter] = {}
    for one in [one for _, one in (*scenes, *states)] + about_words(random.Random(0), 1500):
        if one.answer in ("Yes.", "No.", "True.", "False.") and one.kind not in ("text/say", "text/opposite"):
            counts.setdefault(one.kind, Counter())[one.answer in ("Yes.", "True.")] += 1
    assert {"scene/open", "scene/statement", *both("free"), *both("beside"), *both("legal")} <= set(counts)
    shares = {kind: count[True] / count.total() for kind, count in counts.items()}
    assert all(0.35 <= share <= 0.65 for share in shares.values()), shares


def test_nothing_of_the_compared_turns_is_asked_or_answered(scenes, states, experiment):
    asked = [one for _, one in (*scenes, *states)] + about_words(random.Random(0), 500)
    assert all(question not in one.question for question in all_questions(experiment) for one in asked)
    rng, taught = random.Random(0), set()
    for scene, _ in scenes[::12]:
        for say in (language.predict, language.reason, language.act, language.explain):
            taught |= {say(scene, rng) for _ in range(8)}
    assert len(taught) > 60
    assert not {one.answer for one in asked} & taught


def test_too_many_questions_about_a_scene_are_an_error():
    scene = Scene((), "open", "open", "nothing")
    with pytest.raises(DataError, match=r"only \d+ different questions were found instead of 100000; ask for fewer"):
        about_scene(scene, random.Random(0), 100_000)


def test_two_people_who_do_the_same_can_be_asked_about():
    scene = Scene((Person("left", "near", "standing"), Person("right", "near", "standing")), "open", "wall", "nothing")
    asked = about_scene(scene, random.Random(0), 200)
    assert {one.answer for one in asked if one.kind == "scene/where"} == {"Nowhere."}


SET = {"scenes": 60, "states": 12, "words": 60, "held_out": 0.2, "levels": LEVELS, "pixels_of_cell": 16}


@pytest.fixture(scope="module")
def excluded():
    """Hashes of states that the seed would draw."""
    return {record.state.state_hash for record in generate("maze", 3, {"train": 6}, 4)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, excluded):
    path = tmp_path_factory.mktemp("instructions") / "set"
    write_instructions(path, **SET, seed=4, excluded=excluded)
    return path


def lines(folder, split: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_seed_decides_every_byte(folder, tmp_path, excluded):
    write_instructions(tmp_path / "again", **SET, seed=4, excluded=excluded)
    write_instructions(tmp_path / "other", **SET, seed=5, excluded=excluded)
    files = [path.relative_to(folder) for path in folder.rglob("*.*")]
    assert len(files) == 2 + 60 + 6 * 12
    assert all((folder / f).read_bytes() == (tmp_path / "again" / f).read_bytes() for f in files)
    assert any((folder / f).read_bytes() != (tmp_path / "other" / f).read_bytes() for f in files)


def test_no_test_constellation_occurs_and_none_is_in_both_splits(tmp_path):
    settings = SET | {"scenes": 500, "levels": {}, "held_out": 0.4}
    write_instructions(tmp_path / "set", **settings, seed=4, excluded=())
    found = {}
    for split in ("train", "test"):
        captions = [line["answer"] for line in lines(tmp_path / "set", split) if line["kind"] == "scene/list"]
        found[split] = {read_caption(caption) for caption in captions}
        assert len(found[split]) > 30
        assert all(third(scene) in TRAINED for scene in found[split])
    assert not found["train"] & found["test"]


def read_caption(text: str) -> Scene:
    *people, sides, ahead = text.removesuffix(".").split(", ")
    persons = [Person(lane, *said.split(" ", 1)) for lane, said in zip(("left", "ahead", "right"), people, strict=True)
               if said != "nobody"]  # fmt: skip
    return Scene(tuple(persons), *sides.split(" "), ahead)


def test_no_excluded_state_occurs_and_none_is_in_both_splits(folder, excluded):
    found = {split: {state_of(line) for line in lines(folder, split)} - {None} for split in ("train", "test")}
    assert len(found["train"]) > 40 and len(found["test"]) > 5
    assert not found["train"] & found["test"]
    assert not (found["train"] | found["test"]) & excluded


def state_of(line) -> str | None:
    """The hash of the state that a question tells."""
    if "The state:\n" not in line["question"]:
        return None
    text = line["question"].split("The state:\n")[1].split("\n")
    size = int(re.search(r"\d+", text[0])[0]) + (2 if text[0].startswith("maze") else 0)
    return parse("\n".join(text[: size + 1])).state_hash


def test_no_picture_is_in_both_splits_and_all_are_used(folder):
    used = {split: {line["image"] for line in lines(folder, split)} - {None} for split in ("train", "test")}
    assert not used["train"] & used["test"]
    assert {f"images/{path.name}" for path in (folder / "images").iterdir()} >= used["train"] | used["test"]


def test_every_kind_occurs(scenes, states):
    asked = [one for _, one in (*scenes, *states)] + about_words(random.Random(0), 500)
    kinds = {f"scene/{kind}" for kind in scene_questions.KINDS} | {f"text/{kind}" for kind in word_questions.KINDS}
    kinds |= {f"state/{kind}" for kind in FACTS} | {f"words/{kind}" for kind in TOLD}
    assert {one.kind for one in asked} == kinds | {"plan/symbols", "plan/symbols+plan", "plan/answer"}


def test_few_states_are_planned_from_their_picture(folder):
    kinds = Counter(line["kind"] for split in ("train", "test") for line in lines(folder, split))
    assert kinds["plan/image"] == 8  # of 72 states
    assert kinds.total() == 60 * QUESTIONS + 72 * QUESTIONS + 8 + 60


def test_the_words_are_few(states):
    rng = random.Random(3)
    asked = [one for _, one in states] + about_words(rng, 2000)
    for scene in sample_scenes(rng, 2000, SHARES["captions"], thirds=TRAINED):
        asked += about_scene(scene, rng, QUESTIONS)
    words = set()
    for one in asked:
        for text in (one.question, one.answer):
            apart = re.sub(r"\b(?!PICK\b|DROP\b)[A-Z]{2,}\b", lambda letters: " ".join(letters[0]), text)
            words |= set(re.findall(r"[A-Za-z]+|\(\d,\d\)", apart))
    print(f"{len(words)} different words")
    assert len(words) < 500


def test_a_set_is_read_as_it_was_written(folder):
    for split in ("train", "test"):
        items, written = read_instructions(folder, split), lines(folder, split)
        assert len(items) == len(written)
        for item, line in zip(items, written, strict=True):
            image = item.exchange.image
            assert (item.id, item.kind) == (item.exchange.id, line["kind"]) == (line["id"], item.kind)
            assert (item.exchange.question, item.exchange.answer) == (line["question"], line["answer"])
            assert image is None if line["image"] is None else image == folder / line["image"] and image.is_file()


GOOD = {"id": "a/0", "kind": "text/say", "image": None, "question": "Say yes.", "answer": "Yes."}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"train.jsonl:2: "),
        (json.dumps(GOOD | {"answer": ""}), r"train.jsonl:2: answer: empty"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "kind"}), r"train.jsonl:2: kind: missing"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "image"}), r"train.jsonl:2: image: missing; write the pict"),
        (json.dumps(GOOD | {"image": 3}), r"train.jsonl:2: image: a whole number instead of a path"),
        (json.dumps(GOOD | {"image": "images/9.png"}), r"train.jsonl:2: image: no such picture as images/9.png; write"),
    ],
)
def test_damage_is_named_with_file_and_line(tmp_path, line, message):
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(GOOD)}\n{line}\n")
    with pytest.raises(DataError, match=message):
        read_instructions(tmp_path, "train")


def test_a_missing_file_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"test\.jsonl: damaged or incomplete; write the instructions again"):
        read_instructions(tmp_path, "test")


def test_a_failed_drawing_leaves_no_folder(tmp_path):
    with pytest.raises(DataError, match="too small"):
        write_instructions(tmp_path / "set", **SET | {"levels": {"maze": [1]}}, seed=0, excluded=())
    assert list(tmp_path.iterdir()) == []
