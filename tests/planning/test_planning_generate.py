"""Drawn data sets of states: the same again from the same seed, nothing twice, easy and hard in turn."""

import random

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl.errors import DataError
from gcl.experiment.load import load_experiment
from gcl.experiment.yaml_files import read_yaml
from gcl.planning import cells as module
from gcl.planning.cells import generate
from gcl.planning.draw import BUCKETS, bucket, draw_state
from gcl.planning.state import PlanningState
from gcl.planning.states_file import StateRecord, write_records

COUNTS = {"train": 12, "val": 3, "test": 6}
CELLS = [("frozenlake", 3), ("frozenlake", 8), ("maze", 3), ("maze", 6), ("minibehaviour", 5), ("minibehaviour", 6)]


def hashes(records: list[StateRecord], split: str) -> list[str]:
    return [record.state.state_hash for record in records if record.split == split]


@pytest.mark.parametrize("task, level", CELLS)
def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path, task, level):
    for name in ("first", "again"):
        write_records(tmp_path / name, generate(task, level, COUNTS, 5))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()
    assert hashes(generate(task, level, COUNTS, 5), "train") != hashes(generate(task, level, COUNTS, 6), "train")


@pytest.mark.parametrize("task, level", CELLS)
def test_splits_have_the_sizes_asked_for_and_no_state_is_twice(task, level):
    records = generate(task, level, COUNTS, 0)
    assert {split: len(hashes(records, split)) for split in COUNTS} == COUNTS
    assert len({record.state.state_hash for record in records}) == len({record.id for record in records}) == 21
    assert {(record.state.task, record.state.size, record.seed) for record in records} == {(task, level, 0)}
    assert [record.split for record in records] == ["train"] * 12 + ["val"] * 3 + ["test"] * 6


@pytest.mark.parametrize("task, level", [("maze", 4), ("minibehaviour", 5)])
def test_buckets_come_in_turn(task, level):
    records = generate(task, level, {"train": 11}, 0)
    assert [bucket(record.state, len(record.plan)) for record in records] == [BUCKETS[k % 3] for k in range(11)]


@pytest.mark.parametrize(
    "task, level, easy, medium",
    [("maze", 3, 1, 3), ("maze", 6, 3, 6), ("minibehaviour", 5, 4, 6), ("minibehaviour", 6, 5, 7)],
)
def test_buckets_end_where_the_released_generators_end_them(task, level, easy, medium):
    state = draw_state(task, level, random.Random(0))
    named = [bucket(state, length) for length in range(1, medium + 3)]
    assert named == ["easy"] * easy + ["medium"] * (medium - easy) + ["hard"] * 2


@pytest.mark.parametrize("task", ["frozenlake", "maze"])
def test_more_states_to_train_on_leave_all_others_as_they_are(task):
    few, many = (generate(task, 4, {**COUNTS, "train": count}, 3) for count in (4, 40))
    assert hashes(few, "test") == hashes(many, "test")
    assert hashes(few, "val") == hashes(many, "val")
    assert hashes(few, "train") == hashes(many, "train")[:4]


def test_what_is_excluded_does_not_come():
    before = generate("frozenlake", 2, {"train": 4}, 0)
    after = generate("frozenlake", 2, {"train": 4}, 0, exclude={record.state.state_hash for record in before})
    assert not set(hashes(before, "train")) & set(hashes(after, "train"))


def test_too_few_states_are_an_error_that_says_how_many_there_are(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 2000)
    # Start and goal in opposite corners, and a hole in one of the other two or in none. Holes are drawn where gymnasium's
    # start and goal are not, so that of the 12 maps that one can think of 8 come.
    assert len(generate("frozenlake", 2, {"train": 8}, 0)) == 8
    with pytest.raises(DataError, match=r"frozenlake level 2: .* this split has 6 of 7 any, all splits together 8,"):
        generate("frozenlake", 2, {"train": 7, "test": 2}, 0)


@settings(max_examples=30)
@given(st.integers(3, 6), st.integers(0, 10**6))
def test_lakes_have_start_and_goal_two_moves_apart_or_in_the_corners(level, seed):
    moved = draw_state("frozenlake", level, random.Random(seed))
    assert len(_plan(moved)) >= 2
    cornered = draw_state("frozenlake", level, random.Random(seed), corners=True)
    assert (cornered.start, cornered.goal) == ((0, 0), (level - 1, level - 1))
    assert len(cornered.holes) == len(moved.holes)


@settings(max_examples=60)
@given(st.sampled_from(["maze", "minibehaviour"]), st.integers(3, 6), st.integers(0, 10**6))
def test_every_draw_can_be_solved(task, level, seed):
    assert _plan(draw_state(task, level, random.Random(seed)))


def test_a_tenth_of_the_cells_are_holes():
    rng = random.Random(0)
    lakes = [draw_state("frozenlake", 8, rng) for _ in range(100)]
    assert 0.08 < sum(len(lake.holes) for lake in lakes) / (100 * 62) < 0.11


@pytest.mark.parametrize(
    "task, level, counts, message",
    [
        ("sokoban", 3, {"train": 1}, "unknown task 'sokoban'; use one of frozenlake, maze, minibehaviour"),
        ("maze", 3, {"dev": 1}, "unknown split 'dev'"),
        ("maze", 3, {"train": 0}, "no states asked for"),
        ("maze", 1, {"train": 1}, "maze level 1: too small; use 2 or more"),
        ("minibehaviour", 2, {"train": 1}, "minibehaviour level 2: too small; use 3 or more"),
    ],
)
def test_what_cannot_be_drawn_is_explained(task, level, counts, message):
    with pytest.raises(DataError, match=message):
        generate(task, level, counts, 0)


def test_there_are_as_many_states_as_the_miniature_scale_asks_for():
    settings = load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": "miniature"}, ROOT).planning
    counts, levels = settings.states.value.model_dump(), settings.levels.value
    for task, level in [(name, level) for name, chosen in levels.items() for level in chosen]:
        assert len(generate(task, level, counts, settings.seed.value)) == sum(counts.values())


def _plan(state: PlanningState) -> tuple[str, ...]:
    plan = state.solve()
    assert plan is not None
    return plan
