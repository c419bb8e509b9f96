"""The drawn world: deterministic, balanced, no constellation of a test split anywhere else, no constant text."""

import csv
import random
from collections import Counter

import pytest
from raw_case import draw_raw

from gcl.data.drawing import language
from gcl.data.drawing.constellation import (
    ACTIONS,
    TESTED,
    TRAINED,
    TUNING,
    Person,
    Scene,
    sample_scene,
    sample_scenes,
    third,
)
from gcl.data.drawing.datasets import SHARES, write_dataset
from gcl.data.drawing.render import PIXELS, render
from gcl.data.manifest import check_counts
from gcl.data.raw import read_raw
from gcl.experiment.data_spec import data_spec
from gcl.experiment.dialogue import dialogue_of

COUNTS = {"train": 60, "test": 40}


@pytest.fixture(scope="module")
def folders(experiment, tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn")
    for name in ("snei", "muson"):
        write_dataset(name, COUNTS, dialogue_of(experiment, "snei").questions, 5, root / name)
    return root


@pytest.mark.parametrize("name", ["snei", "muson"])
def test_drawn_data_passes_the_importers(tmp_path, experiment, name):
    data = data_spec(experiment, name)
    draw_raw(data, COUNTS, 5, tmp_path / name)
    scenarios = read_raw(tmp_path / name, data)
    check_counts(scenarios, COUNTS, name)
    assert all((scenario.action is None) == (name == "snei") for scenario in scenarios)


@pytest.mark.parametrize("name", ["snei", "muson"])
def test_the_seed_decides_every_byte(folders, experiment, tmp_path, name):
    write_dataset(name, COUNTS, dialogue_of(experiment, "snei").questions, 5, tmp_path / "again")
    write_dataset(name, COUNTS, dialogue_of(experiment, "snei").questions, 6, tmp_path / "other")
    files = [path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*")]
    assert len(files) > 100
    assert all((folders / name / f).read_bytes() == (tmp_path / "again" / f).read_bytes() for f in files)
    assert any((folders / name / f).read_bytes() != (tmp_path / "other" / f).read_bytes() for f in files)


def test_no_action_of_muson_is_above_40_percent(folders):
    with (folders / "muson/annotations.csv").open() as stream:
        counts = Counter(row["action"] for row in csv.DictReader(stream))
    assert set(counts) == set(ACTIONS)
    assert max(counts.values()) <= 0.4 * sum(counts.values())


def test_test_constellations_occur_nowhere_else():
    rng = random.Random(0)
    test = set(sample_scenes(rng, 300, SHARES["muson"], thirds=TESTED))
    other = set(sample_scenes(rng, 3000, SHARES["any"], thirds=TRAINED))
    assert len(test) > 100 and len(other) > 500
    assert not test & other


def test_settings_are_chosen_on_constellations_that_no_test_shows():
    rng = random.Random(0)
    drawn = {split: set(sample_scenes(rng, 300, SHARES["snei"], thirds=TUNING[split])) for split in ("train", "test")}
    assert not drawn["train"] & drawn["test"]
    assert not (drawn["train"] | drawn["test"]) & set(sample_scenes(rng, 1000, SHARES["any"], thirds=TESTED))


def test_tuning_data_has_other_pictures_of_the_same_kind(folders, experiment, tmp_path):
    write_dataset(
        "snei", COUNTS, dialogue_of(experiment, "snei").questions, 5, tmp_path / "tuning", stream="tuning", tuning=True
    )
    ours, theirs = ({p.read_bytes() for p in (f / "images").iterdir()} for f in (tmp_path / "tuning", folders / "snei"))
    assert len(ours) == len(theirs) and not ours & theirs
    assert (tmp_path / "tuning/train.json").is_file()


def test_a_third_of_all_constellations_is_for_tests_alone():
    rng = random.Random(0)
    scenes = {sample_scene(rng) for _ in range(4000)}
    assert 0.28 < sum(third(scene) in TESTED for scene in scenes) / len(scenes) < 0.38


@pytest.mark.parametrize(
    ("people", "left", "right", "ahead", "action"),
    [
        ([], "open", "open", "nothing", "Move Forward"),
        ([("ahead", "near", "standing")], "open", "open", "nothing", "Turn Right"),
        ([("ahead", "near", "standing")], "open", "wall", "nothing", "Turn Left"),
        ([("ahead", "near", "standing")], "wall", "wall", "nothing", "Stop"),
        ([("ahead", "far", "approaching")], "open", "open", "nothing", "Move Forward Right"),
        ([("ahead", "far", "leaving")], "open", "open", "nothing", "Move Forward"),
        ([("left", "far", "crossing right")], "open", "wall", "nothing", "Move Forward Left"),
        ([("left", "near", "crossing left")], "open", "open", "nothing", "Move Forward"),
        ([("right", "far", "crossing right")], "open", "open", "crossing", "Stop"),
        ([("right", "far", "standing")], "open", "open", "crossing", "Move Forward"),
        ([], "wall", "open", "closed door", "Turn Right"),
        ([], "wall", "open", "open door", "Move Forward"),
    ],
)
def test_the_action_follows_from_the_scene(people, left, right, ahead, action):
    assert Scene(tuple(Person(*person) for person in people), left, right, ahead).action == action


def test_every_fact_has_several_wordings():
    scene = Scene((Person("ahead", "near", "standing"),), "open", "open", "nothing")
    for say in (language.perceive, language.predict, language.reason, language.act, language.explain):
        assert len({say(scene, random.Random(k)) for k in range(40)}) > 1


def test_what_differs_in_the_scene_differs_in_the_picture():
    def picture(*people):
        return render(Scene(tuple(people), "open", "open", "nothing"), random.Random(0))

    one, other = (picture(Person("ahead", "near", motion)) for motion in ("crossing left", "crossing right"))
    assert one.size == PIXELS
    assert one.tobytes() != other.tobytes() != picture().tobytes()
