"""Held-out questions: about nothing that the instruction set's training has, as many as asked for, the same every time."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from gcl.data.spread import spread
from gcl.errors import DataError
from gcl.tasks.instructions.read import instructions_sha256, read_instructions
from gcl.tasks.instructions.unseen import write_unseen
from gcl.tasks.instructions.write import InstructionDrawing, draw_scenes, draw_states, draw_words, write_instructions

SET = InstructionDrawing(
    scenes=200, states={"frozenlake": 60, "maze": 60}, words=300, held_out=0.1, seed=3,
    levels={"frozenlake": [3], "maze": [3]}, excluded=(), pixels_of_cell=32,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen") / "unseen"
    write_unseen(folder, 30, SET)
    return folder


def test_a_third_is_about_each_kind_of_subject(folder):
    items = read_instructions(folder, "test")
    assert Counter(re.match(r"[a-z]+", item.id)[0] for item in items) == {"scene": 10, "state": 10, "words": 10}
    assert len({item.id for item in items}) == 30
    assert all(
        bool(item.exchange.pictures) == item.kind.startswith(("scene", "state"))
        for item in items
        if item.kind != "plan"
    )


def test_subjects_are_those_that_training_does_not_have(folder, tmp_path):
    write_instructions(tmp_path / "whole", SET)
    trained = {item.exchange.question for item in read_instructions(tmp_path / "whole", "train")}
    texts = {item.exchange.question for item in read_instructions(folder, "test") if item.kind.startswith("text/")}
    whole = {item.exchange.question for item in read_instructions(tmp_path / "whole", "test")}
    assert texts and not texts & trained and texts <= whole
    for drawn in (draw_scenes(SET), draw_words(SET)):
        seen = [one for one, apart in zip(drawn.subjects, drawn.apart, strict=True) if not apart]
        assert drawn.unseen and not any(one in seen for one in drawn.unseen)
    states = draw_states(SET)
    hashes = [record.state.state_hash for record in states.unseen]
    assert len(hashes) == 12 == len(set(hashes))


def test_the_same_settings_draw_the_same_bytes(folder, tmp_path):
    write_unseen(tmp_path / "again", 30, SET)
    assert instructions_sha256(tmp_path / "again") == instructions_sha256(folder)
    write_unseen(tmp_path / "other", 30, replace(SET, seed=4))
    assert instructions_sha256(tmp_path / "other") != instructions_sha256(folder)


def test_items_are_taken_from_all_parts():
    assert spread(range(10), 3) == [0, 3, 6] and spread(range(3), 10) == spread(range(3), None) == range(3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"test\.jsonl"):
        read_instructions(tmp_path / "nowhere", "test")
