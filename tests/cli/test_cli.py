"""The command line as a user meets it: help with examples, one clear line for every mistake, status 2, nothing written."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import ROOT
from PIL import Image
from raw_case import raw_record

from gcl.cli.main import _parser, main
from gcl.experiment.load import load_experiment
from gcl.experiment.runs import data_spec, find_run
from gcl.experiment.yaml_files import read_yaml
from gcl.files import write_jsonl
from gcl.reporting.build import FIGURE_BUILDERS, TABLE_BUILDERS
from gcl.workflow.plan import Plan
from gcl.workflow.targets import FIGURES, TABLES


def verbs(parser: argparse.ArgumentParser, *words: str) -> Iterator[tuple[list[str], argparse.ArgumentParser]]:
    """Every command and group of commands of the parser."""
    yield list(words), parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from verbs(child, *words, name)


VERBS = {" ".join(words): child for words, child in verbs(_parser())}


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("GCL_CONFIG", raising=False)


def fails(capsys, *arguments: str) -> str:
    """Run, expect status 2 and an error without a traceback; return it."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "gcl: error: " in error and "Traceback" not in error
    return error[error.index("gcl: error: ") :]  # behind a progress bar, perhaps


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(capsys, verb):
    with pytest.raises(SystemExit) as caught:
        main([*verb.split(), "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    if VERBS[verb].get_default("verb"):  # a group of verbs has no example
        assert f"example:\n  gcl {verb} " in text or f"example:\n  gcl {verb}\n" in text


def test_the_list_of_verbs_is_that_of_the_parser():
    assert {"", "planning", "planning score", "data import", "report"} <= VERBS.keys() and len(VERBS) > 25


def test_help_of_report_names_everything_that_can_be_built(capsys):
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    text = capsys.readouterr().out
    for name in (*TABLES, *FIGURES, "costs", "gallery", "page"):
        assert re.search(rf"\b{name}\b", text), name
    with pytest.raises(SystemExit) as caught:
        main(["report", "table9", "--to", "x"])
    assert caught.value.code == 2 and "invalid choice: 'table9'" in capsys.readouterr().err


def test_everything_that_can_be_built_has_a_builder_and_is_a_target():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(TABLE_BUILDERS) == set(TABLES) and set(FIGURE_BUILDERS) == set(FIGURES)
    assert 'name="|".join(FIGURES)' in rules and 'for name in TABLES if name != "encoders"' in rules
    plan = Plan(load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": "paper"}, ROOT))
    assert {*plan.tables, *plan.figures} == {*TABLES, *FIGURES} - {"rates", "controls_best"}, (
        "those have no tuning data"
    )


def test_python_m_gcl_is_the_same_command(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for arguments in (["--version"], ["report", "--help"], ["runs", "no/such/run"]):
        results = [
            subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
            for command in (
                [sys.executable, "-m", "gcl", *arguments],
                [sys.executable, "-c", "import sys; from gcl.cli.main import main; sys.exit(main())", *arguments],
            )
        ]
        assert len({(done.returncode, done.stdout, done.stderr) for done in results}) == 1, results


def test_a_record_says_gcl_however_the_command_was_started(tmp_path):
    """The name that stands in records is that of the command, not of a file of the package."""
    spy = "import runpy, sys; sys.argv = ['x', '--version']\ntry: runpy.run_module('gcl', run_name='__main__')\n"
    spy += "except SystemExit: pass\nfrom gcl.experiment.provenance import command_line; print(command_line())"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", spy], env=environment, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == "['gcl', '--version']"


def test_misuse_exits_with_2(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["trian"])
    assert caught.value.code == 2


def test_settings_show_value_and_origin(capsys):
    assert main(["settings"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("objective.gsl_weight"))
    assert "0.5" in line and "paper: Fig. 2(a)" in line
    assert main(["settings", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"setting", "value", "origin", "note"} == set(rows[0])


def test_runs_are_listed_and_shown(capsys):
    assert main(["runs"]) == 0
    ids = capsys.readouterr().out.splitlines()
    assert len(set(ids)) == len(ids) and "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0" in ids
    assert main(["runs", ids[0]]) == 0
    assert json.loads(capsys.readouterr().out)["scale"] == "miniature"


def test_help_and_settings_do_not_import_torch():
    code = (
        "import sys; from gcl.cli.main import main; main(['settings']); from gcl.workflow.plan import Plan;"
        " sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0
    )


def test_a_misspelt_setting_ends_every_verb(capsys, monkeypatch):
    monkeypatch.setenv("GCL_CONFIG", json.dumps({"scale": "miniature", "sceds": 1}))
    assert "sceds: unknown key; did you mean 'seeds'?" in fails(capsys, "settings")


def test_a_broken_specification_is_explained(capsys):
    rest = ["--data", "{}", "--manifest", "x", "--to", "y"]
    assert "RunSpec: scale: Field required" in fails(capsys, "train", "--run", "{}", *rest)
    assert "Invalid JSON" in fails(capsys, "train", "--run", "{", *rest)
    assert "no-such.json" in fails(capsys, "train", "--run", "no-such.json", *rest)


@pytest.fixture
def raw(tmp_path, experiment, scenarios, monkeypatch):
    """A small SNEI raw folder, and how training reads it; the experiment expects just these scenes."""
    changes = {
        "data": {"value": str(tmp_path), "assumed": "test"},
        "datasets": {"snei": {"scenarios": {"value": {"train": 3, "test": 2}, "assumed": "test"}}},
    }
    monkeypatch.setenv("GCL_CONFIG", json.dumps(changes))
    root = tmp_path / "raw/snei"
    (root / "images").mkdir(parents=True)
    for scenario in scenarios[:5]:
        shutil.copy(scenario.image, root / "images" / f"{scenario.id}.png")
    splits = ["train"] * 3 + ["test"] * 2
    store(root, [raw_record(scenario, split) for scenario, split in zip(scenarios, splits, strict=False)])
    return root, data_spec(experiment, "snei").model_copy(update={"root": str(root)}).json


def records(root):
    return [json.loads(line) for line in (root / "scenarios.jsonl").read_text().splitlines()]


def store(root, content):
    write_jsonl(root / "scenarios.jsonl", content)


def change(root, path, value):
    content = records(root)
    node = content
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    store(root, content)


def break_json(root):
    lines = (root / "scenarios.jsonl").read_text().splitlines()
    lines[3] = lines[3] + ' "'
    (root / "scenarios.jsonl").write_text("\n".join(lines))


def without_explanation(root):
    content = records(root)
    del content[1]["turns"]["explanation"]
    store(root, content)


def huge(root):
    Image.new("1", (10_000, 10_000)).save(root / "images/s00.png")


MANIFEST = ["data", "manifest", "snei"]
MISTAKES = {
    "a missing image": (lambda root: (root / "images/s00.png").unlink(), "images/s00.png"),
    "a corrupt image": (
        lambda root: (root / "images/s01.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish"),
        "images/s01.png",
    ),
    "a truncated image": (
        lambda root: (root / "images/s01.png").write_bytes((root / "images/s01.png").read_bytes()[:-200]),
        "images/s01.png",
    ),
    "a 100-megapixel image": (huge, "megapixel"),
    "four turns": (without_explanation, "scenarios.jsonl:2: turns.explanation: missing"),
    "an unknown turn": (lambda root: change(root, [0, "turns", "hope"], {"answer": "x"}), "'hope': unknown turn"),
    "invalid JSON": (break_json, "scenarios.jsonl:4: not valid JSON"),
    "a duplicate id": (lambda root: change(root, [1, "id"], "s00"), "s00"),
    "one scene in both splits": (lambda root: change(root, [4, "id"], "s00"), "s00' is in both splits"),
    "an empty answer": (lambda root: change(root, [2, "turns", "action", "answer"], "  "), "scenarios.jsonl:3"),
    "an absolute path": (lambda root: change(root, [0, "image"], "/data/x.png"), "/data/x.png"),
    "a path that climbs out": (lambda root: change(root, [0, "image"], "../x.png"), "../x.png"),
    "too few scenes": (lambda root: store(root, records(root)[:2]), "datasets.snei.scenarios"),
    "no files at all": (lambda root: (root / "scenarios.jsonl").unlink(), "scenarios.jsonl: cannot be read"),
}


@pytest.mark.parametrize("damage, expected", MISTAKES.values(), ids=MISTAKES.keys())
def test_bad_data_is_named_and_nothing_is_written(capsys, raw, tmp_path, damage, expected):
    root, _ = raw
    damage(root)
    assert expected in fails(capsys, *MANIFEST)
    assert not (tmp_path / "manifests").exists()


def test_good_data_gives_manifests_and_the_same_twice(raw, tmp_path):
    folder = tmp_path / "manifests/snei"
    assert main(MANIFEST) == 0
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == {"train.tsv", "test.tsv"}
    assert main(MANIFEST) == 0
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_many_problems_are_listed_up_to_twenty_and_counted(capsys, raw):
    root, _ = raw
    store(root, [{"id": str(k)} for k in range(30)])
    error = fails(capsys, *MANIFEST)
    assert "more" in error and error.count("scenarios.jsonl:") <= 20


def test_changed_raw_data_is_noticed_before_training(capsys, raw, tmp_path, experiment, backbones):
    root, data = raw
    assert main(MANIFEST) == 0
    change(root, [0, "turns", "action", "answer"], "Something else.")
    run = find_run(experiment, "snei/sft/qwen3-vl-4b/default/seed0")
    arguments = ["--run", run.json, "--data", data, "--manifest", str(tmp_path / "manifests/snei/train.tsv")]
    error = fails(capsys, "train", *arguments, "--to", str(tmp_path / "out"), "--scratch", str(tmp_path / "scratch"))
    assert "s00" in error and "manifest" in error
    assert not (tmp_path / "out").exists()


def test_a_missing_backbone_is_named(capsys, raw, tmp_path, experiment):
    _, data = raw
    assert main(MANIFEST) == 0
    run = find_run(experiment, "snei/sft/qwen3-vl-4b/default/seed0")
    member = run.members[0].model_copy(update={"source": str(tmp_path / "nowhere")})
    run = run.model_copy(update={"members": [member]})
    arguments = ["--run", run.json, "--data", data, "--manifest", str(tmp_path / "manifests/snei/train.tsv")]
    error = fails(capsys, "train", *arguments, "--to", str(tmp_path / "out"), "--scratch", str(tmp_path / "scratch"))
    assert "nowhere: no config.json" in error


def in_a_small_disk(tmp_path, size: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run gcl with tmp_path/small being a real file system of the given size."""
    small = tmp_path / "small"
    small.mkdir()
    script = (
        f'mount -t tmpfs -o size={size} none "{small}" && "$@"; status=$?; find "{small}" -mindepth 1; exit $status'
    )
    command = ["unshare", "--map-root-user", "--user", "--mount", "sh", "-c", script, "sh"]
    probe = subprocess.run([*command, "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this machine allows no private mounts")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    gcl = [sys.executable, "-m", "gcl", *arguments]
    return subprocess.run([*command, *gcl], cwd=ROOT, env=environment, text=True, capture_output=True, check=False)


def test_a_full_disk_while_drawing_is_one_line_and_leaves_nothing(tmp_path):
    folder = str(tmp_path / "small/captions")
    result = in_a_small_disk(
        tmp_path, "64k", "data", "generate", "captions", "--train", "300", "--seed", "1", "--to", folder
    )
    assert result.returncode == 2
    assert "no space left" in result.stderr and "Traceback" not in result.stderr
    assert result.stdout.strip() == ""


def test_a_full_disk_while_saving_weights_is_one_line_and_leaves_nothing(tmp_path, raw, experiment, backbones):
    _, data = raw
    assert main(MANIFEST) == 0
    run = find_run(experiment, "snei/sft/qwen3-vl-4b/default/seed0")
    member = run.members[0].model_copy(update={"source": str(backbones["qwen3_vl"])})
    training = run.training.model_copy(update={"epochs": 1})
    run = run.model_copy(update={"members": [member], "training": training})
    arguments = ["--run", run.json, "--data", data, "--manifest", str(tmp_path / "manifests/snei/train.tsv")]
    arguments += ["--to", str(tmp_path / "small/out"), "--scratch", str(tmp_path / "scratch")]
    result = in_a_small_disk(tmp_path, "64k", "train", *arguments)
    assert result.returncode == 2, result.stderr[-2000:]
    assert "no space left" in result.stderr and "Traceback" not in result.stderr
    assert result.stdout.strip() == ""
