"""The gallery: scenes are chosen by the rule and nothing else; arrows are read from words, or not at all."""

import shutil
from itertools import pairwise

import pytest
from fake_metrics import experiment_with
from page_case import RESULTS, SCENES, finished
from pdf_parts import parts
from PIL import Image, ImageChops

from gcl.errors import DataError
from gcl.experiment.places import results_at
from gcl.reporting.figures.arrows import MARKS, WIDTH, direction, draw
from gcl.reporting.figures.gallery import EACH, choose, gallery, gallery_datasets, write_gallery
from gcl.workflow.plan import Plan

MINIATURE = experiment_with()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A finished experiment, in the present folder."""
    folder = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        finished(MINIATURE, ())
        yield folder


@pytest.fixture
def own_project(project, tmp_path, monkeypatch):
    """A copy of it in the present folder, to take something away."""
    shutil.copytree(project, tmp_path / "own", symlinks=True)
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path / "own"


def test_gains_losses_and_others_by_hash():
    gains = {f"s{k}": (k - 10) / 10 for k in range(21)}
    chosen = choose("snei", gains, 3)
    kinds = {kind: [scene for scene, its in chosen if its == kind] for kind in ("gain", "loss", "drawn")}
    assert kinds["gain"] == ["s20", "s19", "s18"] and kinds["loss"] == ["s0", "s1", "s2"]
    assert len(kinds["drawn"]) == 3 and len({scene for scene, _ in chosen}) == 9


def test_what_is_drawn_knows_nothing_of_scores():
    def drawn(gains):
        return {scene for scene, kind in choose("snei", gains, 4) if kind == "drawn"}

    scenes = [f"s{k}" for k in range(40)]
    none = drawn(dict.fromkeys(scenes, 0.0))
    assert len(none) == 4 and drawn(dict.fromkeys(scenes, 1e-6)) == none
    assert drawn(dict.fromkeys(reversed(scenes), 0.0)) == none
    # Whatever gains the others have, as long as these do not count among the largest.
    others = [scene for scene in scenes if scene not in none]
    assert drawn(dict.fromkeys(scenes, 0.0) | {others[0]: 0.9, others[1]: -0.9}) == none


def test_no_gain_is_no_loss():
    chosen = choose("snei", {"a": 0.0, "b": 0.3, "c": -0.3, "d": 5e-6}, 4)
    assert dict(chosen) == {"a": "drawn", "b": "gain", "c": "loss", "d": "drawn"}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("dataset", ["snei", "muson"])
def test_scenes_carry_scores_answers_and_picture(dataset):
    scenes = gallery(MINIATURE, dataset, RESULTS)
    assert len(scenes) == min(3 * EACH, SCENES)
    for scene in scenes:
        assert (scene.kind, scene.outcome) in {("gain", "gained"), ("loss", "lost")} or scene.kind == "drawn"
        assert scene.outcome == ("gained" if scene.gcl > scene.sft else "lost")
        assert list(scene.actions) == list(MARKS) and scene.actions["ground truth"] == "Move Forward Right"
        assert scene.picture.width == WIDTH and scene.uri.startswith("data:image/jpeg;base64,")
        right = {"both right": (1, 1), "both wrong": (0, 0), "only SFT right": (1, 0), "only GCL right": (0, 1)}
        assert dataset == "snei" or right[scene.correct] == (scene.sft > 0.5, scene.gcl > 0.5)
        assert dataset == "muson" or scene.correct is None


@pytest.mark.usefixtures("project")
def test_of_a_closed_list_the_label_stands_beside_words_that_are_not_just_that():
    said = {text for scene in gallery(MINIATURE, "muson", RESULTS) for text in scene.actions.values()}
    assert "Stop and wait. [Stop]" in said and "Hm. [(none)]" in said and "Move Forward Right" in said
    free = {text for scene in gallery(MINIATURE, "snei", RESULTS) for text in scene.actions.values()}
    assert "Stop and wait." in free and not [text for text in free if "[" in text]


def test_the_figure_has_the_same_bytes_again(project, tmp_path):
    before = project / RESULTS / MINIATURE.scale / "figures"
    write_gallery(MINIATURE, RESULTS, tmp_path / "gallery")
    for suffix in (".png", ".pdf"):
        assert (tmp_path / f"gallery{suffix}").read_bytes() == (before / f"gallery{suffix}").read_bytes()
    found = parts(tmp_path / "gallery.pdf")
    assert found.images and found.embedded and not found.fonts["Type3"]


def test_without_pictures_scenes_remain(own_project, tmp_path):
    (own_project / "data").rename(tmp_path / "elsewhere")
    assert {scene.uri for scene in gallery(MINIATURE, "snei", RESULTS)} == {None}
    write_gallery(MINIATURE, RESULTS, tmp_path / "gallery")


def test_a_data_set_without_answers_is_left_out_and_none_at_all_is_refused(own_project, tmp_path):
    results_at("miniature", RESULTS).predictions(Plan(MINIATURE).gallery_runs("muson")[1].id).unlink()
    assert gallery_datasets(MINIATURE, RESULTS) == ["snei"]
    with pytest.raises(DataError, match="no such file; make it with: snakemake"):
        gallery(MINIATURE, "muson", RESULTS)
    results_at("miniature", RESULTS).predictions(Plan(MINIATURE).gallery_runs("snei")[0].id).unlink()
    with pytest.raises(DataError, match="snakemake --cores 2 headline"):
        write_gallery(MINIATURE, RESULTS, tmp_path / "gallery")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Keep going straight on.", "forward"),
        ("Move Forward", "forward"),
        ("Move Forward Left", "forward left"),
        ("Slowly walk past on the right side.", "forward right"),
        ("Make a left turn now.", "left"),
        ("Turn Right", "right"),
        ("Stop here and wait.", "stop"),
        ("Stop, then turn left.", "stop"),
        ("Go left or right.", "unclear"),
        ("Do not stop, keep going straight on.", "forward"),
        ("Don’t turn left but walk straight ahead.", "forward"),
        ("Turn left instead of right.", "left"),
        ("Go on ahead without turning right.", "forward"),
        ("Do not move forward.", "unclear"),
        ("Be polite.", "unclear"),
        ("", "unclear"),
    ],
)
def test_directions_are_read_from_words(text, expected):
    assert direction(text) == expected


def test_every_mark_is_drawn_inside_and_apart_from_the_others():
    plain = draw(Image.new("RGB", (140, 84), "grey"), {})
    boxes = {}
    for text in ("Go straight on.", "Turn left.", "Turn right.", "Move forward left.", "Stop.", "Hm."):
        for source in MARKS:
            drawn = draw(Image.new("RGB", (140, 84), "grey"), {source: text})
            left, top, right, bottom = ImageChops.difference(plain, drawn).getbbox()
            assert left > 0 and top > 0 and right < drawn.width and bottom < drawn.height
            boxes.setdefault(text, []).append((left, right))
    for row in boxes.values():
        assert all(before[1] < after[0] for before, after in pairwise(row))
