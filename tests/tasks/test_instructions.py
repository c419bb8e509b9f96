"""Instructions: balanced, in few words, the same from the same seed, and nothing of the compared trainings is taught."""

import json
import random
import re
from collections import Counter

import pytest
from instruction_cases import LEVELS, both, cells_in, scene_cases, state_cases

from gcl.data.drawing import language
from gcl.data.drawing.constellation import TRAINED, Person, Scene, sample_scenes, third
from gcl.data.drawing.datasets import SHARES
from gcl.errors import DataError
from gcl.evaluation.scorers.right import Right
from gcl.experiment.dialogue import all_questions
from gcl.planning.cells import generate
from gcl.planning.states_file import parse
from gcl.tasks.instructions import scene_questions, word_questions
from gcl.tasks.instructions.read import read_instructions
from gcl.tasks.instructions.scene_questions import about_scene
from gcl.tasks.instructions.state_facts import FACTS
from gcl.tasks.instructions.state_questions import TOLD
from gcl.tasks.instructions.word_questions import about_words
from gcl.tasks.instructions.write import QUESTIONS, InstructionDrawing, write_instructions


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("On the left.", True), ("on  the LEFT", True), (" on the left. \n", True), ("On the right.", False),
        ("the left", False), ("On the left..", False), ("", False), ("On the left. A wall.", False),
    ],
)  # fmt: skip
def test_capitals_spaces_and_the_last_stop_do_not_count(answer, right):
    assert Right()([answer], ["On the left."]) == [right]


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


def test_yes_and_no_are_balanced():
    counts: dict[str, Counter] = {}
    for one in [one for _, one in (*scene_cases(), *state_cases())] + about_words(random.Random(0), 1500):
        if one.answer in ("Yes.", "No.", "True.", "False.") and one.kind not in ("text/say", "text/opposite"):
            counts.setdefault(one.kind, Counter())[one.answer in ("Yes.", "True.")] += 1
    assert {"scene/open", "scene/statement", *both("free"), *both("beside"), *both("legal")} <= set(counts)
    shares = {kind: count[True] / count.total() for kind, count in counts.items()}
    assert all(0.35 <= share <= 0.65 for share in shares.values()), shares


def test_nothing_of_the_compared_turns_is_asked_or_answered(experiment):
    asked = [one for _, one in (*scene_cases(), *state_cases())] + about_words(random.Random(0), 500)
    assert all(question not in one.question for question in all_questions(experiment) for one in asked)
    rng, taught = random.Random(0), set()
    for scene, _ in scene_cases()[::12]:
        for say in (language.predict, language.reason, language.act, language.explain):
            taught |= {say(scene, rng) for _ in range(8)}
    assert len(taught) > 60
    assert not {one.answer for one in asked} & taught


SET = {
    "scenes": 60,
    "states": dict.fromkeys(LEVELS, 12),
    "words": 60,
    "held_out": 0.2,
    "levels": LEVELS,
    "pixels_of_cell": 16,
}


@pytest.fixture(scope="module")
def excluded():
    """Hashes of states that the seed would draw."""
    return {record.state.state_hash for record in generate("maze", 3, {"train": 6}, 4)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, excluded):
    path = tmp_path_factory.mktemp("instructions") / "set"
    write_instructions(path, InstructionDrawing(**SET, seed=4, excluded=excluded))
    return path


def lines(folder, split: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_seed_decides_every_byte(folder, tmp_path, excluded):
    write_instructions(tmp_path / "again", InstructionDrawing(**SET, seed=4, excluded=excluded))
    write_instructions(tmp_path / "other", InstructionDrawing(**SET, seed=5, excluded=excluded))
    files = [path.relative_to(folder) for path in folder.rglob("*.*")]
    assert len(files) == 2 + 60 + 6 * 12
    assert all((folder / f).read_bytes() == (tmp_path / "again" / f).read_bytes() for f in files)
    assert any((folder / f).read_bytes() != (tmp_path / "other" / f).read_bytes() for f in files)


def test_no_test_constellation_occurs_and_none_is_in_both_splits(tmp_path):
    settings = SET | {"scenes": 500, "levels": {}, "held_out": 0.4}
    write_instructions(tmp_path / "set", InstructionDrawing(**settings, seed=4, excluded=()))
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


def test_every_kind_occurs():
    asked = [one for _, one in (*scene_cases(), *state_cases())] + about_words(random.Random(0), 500)
    kinds = {f"scene/{kind}" for kind in scene_questions.KINDS} | {f"text/{kind}" for kind in word_questions.KINDS}
    kinds |= {f"state/{kind}" for kind in FACTS} | {f"words/{kind}" for kind in TOLD}
    assert {one.kind for one in asked} == kinds | {"plan/symbols", "plan/symbols+plan", "plan/answer"}


def test_few_states_are_planned_or_read_from_their_picture(folder):
    kinds = Counter(line["kind"] for split in ("train", "test") for line in lines(folder, split))
    assert (kinds["plan/image"], kinds["state/reading"]) == (8, 18)  # of 72 states
    assert kinds.total() == 60 * QUESTIONS["scene"] + 72 * QUESTIONS["state"] + 8 + 18 + 60


def test_the_words_are_few():
    rng = random.Random(3)
    asked = [one for _, one in state_cases()] + about_words(rng, 2000)
    for scene in sample_scenes(rng, 2000, SHARES["any"], thirds=TRAINED):
        asked += about_scene(scene, rng, QUESTIONS["scene"])
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
            paths = [picture.path for picture in item.exchange.pictures]
            assert (item.id, item.kind) == (item.exchange.id, line["kind"]) == (line["id"], item.kind)
            assert (item.exchange.question, item.exchange.answer) == (line["question"], line["answer"])
            assert paths == ([] if line["image"] is None else [folder / line["image"]])
            assert all(path.is_file() for path in paths)


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
        write_instructions(tmp_path / "set", InstructionDrawing(**SET | {"levels": {"maze": [1]}}, seed=0, excluded=()))
    assert list(tmp_path.iterdir()) == []
