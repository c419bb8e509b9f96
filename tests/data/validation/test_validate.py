"""Each check of a data set finds one crafted error and names its place. It finds nothing in a clean set."""

import os
import random
import shutil
from pathlib import Path

import pytest
from clean_set import change, check, say, write_clean
from PIL import Image
from turns_case import TURNS

from gcl.data.problem import Problem
from gcl.data.raw import FILE, Draft
from gcl.data.validation.decoded_pictures import DecodedPicture
from gcl.data.validation.picture_checks import Shot, picture_warnings
from gcl.data.validation.problem_kinds import KINDS, by_kind
from gcl.errors import DataError

JAPANESE = "ロボットの左側を二人の歩行者がこちらに向かって歩いています。"


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "set"
    write_clean(folder)
    return folder


@pytest.fixture
def folder(clean, tmp_path) -> Path:
    """A copy of the clean set, to be spoilt."""
    return Path(shutil.copytree(clean, tmp_path / "set"))


@pytest.mark.parametrize("closed", [True, False])
def test_a_clean_set_gives_neither_errors_nor_warnings(folder, closed):
    found = check(folder, closed=closed)
    assert [str(problem) for problem in (*found.errors, *found.warnings)] == []


WRONG_WORDS = {
    "label": (say(3, "action", "Fly"), ("label", f"{FILE}:4", "action", "unknown action 'Fly'")),
    "empty answer": (say(3, "action", " "), ("format", f"{FILE}:4", "turns.action: answer", "empty")),
    "split": (
        lambda records: records[0].update(split="dev"),
        ("format", f"{FILE}:1", "split", "unknown split 'dev'"),
    ),
    "unknown field": (
        lambda records: records[0].update(mood="x"),
        ("format", f"{FILE}:1", "", "'mood': unknown field"),
    ),
    "way out": (
        lambda records: records[0].update(image="../a.png"),
        ("format", f"{FILE}:1", "image", "'../a.png': leads out of the data set"),
    ),
    "missing turn": (
        lambda records: records[5]["turns"].pop("reasoning"),
        ("format", f"{FILE}:6", "turns.reasoning", "missing"),
    ),
    "same id": (
        lambda records: records[5].update(id="s0"),
        ("format", f"{FILE}:6", "id", f"'s0' is a duplicate (see {FILE}:1)"),
    ),
}


@pytest.mark.parametrize(("edit", "expected"), WRONG_WORDS.values(), ids=WRONG_WORDS)
def test_what_the_reader_refuses_is_an_error_in_fields(folder, edit, expected):
    change(folder, edit)
    found = check(folder, counts=None)
    (problem,) = found.errors
    assert (problem.kind, problem.place, problem.field, problem.what) == expected
    assert problem.remedy


def test_a_line_that_is_no_json_is_an_error_and_the_rest_is_checked(folder):
    with (folder / FILE).open("a") as stream:
        stream.write("{\n")
    (folder / "images/2.png").write_bytes(b"")
    assert [(problem.kind, problem.place) for problem in check(folder).errors] == [
        ("format", f"{FILE}:19"),
        ("picture", f"{FILE}:3"),
    ]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _bomb(path: Path) -> None:
    Image.new("1", (10_000, 6_000)).save(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


WRONG_PICTURES = {
    "truncated": (_truncate, "truncated or corrupt image"),
    "empty": (lambda path: path.write_bytes(b""), "empty file (0 bytes)"),
    "bomb": (_bomb, "10000 x 6000 pixels, more than 50 megapixels"),
    "text": (lambda path: path.write_text("a picture"), "not an image"),
    "pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "a Git LFS pointer instead of the picture",
    ),
    "folder": (_folder, "not a file"),
    "pipe": (_pipe, "not a file"),
    "missing": (lambda path: path.unlink(), "no such file or directory"),
    "random bytes": (lambda path: path.write_bytes(random.Random(0).randbytes(5000)), "not an image"),
}


@pytest.mark.parametrize(("spoil", "what"), WRONG_PICTURES.values(), ids=WRONG_PICTURES)
def test_a_picture_that_cannot_be_used_is_an_error(folder, spoil, what):
    spoil(folder / "images/7.png")
    found = check(folder)
    (problem,) = found.errors
    assert (problem.kind, problem.place, problem.field) == ("picture", f"{FILE}:8", "image")
    assert problem.what.startswith(f"'images/7.png': {what}") and problem.remedy
    assert found.warnings == []


def test_a_link_out_of_the_folder_is_an_error_and_not_followed(folder, tmp_path):
    secret = tmp_path / "secret.png"
    (folder / "images/7.png").rename(secret)
    (folder / "images/7.png").symlink_to(secret)
    (problem,) = check(folder).errors
    assert problem.place == f"{FILE}:8" and problem.what.endswith("through a symbolic link")
    assert problem.remedy == "copy the picture into the folder"


def test_a_picture_in_both_splits_is_an_error_and_no_warning(folder):
    shutil.copy(folder / "images/3.png", folder / "images/14.png")
    found = check(folder)
    (problem,) = found.errors
    assert (problem.kind, problem.place) == ("leak", f"{FILE}:15")
    assert problem.what == f"'images/14.png' is the same picture as in the train split (see {FILE}:4)"
    assert found.warnings == []


def test_one_file_that_scenes_of_both_splits_name_is_an_error(folder):
    change(folder, lambda records: records[14].update(image="images/3.png"))
    assert [(problem.kind, problem.place) for problem in check(folder).errors] == [("leak", f"{FILE}:15")]


def test_a_wrong_number_of_scenes_is_an_error(folder):
    (problem,) = check(folder, counts={"train": 12, "test": 7}).errors
    assert (problem.kind, problem.what) == ("count", "test: 6 scenes found, 7 expected")
    assert "datasets.drawn.scenarios" in problem.remedy


def test_nearly_the_same_picture_in_both_splits_is_a_warning_with_both_places(folder):
    with Image.open(folder / "images/3.png") as picture:
        picture.resize((280, 168)).save(folder / "images/14.jpg", quality=80)
    (folder / "images/14.png").unlink()
    change(folder, lambda records: records[14].update(image="images/14.jpg"))
    found = check(folder)
    assert found.errors == []
    (problem,) = found.warnings
    assert (problem.kind, problem.place) == ("near across", f"{FILE}:15")
    assert problem.what.startswith(f"'images/14.jpg' nearly repeats the picture of {FILE}:4 (bits: ")
    assert problem.what.endswith(")")


def test_nearly_the_same_pictures_within_a_split_are_counted(folder):
    for k, of in ((4, 3), (5, 3), (8, 7)):
        shutil.copy(folder / f"images/{of}.png", folder / f"images/{k}.png")
    (problem,) = check(folder).warnings
    assert problem.kind == "near within"
    assert problem.what == "train: 5 of 12 pictures nearly repeat another (groups: 2)"


def test_a_file_that_two_scenes_of_a_split_share_repeats_nothing(folder):
    (folder / "images/4.png").unlink()
    change(folder, lambda records: records[4].update(image="images/3.png"))
    found = check(folder)
    assert found.errors == found.warnings == [] and found.summary.pictures == 17


def test_test_pictures_stand_in_order_of_their_nearest_training_picture():
    scenes = [
        Shot(Draft(f"{FILE}:{line}", f"{line}", (), split, None, {}), Path(f"{line}.png"), picture)
        for line, (split, looks) in enumerate(
            [("train", 0), ("train", 0b111), ("test", 0b1), ("test", 0), ("test", 2**64 - 1)], start=1
        )
        for picture in [DecodedPicture(sha256=f"{line}", looks=looks, size=(100, 100))]
    ]
    found = [problem for problem in picture_warnings(Path("absent"), scenes) if problem.kind == "near across"]
    assert [(problem.place, problem.what) for problem in found] == [
        (f"{FILE}:4", f"'4.png' nearly repeats the picture of {FILE}:1 (bits: 0), {FILE}:2 (bits: 3)"),
        (f"{FILE}:3", f"'3.png' nearly repeats the picture of {FILE}:1 (bits: 1), {FILE}:2 (bits: 2)"),
    ]


def test_small_pictures_are_a_warning(folder):
    with Image.open(folder / "images/3.png") as picture:
        picture.crop((0, 0, 140, 55)).save(folder / "images/3.png")
    with Image.open(folder / "images/4.png") as picture:
        picture.crop((0, 0, 140, 56)).save(folder / "images/4.png")
    (problem,) = check(folder).warnings
    assert (problem.kind, problem.place) == ("small", f"{FILE}:4")
    assert problem.what == "'images/3.png' has 140 x 55 pixels, fewer than 56 a side"


def test_pictures_that_are_changed_are_counted_by_kind(folder):
    for k in (3, 4):
        with Image.open(folder / f"images/{k}.png") as picture:
            picture.quantize(64).save(folder / f"images/{k}.png")
    with Image.open(folder / "images/9.png") as picture:
        turned = Image.Exif()
        turned[0x0112] = 3
        picture.save(folder / "images/9.png", exif=turned)
    assert [(problem.kind, problem.what) for problem in check(folder).warnings] == [
        ("changed", "palette made RGB (2): 'images/3.png', 'images/4.png'"),
        ("changed", "turned upright as its EXIF data says (1): 'images/9.png'"),
    ]


def test_files_that_no_scene_uses_are_counted_and_some_named(folder):
    for k in range(7):
        shutil.copy(folder / "images/0.png", folder / f"images/old-{k}.png")
    for name in (".DS_Store", "import.yaml"):
        (folder / name).touch()
    (problem,) = check(folder).warnings
    assert problem.kind == "unused"
    assert problem.what == "files without a scene (7): " + ", ".join(
        f"'images/old-{k}.png'" for k in range(5)
    ) + " and 2 more"  # fmt: skip


def test_scenes_with_the_same_answers_in_all_turns_are_a_warning(folder):
    change(folder, lambda records: records[14].update(turns=records[3]["turns"]))
    found = {problem.kind: problem for problem in check(folder).warnings}
    assert set(found) == {"same scene", "same answer"}
    assert found["same scene"].place == f"{FILE}:15"
    assert found["same scene"].what == f"all 5 answers are those of {FILE}:4 in the other split"


def test_a_shared_answer_is_counted_and_named_where_both_splits_have_it(folder):
    for k in (3, 4, 14):
        change(folder, say(k, "reasoning", "The way is free."))
    for k in (5, 6):
        change(folder, say(k, "reasoning", "The way is blocked."))
    change(folder, say(9, "prediction", "Shared by few."))
    change(folder, say(10, "prediction", "Shared by few."))
    first, second = check(folder).warnings
    assert (first.kind, first.place, first.field) == ("same answer", f"{FILE}:15", "turns.reasoning: answer")
    assert first.what == f"'The way is free.' also stands in {FILE}:4 (2 train, 1 test)"
    assert (second.place, second.what) == (
        FILE,
        "5 scenes have the answer of another word for word (different ones: 2)",
    )


def test_an_action_text_that_names_other_labels_than_its_own_is_a_warning(folder):
    def relabel(records):
        records[3]["action"] = "Move Forward"
        records[3]["turns"]["action"]["answer"] = "The robot should move forward-left, then stop."
        records[4]["action"] = "Stop"
        records[4]["turns"]["action"]["answer"] = "Do not move forward, stop."

    change(folder, relabel)
    (problem,) = check(folder).warnings
    assert (problem.kind, problem.place) == ("contradiction", f"{FILE}:4")
    assert problem.what.endswith("names Move Forward Left, Stop, the label is Move Forward")


def test_an_answer_in_another_language_is_a_warning(folder):
    for turn in ("perception", "reasoning"):
        change(folder, say(3, turn, JAPANESE))
    (problem,) = check(folder).warnings
    assert (problem.kind, problem.place, problem.field) == ("language", f"{FILE}:4", "turns.perception: answer")
    assert problem.what.endswith("looks like language 'ja'")


def test_a_scene_of_short_answers_in_another_language_is_a_warning(folder):
    words = (
        "Zwei Leute kommen näher.",
        "Gleich stehen sie vor uns.",
        "Es gibt keinen Platz.",
        "Stop",
        "Warten ist höflich.",
    )
    for turn, answer in zip(TURNS, words, strict=True):
        change(folder, say(3, turn, answer))
    (problem,) = check(folder).warnings
    assert (problem.kind, problem.place, problem.field) == ("language", f"{FILE}:4", "turns")
    assert problem.what.endswith("looks like language 'de'")


@pytest.mark.parametrize(
    ("text", "what"), [("A caf\ufffd ahead.", "lost"), ("A cafÃ© ahead, itâ€™s open.", "Windows-1252")]
)
def test_broken_characters_are_a_warning(folder, text, what):
    change(folder, say(3, "explanation", text))
    (problem,) = check(folder).warnings
    assert (problem.kind, problem.place, problem.field) == ("encoding", f"{FILE}:4", "turns.explanation: answer")
    assert what in problem.what


def test_a_missing_annotation_file_is_one_error(folder):
    (folder / FILE).unlink()
    found = check(folder)
    assert [problem.kind for problem in found.errors] == ["format"] and found.warnings == []
    assert found.text() and found.html()


def test_a_missing_folder_says_what_makes_it(tmp_path):
    with pytest.raises(DataError, match="gcl data import"):
        check(tmp_path / "absent")


def test_records_that_share_a_line_are_told_apart(folder):
    path = folder / FILE
    first, second, *_ = path.read_text(encoding="utf-8").splitlines()
    second = second.replace('"split": "train"', '"split": " "')
    path.write_text(f"[{first}, {second}]", encoding="utf-8")
    found = check(folder, counts=None).errors
    assert f"{FILE}:1 (record 2): split: empty; fill it in" in map(str, found)


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("a:5", "image", "'a; b' leads out", "write a path"), "a:5: image: 'a; b' leads out; write a path"),
        (Problem("a", "", "no records", "add the scenes"), "a: no records; add the scenes"),
        (Problem("a:5", "", "not a cell; cells are @ * # _"), "a:5: not a cell; cells are @ * # _"),
    ],
)
def test_a_problem_reads_as_one_line(problem, line):
    assert str(problem) == line


def test_problems_stand_in_the_order_of_their_kinds():
    problems = [Problem("a", "", f"{k}", "", kind) for k in (1, 2) for kind in reversed(KINDS)]
    assert [(heading, [p.what for p in group]) for heading, group in by_kind(problems)] == [
        (heading, ["1", "2"]) for heading in KINDS.values()
    ]


def test_a_question_that_stands_in_two_turns_is_a_warning(folder):
    change(folder, lambda records: [r["turns"][t].update(question=f"About {t}?") for r in records for t in r["turns"]])
    assert [problem for problem in check(folder).warnings if problem.kind == "contradiction"] == []
    change(folder, lambda records: records[4]["turns"]["reasoning"].update(question="About action?"))
    (found,) = [problem for problem in check(folder).warnings if problem.kind == "contradiction"]
    assert (found.place, found.field) == (f"{FILE}:5", "turns.reasoning: question")
    assert found.what == "'About action?' asks for action elsewhere (scenes: 18 action, 1 reasoning)"
