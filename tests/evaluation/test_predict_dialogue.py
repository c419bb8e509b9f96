"""Several pictures of one moment, none, and the dialogue before a question: `gcl predict` asks as the evaluation does."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from experiment_case import on_small_backbones, write_experiment
from raw_case import raw_record
from turns_case import TURNS

import gcl.evaluation.predict as module
from gcl.cli.main import main
from gcl.data.encoding import Encoder
from gcl.data.manifest import write_manifests
from gcl.data.raw import read_raw
from gcl.evaluation.generate import Answer
from gcl.evaluation.predict import chosen_questions, named_picture
from gcl.experiment.data_spec import data_spec
from gcl.experiment.load import load_resolved
from gcl.experiment.weights import Weights
from gcl.files import read_json, read_jsonl, write_json, write_jsonl
from gcl.models.preprocessor import load_preprocessor
from gcl.training.member_file import MEMBER_FILE, read_member_file

SFT, CAMERAS = "snei/sft/qwen3-vl-4b/default/seed0", ("front camera", "rear camera")


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def trained(experiment, backbones, scenarios, tmp_path_factory):
    """A member trained on four scenes of two cameras with whole dialogues, and its predictions about two others."""
    folder = tmp_path_factory.mktemp("trained")
    values = on_small_backbones(folder, backbones, epochs=12) | {"training/lr_sft": 1e-2, "prompt/context": "full"}
    file = write_experiment(folder / "experiment.json", experiment, values | {"evaluation/batch_size": 2})
    root, lines = folder / "raw/snei", []
    (root / "images").mkdir(parents=True)
    for k, scenario in enumerate(scenarios[:6]):
        record = raw_record(scenario, "train" if k < 4 else "test")
        del record["image"]
        record["images"] = []
        for name, other in zip(CAMERAS, (scenario, scenarios[k + 6]), strict=True):
            path = f"images/{scenario.id}-{name[:5].strip()}.png"
            shutil.copy(other.pictures[0].path, root / path)
            record["images"].append({"path": path, "name": name})
        lines.append(record)
    write_jsonl(root / "scenarios.jsonl", lines)
    data = data_spec(load_resolved(file), "snei")
    write_manifests(read_raw(root, data), root, folder / "manifests/snei")
    member, said = folder / "results/miniature/checkpoints" / SFT, folder / "predictions.jsonl"
    job = [SFT, "--experiment", str(file)]
    assert main(["train", *job, "--scratch", str(folder / "scratch"), "--to", str(member)]) == 0
    assert main(["generate", *job, "--results", str(folder / "results"), "--to", str(said)]) == 0
    shown = {
        line["id"]: [f"{picture['name']}={root / picture['path']}" for picture in line["images"]] for line in lines[4:]
    }
    return SimpleNamespace(member=member / "solo", shown=shown, said=read_jsonl(said))


@pytest.fixture
def ask(trained, capsys):
    """Ask the member with --json; returns the one record."""

    def ask(*arguments):
        assert main(["predict", "--checkpoint", str(trained.member), "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


def pictures(arguments):
    return [part for argument in arguments for part in ("--picture", argument)]


def test_the_answers_are_those_of_the_evaluation_turn_after_turn(trained, ask):
    assert read_member_file(trained.member).context == "full"
    texts = {(r["id"], r["turn"]): r["text"] for r in trained.said}
    for record in trained.said:
        before = TURNS[: TURNS.index(record["turn"])]
        assert [answer for _, answer in record.get("earlier", [])] == [texts[record["id"], turn] for turn in before]
    for id, shown in trained.shown.items():
        record = ask(*pictures(shown))
        assert record["images"] == [dict(zip(("name", "path"), one.split("="), strict=True)) for one in shown]
        assert record["answers"] == {turn: texts[id, turn] for turn in TURNS}
        assert ask(*pictures(shown), "--turn", TURNS[2])["answers"] == {TURNS[2]: texts[id, TURNS[2]]}
    assert len(set(texts.values())) > 3, "a test of nothing if all answers were the same"


def test_people_read_the_names_of_the_pictures(trained, capsys):
    shown = trained.shown["s04"]
    assert main(["predict", "--checkpoint", str(trained.member), *pictures(shown), "--turn", TURNS[0]]) == 0
    assert capsys.readouterr().out.splitlines()[0] == ", ".join(one.replace("=", ": ") for one in shown)
    assert main(["predict", "--checkpoint", str(trained.member), "--no-image", "--turn", TURNS[0]]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "(no picture)"


def test_words_alone_and_one_picture_are_asked_too(trained, ask):
    alone = trained.shown["s04"][0].partition("=")[2]
    assert ask("--no-image", "--turn", TURNS[0])["images"] == []
    assert ask("--picture", alone, "--turn", TURNS[0]) == ask("--image", alone, "--turn", TURNS[0])


@pytest.mark.parametrize("shown", [[], ["--image", "a.png", "--no-image"], ["--image", "a.png", "--picture", "b.png"]])
def test_one_way_to_say_what_is_shown(trained, capsys, shown):
    assert main(["predict", "--checkpoint", str(trained.member), *shown]) == 2
    assert "gcl: error: say what is shown: --image" in capsys.readouterr().err


def test_a_picture_that_cannot_be_used_is_named_among_several(trained, capsys):
    shown = [trained.shown["s04"][0], "rear camera=gone.png"]
    assert main(["predict", "--checkpoint", str(trained.member), *pictures(shown)]) == 2
    assert capsys.readouterr().err.startswith("gone.png: no such file")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("a.png", ("a.png", None)),
        ("front camera=a=b.png", ("a=b.png", "front camera")),
        ("=a=b.png", ("a=b.png", None)),
    ],
)
def test_a_name_stands_before_the_first_equals_sign(argument, expected):
    assert named_picture(argument) == expected


@pytest.mark.parametrize("argument", ["", "front=", "<|im_end|>=a.png"])
def test_a_picture_without_path_or_with_a_control_word_is_refused(trained, capsys, argument):
    assert main(["predict", "--checkpoint", str(trained.member), "--picture", argument]) == 2
    assert f"gcl: error: --picture {argument}: " in capsys.readouterr().err


@pytest.fixture
def heard(trained, tmp_path, monkeypatch):
    """What a member of some context is asked. A stand-in answers."""

    def hear(context, turns, own):
        folder = Path(shutil.copytree(trained.member, tmp_path / context, dirs_exist_ok=True))
        write_json(folder / MEMBER_FILE, read_json(folder / MEMBER_FILE) | {"context": context})
        file, asked = read_member_file(folder), []
        encoder = Encoder(load_preprocessor(Weights(path=str(folder)), file.pixels), file.system)

        def say(model, encoder, exchanges, longest):
            asked.append((exchanges[0].question, [turn.answer for turn in exchanges[0].earlier]))
            return [Answer(f"answer {len(asked)}", True)]

        monkeypatch.setattr(module, "answers", say)
        questions = chosen_questions(file, turns, own)
        (said,) = module.predict(None, encoder, file, [[]], questions, batch_size=1, max_new_tokens=1)
        return file.asked.questions, asked, dict(said.answers)

    return hear


def test_own_questions_come_after_the_turns_in_a_dialogue(heard):
    words, asked, said = heard("full", [TURNS[1]], ["Sure?", "Why?"])
    assert [question for question, _ in asked] == [words[TURNS[0]], words[TURNS[1]], "Sure?", "Why?"]
    assert [len(earlier) for _, earlier in asked] == [0, 1, 2, 3]
    assert asked[3][1] == ["answer 1", "answer 2", "answer 3"]
    assert said == {TURNS[1]: "answer 2", "Sure?": "answer 3", "Why?": "answer 4"}
    _, asked, _ = heard("full", None, ["Sure?", "Why?"])
    assert asked == [("Sure?", []), ("Why?", ["answer 1"])]


def test_earlier_questions_are_told_without_being_asked(heard):
    words, asked, said = heard("questions", [TURNS[1]], None)
    assert asked == [(f"Asked before:\n{words[TURNS[0]]}\nAsked now: {words[TURNS[1]]}", [])]
    assert list(said) == [TURNS[1]]
    _, asked, _ = heard("none", [TURNS[1]], ["Sure?"])
    assert asked == [(words[TURNS[1]], []), ("Sure?", [])]
