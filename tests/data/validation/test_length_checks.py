"""Cut answers, answers too long for an encoder, and placeholders of missing ones are counted before training."""

from pathlib import Path

import pytest
from clean_set import change, check, say, write_clean
from conftest import ROOT
from transformers import AutoTokenizer

from gcl.data.raw import FILE, is_placeholder
from gcl.data.validation.length_checks import Reader
from gcl.evaluation.readers import readers
from gcl.experiment.load import load_experiment
from gcl.experiment.yaml_files import read_yaml

WORDS = Reader(
    "a reader of words", ("action", "reasoning"), 30, "shorten them", lambda text: len(text.split()), str.isascii
)


@pytest.fixture
def folder(tmp_path):
    write_clean(tmp_path / "set")
    return tmp_path / "set"


def kinds(found) -> list[tuple[str, str]]:
    return [(problem.kind, problem.field) for problem in found.warnings]


def test_answers_longer_than_a_reader_takes_are_counted_with_their_lines(folder):
    change(folder, say(3, "reasoning", "word " * 40))
    change(folder, say(7, "reasoning", "word " * 31))
    (problem,) = [p for p in check(folder, readers=[WORDS]).warnings if p.kind == "long"]
    assert (problem.place, problem.field) == (FILE, "turns.reasoning: answer")
    assert problem.what == "longer than the 30 tokens of a reader of words: 2 answers (line 4, 8); the longest has 40"


def test_turns_that_a_reader_has_nothing_to_do_with_are_not_counted(folder):
    change(folder, say(3, "perception", "word " * 40))
    assert "long" not in dict(kinds(check(folder, readers=[WORDS])))


def test_answers_that_an_encoder_cannot_read_are_counted(folder):
    change(folder, say(3, "reasoning", "🙂"))
    (problem,) = [p for p in check(folder, readers=[WORDS]).warnings if p.kind == "unreadable"]
    assert problem.what == "no word that a reader of words knows: 1 answer (line 4)"


@pytest.mark.parametrize("text", ["nan", "None", "NULL", "N/A", "n/a", "#N/A", "<NA>", "-", "None."])
def test_a_word_for_no_value_is_no_answer(folder, text):
    change(folder, say(3, "reasoning", text))
    (problem,) = [p for p in check(folder).warnings if p.kind == "placeholder"]
    assert (problem.place, problem.field) == (f"{FILE}:4", "turns.reasoning: answer")


@pytest.mark.parametrize("text", ["None of them moves.", "Stop", "No", "A nan bread stand."])
def test_a_sentence_is_no_placeholder(text):
    assert not is_placeholder(text)


def test_encoders_of_packages_are_counted_with_their_own_limits():
    limits = {reader.name: reader.limit for reader in readers(load_experiment(), "snei")[0]}
    assert limits["the encoder of Action-F1"] == 512
    assert limits["the encoder of Perception-cos and Reasoning-cos"] == 256


def test_what_is_not_on_this_machine_is_said_and_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    found, absent = readers(load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": "paper"}), "snei")
    lines = [line for line in absent if line.startswith("answers of more than") and "not on this machine" in line]
    assert len(lines) == 5
    assert not [reader for reader in found if "encoder" not in reader.name]


def test_members_of_one_tokenizer_are_one_reader(backbones, tmp_path, monkeypatch):
    experiment = load_experiment()
    monkeypatch.chdir(tmp_path)
    models = {name: experiment.models[name] for name in ("qwen3-vl-2b", "qwen3-vl-4b")}
    for model in models.values():
        folder = Path(model.backbone.value.path)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(backbones["qwen3_vl"])
    found, absent = readers(experiment.model_copy(update={"models": models}), "snei")
    assert not absent
    (members,) = [reader for reader in found if "encoder" not in reader.name]
    assert members.name == "qwen3-vl-2b, qwen3-vl-4b"
    tokens = AutoTokenizer.from_pretrained(backbones["qwen3_vl"])("Stop")["input_ids"]
    assert members.pieces("Stop") == len(tokens) + 1
