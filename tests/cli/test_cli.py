"""The command line as a user meets it: help with examples, one clear line for every mistake, status 2, nothing written."""

import json
import os
import re
import shutil
import subprocess
import sys
from typing import get_args

import pytest
from conftest import ROOT
from experiment_case import SFT, on_small_backbones, write_experiment
from PIL import Image
from raw_case import raw_record

from gcl.cli import run_verbs
from gcl.cli.main import app, main
from gcl.cli.reference import reference, verbs
from gcl.experiment.load import load_experiment, load_resolved
from gcl.experiment.types import Pictures
from gcl.experiment.yaml_files import read_yaml
from gcl.files import write_jsonl
from gcl.reporting.build import FIGURE_BUILDERS, TABLE_BUILDERS
from gcl.workflow.plan import Plan
from gcl.workflow.targets import FIGURES, TABLES

VERBS = dict(verbs(app))


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["gcl"])  # which the page of commands names


def fails(capsys, *arguments: str) -> str:
    """Run, expect status 2 and an error without a traceback; return it."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "gcl: error: " in error and "Traceback" not in error
    return error[error.index("gcl: error: ") :]  # behind a progress bar, perhaps


@pytest.mark.parametrize("verb", ["", "data", "base-model", "planning", *VERBS])
def test_every_verb_has_help(capsys, verb):
    assert main([*verb.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: gcl {verb}".rstrip() + " ")
    if verb in VERBS:  # a group of verbs has no example
        assert re.search(rf"For example:\n\n +(.* \| )?gcl {verb}\b", text), text


def test_every_argument_of_every_verb_has_help():
    for verb in VERBS:
        shown = reference().split(f"\n## gcl {verb}\n" if " " not in verb else f"\n### gcl {verb}\n")[1].split("\n#")[0]
        options = re.findall(r"^\* `.*", shown, re.MULTILINE)
        assert options, verb
        assert not [line for line in options if not re.match(r"\* `[^`]+`: [A-Z]?\w", line)], verb


def test_the_page_of_commands_is_what_the_command_says():
    page = (ROOT / "docs/commands.md").read_text()
    assert page == reference(), "run `make docs-commands`"
    assert len(VERBS) > 20 and all(f" gcl {verb}\n" in page for verb in VERBS)


def test_help_of_report_names_everything_that_can_be_built(capsys):
    assert main(["report", "--help"]) == 0
    text = capsys.readouterr().out
    for name in (*TABLES, *FIGURES, "costs", "gallery", "page"):
        assert re.search(rf"\b{name}\b", text), name
    assert 'Invalid value "table9" for NAME' in fails(capsys, "report", "table9", "--to", "x")


def test_everything_that_can_be_built_has_a_builder_and_is_a_target():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(TABLE_BUILDERS) == set(TABLES) and set(FIGURE_BUILDERS) == set(FIGURES)
    assert 'name="|".join(FIGURES)' in rules and 'for name in TABLES if name != "encoders"' in rules
    plan = Plan(load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": "paper"}, ROOT))
    # They need data, or models, that the paper scale has not.
    without = {"rates", "controls_best", "scaling", "gains", "families", "exchange"}
    without |= {"exchange_rates", "exchange_planning", "exchange_planning_rates"}
    assert {*plan.tables, *plan.figures} == {*TABLES, *FIGURES} - without


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


MISUSES = {
    "a misspelt verb": (["trian"], 'Did you mean "train"?'),
    "no verb": ([], "say what to do; `gcl --help` lists all verbs"),
    "no verb of a group": (["data"], "say what to do; `gcl data --help` lists all verbs"),
    "a misspelt option": (["runs", "--jsno"], "Unknown option: --jsno"),
    "no value": (["crate", "--to"], "--to requires an argument"),
    "a missing option": (["crate"], "--to requires an argument"),
    "no number": (["plan", "--tokens", "many"], 'unable to convert "many" into int'),
    "no positive whole number": (["plan", "--tokens", "0"], 'Invalid value "0" for --tokens. Must be >= 1.'),
    "no positive number": (["plan", "--tflops", "nan"], "for --tflops. Must be a positive number."),
    "no choice": (["planning", "import", "x", "--format", "y", "--to", "z"], 'Choose from: "vsp", "visualplanning".'),
    "one number of two": (["compare", "a", "b", "--members", "solo"], "--members requires 2"),
    "two that exclude each other": (["plan", "--disk", "--memory", "x"], "Mutually exclusive arguments"),
    "no picture": (["predict", "--checkpoint", "x", "--image"], "--image requires at least 1 element"),
    "no teacher": (["cache", SFT], "has no teacher; name a run such as gcl/<learner>+<guide>/teacher_jsd"),
    "a teacher who must be there": (
        ["cache", "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"],
        "has answers of its own, or GSL",
    ),
    "an argument too much": (["runs", "a", "b"], "Unused Tokens: ['b']"),
}


@pytest.mark.parametrize("words, expected", MISUSES.values(), ids=MISUSES)
def test_misuse_exits_with_2_and_one_line(capsys, words, expected):
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.err.startswith("gcl: error: ") and output.err.count("\n") == 1 and not output.out
    assert expected in output.err


def test_choices_of_pictures_are_those_of_the_pipeline():
    assert get_args(run_verbs.Pictures) == get_args(Pictures)


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
        "import sys; from gcl.cli.main import main; main(['--help']); heavy = 'pydantic' in sys.modules;"
        "main(['settings']); from gcl.workflow.plan import Plan; sys.exit(heavy or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 0


def test_help_answers_at_once():
    """In processor time, since other programs may run beside the tests."""

    def seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "gcl", "--help"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(3)) < 0.5  # 0.2 s


def test_a_misspelt_setting_ends_every_verb(capsys, monkeypatch, tmp_path):
    shutil.copytree(ROOT / "workflow/scales", tmp_path / "workflow/scales")
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text() + "sceds: 1\n")
    monkeypatch.chdir(tmp_path)
    for verb in (["settings"], ["train", SFT, "--to", "x"], ["status"]):
        assert "sceds: unknown key; did you mean 'seeds'?" in fails(capsys, *verb)


def test_a_broken_experiment_file_is_explained(capsys, tmp_path):
    file = tmp_path / "experiment.json"
    train = ["train", SFT, "--to", str(tmp_path / "out"), "--experiment", str(file)]
    assert f"{file}: no such file; snakemake writes it when it starts" in fails(capsys, *train)
    file.write_text("{")
    assert f"{file}: Invalid JSON" in fails(capsys, *train)
    file.write_text('{"scale": "huge"}')
    assert f"{file}: scale: Input should be" in fails(capsys, *train)
    assert "leave out one of the two" in fails(capsys, *train, "--scale", "paper")


def test_what_is_not_there_is_named_with_all_there_is(capsys, tmp_path):
    to = ["--to", str(tmp_path / "out")]
    assert "'snei/sft' is no run id; the form is" in fails(capsys, "train", "snei/sft", *to)
    assert "unknown data set 'sneii'; use one of snei, muson" in fails(capsys, "data", "manifest", "sneii")
    build = ["base-model", "build", "--vocabulary", "v", *to]
    assert "base_models.models has no 'qwen'; use one of qwen3-vl-2b" in fails(capsys, *build, "qwen")
    assert "scale paper" in fails(capsys, *build, "qwen3-vl-4b", "--scale", "paper")


@pytest.fixture
def raw(tmp_path, experiment, scenarios, backbones):
    """A small SNEI raw folder, and an experiment that expects just these scenes, on small backbones."""
    values = on_small_backbones(tmp_path, backbones)
    values |= {"datasets/snei/scenarios": {"train": 3, "test": 2}}
    file = write_experiment(tmp_path / "experiment.json", experiment, values)
    root = tmp_path / "raw/snei"
    (root / "images").mkdir(parents=True)
    for scenario in scenarios[:5]:
        shutil.copy(scenario.pictures[0].path, root / "images" / f"{scenario.id}.png")
    splits = ["train"] * 3 + ["test"] * 2
    store(root, [raw_record(scenario, split) for scenario, split in zip(scenarios, splits, strict=False)])
    return root, ["--experiment", str(file)]


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
    root, here = raw
    damage(root)
    assert expected in fails(capsys, *MANIFEST, *here)
    assert not (tmp_path / "manifests").exists()


def test_good_data_gives_manifests_and_the_same_twice(raw, tmp_path):
    folder, command = tmp_path / "manifests/snei", [*MANIFEST, *raw[1]]
    assert main(command) == 0
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == {"train.tsv", "test.tsv"}
    assert main(command) == 0
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_many_problems_are_listed_up_to_twenty_and_counted(capsys, raw):
    root, here = raw
    store(root, [{"id": str(k)} for k in range(30)])
    error = fails(capsys, *MANIFEST, *here)
    assert "more" in error and error.count("scenarios.jsonl:") <= 20


def test_changed_raw_data_is_noticed_before_training(capsys, raw, tmp_path):
    root, here = raw
    assert main([*MANIFEST, *here]) == 0
    change(root, [0, "turns", "action", "answer"], "Something else.")
    error = fails(capsys, "train", SFT, *here, "--to", str(tmp_path / "out"), "--scratch", str(tmp_path / "scratch"))
    assert "s00" in error and "manifest" in error
    assert not (tmp_path / "out").exists()


def test_a_missing_backbone_is_named(capsys, raw, tmp_path):
    _, here = raw
    assert main([*MANIFEST, *here]) == 0
    experiment = load_resolved(tmp_path / "experiment.json")
    gone = {"models/qwen3-vl-4b/backbone": {"path": str(tmp_path / "nowhere"), "revision": None}}
    write_experiment(tmp_path / "experiment.json", experiment, gone)
    error = fails(capsys, "train", SFT, *here, "--to", str(tmp_path / "out"), "--scratch", str(tmp_path / "scratch"))
    assert "nowhere: no config.json" in error


def test_a_run_is_trained_asked_and_scored_by_its_id(raw, tmp_path, monkeypatch, capsys):
    """What a person types; everything else follows from the id, the experiment and the folder of results."""
    _, here = raw
    experiment = load_resolved(tmp_path / "experiment.json")
    write_experiment(tmp_path / "experiment.json", experiment, {"evaluation/max_new_tokens": 4})
    assert main([*MANIFEST, *here]) == 0
    results = tmp_path / "results"
    made = {name: results / "miniature" / name / SFT for name in ("checkpoints", "predictions", "metrics")}
    record, answers = tmp_path / "record.json", made["predictions"].with_suffix(".jsonl")
    to = ["--to", str(made["checkpoints"]), "--scratch", str(tmp_path / "scratch"), "--record", str(record)]
    assert main(["train", SFT, *here, *to]) == 0
    there = [*here, "--results", str(results)]
    assert main(["generate", SFT, *there, "--to", str(answers)]) == 0
    scored = ["--to", str(made["metrics"]), "--summary", str(tmp_path / "summary.json")]
    assert main(["score", SFT, *there, *scored]) == 0
    content = json.loads(made["metrics"].read_text())
    assert content["run"] == SFT and content["scale"] == "miniature"
    assert json.loads(record.read_text())["spec"] == content["provenance"]["spec"]
    monkeypatch.chdir(tmp_path)  # starting weights are below the project's folder
    guide = SFT.split("/")[2]
    learner = next(model for model in experiment.models if model != guide)
    assert main(["cache", f"snei/gcl/{learner}+{guide}/teacher_jsd/seed0", *here]) == 0
    (line,) = capsys.readouterr().out.splitlines()[-1:]
    assert re.fullmatch(r"guide: \d+\.\d MiB in scratch/teachers/[0-9a-f]{16}, \d+\.\d KiB a training scene", line)


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
    folder = str(tmp_path / "small/snei")
    result = in_a_small_disk(
        tmp_path, "64k", "data", "generate", "snei", "--train", "300", "--seed", "1", "--to", folder
    )
    assert result.returncode == 2
    assert "no space left" in result.stderr and "Traceback" not in result.stderr
    assert result.stdout.strip() == ""


def test_a_full_disk_while_saving_weights_is_one_line_and_leaves_nothing(tmp_path, raw):
    _, here = raw
    assert main([*MANIFEST, *here]) == 0
    arguments = [SFT, *here, "--to", str(tmp_path / "small/out"), "--scratch", str(tmp_path / "scratch")]
    result = in_a_small_disk(tmp_path, "64k", "train", *arguments)
    assert result.returncode == 2, result.stderr[-2000:]
    assert "no space left" in result.stderr and "Traceback" not in result.stderr
    assert result.stdout.strip() == ""
