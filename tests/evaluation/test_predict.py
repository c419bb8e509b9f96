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
from types import SimpleNamespace

import pytest
from conftest import ROOT
from group_case import make_run
from PIL import Image
from raw_case import raw_record

from gcl.cli import main
from gcl.data.manifest import write_manifests
from gcl.data.raw import read_raw
from gcl.data.scenario import TURNS
from gcl.evaluation.accuracy import NO_ACTION
from gcl.execution import ExecutionSpec
from gcl.files import read_json, read_jsonl, write_json, write_jsonl
from gcl.runs import data_spec
from gcl.training.run import train_run
from gcl.training.source import References


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("GCL_CONFIG", raising=False)


@pytest.fixture(scope="module")
def trained(experiment, backbones, scenarios, tmp_path_factory):
    """A pair trained on eight scenes, pictures of the other four, and what `gcl generate` lets it say of them."""
    folder = tmp_path_factory.mktemp("trained")
    # Long and fast enough that answers depend on picture and turn.
    spec, checkpoints = make_run(backbones, epochs=12, lr=(1e-2, 1e-2)), folder / "run"
    train_run(spec, References.of(scenarios[:8], spec), "data", ExecutionSpec(), checkpoints, folder / "scratch")
    data = data_spec(experiment, "snei").model_copy(update={"root": str(folder / "raw")})
    images = folder / "raw/images"
    images.mkdir(parents=True)
    for scenario in scenarios[8:]:
        shutil.copy(scenario.image, images / f"{scenario.id}.png")
    write_jsonl(folder / "raw/scenarios.jsonl", [raw_record(scenario, "test") for scenario in scenarios[8:]])
    write_manifests(read_raw(folder / "raw", data.questions, None), folder / "raw", folder)
    sizes = ["--batch-size", "3", "--max-new-tokens", str(experiment.evaluation.max_new_tokens.value)]
    generated = folder / "predictions.jsonl"
    arguments = ["--run", spec.json, "--data", data.json, "--manifest", str(folder / "test.tsv"), *sizes]
    assert main(["generate", *arguments, "--checkpoints", str(checkpoints), "--to", str(generated)]) == 0
    answers = {(r["role"], r["id"], r["turn"]): r["text"] for r in read_jsonl(generated)}
    pictures = {scenario.id: str(images / f"{scenario.id}.png") for scenario in scenarios[8:]}
    return SimpleNamespace(checkpoints=checkpoints, pictures=pictures, answers=answers, spec=spec, scenarios=scenarios)


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
    command = [sys.executable, "-m", "gcl.cli", "predict", "--checkpoint", str(trained.checkpoints / "guide")]
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


def test_actions_of_a_closed_list_are_read_as_scoring_reads_them(trained, asked, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(trained.checkpoints, run)
    record = read_json(run / "run.json")
    record["spec"]["dataset"] = "muson"
    write_json(run / "run.json", record)
    text, picture = trained.answers["guide", "s08", "action"], trained.pictures["s08"]
    said = re.search(r"\w+", text)[0]
    for actions, expected in (([said, "Fly away"], said), (["Fly away"], NO_ACTION)):
        changes = {"datasets": {"muson": {"actions": {"value": actions, "assumed": "test"}}}}
        monkeypatch.setenv("GCL_CONFIG", json.dumps(changes))
        _, (found,), _ = asked(run / "guide", "--image", picture)
        assert (found["answers"]["action"], found["action"]) == (text, expected)
        _, (found,), _ = asked(run / "guide", "--image", picture, "--turn", "perception")
        assert found["action"] is None


def test_adapters_are_put_on_their_base(trained, backbones, asked, tmp_path):
    spec = make_run(backbones, members=1, epochs=8, lora={"rank": 4, "alpha": 8.0}, lr=(2e-2,))
    said = []
    for retain in ("final", "adapters"):
        folder, execution = tmp_path / retain, ExecutionSpec(retain=retain)
        train_run(
            spec, References.of(trained.scenarios[:4], spec), "data", execution, folder, tmp_path / "scratch" / retain
        )
        # A run of one member needs no role.
        status, records, _ = asked(folder, "--image", *trained.pictures.values(), "--turn", "action")
        assert status == 0
        said.append([record["answers"] for record in records])
    assert said[0] == said[1]
    record = read_json(folder / "run.json")
    record["spec"]["members"][0]["source"] = str(tmp_path / "gone")
    write_json(folder / "run.json", record)
    status, _, error = asked(folder, "--image", trained.pictures["s08"])
    assert status == 2 and "gone: no config.json" in error


def test_folders_that_are_no_member_are_explained(trained, asked, backbones, tmp_path):
    def refused(folder):
        status, records, error = asked(folder, "--image", "x.png")
        assert (status, records) == (2, []) and error.startswith("gcl: error: ") and "Traceback" not in error
        return error

    error = refused(trained.checkpoints)
    for role, model in (("learner", "m0"), ("guide", "m1")):
        assert f"--checkpoint {trained.checkpoints / role} ({model})" in error
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "those of learner, guide" in refused(trained.checkpoints / "tensorboard")
    assert "no run.json there or beside it" in refused(backbones["qwen3_vl"])
    (tmp_path / "run/solo").mkdir(parents=True)
    (tmp_path / "run/run.json").write_text('{"spec": {"scale": "miniature"}}')
    assert "not the record of a training" in refused(tmp_path / "run/solo")


def test_a_member_without_weights_does_not_answer_as_its_base(trained, asked, tmp_path):
    shutil.copytree(trained.checkpoints, tmp_path / "run")
    (tmp_path / "run/learner/model.safetensors").unlink()
    status, records, error = asked(tmp_path / "run/learner", "--image", trained.pictures["s08"])
    assert (status, records) == (2, []) and "run/learner: no weights" in error


def test_records_of_older_versions_can_be_read(trained, asked, tmp_path):
    shutil.copytree(trained.checkpoints, tmp_path / "run")
    record = read_json(tmp_path / "run/run.json")
    for name in ("lora", "frozen"):
        del record["spec"]["training"][name]
    write_json(tmp_path / "run/run.json", record)
    status, _, _ = asked(tmp_path / "run/learner", "--image", trained.pictures["s08"], "--turn", "action")
    assert status == 0
