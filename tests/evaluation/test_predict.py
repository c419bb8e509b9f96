"""A trained member asked from the command line: the evaluation's own answers, one picture after the other."""

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import ROOT
from experiment_case import PAIR, on_small_backbones, write_experiment
from group_case import make_run, train_scenes
from PIL import Image
from raw_case import raw_record
from turns_case import TURNS

from gcl import load_member
from gcl.cli.main import main
from gcl.data.manifest import write_manifests
from gcl.data.raw import read_raw
from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.evaluation.scorers.accuracy import NO_ACTION
from gcl.experiment.data_spec import data_spec
from gcl.experiment.dialogue import dialogue_of
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.load import load_resolved
from gcl.files import read_json, read_jsonl, write_json, write_jsonl
from gcl.tasks.social_task import SocialTask
from gcl.training.member_file import MEMBER_FILE


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def trained(experiment, backbones, scenarios, tmp_path_factory):
    """A pair that `gcl train` trained on eight scenes, pictures of the other four, and what `gcl generate` lets it say."""
    folder = tmp_path_factory.mktemp("trained")
    # Long and fast enough that answers depend on picture and turn.
    values = on_small_backbones(folder, backbones, epochs=12, lr_guide=1e-2, lr_ratio=1.0)
    file = write_experiment(folder / "experiment.json", experiment, values | {"evaluation/batch_size": 3})
    checkpoints = folder / "results/miniature/checkpoints" / PAIR
    root = folder / "raw/snei"
    (root / "images").mkdir(parents=True)
    splits = ["train"] * 8 + ["test"] * 4
    for scenario in scenarios:
        shutil.copy(scenario.pictures[0].path, root / "images" / f"{scenario.id}.png")
    lines = [raw_record(scenario, split) for scenario, split in zip(scenarios, splits, strict=True)]
    write_jsonl(root / "scenarios.jsonl", lines)
    data = data_spec(load_resolved(file), "snei")
    write_manifests(read_raw(root, data), root, folder / "manifests/snei")
    job, generated = [PAIR, "--experiment", str(file)], folder / "predictions.jsonl"
    assert main(["train", *job, "--scratch", str(folder / "scratch"), "--to", str(checkpoints)]) == 0
    assert main(["generate", *job, "--results", str(folder / "results"), "--to", str(generated)]) == 0
    images = root / "images"
    answers = {(r["role"], r["id"], r["turn"]): r["text"] for r in read_jsonl(generated)}
    ended = {(r["role"], r["id"], r["turn"]): r["ended"] for r in read_jsonl(generated)}
    pictures = {scenario.id: str(images / f"{scenario.id}.png") for scenario in scenarios[8:]}
    return SimpleNamespace(
        checkpoints=checkpoints, pictures=pictures, answers=answers, ended=ended, scenarios=scenarios
    )


@pytest.fixture
def asked(capsys):
    """Ask a member with --json; returns the exit status, the records and standard error."""

    def ask(folder, *arguments):
        status = main(["predict", "--checkpoint", str(folder), "--json", *arguments])
        output = capsys.readouterr()
        return status, [json.loads(line) for line in output.out.splitlines()], output.err

    return ask


@pytest.mark.parametrize("role", ["learner", "guide"])
@pytest.mark.parametrize("batch", [[], ["--batch-size", "1"], ["--batch-size", "3"]], ids=["default", "one", "three"])
def test_answers_are_those_of_the_evaluation(trained, asked, role, batch):
    status, records, _ = asked(trained.checkpoints / role, "--image", *trained.pictures.values(), *batch)
    assert status == 0
    assert [record["image"] for record in records] == list(trained.pictures.values())
    for id, record in zip(trained.pictures, records, strict=True):
        assert list(record["answers"]) == list(TURNS)
        assert record["action"] is None, "actions of snei are free text"
        for turn, text in record["answers"].items():
            assert text == trained.answers[role, id, turn]
    by_turn = {turn: {trained.answers[role, id, turn] for id in trained.pictures} for turn in TURNS}
    assert any(len(texts) > 1 for texts in by_turn.values()), "a test of nothing if pictures made no difference"
    assert len(set().union(*by_turn.values())) > 2, "nor if turns made none"


def test_turns_are_asked_alone_and_in_their_order(trained, asked):
    picture = next(iter(trained.pictures.values()))
    turns = ["--turn", "action", "--turn", "perception", "--turn", "action"]
    _, (record,), _ = asked(trained.checkpoints / "learner", "--image", picture, *turns)
    assert list(record["answers"]) == ["perception", "action"]


def test_people_get_a_block_for_each_picture(trained, capsys):
    pictures = list(trained.pictures.values())[:2]
    assert main(["predict", "--checkpoint", str(trained.checkpoints / "guide"), "--image", *pictures]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[6]] == pictures
    assert [line.split()[0] for line in lines[1:6]] == list(TURNS)
    first = next(iter(trained.pictures))
    assert lines[4].removeprefix("  action       ") == (trained.answers["guide", first, "action"] or "(empty)")


def test_bad_pictures_are_named_and_the_others_answered(trained, asked, tmp_path):
    good = list(trained.pictures.values())[:2]
    missing, broken, thin = (str(tmp_path / name) for name in ("missing.png", "broken.png", "thin.png"))
    shutil.copy(good[0], broken)
    os.truncate(broken, 100)
    Image.new("RGB", (1, 400)).save(thin)
    images = [good[0], missing, broken, thin, good[1]]
    status, records, error = asked(trained.checkpoints / "learner", "--image", *images, "--turn", "action")
    assert status == 2 and [record["image"] for record in records] == good
    assert (
        f"{missing}: no such file" in error and f"{broken}: truncated" in error and f"{thin}: 1 x 400 pixels" in error
    )
    assert error.endswith(
        "gcl: error: images that cannot be used, named above: 3; mend these, all others are answered\n"
    )
    status, records, _ = asked(trained.checkpoints / "learner", "--image", missing)
    assert (status, records) == (2, [])


def test_paths_come_from_standard_input_too(trained, asked, monkeypatch):
    first, *others = trained.pictures.values()
    text = "".join(f"{path}\r\n\n" for path in others)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    _, records, _ = asked(trained.checkpoints / "learner", "--image", first, "-", "--turn", "action")
    assert [record["image"] for record in records] == [first, *others]


@pytest.mark.slow
def test_answers_appear_while_paths_are_still_to_come(trained, tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff.png"
    shutil.copy(trained.pictures["s08"], odd)
    command = [sys.executable, "-m", "gcl", "predict", "--checkpoint", str(trained.checkpoints / "guide")]
    command += ["--image", "-", "--batch-size", "1", "--turn", "action"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        process.stdin.write(odd + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"/\\udcff.png\n"), "a name that is no text"
        assert process.stdout.readline().startswith(b"  action ")
        assert process.poll() is None, "it waits for the next path"
        process.stdin.close()
        assert process.stderr.read() == b"", "no progress bar where nobody looks"
    assert process.returncode == 0


def test_a_terminal_gets_a_progress_bar(trained, capsys, monkeypatch):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    folder, pictures = str(trained.checkpoints / "guide"), list(trained.pictures.values())
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        for images, json_lines in ((pictures, []), (pictures[:1], []), (pictures, ["--json"])):
            assert main(["predict", "--checkpoint", folder, "--turn", "action", "--image", *images, *json_lines]) == 0
            terminal.write("|end|")
            terminal.flush()
        said = b""
        while said.count(b"|end|") < 3:  # a terminal hands over what it has so far
            said += os.read(ours, 100_000)
    many, one, machine, _ = said.split(b"|end|")
    os.close(ours)
    assert b"4/4 [" in many and b"image" not in one + machine
    assert capsys.readouterr().out.count(".png") == 9


def test_answers_that_were_cut_are_named(trained, asked, capsys):
    folder, picture = trained.checkpoints / "guide", trained.pictures["s08"]
    _, (whole,), _ = asked(folder, "--image", picture)
    _, (cut,), _ = asked(folder, "--image", picture, "--max-new-tokens", "1")
    assert whole["unfinished"] == [turn for turn in TURNS if not trained.ended["guide", "s08", turn]] != list(TURNS)
    assert cut["unfinished"] == list(TURNS)
    arguments = ["--image", picture, "--turn", "action", "--max-new-tokens", "1"]
    assert main(["predict", "--checkpoint", str(folder), *arguments]) == 0
    assert "(cut: the longest length was reached)" in capsys.readouterr().out


def test_actions_of_a_closed_list_are_read_as_scoring_reads_them(trained, asked, tmp_path, capsys):
    folder = tmp_path / "member"
    shutil.copytree(trained.checkpoints / "guide", folder)
    file = read_json(folder / MEMBER_FILE)
    text, picture = trained.answers["guide", "s08", "action"], trained.pictures["s08"]
    said = re.search(r"\w+", text)[0]
    for actions, expected in (([said, "Fly away"], said), (["Fly away"], NO_ACTION)):
        file["asked"]["actions"] = actions
        write_json(folder / MEMBER_FILE, file)
        _, (found,), _ = asked(folder, "--image", picture)
        assert (found["answers"]["action"], found["action"]) == (text, expected)
        _, (found,), _ = asked(folder, "--image", picture, "--turn", "perception")
        assert found["action"] is None
        assert main(["predict", "--checkpoint", str(folder), "--image", picture, "--turn", "action"]) == 0
        assert capsys.readouterr().out.rstrip().endswith(f"[{expected}]")


def test_adapters_are_put_on_their_base(trained, experiment, backbones, asked, tmp_path):
    spec = make_run(backbones, members=1, epochs=8, lora={"rank": 4, "alpha": 8.0}, lr=(2e-2,))
    questions = {"learner": SocialTask(experiment.evaluation, data_spec(experiment, "snei"), tmp_path).all_turns()}
    said = []
    for retain in ("final", "adapters"):
        folder, execution = tmp_path / retain, ExecutionSpec(retain=retain)
        scratch = tmp_path / "scratch" / retain
        train_scenes(spec, trained.scenarios[:4], "data", execution, folder, scratch, asked=questions)
        # A run of one member needs no role.
        status, records, _ = asked(folder, "--image", *trained.pictures.values(), "--turn", "action")
        assert status == 0
        said.append([record["answers"] for record in records])
    assert said[0] == said[1]
    file = read_json(folder / "learner" / MEMBER_FILE)
    write_json(folder / "learner" / MEMBER_FILE, file | {"base": str(tmp_path / "gone")})
    status, _, error = asked(folder, "--image", trained.pictures["s08"])
    assert status == 2 and f"LoRA adapters alone, and its base model {tmp_path / 'gone'} is not here" in error


def test_folders_that_are_no_member_are_explained(trained, asked, tmp_path):
    def refused(folder):
        status, records, error = asked(folder, "--image", "x.png")
        assert (status, records) == (2, []) and error.startswith("gcl: error: ") and error.count("\n") == 1
        return error

    error = refused(trained.checkpoints)
    for role, model in (("learner", "qwen2.5-vl-3b"), ("guide", "qwen3-vl-4b")):
        assert f"--checkpoint {trained.checkpoints / role} ({model})" in error
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "gcl/nowhere: no such folder" in refused("gcl/nowhere"), "no hub id, since there is a folder gcl"
    assert "those of learner, guide" in refused(trained.checkpoints / "tensorboard")
    assert "neither gcl.json nor config.json" in refused(tmp_path)
    run = tmp_path / "run"
    shutil.copytree(trained.checkpoints, run)
    write_json(run / "guide" / MEMBER_FILE, read_json(run / "guide" / MEMBER_FILE) | {"pixels": "large"})
    assert f"{run}/guide/gcl.json: pixels: Input should be a valid list" in refused(run / "guide")
    (run / "learner" / MEMBER_FILE).unlink()
    assert "no gcl.json in it, which says how to ask this member" in refused(run / "learner")


def test_a_member_without_weights_does_not_answer_as_its_base(trained, asked, tmp_path):
    shutil.copytree(trained.checkpoints, tmp_path / "run")
    (tmp_path / "run/learner/model.safetensors").unlink()
    status, records, error = asked(tmp_path / "run/learner", "--image", trained.pictures["s08"])
    assert (status, records) == (2, []) and "run/learner: no weights" in error


def test_a_copied_folder_gives_the_pipelines_answers_byte_for_byte(trained, tmp_path):
    """Another place and working directory with blanks and umlauts, no HOME, nothing beside the folder."""
    place, here = tmp_path / "mein Roboter ü", tmp_path / "anderswo"
    here.mkdir()
    shutil.copytree(trained.checkpoints / "learner", place / "learner")
    shutil.copy(trained.pictures["s08"], place / "ein Bild ö.png")
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "gcl", "predict", "--checkpoint", str(place / "learner"), "--json", "--image"]
    done = subprocess.run(
        [*command, str(place / "ein Bild ö.png")], cwd=here, env=environment, text=True, capture_output=True, check=True
    )
    said = json.loads(done.stdout)["answers"]
    assert said == {turn: trained.answers["learner", "s08", turn] for turn in TURNS}
    assert not list(here.iterdir()), "nothing is left where one asks"


def test_a_question_of_ones_own_is_asked_in_place_of_the_members(trained, asked, experiment, capsys):
    picture, folder = trained.pictures["s08"], trained.checkpoints / "learner"
    words = dialogue_of(experiment, "snei").questions["action"]
    own = ["--image", picture, "--question", words]
    _, (found,), _ = asked(folder, *own)
    assert found["answers"] == {words: trained.answers["learner", "s08", "action"]}
    _, (found,), _ = asked(folder, *own, "--turn", "reasoning")
    assert list(found["answers"]) == ["reasoning", words]
    assert main(["predict", "--checkpoint", str(folder), *own]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"  {words}" and lines[2].strip() == trained.answers["learner", "s08", "action"]


def test_a_question_that_a_member_does_not_have_is_named(trained, asked):
    status, _, error = asked(trained.checkpoints / "learner", "--image", "x.png", "--turn", "acton")
    assert status == 2 and "--turn acton: no question of this member; use some of perception, prediction" in error
    status, _, error = asked(trained.checkpoints / "learner", "--image", "x.png", "--dataset", "snei")
    assert status == 2 and "--dataset is for base models" in error


def test_base_models_are_asked_as_config_yaml_says(trained, asked, backbones, tmp_path, monkeypatch):
    picture, folder = trained.pictures["s08"], backbones["qwen3_vl"]
    status, (here,), note = asked(folder, "--image", picture, "--dataset", "muson")
    assert status == 0 and list(here["answers"]) == list(TURNS)
    assert here["action"] in (NO_ACTION, "Stop", "Move Forward", "Turn Left", "Turn Right"), "the list of muson"
    assert f"note: {folder} is a base model that no training here has touched" in note
    monkeypatch.chdir(tmp_path)  # where there is no config.yaml
    status, (there,), _ = asked(folder, "--image", picture)
    assert (there["answers"], there["action"]) == (here["answers"], None)


def test_a_model_of_the_hub_is_asked_by_its_id(trained, asked, backbones, tmp_path, monkeypatch):
    """From a cache as the hub's own library leaves it; the tests have no network."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub/models--lab--model"
    shutil.copytree(backbones["qwen3_vl"], repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    picture = trained.pictures["s08"]
    _, (expected,), _ = asked(backbones["qwen3_vl"], "--image", picture)
    for name in ("lab/model", f"lab/model@{commit}"):
        status, (found,), note = asked(name, "--image", picture)
        assert status == 0 and found == expected and "note: lab/model@" in note
    status, _, error = asked("lab/other", "--image", picture)
    assert status == 2 and "lab/other@main: cannot be loaded" in error


@pytest.mark.parametrize(
    ("words", "expected"), [(" ", "--question: empty; write"), ("Is <image> it?", "'<image>' is a sign")]
)
def test_a_question_that_is_none_or_holds_a_control_word_is_refused(trained, capsys, words, expected):
    arguments = ["--image", trained.pictures["s08"], "--question", words]
    assert main(["predict", "--checkpoint", str(trained.checkpoints / "learner"), *arguments]) == 2
    assert expected in capsys.readouterr().err


def test_a_member_in_memory_answers_alike(trained):
    member = load_member(trained.checkpoints / "learner")
    assert list(member.questions) == list(TURNS) and member.file.role == "learner"
    for id, picture in trained.pictures.items():
        whole = member.ask_all(picture)
        assert dict(whole.answers) == {turn: trained.answers["learner", id, turn] for turn in TURNS}
        cut = [turn for turn in TURNS if not trained.ended["learner", id, turn]]
        assert whole.action is None and list(whole.unfinished) == cut
        assert member.ask(picture, "action") == whole.answers["action"]
        assert member.ask([picture], member.questions["action"]) == whole.answers["action"], "in its words"


def test_a_member_in_memory_takes_named_pictures_and_none(trained, asked):
    member, (first, second, *_) = load_member(trained.checkpoints / "guide"), trained.pictures.values()
    folder, words = trained.checkpoints / "guide", "What is there?"
    _, (record,), _ = asked(folder, "--picture", f"front={first}", "--picture", f"rear={second}", "--question", words)
    assert member.ask({"front": first, "rear": second}, words) == record["answers"][words]
    _, (record,), _ = asked(folder, "--no-image", "--question", words, "--max-new-tokens", "3")
    assert member.ask([], words, max_new_tokens=3) == record["answers"][words]


def test_a_member_in_memory_refuses_bad_input(trained, tmp_path):
    member, picture = load_member(trained.checkpoints / "guide"), next(iter(trained.pictures.values()))
    with pytest.raises(DataError, match=r"missing.png: no such file"):
        member.ask(tmp_path / "missing.png", "action")
    for pictures, question, said in (
        (picture, "  ", "an empty question"),
        (picture, "See <|image_pad|>?", r"'<\|image_pad\|>' is a sign that models do not read"),
        ({"<|im_end|>": picture}, "action", r"is a sign that models do not read"),
    ):
        with pytest.raises(ConfigError, match=said):
            member.ask(pictures, question)
    with pytest.raises(ConfigError, match="max_new_tokens is 0"):
        member.ask(picture, "action", max_new_tokens=0)
    asked_one = member.file.asked.model_copy(update={"one_fits": True, "about": "planning tasks"})
    fitting = replace(member, file=member.file.model_copy(update={"asked": asked_one}))
    with pytest.raises(ConfigError, match="trained for planning tasks; ask the question that fits: perception, "):
        fitting.ask_all(picture)


def test_only_a_trained_member_is_loaded(backbones, trained):
    with pytest.raises(CheckpointError, match="a base model, which no training here has touched"):
        load_member(backbones["qwen3_vl"])
    with pytest.raises(CheckpointError, match="a run of 2 members; choose one"):
        load_member(trained.checkpoints)
